//! Admitted → what the upstream takes. Each of the three values holds the tenant, the token's spec and what may be done
//! together, in private fields, and is made here alone: nobody can send to one tenant what was permitted at another,
//! leave out the conditions, the place in flight or the masking, or have a token without a permit.

use std::sync::Arc;

use http::{HeaderMap, request::Parts};

use super::{
    admit::{Admitted, Limited},
    error::LimitError,
    in_flight::InFlightGuard,
};
use crate::{
    catalog::Secrets,
    config::Issue,
    policy::{
        Action, ForwardAuthError, Permit, PermittedOperation, Refusal, TokenSpec,
        conditions::{ApprovedTarget, Own},
        decide::RuleSource,
        forward_auth,
    },
};

pub use crate::policy::conditions::Own as OwnTarget;

/// A request that may be sent to its tenant, as often as the rules of retrying say; keeps a place among the tenant's requests.
#[derive(Debug)]
pub struct Dispatch<T> {
    tenant: Arc<T>,
    token: TokenSpec,
    target: ApprovedTarget,
    masking: Option<&'static Secrets>,
    place: InFlightGuard,
}

/// A token that another proxy may send a permitted request with.
#[derive(Debug)]
pub struct Loan<T> {
    tenant: Arc<T>,
    token: TokenSpec,
}

/// The upstream's token, for a caller whose grant says that it gets it.
#[derive(Debug)]
pub struct Handout<T> {
    tenant: Arc<T>,
    token: TokenSpec,
}
