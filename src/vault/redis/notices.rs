//! What others change: by their messages, and by a look at the vault now and then, as nobody tells that its data is gone.

use std::time::Duration;

use redis::Cmd;
use tokio::sync::mpsc;

use crate::{
    ids::TenantName,
    redis::{Message, Redis},
    vault::store::Notice,
};

/// How often is looked, while no message comes.
const LOOK: Duration = Duration::from_secs(5);
/// Notices that wait.
const QUEUE: usize = 1024;

/// `ask` is for the proof of the vault, which is `proof` now.
pub(super) fn notices(redis: &Redis, channel: &str, ask: Cmd, proof: Vec<u8>) -> mpsc::Receiver<Notice> {
    let (mut messages, redis) = (redis.messages(channel), redis.clone());
    let (sender, notices) = mpsc::channel(QUEUE);
    tokio::spawn(async move {
        let mut seen = Some(proof);
        loop {
            let notice = match tokio::time::timeout(LOOK, messages.next()).await {
                Ok(None) => return,
                Ok(Some(Message::Gap)) => Notice::Any,
                Ok(Some(Message::Payload(alias))) => {
                    let alias = String::from_utf8(alias).ok();
                    alias.and_then(|alias| TenantName::parse(&alias).ok()).map_or(Notice::Any, Notice::One)
                }
                Err(_) => match redis.ask::<Option<Vec<u8>>>(&ask).await {
                    Ok(now) if now != seen => {
                        seen = now;
                        Notice::Any
                    }
                    _ if sender.is_closed() => return,
                    _ => continue,
                },
            };
            if sender.send(notice).await.is_err() {
                return;
            }
        }
    });
    notices
}
