//! What of a request only some subscribers want, and what costs something to gather: it is noted on the way where somebody
//! will read it, and left out otherwise.

use std::{sync::Arc, time::SystemTime};

use serde::Serialize;

use crate::{
    config::PolicyVersion,
    policy::{PermittedOperation, decide::RuleSource},
};

/// How a request was authenticated and authorised.
#[derive(Debug, Clone)]
pub struct Details {
    /// When its head was read, by the wall clock.
    pub time: SystemTime,
    /// The policy that decided, by the digest of its part of the configuration.
    pub policy: Option<Arc<PolicyVersion>>,
    /// The rule that decided.
    pub rule: Option<Arc<RuleSource>>,
    /// How the secrets in its answer are dealt with, where it may have some.
    pub secrets: Option<SecretsShown>,
    /// Which token was handed out.
    pub issued: Option<Issued>,
}

/// How the secrets in an answer are dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretsShown {
    /// They are masked.
    Masked,
    /// They are shown, because `reveal` names the operation.
    Revealed,
}

impl SecretsShown {
    /// Those in the answers of an operation, if there are any.
    pub(super) fn of(operation: &PermittedOperation) -> Option<Self> {
        match (operation.masking(), operation.reveals_secrets()) {
            (Some(_), _) => Some(Self::Masked),
            (None, true) => Some(Self::Revealed),
            (None, false) => None,
        }
    }

    /// One word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Masked => "masked",
            Self::Revealed => "revealed",
        }
    }
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

impl Details {
    /// Of a request whose head was read at `time`.
    pub fn at(time: SystemTime) -> Self {
        Self { time, policy: None, rule: None, secrets: None, issued: None }
    }
}
