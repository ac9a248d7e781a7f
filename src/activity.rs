//! What happens on one connection of a caller, counted by whoever does it and read by whoever watches for slowness:
//! the listener's reads and writes, and the requests whose answers have not ended. A few atomic stores for each; nothing
//! here decides when slow is too slow.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering::Relaxed},
};

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
    /// Over HTTP/2 there may be several.
    under_way: AtomicU32,
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
pub struct Busy(Arc<Activity>);

impl Busy {
    /// A request begins.
    pub fn begin(activity: &Arc<Activity>) -> Self {
        activity.requests.fetch_add(1, Relaxed);
        activity.under_way.fetch_add(1, Relaxed);
        activity.state.store(IsBusy as u8, Relaxed);
        Self(activity.clone())
    }
}

impl Busy {
    /// Requests under way on its connection, this one included.
    pub fn under_way(&self) -> u32 {
        self.0.under_way.load(Relaxed)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if self.0.under_way.fetch_sub(1, Relaxed) == 1 {
            self.0.state.store(Idle as u8, Relaxed);
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
