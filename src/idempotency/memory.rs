//! Keys in this process's memory. Bounded in keys and in bytes of answers. Where there is no room, the caller that has the most
//! gives up its oldest: an answer first forgets its body, then the key itself. What is under way or of unknown outcome is
//! never given up before its time: to forget it would be to send its like again.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http::StatusCode;
use tokio::time::Instant;

use super::{
    asked::Digests,
    error::{IdempotencyError, NotKept},
    store::{Claim, Claiming, Outcome, Purpose, Settled, Store, Ticket},
};
use crate::{config::Limits, ids::CallerName, upstream::KeptAnswer};

/// A store in memory.
#[derive(Default)]
pub struct MemoryStore(Mutex<Table>);

#[derive(Default)]
struct Table {
    entries: HashMap<[u8; 32], Entry>,
    callers: HashMap<CallerName, Keys>,
    /// Of the answers.
    bytes: usize,
    /// Keys of unknown outcome.
    unknown: usize,
    /// Of the last claim.
    number: u64,
}

struct Entry {
    content: [u8; 32],
    number: u64,
    caller: CallerName,
    until: Instant,
    /// How many bytes answers may have in all, as of its claim.
    memory: usize,
    state: State,
}

enum State {
    UnderWay,
    Answered(Arc<KeptAnswer>),
    NotKept(StatusCode, NotKept),
    Unknown,
}

/// A caller's keys, in the order in which they were claimed.
#[derive(Default)]
struct Keys {
    /// With an answer that is kept.
    answered: BTreeMap<u64, [u8; 32]>,
    /// Answered, without it.
    bare: BTreeMap<u64, [u8; 32]>,
    unknown: BTreeMap<u64, [u8; 32]>,
    /// Of the answers.
    bytes: usize,
}

impl Store for MemoryStore {
    fn claim<'s>(
        &'s self,
        caller: &'s CallerName,
        digests: Digests,
        now: Instant,
        _: Instant,
        limits: &'s Limits,
        purpose: Purpose,
    ) -> Claiming<'s> {
        let claim = self.table().claim(caller, digests, now, limits, purpose);
        Box::pin(std::future::ready(claim))
    }

    fn settle(&self, ticket: Ticket, outcome: Outcome) -> Settled {
        self.table().settle(ticket, outcome);
        Settled::now()
    }
}

impl MemoryStore {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn claim(
        &mut self,
        caller: &CallerName,
        Digests { scope, content }: Digests,
        now: Instant,
        limits: &Limits,
        purpose: Purpose,
    ) -> Result<Claim, IdempotencyError> {
        let has_expired = |entry: &Entry| entry.until <= now && !matches!(entry.state, State::UnderWay);
        match self.entries.get(&scope) {
            Some(entry) if has_expired(entry) => self.forget(scope),
            Some(entry) if entry.content != content => return Err(IdempotencyError::Reused),
            Some(entry) => {
                return match &entry.state {
                    State::Answered(answer) => Ok(Claim::Answered(answer.clone())),
                    State::UnderWay => Err(IdempotencyError::InProgress),
                    State::NotKept(status, why) => {
                        Err(IdempotencyError::NotKept { status: *status, why: *why })
                    }
                    State::Unknown => Err(IdempotencyError::Unknown),
                };
            }
            None => {}
        }
        if purpose == Purpose::Ask {
            return Err(IdempotencyError::NotKnown);
        }
        self.make_room(caller, now, limits.idempotency_keys)?;
        self.number += 1;
        let (number, until) = (self.number, now + limits.idempotency_ttl);
        let (caller, memory) = (caller.clone(), limits.idempotency_memory);
        let entry = Entry { content, number, caller, until, memory, state: State::UnderWay };
        self.entries.insert(scope, entry);
        Ok(Claim::First(Ticket { scope, number }))
    }

    /// Forgets what has expired of this caller's, and makes room for one more key.
    fn make_room(&mut self, caller: &CallerName, now: Instant, most: usize) -> Result<(), IdempotencyError> {
        self.expire(caller, now);
        // Whose requests get no answer leaves room for the others: it may have as many of those keys as are left, so that a lone
        // one has half of the places, two have a third each, and there is always room for one more.
        let own = self.callers.get(caller).map_or(0, |keys| keys.unknown.len());
        if own > 0 && own >= most.saturating_sub(self.unknown) {
            return Err(IdempotencyError::Full);
        }
        if self.entries.len() < most {
            return Ok(());
        }
        for caller in self.callers.keys().cloned().collect::<Vec<_>>() {
            self.expire(&caller, now);
        }
        while self.entries.len() >= most {
            let biggest = self.callers.values().max_by_key(|keys| keys.answered.len() + keys.bare.len());
            let oldest = biggest.and_then(Keys::oldest).ok_or(IdempotencyError::Full)?;
            self.forget(oldest);
        }
        Ok(())
    }

    fn expire(&mut self, caller: &CallerName, now: Instant) {
        while let Some(scope) = self.callers.get(caller).and_then(|keys| self.expired_of(keys, now)) {
            self.forget(scope);
        }
    }

    fn expired_of(&self, keys: &Keys, now: Instant) -> Option<[u8; 32]> {
        let firsts = [&keys.answered, &keys.bare, &keys.unknown].map(|keys| keys.values().next());
        let mut firsts = firsts.into_iter().flatten();
        firsts.find(|scope| self.entries.get(*scope).is_some_and(|entry| entry.until <= now)).copied()
    }

    fn settle(&mut self, Ticket { scope, number }: Ticket, outcome: Outcome) {
        let Some(entry) = self.entries.get_mut(&scope).filter(|entry| entry.number == number) else { return };
        let memory = entry.memory;
        let keys = self.callers.entry(entry.caller.clone()).or_default();
        match outcome {
            Outcome::NotSent => self.forget(scope),
            Outcome::Unknown => {
                entry.state = State::Unknown;
                self.unknown += 1;
                keys.unknown.insert(number, scope);
            }
            Outcome::NotKept(status, why) => {
                entry.state = State::NotKept(status, why);
                keys.bare.insert(number, scope);
            }
            Outcome::Answered(answer) => {
                let size = answer.size();
                entry.state = State::Answered(answer);
                keys.answered.insert(number, scope);
                keys.bytes += size;
                self.bytes += size;
                self.fit_into(memory);
            }
        }
    }

    /// Lets go of answers until the others have no more bytes than `most`.
    fn fit_into(&mut self, most: usize) {
        while self.bytes > most {
            let Some(keys) = self.callers.values_mut().max_by_key(|keys| keys.bytes) else { return };
            let Some((number, scope)) = keys.answered.pop_first() else { return };
            keys.bare.insert(number, scope);
            let Some(entry) = self.entries.get_mut(&scope) else { return };
            if let State::Answered(answer) = &entry.state {
                let (status, size) = (answer.status(), answer.size());
                keys.bytes -= size;
                self.bytes -= size;
                entry.state = State::NotKept(status, NotKept::NoRoom);
            }
        }
    }

    fn forget(&mut self, scope: [u8; 32]) {
        let Some(entry) = self.entries.remove(&scope) else { return };
        let Some(keys) = self.callers.get_mut(&entry.caller) else { return };
        match &entry.state {
            State::UnderWay => {}
            State::Answered(answer) => {
                keys.answered.remove(&entry.number);
                keys.bytes -= answer.size();
                self.bytes -= answer.size();
            }
            State::NotKept(..) => _ = keys.bare.remove(&entry.number),
            State::Unknown => {
                keys.unknown.remove(&entry.number);
                self.unknown -= 1;
            }
        }
        if keys.is_empty() {
            self.callers.remove(&entry.caller);
        }
    }
}

impl Keys {
    /// Of those that were answered.
    fn oldest(&self) -> Option<[u8; 32]> {
        let firsts = [&self.answered, &self.bare].map(|keys| keys.first_key_value());
        firsts.into_iter().flatten().min().map(|(_, scope)| *scope)
    }

    fn is_empty(&self) -> bool {
        self.answered.is_empty() && self.bare.is_empty() && self.unknown.is_empty()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryStore")
    }
}

#[cfg(test)]
mod tests;
