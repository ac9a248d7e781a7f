//! Who gives way when there is no place left for another connection: first a stranger, on whose connection nobody has authenticated yet, that
//! has said nothing, so that a flood of those costs nobody else anything; then the caller with the most connections, its oldest that is idle,
//! else its oldest whose answer has been long in coming or in being taken, else its oldest; then the oldest stranger. A stranger that is long about
//! authenticating gives way before any caller, and so does the oldest where strangers have more than half of the places. So newcomers have time
//! to authenticate, from far away as well unless very many do so at once, and no caller holds what another one wants. Of
//! strangers each address may have a share. All leave as politely as time allows: a request that has just begun is finished, so a burst of
//! one caller at its limit breaks none of its own. A connection is its caller's with the first request that authenticates. No lock is held
//! over a wait.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{activity::Activity, ids::CallerName, limit::CallerMemory};

/// How long a request may have been under way that is finished before its connection leaves: where its caller is the only one that is
/// known here, so that a burst at its limit breaks none of its own; and where there are others, who are not to wait for it.
const ALONE: Duration = Duration::from_secs(1);
const AMONG_OTHERS: Duration = Duration::from_millis(150);
/// How long a connection that gives way between requests may take to say goodbye.
const GOODBYE: Duration = Duration::from_millis(20);
/// How long a stranger has from when it got its place, to say who it is. Where more come than that, the oldest has had it.
const NEW: Duration = Duration::from_millis(25);
/// How long one has that has not said anything whole: a client's hello comes right behind its connection, or has come while the
/// connection waited to be accepted. So a flood of silent ones is over before a newcomer has to wait for it.
const SILENT: Duration = Duration::from_millis(3);
/// The same as long as strangers have no more than half of the places: two round trips to the other end of a continent, for a
/// handshake and a request.
const FAR: Duration = Duration::from_millis(100);
/// What is here and unread by then is read before a connection leaves: a stranger's request may be.
pub(super) const GLANCE: Duration = Duration::from_millis(1);

/// All connections.
#[derive(Debug)]
pub struct Strangers {
    most_of_a_peer: usize,
    half: usize,
    known: Mutex<Table>,
}

/// At most one entry for each open connection.
#[derive(Debug, Default)]
struct Table {
    next: u64,
    /// By age: those that have said nothing whole yet, and the others.
    silent: BTreeMap<u64, Stranger>,
    spoken: BTreeMap<u64, Stranger>,
    of_peers: HashMap<IpAddr, usize>,
    /// By age, of each caller.
    known: HashMap<CallerName, BTreeMap<u64, Way>>,
}

#[derive(Debug)]
struct Stranger {
    peer: Option<IpAddr>,
    came: Instant,
    way: Way,
}

/// How a connection is told to give way.
#[derive(Debug, Clone, Default)]
pub(super) struct Way {
    told: CancellationToken,
    /// For the request that it is at, once it is told.
    moment: Arc<OnceLock<Duration>>,
    activity: Arc<Activity>,
}

/// What is known of the peer of one connection: nothing, until it authenticates.
#[derive(Debug)]
pub struct Standing {
    id: u64,
    admitted: OnceLock<Instant>,
    has_spoken: AtomicBool,
    caller: OnceLock<Arc<CallerMemory>>,
    way: Way,
    strangers: Arc<Strangers>,
}

impl Strangers {
    /// None yet, of so many connections; an address may have so many. Peers without an address (loopback, Unix sockets) have no such
    /// limit.
    pub fn new(connections: usize, most_of_a_peer: usize) -> Self {
        Self { most_of_a_peer, half: connections / 2, known: Mutex::default() }
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
        table.silent.insert(id, Stranger { peer, came: Instant::now(), way: way.clone() });
        Some(Arc::new(Standing {
            id,
            admitted: OnceLock::new(),
            has_spoken: AtomicBool::new(false),
            caller: OnceLock::new(),
            way,
            strangers: self.clone(),
        }))
    }

    /// Has another connection than that of `newcomer` give its place up; whether there was one.
    pub(super) fn make_room_for(&self, newcomer: &Standing) -> bool {
        let mut table = self.table();
        let moment = if table.known.len() > 1 { AMONG_OTHERS } else { ALONE };
        let way = match table.stranger_for(newcomer.id, self.half) {
            Some(id) => table.remove_stranger(id).map(|stranger| stranger.way),
            None => table.of_the_greediest(moment),
        };
        way.inspect(|way| way.end(moment)).is_some()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// The stranger that gives way to this one; `None` where it is a caller.
    fn stranger_for(&self, newcomer: u64, half: usize) -> Option<u64> {
        let is_over = |(_, stranger): &(&u64, &Stranger), time| stranger.came.elapsed() >= time;
        let silent = self.silent.iter().find(|(id, _)| **id != newcomer);
        let spoken = self.spoken.first_key_value();
        let strangers = self.silent.len() + self.spoken.len();
        let greediest = self.known.values().map(BTreeMap::len).max().unwrap_or_default();
        let is_callers =
            greediest > 1 && strangers <= half && !spoken.is_some_and(|spoken| is_over(&spoken, FAR));
        let rest = spoken.or(silent).filter(|_| !is_callers);
        silent.filter(|silent| is_over(silent, SILENT)).or(rest).map(|(id, _)| *id)
    }

    fn remove_stranger(&mut self, id: u64) -> Option<Stranger> {
        let stranger = self.silent.remove(&id).or_else(|| self.spoken.remove(&id))?;
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

    /// Takes out the connection of the caller with the most that costs it the least.
    fn of_the_greediest(&mut self, moment: Duration) -> Option<Way> {
        let connections = self.known.values_mut().max_by_key(|connections| connections.len())?;
        let oldest = |fits: &dyn Fn(Option<Duration>) -> bool| {
            let mut all = connections.iter();
            all.find(|(_, way)| fits(way.activity.oldest().map(|begun| begun.elapsed()))).map(|(id, _)| *id)
        };
        let id = oldest(&|busy_for| busy_for.is_none())
            .or_else(|| oldest(&|busy_for| busy_for >= Some(moment)))
            .or_else(|| oldest(&|_| true))?;
        connections.remove(&id)
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
    /// What happens on the connection.
    pub(super) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    /// Ends when the connection is to give way.
    pub(super) async fn told(&self) {
        self.told.cancelled().await;
    }

    /// Has the connection end, after `moment` at most.
    fn end(&self, moment: Duration) {
        self.moment.get_or_init(|| moment);
        self.told.cancel();
    }

    /// Has it end whose caller wastes it.
    pub(super) fn waste(&self) {
        self.end(AMONG_OTHERS);
    }

    /// How long it may take from when it is told.
    pub(super) fn moment(&self) -> Duration {
        self.moment.get().copied().unwrap_or(ALONE)
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

    /// It has a place, and is looked at from now on: what has come by then is read before its time is over.
    pub(super) fn admitted(&self) {
        self.admitted.get_or_init(Instant::now);
    }

    /// Its peer has said something whole: a TLS client hello (RFC 8446 section 4.1.2), or the head of a request.
    pub(super) fn has_spoken(&self) {
        if self.has_spoken.load(Relaxed) || self.has_spoken.swap(true, Relaxed) {
            return;
        }
        let mut table = self.strangers.table();
        if let Some(stranger) = table.silent.remove(&self.id) {
            table.spoken.insert(self.id, stranger);
        }
    }

    /// Whose it is.
    pub fn caller(&self) -> Option<&Arc<CallerMemory>> {
        self.caller.get()
    }

    /// Ends when it is to give way and has been given the time that it gets for what it is at.
    pub async fn has_had_its_time(&self) {
        self.way.told().await;
        // It may speak meanwhile.
        loop {
            let stays = self.stays(true);
            if stays.is_zero() {
                return;
            }
            tokio::time::sleep(stays).await;
        }
    }

    /// How much longer it may stay that is to give way, and that has said so to its peer or is yet to.
    pub(super) fn stays(&self, has_said: bool) -> Duration {
        match (self.caller.get(), self.way.activity.oldest()) {
            (None, begun) => {
                let has = if begun.is_some() || self.has_spoken.load(Relaxed) { NEW } else { SILENT };
                has.saturating_sub(self.admitted.get().map(Instant::elapsed).unwrap_or_default())
            }
            (Some(_), None) if !has_said => GOODBYE,
            (Some(_), None) => Duration::ZERO,
            (Some(_), Some(begun)) => self.way.moment().saturating_sub(begun.elapsed()),
        }
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
mod tests;
