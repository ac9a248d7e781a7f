//! What the policy hands on: permission for one request. The values have private fields and one maker each, in
//! `grants`, so that holding one proves what it says.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, uri::PathAndQuery};

use super::{
    conditions::{ApprovedTarget, ConditionalTarget},
    decide::RuleSource,
    refusal::Refusal,
    reveal::Masking,
    token_spec::TokenSpec,
};
use crate::{
    authn::Caller,
    catalog::{CREATE_TENANT, Secrets},
    config::{self, Issue},
    ids::{Label, OperationId, TenantName},
};

/// What the policy knows of a tenant: what grants name it by.
pub trait Tenant {
    /// Its alias.
    fn name(&self) -> &TenantName;
    /// Its labels.
    fn labels(&self) -> &[Label];
    /// As configured: what its tokens are for.
    fn config(&self) -> &config::Tenant;
}

/// As configured: for `explain` and the matrix, which need no running tenant.
impl Tenant for config::Tenant {
    fn name(&self) -> &TenantName {
        &self.name
    }

    fn labels(&self) -> &[Label] {
        &self.labels
    }

    fn config(&self) -> &config::Tenant {
        self
    }
}

/// A tenant that a caller may use, with the token for it. Only `Grants::tenant` makes one.
#[derive(Debug)]
pub struct Granted<T> {
    pub(super) caller: Caller,
    pub(super) tenant: Arc<T>,
    pub(super) token: TokenSpec,
    pub(super) explained: bool,
}

/// Leave for one request: who, where, what. Only `Grants::permit` makes one, of a [`Granted`].
#[derive(Debug)]
pub struct Permit<T> {
    pub(super) granted: Granted<T>,
    pub(super) rule: Option<Arc<RuleSource>>,
    pub(super) action: Action,
}

/// What a permitted request is for.
#[derive(Debug)]
pub enum Action {
    /// A token of the broker.
    Issue(Issue),
    /// The OpenAPI document of the Management API, cut down to what the caller may do.
    Describe,
    /// An operation of the Management API.
    Forward(PermittedOperation),
}

/// An operation that the rules allow, once what they ask of the body is met.
#[derive(Debug)]
pub struct PermittedOperation {
    pub(super) index: usize,
    pub(super) name: &'static str,
    pub(super) is_safe: bool,
    pub(super) target: ConditionalTarget,
    pub(super) masking: Masking,
    pub(super) sharing: Sharing,
}

/// Whether an answer may be given to others who may ask the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Never: the operation changes something or is sensitive, nobody knows whether it is, or the caller sees secrets in the answer.
    Never,
    /// To those who ask while it is under way.
    UnderWay,
    /// And to those who ask later, while it is no older than this.
    Kept(Duration),
}

impl<T> Granted<T> {
    /// The same, of which a permit is to say by which rule. Without, it says so only where conditions decide: the rule's
    /// counter of references is shared by all workers.
    #[must_use]
    pub fn explained(self) -> Self {
        Self { explained: true, ..self }
    }

    /// The tenant, to look at.
    pub fn tenant(&self) -> &Arc<T> {
        &self.tenant
    }
}

impl<T> Permit<T> {
    /// Who.
    pub fn caller(&self) -> &Caller {
        &self.granted.caller
    }

    /// Where, to look at.
    pub fn tenant(&self) -> &Arc<T> {
        &self.granted.tenant
    }

    /// With which of the tenant's tokens.
    pub fn token(&self) -> &TokenSpec {
        &self.granted.token
    }

    /// By which rule, where that was asked for and does not depend on the body.
    pub fn rule(&self) -> Option<&Arc<RuleSource>> {
        self.rule.as_ref()
    }

    /// What.
    pub fn action(&self) -> &Action {
        &self.action
    }

    /// All of it, for the stage that draws on the limits and makes of it what may be sent.
    pub fn into_parts(self) -> (Arc<T>, TokenSpec, Action) {
        (self.granted.tenant, self.granted.token, self.action)
    }
}

impl PermittedOperation {
    /// Its place among the operations of this catalog, for what is kept for each; those that the catalog does not know share the last.
    pub fn index(&self) -> usize {
        self.index
    }

    /// What it is in whichever catalog; those that the catalog does not know are one.
    pub fn id(&self) -> OperationId {
        OperationId::named(self.name)
    }

    /// Its operationId, or `other`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Whether its method is safe (RFC 9110 section 9.2.1).
    pub fn is_safe(&self) -> bool {
        self.is_safe
    }

    /// The canonical path with the caller's query, to look at.
    pub fn target(&self) -> &PathAndQuery {
        self.target.target()
    }

    /// Whether somebody looks at the body, which has to be whole in memory then: the rules, or whoever remembers which tenants
    /// were asked for.
    pub fn looks_at_body(&self) -> bool {
        self.target.looks_at_body() || self.name == CREATE_TENANT
    }

    /// Where the secrets stand that its answers must not show to the caller, if there are any.
    pub fn masking(&self) -> Option<&'static Secrets> {
        self.masking.hidden()
    }

    /// Whether its answer may be given to others who may ask the same and see the same of it.
    pub fn sharing(&self) -> Sharing {
        self.sharing
    }

    /// Whether its answers hold secrets that the caller sees, because its `reveal` names the operation.
    pub fn reveals_secrets(&self) -> bool {
        matches!(self.masking, Masking::Revealed)
    }

    /// The target to send, if the request's body meets the conditions of the grant; `body` is `None` where it is
    /// not at hand. Also the rule, where it is the body that decides by which.
    ///
    /// # Errors
    /// [`Refusal::Condition`].
    pub fn approve(
        self,
        headers: &HeaderMap,
        body: Option<&[u8]>,
    ) -> Result<(ApprovedTarget, Option<Arc<RuleSource>>), Refusal> {
        let Self { name: operation, index, target, .. } = self;
        target.approve(headers, body).map_err(|unmet| Refusal::Condition { operation, index, unmet })
    }

    /// Whether the request's body meets the conditions of the grant: for an answer that was given before.
    ///
    /// # Errors
    /// [`Refusal::Condition`].
    pub fn check(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), Refusal> {
        let (operation, index) = (self.name, self.index);
        self.target.check(headers, body).map_err(|unmet| Refusal::Condition { operation, index, unmet })
    }
}
