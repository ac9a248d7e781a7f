//! Connections on which nobody has authenticated yet. Each address may have a share of them, and when there is no
//! place left, the oldest gives way: so strangers hold only what no caller wants. A connection is let off with its first
//! request that authenticates, and is never closed for the sake of another then. No lock is held over a wait.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use tokio_util::sync::CancellationToken;

/// All of them.
#[derive(Debug)]
pub struct Strangers {
    most_of_a_peer: usize,
    known: Mutex<Table>,
}

/// At most one entry for each open connection.
#[derive(Debug, Default)]
struct Table {
    next: u64,
    /// By age.
    connections: BTreeMap<u64, Stranger>,
    of_peers: HashMap<IpAddr, usize>,
}

#[derive(Debug)]
struct Stranger {
    peer: Option<IpAddr>,
    give_way: CancellationToken,
}

/// What is known of the peer of one connection: nothing, until it authenticates.
#[derive(Debug)]
pub struct Standing {
    id: u64,
    is_known: AtomicBool,
    give_way: CancellationToken,
    strangers: Arc<Strangers>,
}

impl Strangers {
    /// None yet; an address may have so many. Peers without an address (loopback, Unix sockets) have no such limit.
    pub fn new(most_of_a_peer: usize) -> Self {
        Self { most_of_a_peer, known: Mutex::default() }
    }

    /// A connection from `peer`; `None` when it has too many already.
    pub(super) fn enter(self: &Arc<Self>, peer: Option<IpAddr>) -> Option<Arc<Standing>> {
        let mut table = self.table();
        if let Some(peer) = peer {
            let of_peer = table.of_peers.entry(peer).or_default();
            if *of_peer >= self.most_of_a_peer {
                return None;
            }
            *of_peer += 1;
        }
        let id = table.next;
        table.next += 1;
        let give_way = CancellationToken::new();
        table.connections.insert(id, Stranger { peer, give_way: give_way.clone() });
        Some(Arc::new(Standing { id, is_known: AtomicBool::new(false), give_way, strangers: self.clone() }))
    }

    /// Has the oldest other than `newcomer` give its place up; whether there was one.
    pub(super) fn make_room_for(&self, newcomer: &Standing) -> bool {
        let mut table = self.table();
        let oldest = table.connections.keys().copied().find(|id| *id != newcomer.id);
        let Some(id) = oldest else { return false };
        table.remove(id).is_some_and(|stranger| {
            stranger.give_way.cancel();
            true
        })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn remove(&mut self, id: u64) -> Option<Stranger> {
        let stranger = self.connections.remove(&id)?;
        if let Some(peer) = stranger.peer
            && let Some(of_peer) = self.of_peers.get_mut(&peer)
        {
            *of_peer -= 1;
            if *of_peer == 0 {
                self.of_peers.remove(&peer);
            }
        }
        Some(stranger)
    }
}

impl Standing {
    /// A request on the connection has authenticated.
    pub fn authenticated(&self) {
        if !self.is_known.load(Relaxed) {
            self.is_known.store(true, Relaxed);
            self.strangers.table().remove(self.id);
        }
    }

    /// Whether any has.
    pub fn is_known(&self) -> bool {
        self.is_known.load(Relaxed)
    }

    /// Ends when the connection is to give way.
    pub(super) async fn gives_way(&self) {
        self.give_way.cancelled().await;
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        self.strangers.table().remove(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strangers(most_of_a_peer: usize) -> Arc<Strangers> {
        Arc::new(Strangers::new(most_of_a_peer))
    }

    #[test]
    fn b29_an_address_has_its_share_until_it_authenticates() {
        let strangers = strangers(2);
        let peer = Some(IpAddr::from([192, 0, 2, 1]));
        let (first, _second) = (strangers.enter(peer).unwrap(), strangers.enter(peer).unwrap());
        assert!(strangers.enter(peer).is_none());
        assert!(strangers.enter(Some(IpAddr::from([192, 0, 2, 2]))).is_some(), "another address");
        assert!((0..9).all(|_| strangers.enter(None).is_some()), "this machine");
        first.authenticated();
        assert!(first.is_known());
        let third = strangers.enter(peer).unwrap();
        assert!(strangers.enter(peer).is_none());
        drop(third);
        assert!(strangers.enter(peer).is_some(), "one has left");
    }

    #[test]
    fn b29_the_oldest_stranger_gives_way_and_no_known_caller() {
        let strangers = strangers(9);
        let standings: Vec<_> = (0..3).map(|_| strangers.enter(None).unwrap()).collect();
        let gives_way = |n: usize| standings[n].give_way.is_cancelled();
        let newcomer = strangers.enter(None).unwrap();
        standings[0].authenticated();
        assert!(strangers.make_room_for(&newcomer));
        assert_eq!([gives_way(0), gives_way(1), gives_way(2)], [false, true, false]);
        assert!(strangers.make_room_for(&newcomer) && gives_way(2));
        assert!(!strangers.make_room_for(&newcomer) && !gives_way(0));
        drop((standings, newcomer));
        let table = strangers.table();
        assert!(table.connections.is_empty() && table.of_peers.is_empty());
    }
}
