//! The tasks of one HTTP/2 connection, one for each request. An answer that its caller does not take waits for
//! the caller's flow-control window, unseen by the watch on the connection, and keeps its place among the
//! tenant's requests meanwhile. All other waits end by themselves: so a task that nothing has stirred for
//! longer than any of them is dropped, which resets its stream (RFC 9113 section 8.1).

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use hyper::rt::Executor;
use tokio::time::{Instant, Sleep};

use super::watch::PERIOD;
use crate::config::Timeouts;

/// Spawns a connection's tasks on the current runtime.
#[derive(Debug, Clone, Copy)]
pub(super) struct Streams {
    patience: Duration,
}

impl Streams {
    /// As long as the longest wait that ends by itself, and a moment.
    pub(super) fn new(timeouts: &Timeouts) -> Self {
        Self { patience: timeouts.deadline.max(timeouts.body) + PERIOD }
    }
}

impl<F> Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, task: F) {
        let sleep = Box::pin(tokio::time::sleep(self.patience));
        tokio::spawn(Stirred { task: Box::pin(task), sleep, stirred: false, patience: self.patience });
    }
}

/// Ends when its task does, or when nothing has woken that for a whole period.
struct Stirred<F> {
    task: Pin<Box<F>>,
    sleep: Pin<Box<Sleep>>,
    stirred: bool,
    patience: Duration,
}

impl<F: Future<Output = ()>> Future for Stirred<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let over = self.sleep.as_mut().poll(cx).is_ready();
        if self.task.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        if !over {
            self.stirred = true;
            return Poll::Pending;
        }
        if !std::mem::take(&mut self.stirred) {
            tracing::debug!("a caller does not take its answer: the stream is reset");
            return Poll::Ready(());
        }
        let next = Instant::now() + self.patience;
        self.sleep.as_mut().reset(next);
        // Registers the timer anew; it is not over yet.
        let _: Poll<()> = self.sleep.as_mut().poll(cx);
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    };

    use super::*;

    fn streams() -> Streams {
        let second = Duration::from_secs;
        Streams::new(&Timeouts { deadline: second(5), body: second(9), ..Timeouts::default() })
    }

    struct Dropped(Arc<AtomicU32>);

    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_nothing_stirs_is_dropped() {
        let dropped = Arc::new(AtomicU32::new(0));
        let guard = Dropped(dropped.clone());
        streams().execute(async move {
            let _guard = guard;
            std::future::pending::<()>().await;
        });
        tokio::time::sleep(Duration::from_secs(9)).await;
        assert_eq!(dropped.load(Relaxed), 0);
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert_eq!(dropped.load(Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_task_that_moves_is_left_to_finish() {
        let (moved, finished) = (Arc::new(AtomicU32::new(0)), tokio::sync::oneshot::channel());
        let count = moved.clone();
        streams().execute(async move {
            for _ in 0..100 {
                tokio::time::sleep(Duration::from_secs(8)).await;
                count.fetch_add(1, Relaxed);
            }
            finished.0.send(()).unwrap();
        });
        finished.1.await.unwrap();
        assert_eq!(moved.load(Relaxed), 100);
    }
}
