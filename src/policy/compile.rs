//! Makes a [`RuleSet`] of policies. Lists of rules that say the same, whatever policies they are of, share one set of
//! tables, and policies that several sets have in common share the sources of their rules; where a rule stands is
//! kept for each policy, so that a verdict always names the line that its reader can change.

use std::{collections::HashMap, sync::Arc};

use super::{
    decide::RuleSet,
    rules::Rule,
    source::{RuleProblem, RuleSource},
    tables::{Kind, Tables},
};
use crate::{
    catalog::{Api, Catalog},
    config::{Policy, RuleText},
};

/// Compiles the policies of one configuration.
#[derive(Debug)]
pub struct Compiler<'c> {
    catalog: &'c Catalog,
    /// By the texts of the rules, which say all that the tables depend on.
    tables: HashMap<Box<[Line<'c>]>, Arc<Tables>>,
    /// By policy, which is borrowed, so that no other has its address.
    sources: HashMap<*const Policy, Box<[Arc<RuleSource>]>>,
}

/// What a rule is, as far as its meaning goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Line<'c> {
    kind: Kind,
    text: &'c str,
}

impl RuleSet {
    /// Compiles the rules of all of `policies` that are about the catalog's API together: each allows what it allows, and a deny in any of them
    /// wins. Many sets of one configuration take less room when one [`Compiler`] makes them.
    ///
    /// # Errors
    /// Every rule that is not one.
    pub fn compile(catalog: &Catalog, policies: &[&Policy]) -> Result<Self, Vec<RuleProblem>> {
        Compiler::new(catalog).compile(policies)
    }
}

impl<'c> Compiler<'c> {
    /// One that has compiled nothing yet.
    pub fn new(catalog: &'c Catalog) -> Self {
        Self { catalog, tables: HashMap::new(), sources: HashMap::new() }
    }

    /// As [`RuleSet::compile`].
    ///
    /// # Errors
    /// Every rule that is not one.
    pub fn compile(&mut self, policies: &[&'c Policy]) -> Result<RuleSet, Vec<RuleProblem>> {
        let api = self.catalog.api();
        let all = || policies.iter().flat_map(|policy| rules(policy, api));
        let lines: Box<[Line<'_>]> = all().map(|(kind, rule)| Line { kind, text: &rule.text }).collect();
        let tables = match self.tables.get(&lines) {
            Some(tables) => tables.clone(),
            None => {
                let tables = Arc::new(Tables::new(self.catalog, &parse(self.catalog, all())?));
                self.tables.insert(lines, tables.clone());
                tables
            }
        };
        let sources = policies.iter().flat_map(|policy| {
            let sources = || rules(policy, api).map(|(kind, rule)| source(policy, kind, rule)).collect();
            self.sources.entry(*policy).or_insert_with(sources).to_vec()
        });
        Ok(RuleSet::new(self.catalog, tables, sources.collect()))
    }
}

/// The rules of a policy that are about one API, in the order in which they count. A `*` allows what tenants' own API has,
/// and denies everything.
fn rules(policy: &Policy, api: Api) -> impl Iterator<Item = (Kind, &Arc<RuleText>)> {
    let deny = policy.deny.iter().map(|rule| (Kind::Deny, rule));
    let all = deny.chain(policy.allow.iter().map(|rule| match rule.conditions {
        Some(_) => (Kind::Conditional, rule),
        None => (Kind::Allow, rule),
    }));
    all.filter(move |(kind, rule)| {
        Api::of_rule(&rule.text) == api || *kind == Kind::Deny && rule.text.trim() == "*"
    })
}

fn parse<'c>(
    catalog: &Catalog,
    rules: impl Iterator<Item = (Kind, &'c Arc<RuleText>)>,
) -> Result<Vec<(Kind, Rule)>, Vec<RuleProblem>> {
    let (mut parsed, mut problems) = (Vec::new(), Vec::new());
    for (kind, rule) in rules {
        match Rule::parse(catalog, kind.effect(), &rule.text) {
            Ok(rule) => parsed.push((kind, rule)),
            Err(error) => problems.push(RuleProblem { origin: rule.origin.clone(), error }),
        }
    }
    if problems.is_empty() { Ok(parsed) } else { Err(problems) }
}

fn source(policy: &Policy, kind: Kind, rule: &Arc<RuleText>) -> Arc<RuleSource> {
    Arc::new(RuleSource { effect: kind.effect(), rule: rule.clone(), policy: policy.name.clone() })
}

#[cfg(test)]
mod tests;
