//! Reads that are under way, so that whoever asks the same meanwhile waits for the one answer. The first leads, the others follow; when the
//! leader goes without an answer, each follower is told so and one of them leads. Decides nothing about answers.

use std::{
    collections::{HashMap, hash_map},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
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

/// Which reads may have one answer: those of the same key that see the same writes. One that is urgent does not wait behind one that is not.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct FlightKey {
    pub(super) key: Key,
    pub(super) writes: u64,
    pub(super) class: usize,
}

impl FlightKey {
    pub(super) fn new(key: Key, writes: u64, class: Class) -> Self {
        Self { key, writes, class: class.index() }
    }
}

type Sender = Arc<watch::Sender<Landing>>;

/// The reads that are under way. As many at the most as there are requests.
#[derive(Debug, Clone, Default)]
pub(super) struct Flights(Arc<Mutex<HashMap<FlightKey, Sender>>>);

/// How a request takes part.
#[derive(Debug)]
pub(in crate::proxy) enum Joined {
    /// It is to be sent.
    Leads(Lead),
    /// It waits for another.
    Follows(watch::Receiver<Landing>),
}

/// A read that was sent for all who ask the same. Dropped before it landed, its followers are told that nothing comes.
#[derive(Debug)]
pub(in crate::proxy) struct Lead {
    landing: Sender,
    of: Option<(Flights, FlightKey)>,
}

impl Flights {
    /// Joins the read of this key that is under way, or leads one.
    pub(super) fn join(&self, key: FlightKey) -> Joined {
        match self.flights().entry(key) {
            hash_map::Entry::Occupied(flight) => Joined::Follows(flight.get().subscribe()),
            hash_map::Entry::Vacant(place) => {
                let key = place.key().clone();
                let landing = place.insert(Arc::new(watch::Sender::new(Landing::UnderWay))).clone();
                Joined::Leads(Lead { landing, of: Some((self.clone(), key)) })
            }
        }
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<FlightKey, Sender>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lead {
    /// One that nobody can join.
    pub(super) fn alone() -> Self {
        Self { landing: Arc::new(watch::Sender::new(Landing::UnderWay)), of: None }
    }

    /// To ask later who waits for it.
    pub(in crate::proxy) fn followers(&self) -> Followers {
        Followers(self.landing.clone())
    }

    /// Tells all who wait. From now on nobody joins it.
    pub(in crate::proxy) fn land(mut self, landing: impl FnOnce() -> Landing) {
        self.leave();
        if self.landing.receiver_count() > 0 {
            self.landing.send_replace(landing());
        }
    }

    fn leave(&mut self) {
        if let Some((flights, key)) = self.of.take() {
            flights.flights().remove(&key);
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
pub(in crate::proxy) struct Followers(Sender);

impl Followers {
    /// Whether there are some.
    pub(in crate::proxy) fn are_there(&self) -> bool {
        self.0.receiver_count() > 0
    }

    /// Waits until there are none.
    pub(in crate::proxy) async fn have_left(&self) {
        self.0.closed().await;
    }
}
