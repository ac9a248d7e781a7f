//! What an authentication method is, and what it may find. Each method is a file that implements [`Authenticator`];
//! their order is [`Authenticators::new`](super::Authenticators::new)'s.

use std::{future::Future, pin::Pin, sync::Arc};

use super::{cause::Cause, key::ApiKey, presented::Presented, principal::Principal};
use crate::{
    ids::{CallerIndex, TenantName},
    secret::Digest,
};

/// One authentication method, with the callers of a configuration that use it.
pub(super) trait Authenticator: Send + Sync {
    /// Its name in log and audit log (`identified_by`, `auth_method`) and the metric (`method`).
    fn name(&self) -> &'static str;

    /// Must never tell the one who asks which part was wrong; the operator learns it from the [`Cause`].
    fn authenticate<'a>(&'a self, presented: &'a Presented<'_>) -> Outcome<'a>;

    /// What it authenticates by.
    fn evidence(&self) -> Evidence {
        Evidence::Request
    }

    /// The API key that authenticates the caller, to which a token that it gets is bound.
    fn key(&self, _presented: &Presented<'_>) -> Option<Digest> {
        None
    }

    /// Whether `text`, found elsewhere in a request, is or looks like a credential of this method.
    fn is_credential(&self, _text: &[u8]) -> bool {
        false
    }
}

/// What a method authenticates by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Evidence {
    /// A credential in the request.
    Request,
    /// The connection, which is the same for all of its requests.
    Connection,
}

/// When a finding is there.
pub(super) enum Outcome<'a> {
    Now(Finding),
    /// After a wait, which is bounded.
    Later(Pin<Box<dyn Future<Output = Finding> + Send + 'a>>),
}

/// What a method finds in a request.
#[derive(Debug)]
pub(super) enum Finding {
    /// The request is this caller's; no other method is asked.
    Known(Known),
    /// Nothing of its kind, or something that may be meant for somebody else: the next method is asked. The cause is
    /// reported if no method knows the caller.
    Pass(Option<Cause>),
    /// Something of its kind that is invalid or no caller's; no other method is asked.
    Rejected(Cause),
}

/// A caller, and what is known beside its name.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) caller: CallerIndex,
    /// The only tenant that what it presented is good at, if there is just one.
    pub(super) tenant: Option<TenantName>,
    pub(super) principal: Option<Principal>,
}

impl From<CallerIndex> for Known {
    fn from(caller: CallerIndex) -> Self {
        Self { caller, tenant: None, principal: None }
    }
}

impl From<&Arc<ApiKey>> for Known {
    fn from(key: &Arc<ApiKey>) -> Self {
        Self { principal: Some(Principal::Key(key.clone())), ..Self::from(key.caller()) }
    }
}

impl From<Finding> for Outcome<'_> {
    fn from(finding: Finding) -> Self {
        Self::Now(finding)
    }
}
