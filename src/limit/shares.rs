//! What all callers hold of something that there is only so much of. Nobody has a fixed share: a caller may hold as much as is
//! still free (dynamic thresholds; Choudhury and Hahne, IEEE/ACM Transactions on Networking 6(2), 1998). One that is alone gets
//! half, and n that take all they can get leave 1/(n + 1), so there is room for whoever comes with little. Counting is a few
//! atomic words; a lock is taken only where somebody waits.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
};

use tokio::sync::Notify;

/// All that there is.
#[derive(Debug)]
pub(super) struct Account {
    capacity: u64,
    held: AtomicU64,
    /// Requests of all callers that wait: whoever gives back looks at the line only where there are some.
    waiting: AtomicUsize,
    /// The callers that they are of.
    line: Mutex<Vec<Arc<Share>>>,
}

/// What one caller holds of it.
#[derive(Debug)]
pub(super) struct Share {
    of: Arc<Account>,
    held: AtomicU64,
    waiting: AtomicUsize,
    turn: Notify,
}

/// A part of it; given back when dropped.
#[derive(Debug)]
pub struct Held {
    share: Arc<Share>,
    amount: u64,
}

impl Account {
    pub(super) fn new(capacity: u64) -> Arc<Self> {
        let (held, waiting, line) = Default::default();
        Arc::new(Self { capacity, held, waiting, line })
    }

    /// The share of another caller.
    pub(super) fn share(self: &Arc<Self>) -> Arc<Share> {
        let (held, waiting, turn) = Default::default();
        Arc::new(Share { of: self.clone(), held, waiting, turn })
    }

    /// Something was given back, so each caller may hold more: the first of each tries again.
    fn wake(&self) {
        if self.waiting.load(SeqCst) > 0 {
            self.line().iter().for_each(|share| share.turn.notify_one());
        }
    }

    fn line(&self) -> MutexGuard<'_, Vec<Arc<Share>>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share {
    /// As much, if it may be had now.
    pub(super) fn take(self: &Arc<Self>, amount: u64) -> Option<Held> {
        self.draw(amount).then(|| Held { share: self.clone(), amount })
    }

    /// As much as soon as it may be had. Cancel-safe: whoever stops waiting leaves the line.
    pub(super) async fn wait(self: &Arc<Self>, amount: u64) -> Held {
        let _in_line = InLine::join(self);
        loop {
            let mut turn = std::pin::pin!(self.turn.notified());
            // Before it is tried, so that nothing is missed that is given back meanwhile.
            turn.as_mut().enable();
            if let Some(held) = self.take(amount) {
                // There may be enough for the next one, too.
                self.turn.notify_one();
                return held;
            }
            turn.await;
        }
    }

    fn draw(&self, amount: u64) -> bool {
        let mine = self.held.fetch_add(amount, SeqCst) + amount;
        let free = |all: u64| self.of.capacity.saturating_sub(all);
        let more = |all: u64| (mine <= free(all)).then(|| all + amount);
        let drawn = self.of.held.fetch_update(SeqCst, SeqCst, more).is_ok();
        if !drawn {
            self.held.fetch_sub(amount, SeqCst);
        }
        drawn
    }
}

impl Held {
    /// Adds to it, if that may be had now.
    pub(super) fn grow(&mut self, amount: u64) -> bool {
        let drawn = self.share.draw(amount);
        self.amount += if drawn { amount } else { 0 };
        drawn
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.share.held.fetch_sub(self.amount, SeqCst);
        self.share.of.held.fetch_sub(self.amount, SeqCst);
        self.share.of.wake();
    }
}

/// A request that waits.
struct InLine<'a>(&'a Arc<Share>);

impl<'a> InLine<'a> {
    fn join(share: &'a Arc<Share>) -> Self {
        let mut line = share.of.line();
        if share.waiting.fetch_add(1, SeqCst) == 0 {
            line.push(share.clone());
        }
        share.of.waiting.fetch_add(1, SeqCst);
        Self(share)
    }
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        let Self(share) = self;
        let mut line = share.of.line();
        share.of.waiting.fetch_sub(1, SeqCst);
        if share.waiting.fetch_sub(1, SeqCst) == 1 {
            line.retain(|other| !Arc::ptr_eq(other, share));
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn all(share: &Arc<Share>) -> Vec<Held> {
        std::iter::from_fn(|| share.take(1)).collect()
    }

    #[test]
    fn b46_one_alone_gets_half_and_however_many_there_are_something_is_left() {
        let account = Account::new(120);
        let mut hogs = vec![all(&account.share())];
        assert_eq!(hogs[0].len(), 60);
        drop(hogs.pop());
        assert_eq!(account.held.load(SeqCst), 0, "all of it came back");
        let shares: Vec<_> = (0..4).map(|_| account.share()).collect();
        for _ in 0..120 {
            hogs.extend(shares.iter().map(|share| share.take(1).into_iter().collect()));
        }
        assert_eq!(account.held.load(SeqCst), 120 / 5 * 4);
        assert_eq!(all(&account.share()).len(), 12, "half of what is left");
    }

    #[test]
    fn b46_what_is_held_is_never_more_than_there_is_whoever_takes_it_at_once() {
        let account = Account::new(1000);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let share = account.share();
                let account = &account;
                scope.spawn(move || {
                    for n in 0..20_000 {
                        let held = share.take(n % 300);
                        assert!(account.held.load(SeqCst) <= 1000);
                        drop(held);
                    }
                });
            }
        });
        assert_eq!(account.held.load(SeqCst), 0);
    }

    #[test]
    fn b46_what_grows_over_the_share_stays_as_it_was() {
        let account = Account::new(100);
        let mut held = account.share().take(30).unwrap();
        assert!(held.grow(5) && !held.grow(31));
        assert_eq!(account.held.load(SeqCst), 35);
        drop(held);
        assert_eq!(account.held.load(SeqCst), 0);
    }

    #[tokio::test]
    async fn b46_who_waits_is_woken_by_what_another_caller_gives_back_and_leaves_nothing_behind() {
        let account = Account::new(8);
        let (hog, calm) = (account.share(), account.share());
        let mut held = all(&hog);
        let mut calms = all(&calm);
        assert_eq!((held.len(), calms.len()), (4, 2));
        let mut of_hog: Vec<_> = (0..50).map(|_| Box::pin(hog.wait(1))).collect();
        assert!(of_hog.iter_mut().all(|waits| waits.now_or_never().is_none()));
        let mut first = Box::pin(calm.wait(1));
        let mut second = Box::pin(calm.wait(1));
        assert!((&mut first).now_or_never().is_none() && (&mut second).now_or_never().is_none());
        held.truncate(2);
        let mut third = None;
        assert!(
            (&mut first).now_or_never().map(|held| third = Some(held)).is_some(),
            "though fifty came before"
        );
        drop(calms.pop());
        assert!((&mut second).now_or_never().is_some());
        drop((of_hog, first, second, third));
        assert!(account.line().is_empty() && account.waiting.load(SeqCst) == 0);
    }

    #[tokio::test]
    async fn b46_a_turn_that_came_to_somebody_who_left_goes_to_the_next() {
        let account = Account::new(2);
        let share = account.share();
        let held = share.take(1);
        let mut leaver = Box::pin(share.wait(1));
        let mut next = Box::pin(share.wait(1));
        assert!((&mut leaver).now_or_never().is_none() && (&mut next).now_or_never().is_none());
        drop(held);
        drop(leaver);
        assert!(next.now_or_never().is_some());
    }
}
