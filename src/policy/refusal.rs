//! Why a request may not pass, with what is known of it by then: the operation, its place, the rule. Decides nothing
//! itself; what a caller is told of it is in the table of failures.

use std::sync::Arc;

use super::{conditions::Unmet, decide::RuleSource, path::Ambiguous, target::TargetError};
use crate::{
    catalog::{Meant, Slip, Verb},
    ids::{CallerName, TenantName},
};

/// Why a request may not pass.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The request target is not one.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// Two parsers could read the path differently.
    #[error(transparent)]
    Path(#[from] Ambiguous),
    /// There is no such tenant.
    #[error("{}", no_tenant(named.as_ref(), known))]
    TenantUnknown {
        /// As the request has it, where it could be a name.
        named: Option<TenantName>,
        /// Those that the caller may use.
        known: KnownTenants,
    },
    /// The caller may not use the tenant.
    #[error("caller {caller} has no grant for tenant {named}{may}", caller = known.caller, may = known.may_use())]
    TenantNotGranted {
        /// As the request has it.
        named: TenantName,
        /// Those that the caller may use.
        known: KnownTenants,
    },
    /// The caller may use no account at Logto Cloud, or not this one.
    #[error("caller {caller} has no grant for {named}", caller = .0, named = account(.1.as_ref()))]
    AccountNotGranted(CallerName, Option<TenantName>),
    /// There is no account at Logto Cloud.
    #[error("caller {0} has no grant for the Logto Cloud API")]
    NoAccount(CallerName),
    /// The caller has several accounts and named none.
    #[error("the request names no account at Logto Cloud, and caller {caller} has several: {names}", caller = .0, names = .1.join(", "))]
    AccountNotNamed(CallerName, Box<[Box<str>]>),
    /// What the caller presented is good at another tenant.
    #[error("the token was issued for another tenant: get one at /t/{{tenant}}/oidc/token of this one")]
    TokenOfOtherTenant,
    /// What the caller presented is good at one tenant, and this asks an account.
    #[error(
        "the token is good at one tenant, and an account at Logto Cloud is none: present the caller's own key here, or have the operator set `broker.key`, with which tokens are good wherever their caller is"
    )]
    TokenOfTenant,
    /// A token is asked for that the grant does not have.
    #[error(
        "`resource` is neither {0:?}, the tenant's Management API, nor one that this caller gets tokens for (in @logto/api: `apiIndicator`)"
    )]
    ResourceNotGranted(Box<str>),
    /// The same.
    #[error("`organization_id` is not the organization of this caller's tokens")]
    OrganizationNotGranted,
    /// The same.
    #[error("`scope` names a scope that this caller's tokens do not have: they have {0:?}")]
    ScopeNotGranted(Box<str>),
    /// The caller has several tenants and named none.
    #[error("the request names no tenant, and caller {caller} has several{names}", caller = .0.caller, names = .0.names())]
    TenantNotNamed(KnownTenants),
    /// The caller has no tenant, as none that there is fits its grant.
    #[error("the request names no tenant, and caller {0} has none: no tenant fits `callers.{0}.tenants`")]
    NoTenant(CallerName),
    /// The rules deny it, or no rule allows it.
    #[error("caller {caller} may not use {operation} at tenant {tenant}: {}", because(.reason))]
    NotPermitted {
        /// Who.
        caller: CallerName,
        /// Where.
        tenant: TenantName,
        /// What, by operationId or `other`.
        operation: &'static str,
        /// Its place among the operations.
        index: usize,
        /// The verdict's word.
        reason: &'static str,
        /// The rule that denies, or that would allow the operation if it were not sensitive.
        rule: Option<Arc<RuleSource>>,
        /// Where a rule that allows it is to be added; `None` where there is one, and another denies it.
        place: Option<Arc<str>>,
    },
    /// A rule allows the operation under a condition that the request does not meet.
    #[error("this request of {operation} is not granted: {}", .unmet.broken)]
    Condition {
        /// What, by operationId or `other`.
        operation: &'static str,
        /// Its place among the operations.
        index: usize,
        /// Which condition of which rule.
        unmet: Unmet,
    },
    /// An OpenAPI document that is not answered.
    #[error(transparent)]
    Document(#[from] NoDocument),
    /// The path is an operation's, with other methods.
    #[error("there is no such operation: this path has {}", methods(.0))]
    Method(Vec<Verb>),
    /// Logto has no such operation that Claviger knows of.
    #[error("there is no such operation{}", .0.as_ref().map(said).unwrap_or_default())]
    OperationUnknown(Option<Meant<Box<str>>>),
}

/// The tenants of a caller, as far as its grant names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownTenants {
    pub(super) caller: CallerName,
    /// In alphabetical order; none where it has patterns, labels or all of them.
    pub(super) tenants: Box<[TenantName]>,
}

impl KnownTenants {
    /// Who may use them.
    pub fn caller(&self) -> &CallerName {
        &self.caller
    }

    fn may_use(&self) -> String {
        match &*self.names() {
            "" => String::new(),
            names => format!("; it may use{names}"),
        }
    }

    /// `: a, b`, a handful at the most.
    fn names(&self) -> String {
        const MOST: usize = 5;
        let names: Vec<_> = self.tenants.iter().take(MOST).map(TenantName::as_str).collect();
        let more = if self.tenants.len() > MOST { ", …" } else { "" };
        if names.is_empty() { String::new() } else { format!(": {}{more}", names.join(", ")) }
    }
}

fn no_tenant(named: Option<&TenantName>, known: &KnownTenants) -> String {
    let Some(named) = named else {
        return "there is no tenant of that name: names have lower-case letters, digits, - _ and . alone"
            .into();
    };
    let named = format!("{:?}", named.as_str());
    match &*known.names() {
        "" => format!("there is no tenant {named}"),
        names => format!("there is no tenant {named}; caller {} may use{names}", known.caller),
    }
}

fn methods(verbs: &[Verb]) -> String {
    let names = verbs.iter().map(|verb| if *verb == Verb::Get { "GET, HEAD" } else { verb.as_str() });
    names.collect::<Vec<_>>().join(", ")
}

fn account(named: Option<&TenantName>) -> String {
    named.map_or("the Logto Cloud API".into(), |name| format!("the Logto Cloud account {name}"))
}

/// Why an operation is not permitted, by the verdict's word.
fn because(reason: &str) -> &'static str {
    match reason {
        "denied" => "a rule denies it",
        "sensitive_not_named" => "it is sensitive, so a rule has to name it",
        _ => "no rule allows it",
    }
}

fn said(meant: &Meant<Box<str>>) -> String {
    match meant.slip {
        Slip::PrefixTwice => format!(": /api is in the path twice. Did you mean {}?", meant.template),
        Slip::BaseAlone => format!(": /api alone is none. Name one, such as {}", meant.template),
        Slip::PrefixMissing | Slip::Spelling => format!(". Did you mean {}?", meant.template),
    }
}

/// Why an OpenAPI document is not answered. None is ever forwarded: Logto rebuilds it for seconds on each call (fact 10.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoDocument {
    /// `openapi.enabled = false`
    #[error("this Claviger answers no OpenAPI documents: the operator can set openapi.enabled = true")]
    Off,
    /// Not the Management API's.
    #[error("there is one OpenAPI document here, that of the Management API: GET /api/swagger.json")]
    Other,
    /// It can be read, and no more.
    #[error("an OpenAPI document takes GET and HEAD only")]
    Method,
    /// Another proxy would ask Logto for it.
    #[error("an OpenAPI document is answered by Claviger itself and not through another proxy")]
    Lent,
}

impl Refusal {
    /// What to do "to allow it", without a full stop; `None` where something else than an operation is refused.
    pub fn to_allow(&self) -> Option<String> {
        let Self::NotPermitted { operation, reason, rule, place, .. } = self else { return None };
        let denying = rule.as_ref().filter(|_| *reason == "denied").map(|rule| &rule.policy);
        Some(match (denying, place) {
            (Some(policy), None) => {
                format!("take it out of policies.{policy}.deny: a deny wins")
            }
            (Some(policy), Some(place)) => format!(
                "take it out of policies.{policy}.deny, since a deny wins, and add \"{operation}\" to {place}: no rule allows it"
            ),
            (None, place) => {
                let place = place.as_deref().unwrap_or("a policy of the caller");
                format!("add \"{operation}\" to {place}")
            }
        })
    }

    /// The rule that decides, if one does.
    pub fn rule(&self) -> Option<&Arc<RuleSource>> {
        match self {
            Self::NotPermitted { rule, .. } => rule.as_ref(),
            Self::Condition { unmet, .. } => Some(&unmet.rule),
            _ => None,
        }
    }

    /// The place among the operations of the one that was asked for, with its name, where it is one of the catalog or `other`.
    pub fn index(&self) -> Option<(usize, &'static str)> {
        match self {
            Self::NotPermitted { index, operation, .. } | Self::Condition { index, operation, .. } => {
                Some((*index, operation))
            }
            _ => None,
        }
    }
}
