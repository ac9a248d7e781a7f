//! What callers did in the last minutes: those that are denied most come first, then those that ask most.

use std::cmp::Reverse;

use serde_json::{Value, json};

use super::moments::at;
use crate::{
    admin::traffic::{Activity, Ring, SLOT, WINDOW},
    clock::Moment,
    config::Config,
};

pub(super) fn traffic(config: &Config, ring: &Ring, limit: usize, now: Moment) -> Value {
    let mut callers: Vec<_> = config
        .callers
        .iter()
        .map(|caller| {
            let activity = ring.caller(&caller.name);
            (&caller.name, activity, ring.recent(activity))
        })
        .collect();
    callers.sort_by_key(|(_, activity, recent)| {
        let (worst, last) = (recent.denied + recent.limited + recent.failed, activity.and_then(|it| it.last));
        Reverse((worst, recent.requests, last))
    });
    callers.truncate(limit);
    json!({
        "window_seconds": WINDOW.as_secs(),
        "slot_seconds": SLOT.as_secs(),
        "callers": callers.iter().map(|(name, activity, _)| {
            let mut shown = shown(ring, *activity, now);
            shown["caller"] = name.as_str().into();
            shown
        }).collect::<Vec<_>>(),
        "unauthenticated": shown(ring, Some(ring.unauthenticated()), now),
    })
}

fn shown(ring: &Ring, activity: Option<&Activity>, now: Moment) -> Value {
    let recent = ring.recent(activity);
    json!({
        "last_request": activity.and_then(|it| it.last).map(|last| at(now, last)),
        "requests": recent.requests,
        "denied": recent.denied,
        "limited": recent.limited,
        "failed": recent.failed,
        "requests_by_slot": recent.by_slot,
    })
}
