//! A thread for what takes milliseconds and must delay neither requests nor connections: reading documents and cutting them.
//! It is there while there is something to do; one thing is done after the other, and not much may wait.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

/// What may wait: each is another document, or another set of rights.
const MOST_WAITING: usize = 64;

type Job = Box<dyn FnOnce() + Send>;

/// The thread, and what waits for it.
#[derive(Clone, Default)]
pub(super) struct Thread(Arc<Mutex<Queue>>);

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Job>,
    running: bool,
}

/// Too much waits already, or there is no thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Busy;

impl Thread {
    /// Has `job` done, after what waits already.
    pub(super) fn run(&self, job: impl FnOnce() + Send + 'static) -> Result<(), Busy> {
        let mut queue = self.queue();
        if queue.waiting.len() >= MOST_WAITING {
            return Err(Busy);
        }
        queue.waiting.push_back(Box::new(job));
        if queue.running {
            return Ok(());
        }
        let own = self.clone();
        let started = thread::Builder::new().name("openapi".into()).spawn(move || {
            // Requests come first (setpriority(2) is a thread's in Linux); where that is refused, this is only less polite.
            let _: rustix::io::Result<()> = rustix::process::setpriority_process(None, 10);
            own.work();
        });
        if started.is_err() {
            queue.waiting.clear();
            return Err(Busy);
        }
        queue.running = true;
        Ok(())
    }

    fn work(&self) {
        while let Some(job) = self.next() {
            // A bug in one must not stop the others; its own reader sees that nothing comes.
            let _: thread::Result<()> = catch_unwind(AssertUnwindSafe(job));
        }
    }

    fn next(&self) -> Option<Job> {
        let mut queue = self.queue();
        let job = queue.waiting.pop_front();
        queue.running = job.is_some();
        job
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn jobs_are_done_one_after_the_other_and_a_panic_stops_none() {
        let (thread, (done, doing)) = (Thread::default(), mpsc::channel());
        let (go, wait) = mpsc::channel::<()>();
        thread.run(move || wait.recv().unwrap()).unwrap();
        // The first is taken at once or waits; so many more have room in any case.
        for number in 0..MOST_WAITING - 1 {
            let done = done.clone();
            thread
                .run(move || {
                    assert!(number != 1, "a bug");
                    done.send(number).unwrap();
                })
                .unwrap();
        }
        let full = (0..2).filter(|_| thread.run(|| {}) == Err(Busy)).count();
        assert!(full >= 1, "what waits has an end");
        go.send(()).unwrap();
        drop(done);
        let all: Vec<_> = doing.iter().collect();
        assert_eq!(all.len(), MOST_WAITING - 2);
        assert!(all.is_sorted() && !all.contains(&1));
        // The thread may have ended by now: the next job gets one.
        let (again, wait) = mpsc::channel();
        thread.run(move || again.send(()).unwrap()).unwrap();
        wait.recv().unwrap();
    }
}
