//! One line of the audit log, as `docs/audit.md` describes it. No member can hold a secret or a body.

use serde::Serialize;

/// The version of the schema in `docs/audit.md`; members may be added without another.
pub(in crate::observe) const SCHEMA: u32 = 1;

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::observe) enum Outcome {
    Denied,
    Failed,
    Issued,
    Answered,
    Aborted,
}

/// One line.
#[derive(Debug, Serialize)]
pub(in crate::observe) struct Entry {
    pub(in crate::observe) time: String,
    pub(in crate::observe) schema: u32,
    pub(in crate::observe) request_id: String,
    pub(in crate::observe) caller: Option<String>,
    pub(in crate::observe) identified_by: Option<&'static str>,
    pub(in crate::observe) peer: Option<String>,
    pub(in crate::observe) peer_uid: Option<u32>,
    pub(in crate::observe) tenant: Option<String>,
    pub(in crate::observe) operation: Option<&'static str>,
    pub(in crate::observe) method: String,
    pub(in crate::observe) via: Option<&'static str>,
    pub(in crate::observe) path: Option<String>,
    pub(in crate::observe) rule: Option<Rule>,
    pub(in crate::observe) outcome: Outcome,
    pub(in crate::observe) status: u16,
    pub(in crate::observe) code: Option<&'static str>,
    pub(in crate::observe) tried: Option<&'static str>,
    pub(in crate::observe) cause: Option<String>,
    pub(in crate::observe) source: &'static str,
    pub(in crate::observe) issued: Option<Issued>,
    pub(in crate::observe) attempts: u32,
    pub(in crate::observe) upstream_request_id: Option<String>,
    pub(in crate::observe) duration_ms: f64,
}

#[derive(Debug, Serialize)]
pub(in crate::observe) struct Rule {
    pub(in crate::observe) policy: String,
    pub(in crate::observe) effect: &'static str,
    pub(in crate::observe) text: String,
    pub(in crate::observe) conditions: bool,
    pub(in crate::observe) origin: String,
}

/// A token that left the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Issued {
    /// One that is good only here.
    Claviger,
    /// The tenant's access token, to a caller.
    Upstream,
    /// The tenant's access token, to another proxy that asked `/authz`.
    Authz,
}
