//! Callers by operations: who may do what, under which conditions, by which rule. For the review of a policy, in
//! `claviger policy matrix` and on the admin listener; no request is decided by it. They decide how it is shown.

use serde_json::{Value, json};

use super::{
    Grants,
    conditions::Words,
    decide::{RuleSource, Verdict},
    denies::{Taken, denies_of},
    rules::{Brings, Effect},
};
use crate::{
    catalog::{Catalog, Operation},
    config::{Caller, Config, Issue, Policy},
    ids::CallerIndex,
};

/// What one caller may do.
pub struct Column<'c> {
    /// Who.
    pub caller: &'c Caller,
    /// Where, of the tenants that there are.
    pub tenants: Vec<&'c str>,
    /// In the order of the catalog.
    pub cells: Vec<Cell<'c>>,
    /// Rules that reach paths which the catalog does not know.
    pub beyond: Vec<&'c RuleSource>,
    /// What its rules about many operations bring.
    pub brings: Vec<Brings>,
    /// What each rule of its `deny` lists takes away from it.
    pub denies: Vec<Taken<'c>>,
}

/// What one caller may do with one operation.
pub struct Cell<'c> {
    /// What.
    pub operation: &'c Operation,
    verdict: Verdict<'c>,
    /// Rules that are about some of its paths alone, in `allow` as in `deny`.
    pub about_some_paths: Vec<&'c RuleSource>,
    /// Its answers hold secrets, which this caller does not see.
    pub masked: bool,
    /// Its answers hold secrets, which the caller's `reveal` shows.
    pub unmasked: bool,
}

/// What is said of an operation in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Allowed.
    Yes,
    /// Allowed under conditions.
    Conditions,
    /// Some rule is about a part of its paths, and otherwise it is denied.
    Part,
    /// Denied.
    No,
}

/// The tenants of `{ created = true }`.
const CREATED: &str = "those that it had created";

impl<'c> Column<'c> {
    /// Those of all callers of `config`, whose grants are `grants`, that `chosen` names; of all where it names none.
    pub fn all(
        catalog: &'c Catalog,
        config: &'c Config,
        grants: &'c Grants,
        chosen: &'c [String],
    ) -> impl Iterator<Item = Self> {
        let is_chosen =
            |caller: &Caller| chosen.is_empty() || chosen.iter().any(|it| it == caller.name.as_str());
        let callers = config.callers.iter().enumerate().filter(move |(_, caller)| is_chosen(caller));
        callers.map(move |(index, caller)| Self::new(catalog, config, grants, CallerIndex(index), caller))
    }

    fn new(
        catalog: &'c Catalog,
        config: &'c Config,
        grants: &'c Grants,
        index: CallerIndex,
        caller: &'c Caller,
    ) -> Self {
        let (api, rules) = (catalog.api(), grants.rules(index, catalog.api()));
        let cell = |(op, operation)| {
            let (verdict, in_part) = rules.about(op, operation);
            let about_some_paths = if in_part {
                rules.about_some_paths(catalog, op).map(AsRef::as_ref).collect()
            } else {
                Vec::new()
            };
            let is_hidden = grants.reveals(index, api).hidden(catalog, Some(op), None).is_some();
            let has_secrets = catalog.secrets(op).is_some();
            let (masked, unmasked) = (has_secrets && is_hidden, has_secrets && !is_hidden);
            Cell { operation, verdict, about_some_paths, masked, unmasked }
        };
        let tenants = config.tenants.iter().filter(|tenant| grants.may_name(index, &***tenant));
        Self {
            caller,
            tenants: tenants.map(|tenant| tenant.name.as_str()).collect(),
            cells: catalog.operations().map(cell).collect(),
            beyond: rules.beyond(catalog).map(AsRef::as_ref).collect(),
            brings: Brings::of_all(catalog, policies(config, caller)),
            denies: denies_of(grants, index),
        }
    }

    /// Where, in words: the tenants that there are, and those that may come.
    pub fn places(&self) -> Vec<&'c str> {
        let created = self.caller.tenants.has_created().then_some(CREATED);
        self.tenants.iter().copied().chain(created).collect()
    }

    /// The operations that it may use, at least in part.
    pub fn granted(&self) -> impl Iterator<Item = &Cell<'c>> {
        self.cells.iter().filter(|cell| cell.mark() != Mark::No)
    }

    /// How the caller authenticates, each method in words.
    pub fn identified_by(&self) -> Vec<String> {
        self.caller.identify.iter().map(ToString::to_string).collect()
    }

    /// As `claviger policy matrix --json` and `/matrix` show it.
    pub fn to_json(&self) -> Value {
        let caller = self.caller;
        json!({
            "caller": caller.name.as_str(),
            "identify": caller.identify,
            "tenants": self.tenants,
            "scope": caller.tenants,
            "policies": caller.policies.iter().map(|policy| policy.as_str()).collect::<Vec<_>>(),
            "scopes": caller.scopes,
            "organization_id": caller.organization_id,
            "issue": issue(caller),
            "reveal": caller.reveal.iter().map(|rule| &rule.text).collect::<Vec<_>>(),
            "operations": self.granted().map(Cell::to_json).collect::<Vec<_>>(),
            "broad_rules": self.brings.iter().map(brought).collect::<Vec<_>>(),
            "denies": self.denies.iter().map(taken).collect::<Vec<_>>(),
            "beyond_the_catalog": self.beyond.iter().map(|rule| rule.to_json()).collect::<Vec<_>>(),
        })
    }
}

impl Mark {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::Conditions => "if",
            Self::Part => "part",
            Self::No => "-",
        }
    }
}

impl Cell<'_> {
    /// In a word.
    pub fn mark(&self) -> Mark {
        match self.verdict {
            Verdict::Allowed(_) => Mark::Yes,
            Verdict::Conditional(_) => Mark::Conditions,
            Verdict::NoRule if self.about_some_paths.iter().any(|rule| rule.effect == Effect::Allow) => {
                Mark::Part
            }
            _ => Mark::No,
        }
    }

    /// The rules that allow it on all of its paths; under conditions any of several may.
    pub fn rules(&self) -> Vec<&RuleSource> {
        match self.verdict {
            Verdict::Allowed(rule) => vec![rule.as_ref()],
            Verdict::Conditional(candidates) => candidates.rules().map(AsRef::as_ref).collect(),
            _ => Vec::new(),
        }
    }

    fn to_json(&self) -> Value {
        json!({
            "operation": self.operation.id,
            "method": self.operation.verb.as_str(),
            "path": self.operation.template.as_str(),
            "sensitive": self.operation.is_sensitive(),
            "secrets_masked": self.masked,
            "secrets_revealed": self.unmasked,
            "granted": self.mark().as_str(),
            "some_paths_differ": !self.about_some_paths.is_empty(),
            "rules": self.rules().into_iter().map(RuleSource::to_json).collect::<Vec<_>>(),
            "rules_about_some_paths": self.about_some_paths.iter().map(|rule| rule.to_json()).collect::<Vec<_>>(),
        })
    }
}

impl RuleSource {
    /// As a matrix and an explanation show it.
    pub fn to_json(&self) -> Value {
        json!({
            "policy": self.policy.as_str(),
            "effect": match self.effect {
                Effect::Allow => "allow",
                Effect::Deny => "deny",
            },
            "rule": self.rule.text,
            "origin": self.rule.origin.to_string(),
            "conditions": self.rule.conditions.as_ref().map(|conditions| Words(conditions).to_string()),
        })
    }
}

fn policies<'c>(config: &'c Config, caller: &'c Caller) -> impl Iterator<Item = &'c Policy> {
    config.policies.iter().filter(|policy| caller.policies.contains(&policy.name))
}

fn brought(brings: &Brings) -> Value {
    json!({
        "rule": brings.rule,
        "operations": brings.operations,
        "masked": brings.masked,
        "by_name_alone": brings.by_name,
        "denied": brings.denied,
    })
}

fn taken(taken: &Taken<'_>) -> Value {
    let mut rule = taken.source.to_json();
    rule["takes_away"] = json!(taken.whole);
    rule["takes_away_some_paths_of"] = json!(taken.in_part);
    rule["takes_away_beyond_the_catalog"] = json!(taken.beyond);
    rule
}

fn issue(caller: &Caller) -> &'static str {
    match caller.issue {
        Issue::Claviger => "claviger",
        Issue::Upstream => "upstream",
    }
}
