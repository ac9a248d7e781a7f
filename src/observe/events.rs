//! The stream of events about requests. The log and the audit log subscribe when the process starts, tools while it runs.
//! A request hands its event over when it ends and never waits: fixed subscribers look at it where it is, a tool's copy is
//! made only where there is one with room for it, and what finds no room is counted for the tool that lost it.

use std::{
    fmt,
    num::NonZeroUsize,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
};

use arc_swap::ArcSwap;
use tokio::sync::mpsc::{self, error::TrySendError};

use super::RequestEvent;

/// One that gets every event from the start of the process.
pub trait Subscriber: Send + Sync {
    /// Whether it needs events with their [`Details`](super::Details).
    fn needs_details(&self) -> bool;

    /// Whether it wants this event: what costs something to make is made for events that somebody wants.
    fn wants(&self, event: &RequestEvent) -> bool;

    /// Takes from an event that it wants what it needs. Runs on the thread that serves the request, so it must not wait.
    fn receive(&self, event: &RequestEvent);
}

/// The stream. Cheap to clone; by default nobody subscribes.
#[derive(Clone, Default)]
pub struct Events(Arc<Stream>);

#[derive(Default)]
struct Stream {
    subscribers: Vec<Arc<dyn Subscriber>>,
    needs_details: bool,
    tools: ArcSwap<Vec<Queue>>,
    /// At least as many as are in `tools`: a request looks there only where it is not zero.
    watching: AtomicUsize,
}

/// The way to a tool.
#[derive(Clone)]
struct Queue {
    sender: mpsc::Sender<Arc<RequestEvent>>,
    lost: Arc<AtomicU64>,
}

/// A tool's end of the stream. To drop it is to unsubscribe.
pub struct Subscription {
    receiver: mpsc::Receiver<Arc<RequestEvent>>,
    lost: Arc<AtomicU64>,
    stream: Weak<Stream>,
}

impl Events {
    /// To these subscribers, in this order, and to tools that subscribe later.
    pub fn new(subscribers: Vec<Arc<dyn Subscriber>>) -> Self {
        let needs_details = subscribers.iter().any(|subscriber| subscriber.needs_details());
        Self(Arc::new(Stream { subscribers, needs_details, ..Stream::default() }))
    }

    /// Subscribes a tool to the requests that end from now on. Holds up to `capacity` events that it has yet to take; the
    /// details are of requests that begin from now on.
    pub fn subscribe(&self, capacity: NonZeroUsize) -> Subscription {
        let (sender, receiver) = mpsc::channel(capacity.get().min(tokio::sync::Semaphore::MAX_PERMITS));
        let queue = Queue { sender, lost: Arc::default() };
        let lost = queue.lost.clone();
        self.0.watching.fetch_add(1, Relaxed);
        self.0.tools.rcu(|tools| tools.iter().chain([&queue]).cloned().collect::<Vec<_>>());
        Subscription { receiver, lost, stream: Arc::downgrade(&self.0) }
    }

    /// Whether somebody needs the details of a request that begins now.
    pub fn need_details(&self) -> bool {
        self.0.needs_details || self.0.watching.load(Relaxed) > 0
    }

    /// A request has ended. `complete` is called once where somebody wants its event, and not otherwise.
    pub(super) fn publish(&self, event: &mut RequestEvent, complete: impl FnOnce(&mut RequestEvent)) {
        let mut complete = Some(complete);
        for subscriber in &self.0.subscribers {
            if subscriber.wants(event) {
                if let Some(complete) = complete.take() {
                    complete(event);
                }
                subscriber.receive(event);
            }
        }
        if self.0.watching.load(Relaxed) > 0 {
            self.0.tell_tools(event, complete);
        }
    }
}

impl Stream {
    fn tell_tools(&self, event: &mut RequestEvent, mut complete: Option<impl FnOnce(&mut RequestEvent)>) {
        let mut copy = None;
        for tool in self.tools.load().iter() {
            match tool.sender.try_reserve() {
                Ok(place) => {
                    if let Some(complete) = complete.take() {
                        complete(event);
                    }
                    place.send(copy.get_or_insert_with(|| Arc::new(event.clone())).clone());
                }
                Err(TrySendError::Full(())) => _ = tool.lost.fetch_add(1, Relaxed),
                Err(TrySendError::Closed(())) => {}
            }
        }
    }
}

impl Subscription {
    /// The next event, in the order in which requests end. `None` once the stream and what was in it are gone.
    pub async fn next(&mut self) -> Option<Arc<RequestEvent>> {
        self.receiver.recv().await
    }

    /// The next event, if it is there already.
    pub fn take(&mut self) -> Option<Arc<RequestEvent>> {
        self.receiver.try_recv().ok()
    }

    /// How many events found no room.
    pub fn lost(&self) -> u64 {
        self.lost.load(Relaxed)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.receiver.close();
        let Some(stream) = self.stream.upgrade() else { return };
        let is_open = |tool: &&Queue| !tool.sender.is_closed();
        stream.tools.rcu(|tools| tools.iter().filter(is_open).cloned().collect::<Vec<_>>());
        stream.watching.fetch_sub(1, Relaxed);
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Events({} subscribers)", self.0.subscribers.len() + self.0.tools.load().len())
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subscription({} lost)", self.lost())
    }
}

#[cfg(test)]
mod tests;
