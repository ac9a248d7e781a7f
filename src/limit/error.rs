//! Why a request is over a limit, and for how long.

use std::time::Duration;

use crate::{
    config::{Class, Rate},
    ids::{CallerName, TenantName},
};

/// Why a request was not admitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// The caller is over its own limit.
    #[error("the rate limit of caller {caller} ({rate}) is used up")]
    Rate {
        /// Whose limit.
        caller: CallerName,
        /// The limit.
        rate: Rate,
        /// Until the next request would pass.
        wait: Duration,
    },
    /// The tenant's quota is used up.
    #[error(
        "the quota of tenant {tenant} is used up: `tenants.{tenant}.quota` of Claviger's configuration, {rate} for all callers together; Logto was not asked"
    )]
    Quota {
        /// Whose quota.
        tenant: TenantName,
        /// The quota.
        rate: Rate,
        /// Until the next request would pass.
        wait: Duration,
        /// How urgent the request is.
        class: Class,
    },
    /// The tenant itself asked for a pause.
    #[error("{}", asked_for_a_pause(tenant, *what))]
    Paused {
        /// Which tenant.
        tenant: TenantName,
        /// What waits for it.
        what: Paused,
        /// Until it ends.
        wait: Duration,
    },
    /// Too many requests to the tenant are under way or waiting.
    #[error("too many requests to tenant {tenant} are under way")]
    Overloaded {
        /// Which tenant.
        tenant: TenantName,
        /// Until those that wait now will have been served, as far as can be told.
        wait: Duration,
    },
    /// The tenant fails whatever it is asked, so nothing is sent there for a while.
    #[error(
        "Logto has failed whatever it was asked at tenant {tenant}, so Claviger sends nothing there until one request has succeeded; this one was not sent"
    )]
    Unavailable {
        /// Which tenant.
        tenant: TenantName,
        /// Until the next one is tried.
        wait: Duration,
    },
    /// The caller holds as much memory as is free.
    #[error("the requests of caller {caller} hold as much memory as one caller may at the moment")]
    Memory {
        /// Whose.
        caller: CallerName,
    },
    /// There was no place for another connection, and the one that the request came on gave its own up while the request waited.
    #[error(
        "the connection was closed to make room for another one while the request waited; nothing was sent to Logto"
    )]
    Connections,
    /// Too many requests wait of whom nobody knows yet who they are from.
    #[error("too many unauthenticated requests are waiting")]
    Unauthenticated,
    /// Too many failed identifications from one address.
    #[error("too many failed authentications from this address")]
    Identifications {
        /// Until the next try is looked at.
        wait: Duration,
    },
}

impl LimitError {
    /// The same, where it is a refusal for want of a place: not before so long.
    #[must_use]
    pub(super) fn not_before(mut self, least: Duration) -> Self {
        if let Self::Overloaded { wait, .. } = &mut self {
            *wait = (*wait).max(least);
        }
        self
    }

    /// How long its caller is to wait, where that is known.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Rate { wait, .. }
            | Self::Quota { wait, .. }
            | Self::Paused { wait, .. }
            | Self::Overloaded { wait, .. }
            | Self::Unavailable { wait, .. }
            | Self::Identifications { wait } => Some(*wait),
            Self::Connections | Self::Memory { .. } | Self::Unauthenticated => None,
        }
    }
}

/// What waits for a pause that the upstream asked for to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paused {
    /// Requests of one operation.
    Operation,
    /// All of the tenant's.
    Tenant,
}

/// The tenant's quota is Claviger's own count, and a pause is Logto's wish: which of the two is the first thing to know.
fn asked_for_a_pause(tenant: &TenantName, what: Paused) -> String {
    match what {
        Paused::Operation => format!(
            "Logto answered an earlier request like this one at tenant {tenant} with 429 and asked for a pause; until that ends, Claviger sends no more of them"
        ),
        Paused::Tenant => format!(
            "Logto answered earlier requests of several kinds at tenant {tenant} with 429, or said that nothing is left, and asked for a pause; until that ends, Claviger sends no request there"
        ),
    }
}
