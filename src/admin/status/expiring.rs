//! What expires, the soonest first. Tokens are not among it: they are renewed automatically and shown with their tenants.

use std::time::SystemTime;

use serde_json::{Value, json};

use crate::{
    authn::jwt::KeyringStatus,
    clock::Moment,
    listen::tls::dates::{Dates, date},
};

/// The most that are shown.
const MOST: usize = 100;

pub(super) fn all(dates: Option<&Dates>, keyrings: &[KeyringStatus], now: Moment) -> Vec<Value> {
    let mut ends: Vec<(SystemTime, &str, String, &str)> = Vec::new();
    if let Some(server) = dates.and_then(Dates::server) {
        let note = "a changed file is taken up without a restart";
        ends.push((
            server.not_after,
            "certificate",
            format!("the listener's certificate, {}", server.subject),
            note,
        ));
    }
    for list in dates.and_then(Dates::lists).unwrap_or_default() {
        if let Some(end) = list.next_update {
            let note = "after that every client certificate of this issuer is refused";
            ends.push((end, "crl", format!("the revocation list of {}", list.issuer), note));
        }
    }
    for keyring in keyrings {
        if let Some(end) = keyring.usable_for.and_then(|left| now.wall.checked_add(left)) {
            let note = "fetched again by itself; this is when they end if the issuer cannot be asked";
            ends.push((
                end,
                "issuer_keys",
                format!("the signing keys of issuer {}", keyring.issuer.name),
                note,
            ));
        }
    }
    ends.sort_unstable();
    let shown = |(end, kind, what, note): (SystemTime, &str, String, &str)| {
        json!({
            "kind": kind,
            "what": what,
            "at": date(end),
            "in_seconds": end.duration_since(now.wall).unwrap_or_default().as_secs(),
            "note": note,
        })
    };
    ends.into_iter().take(MOST).map(shown).collect()
}
