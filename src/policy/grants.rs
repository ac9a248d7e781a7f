//! What each caller may do: tenants × rules. Turns an identified [`Caller`] and a request's target into a
//! [`Permit`], which only this module can make and without which nothing goes further. Every look-up is a
//! hash or an index, so what it costs does not depend on how many callers, tenants or rules there are.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use http::{request::Parts, uri::PathAndQuery};

use super::{
    decide::{RuleProblem, RuleSet, Verdict},
    matched::Matched,
    path::{Ambiguous, CanonicalPath},
    reveal::Reveals,
    target::{Target, TargetError},
};
use crate::{
    caller::Caller,
    catalog::{Catalog, Secrets},
    config::{self, Config, TenantScope},
    ids::{CallerIndex, CallerName, PolicyName, TenantIndex, TenantName},
};

/// What a caller may do.
#[derive(Debug)]
struct Grant {
    name: CallerName,
    tenants: Tenants,
    default: Option<TenantIndex>,
    rules: Arc<RuleSet>,
    reveals: Reveals,
}

#[derive(Debug)]
enum Tenants {
    All,
    Only(HashSet<TenantIndex>),
}

/// The grants of a configuration.
#[derive(Debug)]
pub struct Grants {
    catalog: &'static Catalog,
    callers: Box<[Grant]>,
    tenants: HashMap<TenantName, TenantIndex>,
}

/// Leave for one request: who, where, what. Only [`Grants::permit`] makes one.
#[derive(Debug)]
pub struct Permit {
    caller: Caller,
    tenant: TenantIndex,
    action: Action,
}

/// What a permitted request is for.
#[derive(Debug)]
pub enum Action {
    /// A token of the broker.
    Issue,
    /// An operation of the Management API.
    Forward(Operation),
}

/// An operation, ready to be forwarded.
#[derive(Debug)]
pub struct Operation {
    /// Its place among the operations, for what is kept for each; those that the catalog does not know share the last.
    pub slot: usize,
    /// Its operationId, or `other`.
    pub name: &'static str,
    /// The canonical path with the caller's query.
    pub target: PathAndQuery,
    /// Where the secrets stand that its answers must not show to the caller, if there are any.
    pub hidden: Option<&'static Secrets>,
}

/// Metric slots beside those of the catalog: the broker, and what the catalog does not know.
pub const EXTRA_SLOTS: usize = 2;
/// The name of the broker's operation in metrics and logs.
pub const ISSUE: &str = "token";
const OTHER: &str = "other";

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
    #[error("there is no tenant of that name")]
    TenantUnknown,
    /// The caller may not use the tenant.
    #[error("caller {0} has no grant for tenant {1}")]
    TenantNotGranted(CallerName, TenantName),
    /// The caller has several tenants and named none.
    #[error("caller {0} has several tenants, and the request names none")]
    TenantNotNamed(CallerName),
    /// The rules deny it, or no rule allows it.
    #[error("caller {caller} may not use {operation}")]
    NotPermitted {
        /// Who.
        caller: CallerName,
        /// What, by operationId or `other`.
        operation: &'static str,
        /// The verdict's word.
        reason: &'static str,
    },
    /// Logto has no such operation that Claviger knows of.
    #[error("there is no such operation")]
    OperationUnknown,
}

impl Grants {
    /// Compiles the grants of `config`. Callers with the same policies share their rules.
    ///
    /// # Errors
    /// Every rule that is not one; `config::check` has refused those before.
    pub fn new(catalog: &'static Catalog, config: &Config) -> Result<Self, Vec<RuleProblem>> {
        let policies: HashMap<&PolicyName, &config::Policy> =
            config.policies.iter().map(|p| (&p.name, p)).collect();
        let tenants: HashMap<TenantName, TenantIndex> = config
            .tenants
            .iter()
            .enumerate()
            .map(|(index, t)| (t.name.clone(), TenantIndex(index)))
            .collect();
        let mut compiled: BTreeMap<Vec<&PolicyName>, Arc<RuleSet>> = BTreeMap::new();
        let mut callers = Vec::with_capacity(config.callers.len());
        for caller in &config.callers {
            let mut names: Vec<&PolicyName> = caller.policies.iter().collect();
            names.sort_unstable();
            names.dedup();
            let rules = match compiled.get(&names) {
                Some(rules) => rules.clone(),
                None => {
                    let chosen: Vec<&config::Policy> =
                        names.iter().filter_map(|n| policies.get(n).copied()).collect();
                    let rules = Arc::new(RuleSet::compile(catalog, &chosen)?);
                    compiled.insert(names, rules.clone());
                    rules
                }
            };
            let reveals = Reveals::new(catalog, &caller.reveal)?;
            callers.push(Grant { reveals, ..Grant::new(caller, &tenants, rules) });
        }
        Ok(Self { catalog, callers: callers.into(), tenants })
    }

    /// Decides whether `caller` may do what the request asks for.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn permit(&self, caller: Caller, target: &Target<'_>, head: &Parts) -> Result<Permit, Refusal> {
        let grant = &self.callers[caller.index().0];
        match *target {
            Target::Token { tenant } => {
                Ok(Permit { caller, tenant: self.tenant(grant, tenant)?, action: Action::Issue })
            }
            Target::Api { tenant, path, query } => {
                let tenant = self.tenant(grant, tenant)?;
                let matched = Matched::find(self.catalog, &head.method, CanonicalPath::parse(path)?);
                let operation = matched.op().map_or(OTHER, |op| self.catalog.operation(op).id);
                match grant.rules.decide(&matched) {
                    Verdict::Allowed(_) => {}
                    Verdict::Unknown => return Err(Refusal::OperationUnknown),
                    refused => {
                        let caller = grant.name.clone();
                        return Err(Refusal::NotPermitted { caller, operation, reason: refused.label() });
                    }
                }
                let hidden = grant.reveals.hidden(matched.op());
                let slot = matched.op().map_or(self.slots() - 1, |op| op.index());
                let target = join(matched.path(), query, head.uri.path_and_query())?;
                Ok(Permit {
                    caller,
                    tenant,
                    action: Action::Forward(Operation { slot, name: operation, target, hidden }),
                })
            }
        }
    }

    /// How many slots there are: the catalog's operations and [`EXTRA_SLOTS`].
    pub fn slots(&self) -> usize {
        self.catalog.operations().len() + EXTRA_SLOTS
    }

    /// The rules of a caller, for `explain`.
    pub fn rules(&self, caller: CallerIndex) -> &RuleSet {
        &self.callers[caller.0].rules
    }

    /// The tenant that a request of this caller is for.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn tenant_of(&self, caller: CallerIndex, named: Option<&str>) -> Result<TenantIndex, Refusal> {
        self.tenant(&self.callers[caller.0], named)
    }

    fn tenant(&self, grant: &Grant, named: Option<&str>) -> Result<TenantIndex, Refusal> {
        let Some(named) = named else {
            return grant.default.ok_or_else(|| Refusal::TenantNotNamed(grant.name.clone()));
        };
        let (name, index) = self.tenants.get_key_value(named).ok_or(Refusal::TenantUnknown)?;
        match &grant.tenants {
            Tenants::Only(granted) if !granted.contains(index) => {
                Err(Refusal::TenantNotGranted(grant.name.clone(), name.clone()))
            }
            _ => Ok(*index),
        }
    }
}

impl Grant {
    fn new(caller: &config::Caller, all: &HashMap<TenantName, TenantIndex>, rules: Arc<RuleSet>) -> Self {
        let (tenants, only) = match &caller.tenants {
            TenantScope::All => {
                (Tenants::All, (all.len() == 1).then(|| all.values().next().copied()).flatten())
            }
            TenantScope::Only(names) => {
                let granted: HashSet<TenantIndex> =
                    names.iter().filter_map(|name| all.get(name).copied()).collect();
                let only = (granted.len() == 1).then(|| granted.iter().next().copied()).flatten();
                (Tenants::Only(granted), only)
            }
        };
        Self { name: caller.name.clone(), tenants, default: only, rules, reveals: Reveals::default() }
    }
}

impl Permit {
    /// Who.
    pub fn caller(&self) -> Caller {
        self.caller
    }

    /// Where.
    pub fn tenant(&self) -> TenantIndex {
        self.tenant
    }

    /// What.
    pub fn action(&self) -> &Action {
        &self.action
    }
}

/// Path and query, byte for byte: the caller's own where they are what was matched.
fn join(path: &str, query: Option<&str>, asked: Option<&PathAndQuery>) -> Result<PathAndQuery, Refusal> {
    if let Some(asked) = asked
        && asked.path() == path
        && asked.query() == query
    {
        return Ok(asked.clone());
    }
    let joined = match query {
        None => PathAndQuery::try_from(path),
        Some(query) => PathAndQuery::try_from(format!("{path}?{query}")),
    };
    joined.map_err(|_| Refusal::Target(TargetError::Query))
}
