//! A record of the audit log, as `docs/audit.md` describes it. No member can hold a secret or a body.

use std::{net::SocketAddr, sync::Arc, time::SystemTime};

use serde::{Serialize, Serializer};

use crate::{
    authn::Principal,
    config::PolicyVersion,
    ids::TenantName,
    observe::{Details, Issued, Outcome, RequestEvent, SecretsShown, ShownRule, Side},
};

/// The version of the schema in `docs/audit.md`; members may be added without another.
pub(super) const SCHEMA: u32 = 1;

/// One line.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
#[expect(clippy::large_enum_variant, reason = "it lives in a box, and the small one is rare")]
pub(super) enum AuditRecord {
    Request(RequestRecord),
    Configuration(ConfigurationRecord),
    Tenant(TenantRecord),
    Admin(AdminRecord),
}

/// What was done, or refused, at the admin listener, beside what is done with tenants.
#[derive(Debug, Serialize)]
pub struct AdminRecord {
    /// By the wall clock.
    #[serde(serialize_with = "moment")]
    pub time: SystemTime,
    /// The version of the schema in `docs/audit.md`.
    pub schema: u32,
    /// "retry", or "refused".
    pub action: &'static str,
    /// Which tenant it was about; `None`: all, or none.
    pub tenant: Option<TenantName>,
    /// The other end, where it has an address.
    pub peer: Option<String>,
    /// "done", "failed" or "denied".
    pub outcome: &'static str,
    /// Why not.
    pub error: Option<String>,
    /// How many there were since the last such record.
    pub count: u64,
}

impl AdminRecord {
    /// At `time`, one of them.
    pub fn new(
        time: SystemTime,
        action: &'static str,
        peer: Option<SocketAddr>,
        outcome: &'static str,
        error: Option<String>,
    ) -> Self {
        let peer = peer.map(|peer| peer.to_string());
        Self { time, schema: SCHEMA, action, tenant: None, peer, outcome, error, count: 1 }
    }
}

/// That a tenant of the vault was changed, or its secret.
#[derive(Debug, Serialize)]
pub struct TenantRecord {
    /// By the wall clock.
    #[serde(serialize_with = "moment")]
    pub time: SystemTime,
    /// The version of the schema in `docs/audit.md`.
    pub schema: u32,
    /// Which; `None`: all that there are.
    pub tenant: Option<TenantName>,
    /// "create", "adopt", "remove", "rotate", "import", "export" or "rekey".
    pub action: &'static str,
    /// "operator" or "schedule".
    pub by: &'static str,
    /// What came of it.
    pub outcome: &'static str,
    /// Why it failed.
    pub error: Option<String>,
    /// The name at Logto of the client secret that came into use, or was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

impl TenantRecord {
    /// At `time`.
    pub fn new(
        time: SystemTime,
        tenant: impl Into<Option<TenantName>>,
        action: &'static str,
        by: &'static str,
        outcome: &'static str,
        error: Option<String>,
    ) -> Self {
        Self { time, schema: SCHEMA, tenant: tenant.into(), action, by, outcome, error, secret: None }
    }
}

/// What came of reading the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Reading {
    /// The process started with it.
    Started,
    /// It was changed while the process ran, and is in force.
    Changed,
    /// It was changed, and the one before stays in force.
    Refused,
}

/// That another configuration is in force, or was refused: which policy decides from now on.
#[derive(Debug, Serialize)]
pub struct ConfigurationRecord {
    /// By the wall clock.
    #[serde(serialize_with = "moment")]
    pub time: SystemTime,
    /// The version of the schema in `docs/audit.md`.
    pub schema: u32,
    /// What came of it.
    pub outcome: Reading,
    /// The policy in force from now on.
    pub policy: Arc<PolicyVersion>,
    /// The one that was in force until now.
    pub policy_before: Option<Arc<PolicyVersion>>,
    /// The keys that changed, by their names.
    pub changed: Vec<String>,
    /// How many more changed.
    pub changed_further: usize,
    /// Those of them whose new values wait for a restart.
    pub pending_restart: Vec<&'static str>,
    /// Why it was refused.
    pub error: Option<String>,
    /// Of the program.
    pub version: &'static str,
}

/// More changed keys than a line should have.
const MOST_KEYS: usize = 1000;

impl ConfigurationRecord {
    /// At `time`; `policy` is in force from then on.
    pub fn new(time: SystemTime, outcome: Reading, policy: Arc<PolicyVersion>) -> Self {
        Self {
            time,
            schema: SCHEMA,
            outcome,
            policy,
            policy_before: None,
            changed: Vec::new(),
            changed_further: 0,
            pending_restart: Vec::new(),
            error: None,
            version: env!("CARGO_PKG_VERSION"),
        }
    }

    /// With the names of the keys that changed.
    #[must_use]
    pub fn changing(self, mut keys: Vec<String>) -> Self {
        let further = keys.len().saturating_sub(MOST_KEYS);
        keys.truncate(MOST_KEYS);
        Self { changed: keys, changed_further: further, ..self }
    }
}

/// One request.
#[derive(Debug, Serialize)]
pub(super) struct RequestRecord {
    #[serde(serialize_with = "moment")]
    pub(super) time: SystemTime,
    pub(super) schema: u32,
    pub(super) request_id: String,
    pub(super) trace_id: Option<String>,
    pub(super) caller: Option<String>,
    pub(super) identified_by: Option<&'static str>,
    pub(super) key: Option<String>,
    pub(super) issuer: Option<String>,
    pub(super) subject: Option<String>,
    pub(super) certificate: Option<String>,
    pub(super) peer: Option<String>,
    pub(super) peer_uid: Option<u32>,
    pub(super) tenant: Option<String>,
    pub(super) operation: Option<&'static str>,
    pub(super) method: String,
    pub(super) via: Option<&'static str>,
    pub(super) path: Option<String>,
    pub(super) policy: Option<Arc<PolicyVersion>>,
    pub(super) rule: Option<ShownRule>,
    pub(super) secrets: Option<SecretsShown>,
    pub(super) outcome: Outcome,
    pub(super) status: u16,
    pub(super) code: Option<&'static str>,
    pub(super) side: Option<&'static str>,
    pub(super) auth_method: Option<&'static str>,
    pub(super) cause: Option<String>,
    pub(super) source: &'static str,
    pub(super) issued: Option<Issued>,
    pub(super) attempts: u32,
    pub(super) upstream_request_id: Option<String>,
    pub(super) duration_ms: f64,
}

impl RequestRecord {
    pub(super) fn of(event: &RequestEvent, details: &Details) -> Self {
        let (operation, principal) = (event.operation.operation(), event.principal.as_ref());
        let owned = |text: Option<&str>| text.map(ToOwned::to_owned);
        Self {
            time: details.time,
            schema: SCHEMA,
            request_id: event.id.as_str().to_owned(),
            trace_id: owned(event.trace_id()),
            caller: known(event.operation.caller()),
            identified_by: event.identified_by,
            key: owned(principal.and_then(Principal::key)),
            issuer: owned(principal.and_then(Principal::issuer)),
            subject: owned(principal.and_then(Principal::subject)),
            certificate: owned(principal.and_then(Principal::certificate)),
            peer: event.peer.map(|peer| peer.to_string()),
            peer_uid: event.peer_uid,
            tenant: known(event.operation.tenant()),
            operation: (!operation.is_empty()).then_some(operation),
            method: event.shown_method().to_owned(),
            via: event.via,
            path: event.path.clone(),
            policy: details.policy.clone(),
            rule: details.rule.as_deref().map(ShownRule::of),
            secrets: details.secrets,
            outcome: event.outcome(),
            status: event.status.as_u16(),
            code: event.code,
            side: event.side.map(Side::as_str),
            auth_method: event.auth_method,
            cause: event.cause.clone(),
            source: event.answered_by.as_str(),
            issued: details.issued,
            attempts: event.attempts,
            upstream_request_id: owned(event.shown_upstream_id()),
            duration_ms: event.duration_ms(),
        }
    }
}

/// RFC 3339, UTC, milliseconds.
fn moment<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&humantime::format_rfc3339_millis(*time))
}

/// A name is empty where it is not known.
fn known(name: &str) -> Option<String> {
    (!name.is_empty()).then(|| name.to_owned())
}
