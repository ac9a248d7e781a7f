//! Reads that are under way, so that whoever asks the same meanwhile waits for the one answer. The first leads, the others follow; when the
//! leader goes without an answer, each follower is told so and one of them leads. Decides nothing about answers.

use std::{
    collections::{HashMap, hash_map},
    hash::{BuildHasherDefault, Hash, Hasher},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use tokio::sync::watch;

use super::key::{Digested, Key};
use crate::{
    config::Class,
    ids::CallerId,
    limit::LimitError,
    proxy::error::Failure,
    token::Fault,
    upstream::{UpstreamError, WholeAnswer},
};

/// What came of a read.
#[derive(Debug, Clone)]
pub(in crate::proxy) enum Landing {
    /// Nothing yet.
    UnderWay,
    /// An answer for all who asked.
    Answer(Arc<WholeAnswer>),
    /// The same for all who asked.
    Failure(Arc<Failure>),
    /// An answer that is the leader's alone: it is too large, or says that it is for one.
    Alone,
}

/// Which reads may have one answer: those of the same key that see the same writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FlightKey {
    pub(super) key: Key,
    pub(super) writes: u64,
}

impl Hash for FlightKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

/// A read for all who ask the same.
#[derive(Debug)]
struct Flight {
    /// Made by the first who follows.
    landing: OnceLock<watch::Sender<Landing>>,
    /// Whose turn it waits for: its caller, and how urgent.
    turn: (CallerId, Class),
    is_sent: AtomicBool,
}

/// Those of one key. There are several where callers wait for turns of their own.
#[derive(Debug)]
struct Alike {
    first: Arc<Flight>,
    more: Vec<Arc<Flight>>,
}

type Shard = HashMap<FlightKey, Alike, BuildHasherDefault<Digested>>;

/// The reads that are under way. As many at the most as there are requests.
#[derive(Debug, Clone, Default)]
pub(super) struct Flights(Arc<[Mutex<Shard>; SHARDS]>);

/// So that workers seldom wait for each other.
const SHARDS: usize = 16;

/// How a request takes part.
#[derive(Debug)]
pub(in crate::proxy) enum Joined {
    /// It is to be sent.
    Leads(Lead),
    /// It waits for another.
    Follows(watch::Receiver<Landing>),
}

/// A read that is sent for all who ask the same. Dropped before it landed, its followers are told that nothing comes.
#[derive(Debug)]
pub(in crate::proxy) struct Lead {
    flight: Arc<Flight>,
    of: Option<(Flights, FlightKey)>,
}

impl Flights {
    /// Joins the read of this key that is under way, or leads one. Before it is sent a read waits for its caller's turn, and nobody else
    /// waits behind that.
    pub(super) fn join(&self, key: FlightKey, turn: (CallerId, Class)) -> Joined {
        let mut lead = Lead::alone(turn);
        match self.shard(&key).entry(key.clone()) {
            hash_map::Entry::Occupied(mut alike) => {
                let alike = alike.get_mut();
                let joined = alike.all().find(|flight| flight.is_sent.load(Relaxed) || flight.turn == turn);
                if let Some(flight) = joined {
                    return Joined::Follows(flight.landing().subscribe());
                }
                alike.more.push(lead.flight.clone());
            }
            hash_map::Entry::Vacant(place) => {
                place.insert(Alike { first: lead.flight.clone(), more: Vec::new() });
            }
        }
        lead.of = Some((self.clone(), key));
        Joined::Leads(lead)
    }

    fn shard(&self, key: &FlightKey) -> MutexGuard<'_, Shard> {
        // Not by the bits that find a place in the map.
        let shard = (key.key.digest() >> 32) as usize % SHARDS;
        self.0[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Alike {
    fn all(&self) -> impl Iterator<Item = &Arc<Flight>> {
        std::iter::once(&self.first).chain(&self.more)
    }

    /// Takes one out; false where it was the only one.
    fn take_out(&mut self, flight: &Arc<Flight>) -> bool {
        if !Arc::ptr_eq(&self.first, flight) {
            self.more.retain(|other| !Arc::ptr_eq(other, flight));
            return true;
        }
        self.more.pop().map(|next| self.first = next).is_some()
    }
}

impl Flight {
    fn landing(&self) -> &watch::Sender<Landing> {
        self.landing.get_or_init(|| watch::Sender::new(Landing::UnderWay))
    }

    fn is_followed(&self) -> bool {
        self.landing.get().is_some_and(|landing| landing.receiver_count() > 0)
    }
}

impl Lead {
    /// One that nobody can join.
    pub(super) fn alone(turn: (CallerId, Class)) -> Self {
        let (landing, is_sent) = (OnceLock::new(), AtomicBool::new(false));
        Self { flight: Arc::new(Flight { landing, turn, is_sent }), of: None }
    }

    /// It has had its turn: from now on everybody can join it.
    pub(in crate::proxy) fn is_sent(&self) {
        self.flight.is_sent.store(true, Relaxed);
    }

    /// To ask later who waits for it.
    pub(in crate::proxy) fn followers(&self) -> Followers {
        Followers(self.flight.clone())
    }

    /// Whether somebody waits for it. Where nobody does, nobody joins it from now on.
    pub(in crate::proxy) fn is_followed(&mut self) -> bool {
        self.leave_if(|flight| !flight.is_followed());
        self.of.is_some()
    }

    /// Tells all who wait. From now on nobody joins it.
    pub(in crate::proxy) fn land(mut self, landing: impl FnOnce() -> Landing) {
        self.leave_if(|_| true);
        if self.flight.is_followed() {
            self.flight.landing().send_replace(landing());
        }
    }

    /// Tells all who wait why there is no answer, unless that is about this request alone: then one of them is sent. Returns the failure.
    pub(in crate::proxy) fn failed(mut self, failure: Failure) -> Failure {
        if is_own(&failure) || !self.is_followed() {
            return failure;
        }
        let failure = Arc::new(failure);
        self.land(|| Landing::Failure(failure.clone()));
        Failure::Shared(failure)
    }

    /// Nobody can join it in between.
    fn leave_if(&mut self, leaves: impl FnOnce(&Flight) -> bool) {
        let Some((flights, key)) = &self.of else { return };
        let mut shard = flights.shard(key);
        if !leaves(&self.flight) {
            return;
        }
        if let Some(alike) = shard.get_mut(key)
            && !alike.take_out(&self.flight)
        {
            shard.remove(key);
        }
        drop(shard);
        self.of = None;
    }
}

/// Whether a failure is about one request alone, so that another like it may fare better: its time is over, or its connection has to make
/// room.
fn is_own(failure: &Failure) -> bool {
    match failure {
        Failure::Limit(LimitError::Connections)
        | Failure::InFlightTimeout(_)
        | Failure::Upstream(UpstreamError::Deadline(_)) => true,
        Failure::Token(error) => matches!(error.fault(), Fault::Deadline),
        _ => false,
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        self.leave_if(|_| true);
    }
}

/// Those who wait for a read.
#[derive(Debug, Clone)]
pub(in crate::proxy) struct Followers(Arc<Flight>);

impl Followers {
    /// Whether there are some.
    pub(in crate::proxy) fn are_there(&self) -> bool {
        self.0.is_followed()
    }

    /// Waits until there are none.
    pub(in crate::proxy) async fn have_left(&self) {
        self.0.landing().closed().await;
    }
}
