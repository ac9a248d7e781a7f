//! The live directory of tenants: by name, read without a lock, changed one at a time while requests go on. What adding,
//! changing or removing a tenant costs does not depend on how many there are: the map is persistent, so a change
//! makes a few new nodes and shares the rest with the map that readers still hold. It knows nothing of what a tenant is.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use rpds::HashTrieMapSync;

use crate::ids::TenantName;

/// Tenants by name, as they are at one moment. Cheap to clone.
type Snapshot<T> = HashTrieMapSync<TenantName, Arc<T>>;

/// So many that a request is not to look at each.
const MANY: usize = 256;

/// The tenants of a process.
pub struct Directory<T> {
    current: ArcSwap<Snapshot<T>>,
    /// One change at a time, so that none is lost.
    changing: Mutex<()>,
}

/// What is to be done to a directory, in one step for its readers.
pub struct Change<T> {
    /// Added, or put in the place of those with the same name.
    pub put: Vec<(TenantName, Arc<T>)>,
    /// Taken out.
    pub removed: Vec<TenantName>,
}

impl<T> Directory<T> {
    /// The tenant of this name.
    pub fn get(&self, name: &str) -> Option<Arc<T>> {
        self.current.load().get(name).cloned()
    }

    /// The only tenant that fits, where there is just one. Among very many none is looked for: a request is not to take as long as
    /// there are many.
    pub fn only(&self, fits: impl Fn(&T) -> bool) -> Option<Arc<T>> {
        let current = self.current.load();
        if current.size() > MANY {
            return None;
        }
        let mut fitting = current.values().filter(|tenant| fits(tenant));
        let first = fitting.next()?;
        fitting.next().is_none().then(|| first.clone())
    }

    /// Whether there may be one that fits: among very many it is not looked for.
    pub fn may_have(&self, fits: impl Fn(&T) -> bool) -> bool {
        let current = self.current.load();
        current.size() > MANY || current.values().any(|tenant| fits(tenant))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.current.load().size()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All tenants of this moment, in order of name: for tables and metrics, since it takes as long as there are many.
    pub fn all(&self) -> Vec<Arc<T>> {
        let current = self.current.load();
        let mut all: Vec<_> = current.iter().collect();
        all.sort_unstable_by_key(|(name, _)| *name);
        all.into_iter().map(|(_, tenant)| tenant.clone()).collect()
    }

    /// Makes a change; readers see all of it or nothing.
    pub fn apply(&self, change: Change<T>) {
        let _turn = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        self.current.store(Arc::new(changed(&self.current.load(), change)));
    }

    /// Another directory, with the change made; this one stays as it is.
    #[must_use]
    pub fn with(&self, change: Change<T>) -> Self {
        Self::of(changed(&self.current.load(), change))
    }

    fn of(snapshot: Snapshot<T>) -> Self {
        Self { current: ArcSwap::from_pointee(snapshot), changing: Mutex::default() }
    }
}

fn changed<T>(current: &Snapshot<T>, change: Change<T>) -> Snapshot<T> {
    let mut next = current.clone();
    for name in &change.removed {
        next.remove_mut(name);
    }
    for (name, tenant) in change.put {
        next.insert_mut(name, tenant);
    }
    next
}

impl<T> Default for Directory<T> {
    fn default() -> Self {
        Self::of(Snapshot::new_sync())
    }
}

impl<T> Default for Change<T> {
    fn default() -> Self {
        Self { put: Vec::new(), removed: Vec::new() }
    }
}

impl<T> std::fmt::Debug for Directory<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Directory({})", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> TenantName {
        TenantName::parse(text).unwrap()
    }

    fn put(tenants: &[(&str, u32)]) -> Change<u32> {
        let put = tenants.iter().map(|(text, tenant)| (name(text), Arc::new(*tenant))).collect();
        Change { put, ..Change::default() }
    }

    #[test]
    fn tenants_come_change_and_go_one_at_a_time() {
        let tenants = Directory::default();
        assert!(tenants.is_empty() && tenants.get("a").is_none());
        tenants.apply(put(&[("b", 2), ("a", 1)]));
        assert_eq!(tenants.all(), [Arc::new(1), Arc::new(2)]);
        assert_eq!(tenants.only(|_| true), None);
        assert_eq!(tenants.only(|tenant| *tenant > 1).as_deref(), Some(&2));
        assert_eq!(tenants.only(|_| false), None);
        let held = tenants.get("a").unwrap();
        tenants.apply(put(&[("a", 11)]));
        assert_eq!((*held, *tenants.get("a").unwrap()), (1, 11), "a request keeps the tenant that it has");
        tenants.apply(Change { removed: vec![name("b")], ..Change::default() });
        assert_eq!(tenants.only(|_| true).as_deref(), Some(&11));
    }

    #[test]
    fn another_directory_leaves_the_first_as_it_is() {
        let first = Directory::default();
        first.apply(put(&[("a", 1)]));
        let second = first.with(Change { removed: vec![name("a")], ..put(&[("b", 2)]) });
        assert_eq!((first.len(), second.len()), (1, 1));
        assert!(first.get("b").is_none() && second.get("a").is_none());
    }

    #[test]
    fn no_change_is_lost_between_threads() {
        let tenants = Directory::default();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let tenants = &tenants;
                scope.spawn(move || {
                    (0..100).for_each(|n| tenants.apply(put(&[(&format!("{thread}-{n}"), n)])));
                });
            }
        });
        assert_eq!(tenants.len(), 400);
    }
}
