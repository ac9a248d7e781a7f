//! The watch: a list of one to know where it begins, then events, each a line. It ends now and then and is begun again where
//! it was, at the last event or bookmark. Where the server has forgotten that place (410), all may have changed.

use std::{sync::Arc, time::Duration};

use tokio::sync::mpsc;

use super::{
    api::{Api, Watch, unreachable},
    object::{Event, EventObject},
};
use crate::vault::{error::Unavailable, store::Notice};

/// How long one watch lasts by the server's clock; it adds up to as much again for what it sends.
const LASTS: Duration = Duration::from_secs(240);
/// The longest silence: a server sends a bookmark each minute, and ends the watch in time.
const SILENCE: Duration = Duration::from_secs(270);
/// The longest line: an object of Kubernetes is smaller.
const LONGEST: usize = 4 << 20;
/// The pause after the first failure; doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Tells of what changes, until nobody listens.
pub(super) async fn watch(api: Arc<Api>, notices: mpsc::Sender<Notice>) {
    let (mut from, mut pause) = (None, FIRST_PAUSE);
    while !notices.is_closed() {
        match watched(&api, &mut from, &notices).await {
            Ok(()) => pause = FIRST_PAUSE,
            Err(error) => {
                tracing::debug!(%error, "the watch of the vault's Secrets broke; it is begun again");
                let jitter = pause.mul_f64(fastrand::f64() * 0.5);
                tokio::time::sleep(pause - jitter).await;
                pause = LONGEST_PAUSE.min(pause * 2);
            }
        }
    }
}

/// One watch, to its end. `from` is where the next one begins.
async fn watched(
    api: &Api,
    from: &mut Option<String>,
    notices: &mpsc::Sender<Notice>,
) -> Result<(), Unavailable> {
    let begin = match from {
        Some(version) => version.clone(),
        None => {
            let list = api.list(1, None).await?;
            let begin = list.map(|list| list.metadata.resource_version).unwrap_or_default();
            *from = Some(begin.clone());
            // All are read after the place where the watch begins.
            let _ = notices.send(Notice::Any).await;
            begin
        }
    };
    let mut events = match api.watch(&begin, LASTS).await? {
        Watch::Events(events) => events,
        Watch::Expired => {
            *from = None;
            return Ok(());
        }
    };
    let mut line = Vec::new();
    loop {
        let chunk = tokio::time::timeout(SILENCE, events.chunk()).await;
        let chunk = chunk.map_err(|_| Unavailable::new("the watch is silent", "It is begun again."))?;
        let Some(chunk) = chunk.map_err(unreachable)? else { return Ok(()) };
        for part in chunk.split_inclusive(|byte| *byte == b'\n') {
            line.extend_from_slice(part);
            if line.len() > LONGEST {
                return Err(Unavailable::new("a line of the watch is too long", "It is begun again."));
            }
            if line.ends_with(b"\n") {
                match event(&line) {
                    What::Changed(object) => {
                        if let Some(alias) = object.alias() {
                            let _ = notices.send(Notice::One(alias)).await;
                        }
                        note(from, &object);
                    }
                    What::Bookmark(object) => note(from, &object),
                    What::Expired => {
                        *from = None;
                        return Ok(());
                    }
                    What::Other => {
                        return Err(Unavailable::new("the watch has an error", "It is begun again."));
                    }
                }
                line.clear();
            }
        }
    }
}

fn note(from: &mut Option<String>, object: &EventObject) {
    if let Some(version) = object.version() {
        *from = Some(version.to_owned());
    }
}

enum What {
    Changed(EventObject),
    Bookmark(EventObject),
    Expired,
    Other,
}

fn event(line: &[u8]) -> What {
    let Ok(Event { kind, object }) = serde_json::from_slice::<Event>(line) else { return What::Other };
    match (&*kind, object.code) {
        ("ADDED" | "MODIFIED" | "DELETED", _) => What::Changed(object),
        ("BOOKMARK", _) => What::Bookmark(object),
        ("ERROR", Some(410)) => What::Expired,
        _ => What::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_an_event_a_bookmark_or_the_end() {
        let added = br#"{"type":"ADDED","object":{"kind":"Secret","metadata":{"name":"claviger-tenant-acme","resourceVersion":"7"}}}"#;
        let What::Changed(object) = event(added) else { panic!("it is a change") };
        assert_eq!((object.alias().unwrap().as_str(), object.version()), ("acme", Some("7")));
        let bookmark = br#"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"9"}}}"#;
        assert!(matches!(event(bookmark), What::Bookmark(object) if object.version() == Some("9")));
        let gone = br#"{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}}"#;
        assert!(matches!(event(gone), What::Expired));
        for other in [&b"{}"[..], b"", b"<html>", br#"{"type":"ERROR","object":{"code":500}}"#] {
            assert!(matches!(event(other), What::Other));
        }
    }
}
