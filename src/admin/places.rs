//! Places for connections to the admin listener. A probe must not wait for clients that do not leave: when all are taken, the oldest
//! connection is closed for the sake of the next.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio_util::sync::CancellationToken;

/// The connections that there are, oldest first.
#[derive(Debug, Default)]
pub(super) struct Places(Mutex<VecDeque<(u64, CancellationToken)>>);

/// A connection's place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    id: u64,
    among: Arc<Places>,
    give_way: CancellationToken,
}

impl Places {
    /// A place for another one, where there may be `most`.
    pub(super) fn enter(self: &Arc<Self>, most: usize) -> Place {
        let give_way = CancellationToken::new();
        let mut all = self.all();
        let id = all.back().map_or(0, |(id, _)| id + 1);
        all.push_back((id, give_way.clone()));
        if all.len() > most
            && let Some((_, oldest)) = all.pop_front()
        {
            oldest.cancel();
        }
        Place { id, among: self.clone(), give_way }
    }

    fn all(&self) -> MutexGuard<'_, VecDeque<(u64, CancellationToken)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Ends when the connection is to give way.
    pub(super) async fn gives_way(&self) {
        self.give_way.cancelled().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.among.all();
        if let Ok(at) = all.binary_search_by_key(&self.id, |(id, _)| *id) {
            all.remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_gives_way_and_whoever_left_does_not_count() {
        let places = Arc::new(Places::default());
        let [first, second, third] = [(); 3].map(|()| places.enter(3));
        drop(second);
        let fourth = places.enter(3);
        assert!(!first.give_way.is_cancelled());
        let fifth = places.enter(3);
        assert!(first.give_way.is_cancelled() && !third.give_way.is_cancelled());
        drop((first, third, fourth, fifth));
        assert!(places.all().is_empty());
    }
}
