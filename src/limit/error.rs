//! Why a request is over a limit, and for how long.

use std::time::Duration;

use crate::{
    config::Rate,
    ids::{CallerName, TenantName},
};

/// Why a request was not admitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// The caller is over its own limit.
    #[error("the rate limit of caller {caller} ({} per {}) is used up", humane(rate), humantime::format_duration(rate.per))]
    Rate {
        /// Whose limit.
        caller: CallerName,
        /// The limit.
        rate: Rate,
        /// Until the next request would pass.
        wait: Duration,
    },
    /// The tenant's quota is used up.
    #[error("the quota of tenant {tenant}{} is used up", rate.as_ref().map(within).unwrap_or_default())]
    Quota {
        /// Whose quota.
        tenant: TenantName,
        /// The quota, unless the upstream itself asked for a pause.
        rate: Option<Rate>,
        /// Until the next request would pass.
        wait: Duration,
    },
    /// Too many requests to the tenant are under way or waiting.
    #[error("too many requests to tenant {tenant} are under way")]
    Overloaded {
        /// Which tenant.
        tenant: TenantName,
    },
    /// The caller holds as much memory as is free.
    #[error("the requests of caller {caller} hold as much memory as one caller may at the moment")]
    Memory {
        /// Whose.
        caller: CallerName,
    },
    /// There was no place for another connection, and the one that the request came on gave its own up while the request waited.
    #[error(
        "the connection gave its place to another one while the request waited to be sent; nothing was sent"
    )]
    Connections,
    /// Too many requests wait of whom nobody knows yet who they are from.
    #[error("too many requests wait that have not authenticated yet")]
    Unauthenticated,
    /// Too many failed identifications from one address.
    #[error("too many failed identifications from this address")]
    Identifications {
        /// Until the next try is looked at.
        wait: Duration,
    },
}

impl LimitError {
    /// How long its caller is to wait, where that is known.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Rate { wait, .. } | Self::Quota { wait, .. } | Self::Identifications { wait } => {
                Some(*wait)
            }
            Self::Overloaded { .. } | Self::Connections | Self::Memory { .. } | Self::Unauthenticated => None,
        }
    }
}

fn within(rate: &Rate) -> String {
    format!(" ({} per {})", humane(rate), humantime::format_duration(rate.per))
}

fn humane(rate: &Rate) -> String {
    match rate.requests {
        1 => "1 request".into(),
        n => format!("{n} requests"),
    }
}
