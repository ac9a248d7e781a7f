//! What happens on one connection of a caller, counted where it happens and read by the task that watches for slowness:
//! the listener's reads and writes, and the requests whose answers have not ended. A few atomic stores for each, and a lock for each
//! request that only its own connection takes; nothing here decides when slow is too slow.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering::Relaxed},
};

use tokio::time::Instant;

use State::{Busy as IsBusy, Idle, Reading};

/// What a connection is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// Between requests, or before the first byte.
    Idle = 0,
    /// Bytes of a head have come.
    Reading = 1,
    /// A request is being answered.
    Busy = 2,
}

/// The counters of one connection.
#[derive(Debug, Default)]
pub struct Activity {
    state: AtomicU8,
    requests: AtomicU32,
    /// By number, and so by age; over HTTP/2 there may be several.
    under_way: Mutex<Vec<(u32, Instant)>>,
    /// Those that their caller reset, less those that were answered since.
    abandoned: AtomicU32,
    written: AtomicU32,
    blocked: AtomicBool,
    opening: AtomicU8,
}

/// What a connection of HTTP/1.1 began with that is another protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Foreign {
    /// A TLS record of a handshake (RFC 8446 section 5.1).
    Tls = 1,
    /// The preface of HTTP/2 (RFC 9113 section 3.4).
    Http2 = 2,
}

/// A request is being answered; ends when dropped.
#[derive(Debug)]
pub struct Busy {
    activity: Arc<Activity>,
    number: u32,
    /// When it began.
    pub since: Instant,
}

impl Busy {
    /// A request begins.
    pub fn begin(activity: &Arc<Activity>) -> Self {
        let number = activity.requests.fetch_add(1, Relaxed);
        let since = Instant::now();
        activity.under_way().push((number, since));
        activity.state.store(IsBusy as u8, Relaxed);
        Self { activity: activity.clone(), number, since }
    }

    /// Requests under way on its connection, this one included.
    pub fn under_way(&self) -> usize {
        self.activity.under_way().len()
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut under_way = self.activity.under_way();
        under_way.retain(|(number, _)| *number != self.number);
        if under_way.is_empty() {
            self.activity.state.store(Idle as u8, Relaxed);
        }
    }
}

impl Activity {
    /// Bytes have come. Those of a request that is being answered are its body, and change nothing.
    pub fn read(&self) {
        let _: Result<u8, u8> = self.state.compare_exchange(Idle as u8, Reading as u8, Relaxed, Relaxed);
    }

    /// The first bytes of the connection have come.
    pub fn opened(&self, with: &[u8]) {
        let foreign = match with {
            [0x16, ..] => Foreign::Tls,
            [b'P', b'R', b'I', b' ', ..] => Foreign::Http2,
            _ => return,
        };
        self.opening.store(foreign as u8, Relaxed);
    }

    /// The other protocol that the connection began with, if it did.
    pub fn foreign(&self) -> Option<Foreign> {
        match self.opening.load(Relaxed) {
            1 => Some(Foreign::Tls),
            2 => Some(Foreign::Http2),
            _ => None,
        }
    }

    /// The peer took what was written.
    pub fn wrote(&self) {
        self.blocked.store(false, Relaxed);
        self.written.fetch_add(1, Relaxed);
    }

    /// The peer does not take what is to be written.
    pub fn blocked(&self) {
        self.blocked.store(true, Relaxed);
    }

    /// What the connection is at.
    pub fn state(&self) -> State {
        match self.state.load(Relaxed) {
            0 => Idle,
            1 => Reading,
            _ => IsBusy,
        }
    }

    /// When the oldest request began that is being answered.
    pub fn oldest(&self) -> Option<Instant> {
        self.under_way().first().map(|(_, begun)| *begun)
    }

    /// A request was answered, or its caller reset it before. Returns how many more were reset than answered.
    pub fn ended(&self, is_answered: bool) -> u32 {
        let change = |abandoned: u32| match is_answered {
            true => abandoned.saturating_sub(1),
            false => abandoned.saturating_add(1),
        };
        self.abandoned.fetch_update(Relaxed, Relaxed, |abandoned| Some(change(abandoned))).map_or(0, change)
    }

    fn under_way(&self) -> MutexGuard<'_, Vec<(u32, Instant)>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Requests begun since the connection was made.
    pub fn requests(&self) -> u32 {
        self.requests.load(Relaxed)
    }

    /// Writes that the peer has taken.
    pub fn written(&self) -> u32 {
        self.written.load(Relaxed)
    }

    /// Whether the last write was not taken.
    pub fn is_blocked(&self) -> bool {
        self.blocked.load(Relaxed)
    }
}
