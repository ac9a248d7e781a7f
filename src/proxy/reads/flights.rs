//! Reads that are under way, so that whoever asks the same meanwhile waits for the one answer. The first leads, the others follow; when the
//! leader goes without an answer, each follower is told so and one of them leads. Decides nothing about answers.

use std::{
    collections::{HashMap, hash_map},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use tokio::sync::watch;

use super::key::Key;
use crate::{config::Class, proxy::error::Failure, upstream::WholeAnswer};

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
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct FlightKey {
    pub(super) key: Key,
    pub(super) writes: u64,
}

/// A read for all who ask the same.
#[derive(Debug)]
struct Flight {
    landing: watch::Sender<Landing>,
    /// Whose turn it waits for: the index among callers, and how urgent.
    turn: (usize, Class),
    is_sent: AtomicBool,
}

/// The reads that are under way. As many at the most as there are requests.
#[derive(Debug, Clone, Default)]
pub(super) struct Flights(Arc<Mutex<HashMap<FlightKey, Vec<Arc<Flight>>>>>);

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
    pub(super) fn join(&self, key: FlightKey, turn: (usize, Class)) -> Joined {
        let mut all = self.flights();
        let flights = all.entry(key.clone()).or_default();
        let joined = flights.iter().find(|flight| flight.is_sent.load(Relaxed) || flight.turn == turn);
        if let Some(flight) = joined {
            return Joined::Follows(flight.landing.subscribe());
        }
        let mut lead = Lead::alone(turn);
        lead.of = Some((self.clone(), key));
        flights.push(lead.flight.clone());
        Joined::Leads(lead)
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<FlightKey, Vec<Arc<Flight>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lead {
    /// One that nobody can join.
    pub(super) fn alone(turn: (usize, Class)) -> Self {
        let (landing, is_sent) = (watch::Sender::new(Landing::UnderWay), AtomicBool::new(false));
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

    /// Tells all who wait. From now on nobody joins it.
    pub(in crate::proxy) fn land(mut self, landing: impl FnOnce() -> Landing) {
        self.leave();
        if self.flight.landing.receiver_count() > 0 {
            self.flight.landing.send_replace(landing());
        }
    }

    fn leave(&mut self) {
        let Some((flights, key)) = self.of.take() else { return };
        let mut all = flights.flights();
        if let hash_map::Entry::Occupied(mut flights) = all.entry(key) {
            flights.get_mut().retain(|flight| !Arc::ptr_eq(flight, &self.flight));
            if flights.get().is_empty() {
                flights.remove();
            }
        }
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Those who wait for a read.
#[derive(Debug, Clone)]
pub(in crate::proxy) struct Followers(Arc<Flight>);

impl Followers {
    /// Whether there are some.
    pub(in crate::proxy) fn are_there(&self) -> bool {
        self.0.landing.receiver_count() > 0
    }

    /// Waits until there are none.
    pub(in crate::proxy) async fn have_left(&self) {
        self.0.landing.closed().await;
    }
}
