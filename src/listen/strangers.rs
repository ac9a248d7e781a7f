//! Who gives way when there is no place left for another connection: the oldest on which nobody has authenticated yet, of which
//! each address may have a share. So strangers hold only what no caller wants. Where they are few, as newcomers must have time to
//! authenticate, it is the caller with the most connections instead, if it has more than they: its oldest that is idle, which is closed as
//! politely as any idle one, else its oldest. So no caller holds what another one wants. A connection is its caller's with the first
//! request that authenticates. No lock is held over a wait.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use tokio_util::sync::CancellationToken;

use crate::{
    activity::{Activity, State},
    ids::CallerName,
    limit::CallerMemory,
};

/// All connections.
#[derive(Debug)]
pub struct Strangers {
    most_of_a_peer: usize,
    few: usize,
    known: Mutex<Table>,
}

/// At most one entry for each open connection.
#[derive(Debug, Default)]
struct Table {
    next: u64,
    /// By age.
    strangers: BTreeMap<u64, Stranger>,
    of_peers: HashMap<IpAddr, usize>,
    /// By age, of each caller.
    known: HashMap<CallerName, BTreeMap<u64, Way>>,
}

#[derive(Debug)]
struct Stranger {
    peer: Option<IpAddr>,
    way: Way,
}

/// How a connection is told to give way.
#[derive(Debug, Clone, Default)]
pub(super) struct Way {
    /// As soon as it is idle, which it is when it is told so.
    politely: CancellationToken,
    at_once: CancellationToken,
    activity: Arc<Activity>,
}

/// What is known of the peer of one connection: nothing, until it authenticates.
#[derive(Debug)]
pub struct Standing {
    id: u64,
    caller: OnceLock<Arc<CallerMemory>>,
    way: Way,
    strangers: Arc<Strangers>,
}

impl Strangers {
    /// None yet; an address may have so many, and so many are few. Peers without an address (loopback, Unix sockets) have no such limit.
    pub fn new(most_of_a_peer: usize, few: usize) -> Self {
        Self { most_of_a_peer, few, known: Mutex::default() }
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
        let way = Way::default();
        table.strangers.insert(id, Stranger { peer, way: way.clone() });
        Some(Arc::new(Standing { id, caller: OnceLock::new(), way, strangers: self.clone() }))
    }

    /// Has another connection than that of `newcomer` give its place up; whether there was one.
    pub(super) fn make_room_for(&self, newcomer: &Standing) -> bool {
        let mut table = self.table();
        let strangers = table.strangers.len();
        let is_greedy =
            strangers <= self.few && table.known.values().any(|of_caller| of_caller.len() > strangers);
        let oldest = table.strangers.keys().copied().find(|id| *id != newcomer.id);
        match oldest.filter(|_| !is_greedy) {
            Some(id) => table.remove_stranger(id).is_some_and(|stranger| stranger.way.give(false)),
            None => table.of_the_greediest().is_some_and(|(way, politely)| way.give(politely)),
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn remove_stranger(&mut self, id: u64) -> Option<Stranger> {
        let stranger = self.strangers.remove(&id)?;
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

    /// Takes out a connection of the caller with the most: its oldest idle one, else its oldest; and whether it is idle.
    fn of_the_greediest(&mut self) -> Option<(Way, bool)> {
        let connections = self.known.values_mut().max_by_key(|connections| connections.len())?;
        let idle = connections.iter().find(|(_, way)| way.activity.state() == State::Idle);
        let (id, is_idle) =
            idle.map(|(id, _)| (*id, true)).or(connections.keys().next().map(|id| (*id, false)))?;
        connections.remove(&id).map(|way| (way, is_idle))
    }

    fn leave(&mut self, id: u64, caller: Option<&CallerName>) {
        self.remove_stranger(id);
        if let Some(caller) = caller
            && let Some(connections) = self.known.get_mut(caller)
        {
            connections.remove(&id);
            if connections.is_empty() {
                self.known.remove(caller);
            }
        }
    }
}

impl Way {
    fn give(&self, politely: bool) -> bool {
        if politely {
            self.politely.cancel()
        } else {
            self.at_once.cancel()
        }
        true
    }

    /// What happens on the connection.
    pub(super) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    /// Ends when the connection is idle and to give way.
    pub(super) async fn politely(&self) {
        self.politely.cancelled().await;
    }

    /// Ends when it is to give way, whatever it is at.
    pub(super) async fn at_once(&self) {
        self.at_once.cancelled().await;
    }
}

impl Standing {
    /// A request of `caller` on the connection has authenticated. The connection is its first one's, whoever else comes on it.
    pub fn authenticated(&self, caller: &Arc<CallerMemory>) {
        if self.caller.get().is_none() && self.caller.set(caller.clone()).is_ok() {
            let mut table = self.strangers.table();
            // One that was told to give way has no place to be counted any more.
            if table.remove_stranger(self.id).is_some() {
                table.known.entry(caller.caller().clone()).or_default().insert(self.id, self.way.clone());
            }
        }
    }

    /// Whose it is.
    pub fn caller(&self) -> Option<&Arc<CallerMemory>> {
        self.caller.get()
    }

    /// How it is told to give way.
    pub(super) fn way(&self) -> &Way {
        &self.way
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        let caller = self.caller.get().map(|caller| caller.caller());
        self.strangers.table().leave(self.id, caller);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{activity::Busy, limit::Memory};

    fn strangers(most_of_a_peer: usize) -> Arc<Strangers> {
        Arc::new(Strangers::new(most_of_a_peer, 2))
    }

    fn caller(name: &str) -> Arc<CallerMemory> {
        Memory::default().of(&CallerName::parse(name).unwrap())
    }

    #[test]
    fn b29_an_address_has_its_share_until_it_authenticates() {
        let strangers = strangers(2);
        let peer = Some(IpAddr::from([192, 0, 2, 1]));
        let (first, _second) = (strangers.enter(peer).unwrap(), strangers.enter(peer).unwrap());
        assert!(strangers.enter(peer).is_none());
        assert!(strangers.enter(Some(IpAddr::from([192, 0, 2, 2]))).is_some(), "another address");
        assert!((0..9).all(|_| strangers.enter(None).is_some()), "this machine");
        first.authenticated(&caller("billing"));
        assert!(first.caller().is_some());
        let third = strangers.enter(peer).unwrap();
        assert!(strangers.enter(peer).is_none());
        drop(third);
        assert!(strangers.enter(peer).is_some(), "one has left");
    }

    #[test]
    fn b29_the_oldest_stranger_gives_way_before_any_known_caller() {
        let strangers = strangers(9);
        let standings: Vec<_> = (0..3).map(|_| strangers.enter(None).unwrap()).collect();
        let gives_way = |n: usize| standings[n].way.at_once.is_cancelled();
        let newcomer = strangers.enter(None).unwrap();
        standings[0].authenticated(&caller("billing"));
        assert!(strangers.make_room_for(&newcomer));
        assert_eq!([gives_way(0), gives_way(1), gives_way(2)], [false, true, false]);
        assert!(strangers.make_room_for(&newcomer) && gives_way(2));
        assert!(!gives_way(0));
        drop((standings, newcomer));
        let table = strangers.table();
        assert!(table.strangers.is_empty() && table.of_peers.is_empty() && table.known.is_empty());
    }

    #[test]
    fn b46_then_the_caller_with_the_most_connections_its_idle_ones_first() {
        let strangers = strangers(9);
        let (hog, calm) = (caller("hog"), caller("calm"));
        let standings: Vec<_> = (0..4).map(|_| strangers.enter(None).unwrap()).collect();
        standings[0].authenticated(&calm);
        standings[1..].iter().for_each(|standing| standing.authenticated(&hog));
        let _busy = Busy::begin(standings[1].way.activity());
        let told = |n: usize| {
            let way = &standings[n].way;
            (way.politely.is_cancelled(), way.at_once.is_cancelled())
        };
        let newcomer = strangers.enter(None).unwrap();
        assert!(strangers.make_room_for(&newcomer));
        assert_eq!([told(1), told(2), told(3)], [(false, false), (true, false), (false, false)]);
        assert!(strangers.make_room_for(&newcomer));
        assert_eq!((told(1), told(3)), ((false, false), (true, false)));
        newcomer.authenticated(&hog);
        assert!(strangers.make_room_for(&strangers.enter(None).unwrap()), "all are busy or new");
        assert_eq!((told(0), newcomer.way.politely.is_cancelled()), ((false, false), true));
    }
}
