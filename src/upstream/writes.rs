//! What was written to a tenant through this process, as far as reads have to know of it: a count that goes up when a write is sent and
//! when its answer has come. A read that begins after that has another count than every answer from before, so it is given none of
//! them. Of a write that nobody knows the outcome of it remembers that it may yet be carried out. Knows nothing of what is written.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use http::{Method, StatusCode};
use tokio::time::Instant;

/// How long a write may yet be carried out whose answer did not come: Logto gives up a statement after a minute (fact 8.4).
const UNSETTLED: Duration = Duration::from_secs(60);

/// The writes to one tenant. Outlives changes of its settings.
#[derive(Debug, Default)]
pub struct Writes {
    count: AtomicU64,
    unsettled_until: Mutex<Option<Instant>>,
}

/// A write that is under way. Dropped before it was answered, nobody knows what came of it.
#[derive(Debug)]
pub(crate) struct Write {
    writes: Arc<Writes>,
    is_settled: bool,
}

impl Writes {
    /// How many times something happened to a write.
    pub fn count(&self) -> u64 {
        self.count.load(SeqCst)
    }

    /// Whether a write may be carried out at any moment that nobody waits for any more.
    pub fn are_settled(&self, now: Instant) -> bool {
        self.unsettled().is_none_or(|until| until <= now)
    }

    /// A request with this method is about to be sent; `None` where it only reads (RFC 9110 section 9.2.1).
    pub(crate) fn begin_with(self: &Arc<Self>, method: &Method) -> Option<Write> {
        (!method.is_safe()).then(|| self.begin())
    }

    /// A write is about to be sent.
    pub(crate) fn begin(self: &Arc<Self>) -> Write {
        self.count.fetch_add(1, SeqCst);
        Write { writes: self.clone(), is_settled: false }
    }

    /// Somebody else may write from now on, and it will not be seen when.
    pub fn begin_elsewhere(&self) {
        *self.unsettled() = Some(Instant::now() + UNSETTLED);
        self.count.fetch_add(1, SeqCst);
    }

    fn unsettled(&self) -> MutexGuard<'_, Option<Instant>> {
        self.unsettled_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write {
    /// Its answer is there. One that tells of a failure in between leaves open whether it was carried out.
    pub(crate) fn answered(mut self, status: StatusCode) {
        self.is_settled = !status.is_server_error();
    }
}

impl Drop for Write {
    fn drop(&mut self) {
        if self.is_settled {
            self.writes.count.fetch_add(1, SeqCst);
        } else {
            self.writes.begin_elsewhere();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_write_counts_when_it_is_sent_and_when_it_was_answered_and_reads_do_not() {
        let writes = Arc::new(Writes::default());
        assert!(writes.begin_with(&Method::GET).is_none() && writes.begin_with(&Method::HEAD).is_none());
        assert_eq!(writes.count(), 0);
        let write = writes.begin_with(&Method::PATCH).unwrap();
        assert_eq!(writes.count(), 1);
        write.answered(StatusCode::NOT_FOUND);
        assert_eq!(writes.count(), 2);
        assert!(writes.are_settled(Instant::now()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_without_an_answer_may_be_carried_out_for_a_minute() {
        let writes = Arc::new(Writes::default());
        for broken in [None, Some(StatusCode::GATEWAY_TIMEOUT)] {
            let before = writes.count();
            let write = writes.begin();
            match broken {
                Some(status) => write.answered(status),
                None => drop(write),
            }
            assert_eq!(writes.count(), before + 2);
            assert!(!writes.are_settled(Instant::now()));
            tokio::time::advance(Duration::from_secs(59)).await;
            assert!(!writes.are_settled(Instant::now()));
            tokio::time::advance(Duration::from_secs(1)).await;
            assert!(writes.are_settled(Instant::now()));
        }
    }
}
