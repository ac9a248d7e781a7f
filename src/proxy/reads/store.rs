//! Answers that are kept, in bounded memory: those not used for the longest make room. Knows nothing of how long an answer is good.
//!
//! A map of its own and none of a crate: moka, which holds the tokens, takes 70 kB more of the program for another type of value, and
//! weighs asynchronously, so that its bound does not hold at every moment.

use std::{
    collections::{BTreeMap, HashMap},
    hash::BuildHasherDefault,
    sync::Arc,
};

use super::key::{Digested, Key};

/// What an entry takes beside its key and its value: its places in two maps.
const ENTRY: usize = 256;

/// Values by key, within a number of bytes.
#[derive(Debug)]
pub(super) struct Store<V> {
    entries: HashMap<Key, Entry<V>, BuildHasherDefault<Digested>>,
    /// By when they were used: the first is the next to go.
    order: BTreeMap<u64, Key>,
    uses: u64,
    bytes: usize,
    most: usize,
}

#[derive(Debug)]
struct Entry<V> {
    value: Arc<V>,
    used: u64,
    bytes: usize,
}

impl<V> Default for Store<V> {
    fn default() -> Self {
        let (entries, order) = Default::default();
        Self { entries, order, uses: 0, bytes: 0, most: 0 }
    }
}

impl<V> Store<V> {
    /// How many bytes there may be from now on.
    pub(super) fn bound(&mut self, most: usize) {
        self.most = most;
        self.shrink(most);
    }

    /// The value of a key, which counts as used.
    pub(super) fn find(&mut self, key: &Key) -> Option<Arc<V>> {
        self.uses += 1;
        let entry = self.entries.get_mut(key)?;
        let key = self.order.remove(&std::mem::replace(&mut entry.used, self.uses))?;
        self.order.insert(self.uses, key);
        Some(entry.value.clone())
    }

    /// What an entry takes whose value takes as many bytes; `None`: more than there may be.
    pub(super) fn cost(&self, key: &Key, bytes: usize) -> Option<usize> {
        let cost = ENTRY + key.size() + bytes;
        (cost <= self.most).then_some(cost)
    }

    /// Keeps a value in the place of the one before, and lets go of others for it as far as needed.
    pub(super) fn put(&mut self, key: Key, value: Arc<V>, cost: usize) {
        self.take(&key);
        self.shrink(self.most.saturating_sub(cost));
        self.uses += 1;
        self.bytes += cost;
        self.order.insert(self.uses, key.clone());
        self.entries.insert(key, Entry { value, used: self.uses, bytes: cost });
    }

    /// Lets go of the value of a key.
    pub(super) fn take(&mut self, key: &Key) {
        if let Some(entry) = self.entries.remove(key) {
            self.order.remove(&entry.used);
            self.bytes -= entry.bytes;
        }
    }

    /// Lets go of the one not used for the longest; false where there is none.
    pub(super) fn evict(&mut self) -> bool {
        let Some((_, key)) = self.order.pop_first() else { return false };
        self.bytes -= self.entries.remove(&key).map_or(0, |entry| entry.bytes);
        true
    }

    fn shrink(&mut self, to: usize) {
        while self.bytes > to && self.evict() {}
    }

    /// Bytes and entries.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.bytes, self.entries.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_used_for_the_longest_makes_room_and_the_bound_holds_at_every_moment() {
        let targets: Vec<&'static str> =
            (0..200).map(|n| &*Box::leak(format!("/api/roles/{n}").into_boxed_str())).collect();
        let mut store = Store::default();
        store.bound(20_000);
        // Beside it what it should do: keys by use, the last used at the end.
        let mut model: Vec<(usize, usize)> = Vec::new();
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..50_000 {
            let n = random.usize(..targets.len());
            let key = Key::to(targets[n]);
            let at = model.iter().position(|(other, _)| *other == n);
            match random.u8(..10) {
                0..6 => {
                    assert_eq!(store.find(&key).map(|value| *value), at.map(|_| n));
                    if let Some(at) = at {
                        let used = model.remove(at);
                        model.push(used);
                    }
                }
                6..9 => {
                    let Some(cost) = store.cost(&key, random.usize(..3000)) else { panic!("it fits") };
                    store.put(key, Arc::new(n), cost);
                    model.retain(|(other, _)| *other != n);
                    while model.iter().map(|(_, cost)| cost).sum::<usize>() + cost > 20_000 {
                        model.remove(0);
                    }
                    model.push((n, cost));
                }
                _ => {
                    store.take(&key);
                    model.retain(|(other, _)| *other != n);
                }
            }
            let bytes = model.iter().map(|(_, cost)| cost).sum();
            assert_eq!(store.size(), (bytes, model.len()));
            assert!(bytes <= 20_000 && store.order.len() == model.len());
        }
        assert_eq!(store.cost(&Key::to("/api/x"), 20_000), None);
        store.bound(0);
        assert_eq!(store.size(), (0, 0));
    }
}
