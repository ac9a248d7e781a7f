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
    #[error("{}", exhausted(tenant, rate.as_ref()))]
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

/// The tenant's quota is Claviger's own count, unless Logto asked for a pause: which of the two is the first thing to know.
fn exhausted(tenant: &TenantName, rate: Option<&Rate>) -> String {
    match rate {
        Some(rate) => format!(
            "the quota of tenant {tenant} is used up: `tenants.{tenant}.quota` of Claviger's configuration, {rate} for all callers together; Logto was not asked"
        ),
        None => format!(
            "Logto answered an earlier request like this one at tenant {tenant} with 429 and asked for a pause; until that ends, Claviger sends no more of them"
        ),
    }
}
