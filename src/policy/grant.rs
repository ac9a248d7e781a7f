//! What one caller may do: of each of the two APIs, at which tenants and accounts. Says why it may not, in the caller's and
//! the operator's terms; whether a request may pass is put together in `grants`.

use std::{borrow::Cow, sync::Arc};

use super::{
    conditions::{Met, Pending},
    decide::{RuleSet, RuleSource, Verdict},
    matched::Matched,
    permit::Tenant,
    refusal::{KnownTenants, Refusal},
    reveal::Reveals,
    scope::Scope,
    token_spec::TokenSpec,
};
use crate::{
    catalog::{Api, Catalog, Meant, Verb},
    config::{self, Issue},
    ids::{CallerName, TenantName},
    tenants::Directory,
};

/// What a caller may do.
#[derive(Debug)]
pub(super) struct Grant {
    pub(super) name: CallerName,
    pub(super) scope: Scope,
    /// The accounts at Logto Cloud that it may use, as they are called here. Mostly none.
    pub(super) accounts: Box<[TenantName]>,
    pub(super) token: TokenSpec,
    pub(super) management: Allowance,
    pub(super) cloud: Allowance,
    /// Where to add a rule, such as `policies.support.allow`.
    pub(super) place: Arc<str>,
    pub(super) issue: Issue,
    /// The first caller that may do the same.
    pub(super) class: usize,
}

/// What of one API.
#[derive(Debug)]
pub(super) struct Allowance {
    pub(super) rules: Arc<RuleSet>,
    pub(super) reveals: Reveals,
}

/// The rules of some policies, and where to add one.
#[derive(Debug, Clone)]
pub(super) struct Compiled {
    pub(super) management: Arc<RuleSet>,
    pub(super) cloud: Arc<RuleSet>,
    pub(super) place: Arc<str>,
}

/// The rule that allows a request: borrowed where it is about the operation alone, and owned where it was found by its
/// conditions.
pub(super) type Decider<'g> = Cow<'g, Arc<RuleSource>>;

impl Grant {
    /// Whether the caller may use a tenant at all.
    pub(super) fn includes<T: Tenant>(&self, tenant: &T) -> bool {
        self.scope.includes(&self.name, tenant)
    }

    pub(super) fn of(&self, api: Api) -> &Allowance {
        match api {
            Api::Management => &self.management,
            Api::Cloud => &self.cloud,
        }
    }

    /// The account that a request is for. Whether there is one that it may not use is not said.
    pub(super) fn account<T>(&self, named: Option<&str>, accounts: &Directory<T>) -> Result<Arc<T>, Refusal> {
        let not_granted = || {
            Refusal::AccountNotGranted(self.name.clone(), named.and_then(|name| TenantName::parse(name).ok()))
        };
        let plain = |own: &'_ TenantName| own.as_str().trim_start_matches(Api::Cloud.prefix()).into();
        let is_named = |own: &&TenantName| own.as_str().strip_prefix(Api::Cloud.prefix()) == named;
        if accounts.is_empty() {
            return Err(Refusal::NoAccount(self.name.clone()));
        }
        let own = match (named, &*self.accounts) {
            (Some(_), own) => own.iter().find(is_named).ok_or_else(not_granted)?,
            (None, [only]) => only,
            (None, []) => return Err(not_granted()),
            (None, several) => {
                let names = several.iter().map(plain).collect();
                return Err(Refusal::AccountNotNamed(self.name.clone(), names));
            }
        };
        accounts.get(own.as_str()).ok_or_else(not_granted)
    }

    pub(super) fn no_tenant(&self, named: &str) -> Refusal {
        Refusal::TenantUnknown { named: TenantName::parse(named).ok(), known: self.known_tenants() }
    }

    pub(super) fn not_granted(&self, tenant: &TenantName) -> Refusal {
        Refusal::TenantNotGranted { named: tenant.clone(), known: self.known_tenants() }
    }

    pub(super) fn known_tenants(&self) -> KnownTenants {
        let mut tenants: Vec<_> = match &self.scope {
            Scope::Only { names, others } if others.is_empty() => names.iter().cloned().collect(),
            _ => Vec::new(),
        };
        tenants.sort_unstable();
        KnownTenants { caller: self.name.clone(), tenants: tenants.into() }
    }

    /// The rule that allows an operation by its `verdict`, and the conditions that the body has to meet.
    pub(super) fn decided<'g>(
        &self,
        verdict: Verdict<'g>,
        tenant: &TenantName,
        (index, operation): (usize, &'static str),
        query: Option<&str>,
    ) -> Result<(Option<Decider<'g>>, Option<Pending>), Refusal> {
        match verdict {
            Verdict::Allowed(rule) => Ok((Some(Cow::Borrowed(rule)), None)),
            Verdict::Conditional(candidates) => match Pending::by_query(candidates.rules(), query) {
                Ok(Met::By(rule)) => Ok((Some(Cow::Owned(rule)), None)),
                Ok(Met::Body(pending)) => Ok((None, Some(pending))),
                Err(unmet) => Err(Refusal::Condition { operation, index, unmet }),
            },
            refused => {
                let (caller, tenant, rule) = (self.name.clone(), tenant.clone(), refused.rule().cloned());
                let is_allowed = matches!(refused, Verdict::Denied { is_allowed: true, .. });
                let (reason, place) = (refused.label(), (!is_allowed).then(|| self.place.clone()));
                Err(Refusal::NotPermitted { caller, tenant, operation, index, reason, rule, place })
            }
        }
    }
}

/// What to say of a method and path that are no operation's and no rule's.
pub(super) fn unknown(catalog: &Catalog, matched: &Matched<'_>) -> Refusal {
    let has = |verb: &Verb| catalog.find(*verb, matched.path()).is_some();
    let methods: Vec<_> = Verb::ALL.into_iter().filter(has).collect();
    match &*methods {
        [] => Refusal::OperationUnknown(catalog.meant(matched.path()).map(Meant::into_owned)),
        _ => Refusal::Method(methods),
    }
}

/// Where a rule is to be added for a caller with these policies.
pub fn place_of_rules(policies: &[&config::Policy]) -> Arc<str> {
    let place = |policy: &&config::Policy| match policy.allow.first().map(|rule| rule.origin.to_string()) {
        Some(origin) if origin.contains("CLAVIGER_ALLOW") => "CLAVIGER_ALLOW".to_owned(),
        _ => format!("policies.{}.allow", policy.name),
    };
    policies.iter().map(place).collect::<Vec<_>>().join(" or ").into()
}
