//! What is published in a channel, for one reader. Messages wait in a bounded queue; where it is full they are dropped, and
//! the reader is told that some are missing.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::AcqRel},
};

use tokio::sync::{Notify, mpsc};

/// Messages that wait for their reader.
const QUEUE: usize = 1024;
/// Bytes of the longest message that is of interest to anybody.
const LONGEST: usize = 1024;

/// Something about a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// This was published.
    Payload(Vec<u8>),
    /// Something may have been published that is not here: whoever needs all of it asks otherwise.
    Gap,
}

/// What is published in a channel.
#[derive(Debug)]
pub struct Messages {
    queue: mpsc::Receiver<Vec<u8>>,
    gap: Arc<Gap>,
}

#[derive(Debug, Default)]
struct Gap {
    is_there: AtomicBool,
    came: Notify,
}

/// The other end.
pub(super) struct Inbox {
    pub(super) channel: Box<str>,
    queue: mpsc::Sender<Vec<u8>>,
    gap: Arc<Gap>,
}

impl Inbox {
    pub(super) fn new(channel: &str) -> (Self, Messages) {
        let (sender, queue) = mpsc::channel(QUEUE);
        let gap = Arc::new(Gap::default());
        (Self { channel: channel.into(), queue: sender, gap: gap.clone() }, Messages { queue, gap })
    }

    pub(super) fn put(&self, payload: &[u8]) {
        if payload.len() > LONGEST || self.queue.try_send(payload.to_vec()).is_err() {
            self.gap();
        }
    }

    pub(super) fn gap(&self) {
        self.gap.is_there.store(true, std::sync::atomic::Ordering::Release);
        self.gap.came.notify_one();
    }

    pub(super) fn is_deserted(&self) -> bool {
        self.queue.is_closed()
    }
}

impl Messages {
    /// The next; `None` when there is no connection any more and will be none.
    pub async fn next(&mut self) -> Option<Message> {
        loop {
            if self.gap.is_there.swap(false, AcqRel) {
                return Some(Message::Gap);
            }
            tokio::select! {
                payload = self.queue.recv() => return payload.map(Message::Payload),
                () = self.gap.came.notified() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_finds_no_room_is_said_to_be_missing() {
        let (inbox, mut messages) = Inbox::new("c");
        inbox.put(b"a");
        assert_eq!(messages.next().await, Some(Message::Payload(b"a".to_vec())));
        for _ in 0..=QUEUE {
            inbox.put(b"b");
        }
        assert_eq!(messages.next().await, Some(Message::Gap));
        assert_eq!(messages.next().await, Some(Message::Payload(b"b".to_vec())));
        inbox.put(&[0; LONGEST + 1]);
        assert_eq!(messages.next().await, Some(Message::Gap));
        drop(messages);
        assert!(inbox.is_deserted());
    }
}
