//! The one interface of all that is drawn on. A bucket of this process answers at once and without an allocation; one
//! that is shared between replicas answers when its store has.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::Instant;

use crate::config::{Class, Rate};

/// Something with an allowance.
pub trait Limiter: fmt::Debug + Send + Sync {
    /// Takes one request of this class out, or says how long until one would pass if nobody else came in between.
    fn take(&self, now: Instant, class: Class) -> Take<'_>;

    /// How long until one would pass, as far as is known here.
    fn wait(&self, now: Instant, class: Class) -> Duration;

    /// Takes back what was drawn and not used.
    fn give_back(&self, now: Instant, drawn: Drawn);

    /// Requests that would pass now; `None` without a rate, or where nobody knows.
    fn remaining(&self, now: Instant) -> Option<u32>;

    /// Lets nobody pass for `wait`: the upstream asked for it.
    fn pause(&self, now: Instant, wait: Duration);

    /// How long a pause still lasts.
    fn paused(&self, now: Instant) -> Option<Duration>;

    /// Goes on at this fraction of the rate.
    fn set_pace(&self, pace: f64);

    /// The upstream has nothing left: neither has this, until it is refilled.
    fn empty(&self, now: Instant);

    /// Between two requests of those who wait here, at the pace of now.
    fn interval(&self) -> Duration;

    /// The fraction of the rate at which it goes on here: less than what was set, where another replica was told so.
    fn pace(&self) -> f64;

    /// The rate that it keeps.
    fn rate(&self) -> Option<Rate>;
}

/// What was taken, to be given back where it is not used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Drawn {
    /// Nanoseconds of the bucket's clock until which it may be given back.
    pub(super) until: u64,
    /// What it took, in nanoseconds.
    pub(super) cost: u64,
    /// Out of what.
    pub(super) from: From,
}

/// Where a request was drawn from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum From {
    /// A bucket of this process.
    #[default]
    Here,
    /// What all replicas share.
    Lease,
}

/// What came of taking: known already, or to be waited for.
pub enum Take<'a> {
    /// Known; taken when it is awaited.
    Ready(Result<Drawn, Duration>),
    /// When the store has answered. Whoever gives it bounds that wait.
    Later(Pin<Box<dyn Future<Output = Result<Drawn, Duration>> + Send + 'a>>),
}

impl Future for Take<'_> {
    type Output = Result<Drawn, Duration>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Ready(taken) => Poll::Ready(*taken),
            Self::Later(answer) => answer.as_mut().poll(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a store elsewhere would: answers after a moment.
    #[derive(Debug)]
    struct Remote;

    impl Limiter for Remote {
        fn take(&self, _now: Instant, _class: Class) -> Take<'_> {
            Take::Later(Box::pin(async {
                tokio::time::sleep(Duration::from_millis(3)).await;
                Err(Duration::from_secs(7))
            }))
        }

        fn remaining(&self, _now: Instant) -> Option<u32> {
            None
        }

        fn wait(&self, _now: Instant, _class: Class) -> Duration {
            Duration::ZERO
        }

        fn give_back(&self, _now: Instant, _drawn: Drawn) {}

        fn paused(&self, _now: Instant) -> Option<Duration> {
            None
        }

        fn pause(&self, _now: Instant, _wait: Duration) {}

        fn set_pace(&self, _pace: f64) {}

        fn empty(&self, _now: Instant) {}

        fn interval(&self) -> Duration {
            Duration::ZERO
        }

        fn pace(&self) -> f64 {
            1.0
        }

        fn rate(&self) -> Option<Rate> {
            None
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_elsewhere_may_take_its_time() {
        let limiter: &dyn Limiter = &Remote;
        let asked = Instant::now();
        assert_eq!(limiter.take(asked, Class::Interactive).await, Err(Duration::from_secs(7)));
        assert_eq!(asked.elapsed(), Duration::from_millis(3));
    }
}
