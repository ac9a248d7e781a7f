//! What each caller may do: tenants × rules. Turns an authenticated [`Caller`] and what a request asks for into a
//! [`Granted`] tenant and then a [`Permit`], which only this module can make and without which nothing goes further.
//! Every look-up is a hash or an index, so what it costs does not depend on how many callers, tenants or rules there are.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use http::{request::Parts, uri::PathAndQuery};

use super::{
    compile::Compiler,
    conditions::ConditionalTarget,
    decide::{RuleProblem, RuleSet, Verdict},
    grant::{Allowance, Compiled, Decider, Grant, place_of_rules, unknown},
    matched::Matched,
    path::CanonicalPath,
    permit::{Action, Granted, Permit, PermittedOperation, Sharing, Tenant},
    refusal::{NoDocument, Refusal},
    reveal::Reveals,
    rights::Rights,
    scope::Scope,
    target::{Target, TargetError},
    token_spec::{Narrowing, TokenSpec},
};
use crate::{
    authn::Caller,
    catalog::{Api, ApiDocument, Catalog, Op, Verb},
    config::{self, Config, Issue},
    ids::{CallerIndex, PolicyName, TenantName},
    tenants::Directory,
};

/// The grants of a configuration.
#[derive(Debug)]
pub struct Grants {
    catalog: Arc<Catalog>,
    callers: Box<[Grant]>,
    /// What grants ask tokens for, beside what the tenants' own are for.
    narrowings: Vec<Arc<Narrowing>>,
    /// Whether callers may read what they may do (`openapi.enabled`).
    described: bool,
}

/// What is decided about a request of a caller at a tenant. No leave to carry it out: that is a [`Permit`].
#[derive(Debug)]
pub struct Judged<'g> {
    /// The rule that allows it, where it is a rule and does not depend on the body.
    pub rule: Option<Decider<'g>>,
    /// What it is for.
    pub action: Action,
    /// Where the request itself chooses among the caller's tokens: which.
    token: Option<TokenSpec>,
}

/// The name of the broker's operation in metrics and logs.
pub const ISSUE: &str = "token";
/// The name of reading the OpenAPI document.
pub const DESCRIBE: &str = "openapi";
const OTHER: &str = "other";

/// Operations for what is kept by operation, beside those of the catalog: these three, in this order.
const EXTRA: [&str; 3] = [DESCRIBE, ISSUE, OTHER];

impl Grants {
    /// Compiles the grants of `config`. Callers with the same policies share their rules.
    ///
    /// # Errors
    /// Every rule that is not one; `config::check` has refused those before.
    pub fn new(config: &Config) -> Result<Self, Vec<RuleProblem>> {
        let catalog = config.catalog.catalog.clone();
        let policies: HashMap<&PolicyName, &config::Policy> =
            config.policies.iter().map(|p| (&p.name, p)).collect();
        let (mut management, mut cloud) = (Compiler::new(&catalog), Compiler::new(Catalog::cloud()));
        let mut narrowings = Vec::new();
        let mut compiled: BTreeMap<Vec<&PolicyName>, Compiled> = BTreeMap::new();
        let mut callers = Vec::with_capacity(config.callers.len());
        let mut classes = HashMap::new();
        for (index, caller) in config.callers.iter().enumerate() {
            let mut names: Vec<&PolicyName> = caller.policies.iter().collect();
            names.sort_unstable();
            names.dedup();
            let Compiled { management: rules, cloud: cloud_rules, place } = match compiled.get(&names) {
                Some(known) => known.clone(),
                None => {
                    let chosen: Vec<&config::Policy> =
                        names.iter().filter_map(|n| policies.get(n).copied()).collect();
                    let made = Compiled {
                        management: Arc::new(management.compile(&chosen)?),
                        cloud: Arc::new(cloud.compile(&chosen)?),
                        place: place_of_rules(&chosen),
                    };
                    compiled.insert(names, made.clone());
                    made
                }
            };
            let reveals = Reveals::new(&catalog, &caller.reveal)?;
            let class = *classes.entry((Arc::as_ptr(&rules), reveals.clone())).or_insert(index);
            callers.push(Grant {
                name: caller.name.clone(),
                scope: Scope::of(&caller.tenants),
                accounts: caller.cloud.iter().map(TenantName::of_account).collect(),
                token: TokenSpec::of(caller, &mut narrowings),
                management: Allowance { rules, reveals },
                cloud: Allowance {
                    rules: cloud_rules,
                    reveals: Reveals::new(Catalog::cloud(), &caller.reveal)?,
                },
                place,
                issue: caller.issue,
                class,
            });
        }
        let described = config.openapi.enabled;
        Ok(Self { catalog, callers: callers.into(), narrowings, described })
    }

    /// The tenant that a request of this caller is for: the one that it names, or the caller's only one. Of a request to
    /// Logto Cloud the account, which is among `tenants` then.
    ///
    /// # Errors
    /// [`Refusal`]: there is no such tenant, the caller may not use it, or has several and names none.
    pub fn tenant<T: Tenant>(
        &self,
        caller: Caller,
        target: &Target<'_>,
        tenants: &Directory<T>,
    ) -> Result<Granted<T>, Refusal> {
        let tenant = self.tenant_of(caller.index(), caller.tenant(), target, tenants)?;
        let token = match target.api() {
            Api::Management => self.callers[caller.index().0].token.clone(),
            Api::Cloud => TokenSpec::Own,
        };
        Ok(Granted { caller, tenant, token, explained: false })
    }

    /// The tenant alone, for `explain`, which asks on no caller's behalf. `bound`: the only one that the caller's token is
    /// good at.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn tenant_of<T: Tenant>(
        &self,
        caller: CallerIndex,
        bound: Option<&TenantName>,
        target: &Target<'_>,
        tenants: &Directory<T>,
    ) -> Result<Arc<T>, Refusal> {
        let named = target.tenant();
        if target.api() == Api::Cloud {
            return match bound {
                Some(_) => Err(Refusal::TokenOfTenant),
                None => self.callers[caller.0].account(named, tenants),
            };
        }
        let bound = bound.map(TenantName::as_str);
        if bound.is_some() && named.is_some() && bound != named {
            return Err(Refusal::TokenOfOtherTenant);
        }
        let grant = &self.callers[caller.0];
        let only = grant.scope.only_name();
        let tenant = match named.or(bound).or(only) {
            Some(name) => match tenants.get(name) {
                Some(tenant) if only == Some(name) || grant.includes(&*tenant) => tenant,
                Some(tenant) => return Err(grant.not_granted(tenant.name())),
                None => return Err(grant.no_tenant(name)),
            },
            None => tenants.only(|tenant| grant.includes(tenant)).ok_or_else(|| {
                match tenants.may_have(|tenant| grant.includes(tenant)) {
                    true => Refusal::TenantNotNamed(grant.known_tenants()),
                    false => Refusal::NoTenant(grant.name.clone()),
                }
            })?,
        };
        Ok(tenant)
    }

    /// Decides whether the caller may do at its tenant what the request asks for.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn permit<T: Tenant>(
        &self,
        mut granted: Granted<T>,
        target: &Target<'_>,
        head: &Parts,
    ) -> Result<Permit<T>, Refusal> {
        let Judged { rule, action, token } =
            self.judge(granted.caller.index(), granted.tenant.config(), target, head)?;
        let rule = match rule {
            Some(Cow::Borrowed(rule)) => granted.explained.then(|| rule.clone()),
            Some(Cow::Owned(rule)) => Some(rule),
            None => None,
        };
        if let Some(token) = token {
            granted.token = token;
        }
        Ok(Permit { granted, rule, action })
    }

    /// The decision itself, for a permit as for `explain`.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn judge(
        &self,
        caller: CallerIndex,
        tenant: &config::Tenant,
        target: &Target<'_>,
        head: &Parts,
    ) -> Result<Judged<'_>, Refusal> {
        let grant = &self.callers[caller.0];
        let (catalog, Allowance { rules, reveals }) = (self.catalog(target.api()), grant.of(target.api()));
        let (path, query) = match *target {
            Target::Api { path, query, .. } | Target::Cloud { path, query, .. } => (path, query),
            Target::Token { asked, .. } => {
                let token = asked.of(&grant.token, grant.issue, tenant)?;
                return Ok(Judged { rule: None, action: Action::Issue(grant.issue), token: Some(token) });
            }
        };
        let matched =
            Matched::find(catalog, &head.method, CanonicalPath::of_request(catalog, &head.method, path)?);
        if matched.is_withheld() {
            self.describe(target.api(), &matched)?;
            return Ok(Judged { rule: None, action: Action::Describe, token: None });
        }
        let name = matched.op().map_or(OTHER, |op| catalog.operation(op).id);
        let index = matched.op().map_or_else(|| self.index_of(OTHER), Op::index);
        let (rule, pending) = match rules.decide(&matched) {
            Verdict::Unknown => return Err(unknown(catalog, &matched)),
            verdict => grant.decided(verdict, &tenant.name, (index, name), query)?,
        };
        let masking = reveals.of(catalog, matched.op(), query);
        let sharing = matched.op().map_or(Sharing::Never, |op| rules.sharing(catalog, op, masking));
        let target = ConditionalTarget::new(join(matched.path(), query, head.uri.path_and_query())?, pending);
        let is_safe = head.method.is_safe();
        let action = Action::Forward(PermittedOperation { index, name, is_safe, target, masking, sharing });
        Ok(Judged { rule, action, token: None })
    }

    /// Whether a caller with a grant may read an OpenAPI document: it says nothing that the caller may not do.
    fn describe(&self, api: Api, matched: &Matched<'_>) -> Result<(), NoDocument> {
        match (matched.document(), matched.verb()) {
            _ if api == Api::Cloud => Err(NoDocument::Other),
            (Some(ApiDocument::Management), _) if !self.described => Err(NoDocument::Off),
            (Some(ApiDocument::Management), Some(Verb::Get)) => Ok(()),
            (Some(ApiDocument::Management), _) => Err(NoDocument::Method),
            _ => Err(NoDocument::Other),
        }
    }

    /// What the tokens of a tenant are asked for beside its own, by the grants that name it.
    pub fn narrowings<T: Tenant>(&self, tenant: &T) -> Vec<Arc<Narrowing>> {
        let asks = |narrowing: &&Arc<Narrowing>| {
            self.callers.iter().any(|grant| {
                matches!(&grant.token, TokenSpec::Narrowed(own) if Arc::ptr_eq(own, narrowing))
                    && grant.includes(tenant)
            })
        };
        if tenant.config().is_account() {
            return Vec::new();
        }
        let mut narrowings: Vec<_> = self.narrowings.iter().filter(asks).cloned().collect();
        if tenant.config().resources.is_empty() {
            return narrowings;
        }
        let hands_out = |grant: &&Grant| grant.issue == Issue::Upstream && grant.includes(tenant);
        for grant in self.callers.iter().filter(hands_out) {
            for further in &tenant.config().resources {
                let narrowing = grant.token.at(further);
                if !narrowings.iter().any(|known| **known == narrowing) {
                    narrowings.push(narrowing.into());
                }
            }
        }
        narrowings
    }

    /// Whether a caller may name a tenant, for the matrix.
    pub fn may_name<T: Tenant>(&self, caller: CallerIndex, tenant: &T) -> bool {
        self.callers[caller.0].includes(tenant)
    }

    /// How many operations there are to keep something for: the catalog's, the broker's, and what the catalog does not know.
    pub fn operations(&self) -> usize {
        self.catalog.operations().len() + EXTRA.len()
    }

    /// The place among the operations of what is no operation of the catalog.
    pub fn index_of(&self, extra: &str) -> usize {
        let place = EXTRA.iter().position(|known| *known == extra).unwrap_or(EXTRA.len() - 1);
        self.catalog.operations().len() + place
    }

    /// The operations that the rules about an API are about.
    pub fn catalog(&self, api: Api) -> &Arc<Catalog> {
        match api {
            Api::Management => &self.catalog,
            Api::Cloud => Catalog::cloud(),
        }
    }

    /// The rules of a caller about an API, for `explain` and the matrix.
    pub fn rules(&self, caller: CallerIndex, api: Api) -> &RuleSet {
        &self.callers[caller.0].of(api).rules
    }

    /// Callers of one class have the same rules, and see the same of answers.
    pub fn class(&self, caller: CallerIndex) -> usize {
        self.callers[caller.0].class
    }

    /// What a caller may do, to be described.
    pub fn rights(&self, caller: CallerIndex) -> Rights {
        let Allowance { rules, reveals } = &self.callers[caller.0].management;
        Rights { catalog: self.catalog.clone(), rules: rules.clone(), reveals: reveals.clone() }
    }

    /// What a caller's answers of an API are shown of, for `explain` and the matrix.
    pub fn reveals(&self, caller: CallerIndex, api: Api) -> &Reveals {
        &self.callers[caller.0].of(api).reveals
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
