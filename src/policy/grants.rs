//! What each caller may do: tenants × rules. Turns an identified [`Caller`] and a request's target into a
//! [`Permit`], which only this module can make and without which nothing goes further. Every look-up is a
//! hash or an index, so what it costs does not depend on how many callers, tenants or rules there are.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use http::{HeaderMap, request::Parts, uri::PathAndQuery};

pub use super::refusal::Refusal;
use super::{
    asks::Ask,
    compile::Compiler,
    conditions::{ApprovedTarget, ConditionalTarget, Met, Pending},
    decide::{RuleProblem, RuleSet, RuleSource, Verdict},
    matched::Matched,
    path::CanonicalPath,
    reveal::Reveals,
    target::{Target, TargetError},
};
use crate::{
    caller::Caller,
    catalog::{Catalog, Secrets},
    config::{self, AuditOutput, Config, Issue, TenantScope},
    ids::{CallerIndex, CallerName, PolicyName, TenantIndex, TenantName, TokenIndex},
};

/// What a caller may do.
#[derive(Debug)]
struct Grant {
    name: CallerName,
    tenants: Tenants,
    default: Option<TenantIndex>,
    rules: Arc<RuleSet>,
    issue: Issue,
    reveals: Reveals,
}

/// The tenants that a caller may name, each with what its token is asked for.
#[derive(Debug)]
enum Tenants {
    /// With each tenant's own token.
    All,
    /// By tenant.
    AllAsking(Box<[TokenIndex]>),
    Only(HashMap<TenantIndex, TokenIndex>),
}

/// The grants of a configuration.
#[derive(Debug)]
pub struct Grants {
    catalog: &'static Catalog,
    callers: Box<[Grant]>,
    tenants: HashMap<TenantName, TenantIndex>,
    /// By tenant: what its tokens are asked for, beside the tenant's own.
    asks: Box<[Vec<Ask>]>,
    /// Whether a permit says by which rule.
    audited: bool,
}

/// Leave for one request: who, where, what. Only [`Grants::permit`] makes one.
#[derive(Debug)]
pub struct Permit {
    caller: Caller,
    tenant: TenantIndex,
    token: TokenIndex,
    rule: Option<Arc<RuleSource>>,
    action: Action,
}

/// What a permitted request is for.
#[derive(Debug)]
pub enum Action {
    /// A token of the broker.
    Issue(Issue),
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
    /// The canonical path with the caller's query, to be had once the conditions are met.
    pub target: ConditionalTarget,
    /// Where the secrets stand that its answers must not show to the caller, if there are any.
    pub hidden: Option<&'static Secrets>,
}

/// Metric slots beside those of the catalog: the broker, and what the catalog does not know.
pub const EXTRA_SLOTS: usize = 2;
/// The name of the broker's operation in metrics and logs.
pub const ISSUE: &str = "token";
const OTHER: &str = "other";

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
        let mut asks = vec![Vec::new(); config.tenants.len()];
        let mut compiler = Compiler::new(catalog);
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
                    let rules = Arc::new(compiler.compile(&chosen)?);
                    compiled.insert(names, rules.clone());
                    rules
                }
            };
            let reveals = Reveals::new(catalog, &caller.reveal)?;
            callers.push(Grant { reveals, ..Grant::new(caller, &tenants, rules, &mut asks) });
        }
        let audited = config.audit.output != AuditOutput::Off;
        Ok(Self { catalog, callers: callers.into(), tenants, asks: asks.into(), audited })
    }

    /// Decides whether `caller` may do what the request asks for.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn permit(&self, caller: Caller, target: &Target<'_>, head: &Parts) -> Result<Permit, Refusal> {
        let grant = &self.callers[caller.index().0];
        match *target {
            Target::Token { tenant } => {
                let (tenant, token) = self.tenant(grant, tenant)?;
                Ok(Permit { caller, tenant, token, rule: None, action: Action::Issue(grant.issue) })
            }
            Target::Api { tenant, path, query } => {
                let (tenant, token) = self.tenant(grant, tenant)?;
                let matched = Matched::find(self.catalog, &head.method, CanonicalPath::parse(path)?);
                let operation = matched.op().map_or(OTHER, |op| self.catalog.operation(op).id);
                let slot = matched.op().map_or(self.slots() - 1, |op| op.index());
                let (rule, pending) = self.decide(grant, &matched, (slot, operation), query)?;
                let hidden = grant.reveals.hidden(matched.op(), query);
                let target =
                    ConditionalTarget::new(join(matched.path(), query, head.uri.path_and_query())?, pending);
                let action = Action::Forward(Operation { slot, name: operation, target, hidden });
                Ok(Permit { caller, tenant, token, rule, action })
            }
        }
    }

    /// The rule that allows it, where that is to be known; and the conditions that the body has to meet.
    fn decide(
        &self,
        grant: &Grant,
        matched: &Matched<'_>,
        (slot, operation): (usize, &'static str),
        query: Option<&str>,
    ) -> Result<(Option<Arc<RuleSource>>, Option<Pending>), Refusal> {
        match grant.rules.decide(matched) {
            Verdict::Allowed(rule) => Ok((self.audited.then(|| rule.clone()), None)),
            Verdict::Conditional(candidates) => match Pending::by_query(candidates.rules(), query) {
                Ok(Met::By(rule)) => Ok((Some(rule), None)),
                Ok(Met::Body(pending)) => Ok((None, Some(pending))),
                Err(unmet) => Err(Refusal::Condition { operation, slot, unmet }),
            },
            Verdict::Unknown => Err(Refusal::OperationUnknown),
            refused => {
                let (caller, rule) = (grant.name.clone(), refused.rule().cloned());
                Err(Refusal::NotPermitted { caller, operation, slot, reason: refused.label(), rule })
            }
        }
    }

    /// What tokens of a tenant are asked for beside its own, in the order of [`Permit::token`], from 1 on.
    pub fn asks(&self, tenant: TenantIndex) -> &[Ask] {
        &self.asks[tenant.0]
    }

    /// Whether a caller may name a tenant, for the matrix.
    pub fn may_name(&self, caller: CallerIndex, tenant: TenantIndex) -> bool {
        self.callers[caller.0].tenants.ask(tenant).is_some()
    }

    /// How many slots there are: the catalog's operations and [`EXTRA_SLOTS`].
    pub fn slots(&self) -> usize {
        self.catalog.operations().len() + EXTRA_SLOTS
    }

    /// The rules of a caller, for `explain`.
    pub fn rules(&self, caller: CallerIndex) -> &RuleSet {
        &self.callers[caller.0].rules
    }

    /// What a caller's answers are shown of, for `explain`.
    pub fn reveals(&self, caller: CallerIndex) -> &Reveals {
        &self.callers[caller.0].reveals
    }

    /// The tenant that a request of this caller is for.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn tenant_of(&self, caller: CallerIndex, named: Option<&str>) -> Result<TenantIndex, Refusal> {
        self.tenant(&self.callers[caller.0], named).map(|(tenant, _)| tenant)
    }

    fn tenant(&self, grant: &Grant, named: Option<&str>) -> Result<(TenantIndex, TokenIndex), Refusal> {
        let Some(named) = named else {
            let default = grant.default.and_then(|tenant| Some((tenant, grant.tenants.ask(tenant)?)));
            return default.ok_or_else(|| Refusal::TenantNotNamed(grant.name.clone()));
        };
        let (name, index) = self.tenants.get_key_value(named).ok_or(Refusal::TenantUnknown)?;
        match grant.tenants.ask(*index) {
            Some(ask) => Ok((*index, ask)),
            None => Err(Refusal::TenantNotGranted(grant.name.clone(), name.clone())),
        }
    }
}

impl Tenants {
    /// What is asked for at a tenant; `None`: the caller may not name it.
    fn ask(&self, tenant: TenantIndex) -> Option<TokenIndex> {
        match self {
            Self::All => Some(TokenIndex::OWN),
            Self::AllAsking(asks) => asks.get(tenant.0).copied(),
            Self::Only(granted) => granted.get(&tenant).copied(),
        }
    }
}

impl Grant {
    fn new(
        caller: &config::Caller,
        all: &HashMap<TenantName, TenantIndex>,
        rules: Arc<RuleSet>,
        asks: &mut [Vec<Ask>],
    ) -> Self {
        let ask = Ask::of(caller);
        let only_of = |mut indices: Box<dyn Iterator<Item = TenantIndex> + '_>| {
            indices.next().filter(|_| indices.next().is_none())
        };
        let (tenants, default) = match &caller.tenants {
            TenantScope::All => {
                let only = only_of(Box::new(all.values().copied()));
                let places = asks.iter_mut().map(|asks| Ask::place(ask.as_ref(), asks));
                let tenants = match &ask {
                    None => Tenants::All,
                    Some(_) => Tenants::AllAsking(places.collect()),
                };
                (tenants, only)
            }
            TenantScope::Only(names) => {
                let indices = names.iter().filter_map(|name| all.get(name).copied());
                let granted: HashMap<_, _> =
                    indices.map(|index| (index, Ask::place(ask.as_ref(), &mut asks[index.0]))).collect();
                let only = only_of(Box::new(granted.keys().copied()));
                (Tenants::Only(granted), only)
            }
        };
        Self {
            name: caller.name.clone(),
            tenants,
            default,
            rules,
            issue: caller.issue,
            reveals: Reveals::default(),
        }
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

    /// With which token.
    pub fn token(&self) -> TokenIndex {
        self.token
    }

    /// By which rule, where that is to be known and does not depend on the body.
    pub fn rule(&self) -> Option<&Arc<RuleSource>> {
        self.rule.as_ref()
    }

    /// What.
    pub fn action(&self) -> &Action {
        &self.action
    }
}

impl Operation {
    /// The target to send, if the request's body meets the conditions of the grant; `body` is `None` where it is
    /// not at hand. Also the rule, where it is the body that decides by which.
    ///
    /// # Errors
    /// [`Refusal::Condition`].
    pub fn clear(
        &self,
        headers: &HeaderMap,
        body: Option<&[u8]>,
    ) -> Result<(ApprovedTarget<'_>, Option<&Arc<RuleSource>>), Refusal> {
        let Self { name: operation, slot, .. } = *self;
        self.target.clear(headers, body).map_err(|unmet| Refusal::Condition { operation, slot, unmet })
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
