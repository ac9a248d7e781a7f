//! What of a request only some subscribers want, and what costs something to gather: it is noted on the way where somebody
//! will read it, and left out otherwise.

use std::{sync::Arc, time::SystemTime};

use serde::Serialize;

use crate::policy::decide::RuleSource;

/// How a request was authenticated and authorised.
#[derive(Debug, Clone)]
pub struct Details {
    /// When its head was read, by the wall clock.
    pub time: SystemTime,
    /// The authentication method that the caller was identified by.
    pub identified_by: Option<&'static str>,
    /// The path of a permitted operation, without its query and without credentials.
    pub path: Option<String>,
    /// The rule that decided; one that allowed it is known only where there is an audit log.
    pub rule: Option<Arc<RuleSource>>,
    /// Which token was handed out.
    pub issued: Option<Issued>,
    /// Whether it was refused for what the caller did: nothing was sent upstream.
    pub denied: bool,
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
        Self { time, identified_by: None, path: None, rule: None, issued: None, denied: false }
    }
}
