//! What of a record goes to the audit log. Decides what came of the request; writes nothing itself.

use super::Record;
use crate::{
    observe::{
        AuditRecord,
        audit::entry::{Entry, Outcome, Rule, SCHEMA},
    },
    policy::rules::Effect,
};

impl Record {
    /// Hands its line to the audit log, at the end of the request.
    pub(super) fn audit(&self, trail: AuditRecord, seconds: f64) {
        let outcome = match () {
            () if trail.denied => Outcome::Denied,
            () if self.code.is_some() => Outcome::Failed,
            () if trail.issued.is_some() => Outcome::Issued,
            () if !self.complete => Outcome::Aborted,
            () => Outcome::Answered,
        };
        let text = |value: &Option<http::HeaderValue>| {
            let text = value.as_ref()?.to_str().ok()?;
            Some(text.get(..text.len().min(128))?.to_owned())
        };
        let entry = Entry {
            time: humantime::format_rfc3339_millis(trail.time).to_string(),
            schema: SCHEMA,
            request_id: self.id.as_str().to_owned(),
            caller: trail.caller,
            identified_by: trail.identified_by,
            peer: trail.peer.map(|peer| peer.to_string()),
            peer_uid: trail.peer_uid,
            tenant: trail.tenant,
            operation: trail.operation,
            method: self.method().to_owned(),
            via: self.via,
            path: trail.path,
            rule: trail.rule.map(|rule| Rule {
                policy: rule.policy.as_str().to_owned(),
                effect: match rule.effect {
                    Effect::Allow => "allow",
                    Effect::Deny => "deny",
                },
                text: rule.rule.text.clone(),
                conditions: rule.rule.conditions.is_some(),
                origin: rule.rule.origin.to_string(),
            }),
            outcome,
            status: self.status.as_u16(),
            code: self.code,
            tried: self.tried,
            cause: self.cause.clone(),
            source: self.answered_by.as_str(),
            issued: trail.issued,
            attempts: self.attempts,
            upstream_request_id: text(&self.upstream_id),
            duration_ms: (seconds * 1e6).round() / 1e3,
        };
        trail.log.write(entry);
    }
}
