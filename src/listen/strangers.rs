//! Who gives way when there is no place left for another connection: first a stranger, on whose connection nobody has authenticated yet, that
//! has said nothing, so that a flood of those costs nobody else anything; then the caller with the most connections, its oldest that is idle,
//! else its oldest whose answer has been long in coming or in being taken, else its oldest; then a stranger that has only begun, as anybody
//! can by repeating a hello; then the oldest one that got further. A stranger that is long about
//! authenticating gives way before any caller, and so does one where strangers have more than half of the places. So newcomers have time
//! to authenticate, from far away as well, and no caller holds what another one wants. Of
//! strangers each address may have a share. All leave as politely as time allows: a request that has just begun is finished, so a burst of
//! one caller at its limit breaks none of its own. A connection is its caller's with the first request that authenticates. No lock is held
//! over a wait.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU8, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
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
/// How long one has that has not said anything: a client's hello comes right behind its connection, or has come while the
/// connection waited to be accepted. So a flood of silent ones is over before a newcomer has to wait for it.
const SILENT: Duration = Duration::from_millis(3);
/// How long one has that has only begun, which costs as little: where there are few places, others wait for this long.
const BEGUN: Duration = Duration::from_millis(8);
/// How long one has in all, as long as strangers have no more than half of the places: two round trips to the other end of a continent, for a
/// handshake and a request.
const FAR: Duration = Duration::from_millis(100);
/// Of those that have begun, one in so many, the oldest, are left until then, however many come behind: so some that are far away get through.
const LEFT: usize = 8;
/// Of the next, so many are compared: the one whose address has the most connections gives way.
const COMPARED: usize = 8;
/// Of half of the places, the part that is a few.
const FEW: usize = 8;

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
    /// By [`Progress`] and age.
    strangers: [BTreeMap<u64, Stranger>; Progress::Spoken as usize + 1],
    of_peers: HashMap<Option<IpAddr>, usize>,
    /// By age, of each caller.
    known: HashMap<CallerName, BTreeMap<u64, Way>>,
    /// Those that were told to give way and are still here.
    leaving: usize,
}

/// How far a stranger got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Progress {
    /// It has no place yet, and so none to give up.
    Waiting = 0,
    /// It has said nothing.
    Silent = 1,
    /// There is a TLS client hello (RFC 8446 section 4.1.2), or the beginning of a request: what anybody can send, without reading an answer.
    Begun = 2,
    /// It has shaken hands, or sent the head of a request.
    Spoken = 3,
}

#[derive(Debug)]
struct Stranger {
    peer: Option<IpAddr>,
    /// When it got its place.
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
    progress: AtomicU8,
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
        let of_peer = table.of_peers.entry(peer).or_default();
        if peer.is_some() && *of_peer >= self.most_of_a_peer {
            return None;
        }
        *of_peer += 1;
        let id = table.next;
        table.next += 1;
        let way = Way::default();
        let stranger = Stranger { peer, came: Instant::now(), way: way.clone() };
        table.strangers[Progress::Waiting as usize].insert(id, stranger);
        Some(Arc::new(Standing {
            id,
            admitted: OnceLock::new(),
            progress: AtomicU8::new(Progress::Waiting as u8),
            caller: OnceLock::new(),
            way,
            strangers: self.clone(),
        }))
    }

    /// Takes one of `places`, where one is free; and has a connection give its up where none is, or fewer than `spare` are left, those that are
    /// about to leave included. Whether there was one to do so. Both under one lock: of two listeners each sees what the other one took.
    pub(super) fn take(&self, places: &Arc<Semaphore>, spare: usize) -> (Option<OwnedSemaphorePermit>, bool) {
        let mut table = self.table();
        let place = places.clone().try_acquire_owned().ok();
        let is_short = place.is_none() || places.available_permits() + table.leaving < spare;
        (place, is_short && table.make_room(self.half))
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Has a connection give its place up; whether there was one.
    fn make_room(&mut self, half: usize) -> bool {
        let moment = if self.known.len() > 1 { AMONG_OTHERS } else { ALONE };
        let way = match self.stranger_to_go(half) {
            Some(id) => self.remove_stranger(id).map(|stranger| stranger.way),
            None => self.of_the_greediest(moment),
        };
        let Some(way) = way else { return false };
        self.leaving += 1;
        way.end(moment);
        true
    }

    /// The stranger that gives way; `None` where it is a caller.
    fn stranger_to_go(&self, half: usize) -> Option<u64> {
        let [_, silent, begun, spoken] = &self.strangers;
        let oldest = |of: &'_ BTreeMap<u64, Stranger>, after: Duration| {
            let (id, stranger) = of.first_key_value()?;
            (stranger.came.elapsed() >= after).then_some(*id)
        };
        // A few are no flood: they are honest, and slow, as likely as those that have begun.
        let are_few = silent.len() <= half / FEW;
        if let Some(id) = oldest(silent, if are_few { NEW } else { SILENT }) {
            return Some(id);
        }
        let late = oldest(begun, FAR).or_else(|| oldest(spoken, FAR));
        let strangers: usize = self.strangers.iter().map(BTreeMap::len).sum();
        let greediest = self.known.values().map(BTreeMap::len).max().unwrap_or_default();
        if greediest > 1 && strangers <= half && late.is_none() {
            return None;
        }
        // Whoever shakes hands without end leaves half of the places to those that are yet to.
        let too_many = || oldest(spoken, Duration::ZERO).filter(|_| spoken.len() > half);
        let next = || {
            let compared = begun.iter().skip(begun.len() / LEFT).take(COMPARED);
            compared.min_by_key(|(_, stranger)| Reverse(self.of_peers.get(&stranger.peer))).map(|(id, _)| *id)
        };
        let rest = || [spoken, silent].into_iter().find_map(|of| oldest(of, Duration::ZERO));
        late.or_else(too_many).or_else(next).or_else(rest)
    }

    fn remove_stranger(&mut self, id: u64) -> Option<Stranger> {
        let stranger = self.strangers.iter_mut().find_map(|strangers| strangers.remove(&id))?;
        if let Some(of_peer) = self.of_peers.get_mut(&stranger.peer) {
            *of_peer -= 1;
            if *of_peer == 0 {
                self.of_peers.remove(&stranger.peer);
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
        if self.remove_stranger(id).is_some() {
            return;
        }
        let connections = caller.and_then(|caller| self.known.get_mut(caller));
        if connections.is_none_or(|connections| connections.remove(&id).is_none()) {
            self.leaving = self.leaving.saturating_sub(1);
        }
        if let Some(caller) = caller
            && self.known.get(caller).is_some_and(BTreeMap::is_empty)
        {
            self.known.remove(caller);
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

    /// It is looked at from now on: what has come by then is read before its time is over.
    pub(super) fn admitted(&self) {
        self.admitted.get_or_init(Instant::now);
    }

    /// How far it got; it never goes back.
    pub(super) fn got(&self, progress: Progress) {
        let to = progress as u8;
        if self.progress.load(Relaxed) >= to || self.progress.fetch_max(to, Relaxed) >= to {
            return;
        }
        let mut table = self.strangers.table();
        let mut lower = table.strangers[..usize::from(to)].iter_mut().enumerate();
        if let Some((from, mut stranger)) = lower.find_map(|(from, all)| Some((from, all.remove(&self.id)?)))
        {
            if from == Progress::Waiting as usize {
                stranger.came = Instant::now();
            }
            table.strangers[usize::from(to)].insert(self.id, stranger);
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

    /// What a request on it waits for before anything is sent; `None` where the connection has had its time by then, be it in the same
    /// moment: it would be cut off with what had just begun.
    pub async fn in_time<T>(&self, waiting: Pin<&mut impl Future<Output = T>>) -> Option<T> {
        let waited = tokio::select! {
            biased;
            waited = waiting => waited,
            () = self.has_had_its_time() => return None,
        };
        let is_told = self.way.moment.get().is_some();
        (!is_told || !self.stays(true).is_zero()).then_some(waited)
    }

    /// How much longer it may stay that is to give way, and that has said so to its peer or is yet to.
    pub(super) fn stays(&self, has_said: bool) -> Duration {
        match (self.caller.get(), self.way.activity.oldest()) {
            (None, _) => {
                let has = match self.progress.load(Relaxed) {
                    progress if progress >= Progress::Spoken as u8 => NEW,
                    progress if progress == Progress::Begun as u8 => BEGUN,
                    _ => SILENT,
                };
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
