//! What callers and upstreams did in the last minutes: counts in slots of ten seconds. It adds nothing to the path of a request;
//! the counters that requests write anyway are looked at every ten seconds, and whenever somebody asks. Memory is bounded by what is
//! configured, and only who was active lately has slots.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    ids::{CallerName, TenantName},
    observe::Tally,
    proxy::{Counted, Pipeline, Tries},
};

/// The length of a slot.
pub(super) const SLOT: Duration = Duration::from_secs(10);
/// How many there are.
const SLOTS: usize = 30;
/// How far back they go.
pub(super) const WINDOW: Duration = SLOT.saturating_mul(SLOTS as u32);

/// The counts of a process.
#[derive(Debug)]
pub(super) struct Traffic(Mutex<Ring>);

/// The counts up to now.
#[derive(Debug)]
pub(super) struct Ring {
    began: Instant,
    slot: u64,
    callers: BTreeMap<CallerName, Activity>,
    unauthenticated: Activity,
    tenants: BTreeMap<TenantName, Slots<3>>,
}

/// Of a caller.
#[derive(Debug, Default)]
pub(super) struct Activity {
    /// When requests were last seen, to the ten seconds.
    pub(super) last: Option<Instant>,
    /// Of requests, denied ones, those over the tenant's quota, and failed ones.
    slots: Option<Box<Slots<4>>>,
}

/// `N` counts in each of the last slots.
#[derive(Debug)]
struct Slots<const N: usize> {
    counts: [[u32; N]; SLOTS],
    newest: u64,
}

/// What happened within the window.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Recent {
    pub(super) requests: u64,
    pub(super) denied: u64,
    pub(super) limited: u64,
    pub(super) failed: u64,
    /// Requests in each slot, the oldest first.
    pub(super) by_slot: Vec<u32>,
}

impl Traffic {
    pub(super) fn new(now: Instant) -> Self {
        Self(Mutex::new(Ring {
            began: now,
            slot: 0,
            callers: BTreeMap::new(),
            unauthenticated: Activity::default(),
            tenants: BTreeMap::new(),
        }))
    }

    /// Looks at the counters, and gives the counts up to now.
    pub(super) fn look(&self, pipeline: &Pipeline, now: Instant) -> MutexGuard<'_, Ring> {
        let mut ring = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ring.advance(now);
        pipeline.look(|counted| ring.count(counted, now));
        ring.forget(pipeline);
        ring
    }
}

impl Ring {
    fn advance(&mut self, now: Instant) {
        let since = now.saturating_duration_since(self.began);
        self.slot = since.as_secs() / SLOT.as_secs();
    }

    fn count(&mut self, counted: Counted<'_>, now: Instant) {
        match counted {
            Counted::Caller(name, tally) if tally.requests > 0 => {
                // The name is copied only where it is new.
                if !self.callers.contains_key(name) {
                    self.callers.insert(name.clone(), Activity::default());
                }
                if let Some(activity) = self.callers.get_mut(name) {
                    activity.add(self.slot, tally, now);
                }
            }
            Counted::Unauthenticated(tally) if tally.requests > 0 => {
                self.unauthenticated.add(self.slot, tally, now);
            }
            Counted::Tenant(tenant, tries) if tries != Tries::default() => {
                let slots = self.tenants.entry(tenant.config().name.clone()).or_default();
                slots.add(self.slot, [tries.served, tries.failed, tries.forbidden]);
            }
            Counted::Caller(..) | Counted::Unauthenticated(_) | Counted::Tenant(..) => {}
        }
    }

    /// Lets go of what is older than the window, and of callers that are no longer configured.
    fn forget(&mut self, pipeline: &Pipeline) {
        let slot = self.slot;
        self.tenants.retain(|_, slots| !slots.is_over(slot));
        for activity in self.callers.values_mut().chain([&mut self.unauthenticated]) {
            activity.slots.take_if(|slots| slots.is_over(slot));
        }
        let config = pipeline.config();
        if self.callers.len() > config.callers.len() {
            let there: HashSet<_> = config.callers.iter().map(|caller| &caller.name).collect();
            self.callers.retain(|name, _| there.contains(name));
        }
    }

    /// What a caller did; `None`: nothing since the start.
    pub(super) fn caller(&self, name: &CallerName) -> Option<&Activity> {
        self.callers.get(name)
    }

    /// Requests that nobody could be found to be the sender of.
    pub(super) fn unauthenticated(&self) -> &Activity {
        &self.unauthenticated
    }

    /// What a tenant's upstream made of tries.
    pub(super) fn tries(&self, tenant: &TenantName) -> Tries {
        let [served, failed, forbidden] =
            self.tenants.get(tenant).map_or([0; 3], |slots| slots.sums(self.slot));
        Tries { served, failed, forbidden }
    }

    /// What of an activity lies within the window.
    pub(super) fn recent(&self, activity: Option<&Activity>) -> Recent {
        let Some(slots) = activity.and_then(|activity| activity.slots.as_ref()) else {
            return Recent::default();
        };
        let [requests, denied, limited, failed] = slots.sums(self.slot);
        Recent {
            requests,
            denied,
            limited,
            failed,
            by_slot: slots.in_order(self.slot).map(|[n, ..]| n).collect(),
        }
    }
}

impl Activity {
    fn add(&mut self, slot: u64, tally: Tally, now: Instant) {
        self.last = Some(now);
        let slots = self.slots.get_or_insert_default();
        slots.add(slot, [tally.requests, tally.denied, tally.limited, tally.failed]);
    }
}

impl<const N: usize> Slots<N> {
    fn add(&mut self, slot: u64, counts: [u64; N]) {
        let passed = slot.saturating_sub(self.newest).min(SLOTS as u64);
        for gone in (slot + 1 - passed)..=slot {
            self.counts[place(gone)] = [0; N];
        }
        self.newest = slot;
        for (sum, count) in self.counts[place(slot)].iter_mut().zip(counts) {
            *sum = sum.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        }
    }

    fn is_over(&self, slot: u64) -> bool {
        slot.saturating_sub(self.newest) >= SLOTS as u64
    }

    /// From the oldest slot of the window to `slot`, which is under way.
    fn in_order(&self, slot: u64) -> impl Iterator<Item = [u32; N]> {
        (0..SLOTS as u64).rev().map(move |ago| {
            // Before the first slot, or after the last in which there was anything.
            let is_there = |at: &u64| *at <= self.newest && self.newest - at < SLOTS as u64;
            slot.checked_sub(ago).filter(is_there).map_or([0; N], |at| self.counts[place(at)])
        })
    }

    fn sums(&self, slot: u64) -> [u64; N] {
        self.in_order(slot).fold([0; N], |mut sums, counts| {
            sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += u64::from(count));
            sums
        })
    }
}

impl<const N: usize> Default for Slots<N> {
    fn default() -> Self {
        Self { counts: [[0; N]; SLOTS], newest: 0 }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "below SLOTS")]
fn place(slot: u64) -> usize {
    (slot % SLOTS as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_leave_the_window_slot_by_slot() {
        let mut slots = Slots::<1>::default();
        slots.add(0, [1]);
        slots.add(0, [1]);
        slots.add(3, [5]);
        assert_eq!(slots.sums(3), [7]);
        assert_eq!(slots.in_order(3).map(|[n]| n).collect::<Vec<_>>()[26..], [2, 0, 0, 5]);
        assert_eq!(slots.sums(29), [7], "the first slot is the oldest of the window");
        assert_eq!(slots.sums(30), [5]);
        assert_eq!((slots.sums(32), slots.sums(33)), ([5], [0]));
        assert!(!slots.is_over(32) && slots.is_over(33));
        slots.add(100, [9]);
        assert_eq!(slots.sums(100), [9], "what was there before is gone");
        slots.add(101, [u64::MAX]);
        assert_eq!(slots.sums(101), [9 + u64::from(u32::MAX)]);
    }
}
