//! A record of the audit log, as `docs/audit.md` describes it. Decides what came of the request. No member can hold a
//! secret or a body.

use serde::Serialize;

use crate::observe::{Details, Issued, Outcome, RequestEvent, ShownRule};

/// The version of the schema in `docs/audit.md`; members may be added without another.
pub(super) const SCHEMA: u32 = 1;

/// One line.
#[derive(Debug, Serialize)]
pub(super) struct AuditRecord {
    pub(super) time: String,
    pub(super) schema: u32,
    pub(super) request_id: String,
    pub(super) caller: Option<String>,
    pub(super) identified_by: Option<&'static str>,
    pub(super) peer: Option<String>,
    pub(super) peer_uid: Option<u32>,
    pub(super) tenant: Option<String>,
    pub(super) operation: Option<&'static str>,
    pub(super) method: String,
    pub(super) via: Option<&'static str>,
    pub(super) path: Option<String>,
    pub(super) rule: Option<ShownRule>,
    pub(super) outcome: Outcome,
    pub(super) status: u16,
    pub(super) code: Option<&'static str>,
    pub(super) tried: Option<&'static str>,
    pub(super) cause: Option<String>,
    pub(super) source: &'static str,
    pub(super) issued: Option<Issued>,
    pub(super) attempts: u32,
    pub(super) upstream_request_id: Option<String>,
    pub(super) duration_ms: f64,
}

impl AuditRecord {
    pub(super) fn of(event: &RequestEvent, details: &Details) -> Self {
        let operation = event.operation.operation();
        Self {
            time: humantime::format_rfc3339_millis(details.time).to_string(),
            schema: SCHEMA,
            request_id: event.id.as_str().to_owned(),
            caller: known(event.operation.caller()),
            identified_by: details.identified_by,
            peer: event.peer.map(|peer| peer.to_string()),
            peer_uid: event.peer_uid,
            tenant: known(event.operation.tenant()),
            operation: (!operation.is_empty()).then_some(operation),
            method: event.shown_method().to_owned(),
            via: event.via,
            path: details.path.clone(),
            rule: details.rule.as_deref().map(ShownRule::of),
            outcome: event.outcome(),
            status: event.status.as_u16(),
            code: event.code,
            tried: event.tried,
            cause: event.cause.clone(),
            source: event.answered_by.as_str(),
            issued: details.issued,
            attempts: event.attempts,
            upstream_request_id: event.shown_upstream_id().map(ToOwned::to_owned),
            duration_ms: event.duration_ms(),
        }
    }
}

/// A name is empty where it is not known.
fn known(name: &str) -> Option<String> {
    (!name.is_empty()).then(|| name.to_owned())
}
