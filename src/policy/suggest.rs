//! Which rules would allow a request that no rule allows, and what else each of them would allow. Nothing here is a guess:
//! each candidate is compiled by itself and asked like any rule. For authors of policies; no request is decided by it.

use std::sync::Arc;

use super::{
    decide::{RuleSet, Verdict},
    matched::Matched,
};
use crate::{
    catalog::{Catalog, Op, Operation, template::Segment},
    config::{Origin, Policy, RuleText},
    ids::PolicyName,
};

/// A rule that would allow a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggestion {
    /// To be written into an `allow` list.
    pub rule: String,
    /// Whether it is about this path alone, and not about the whole operation.
    pub this_path_alone: bool,
    /// The operations that it would allow as well, and that are not allowed yet.
    pub also_allows: Vec<Op>,
}

impl Suggestion {
    /// For a request that `rules` do not allow, though none of them denies it: first the rule to add, which is the operation's
    /// name, then others, narrower and wider. None where no rule could allow it. `template` is that of which the path is any.
    pub fn all(
        catalog: &Catalog,
        rules: &RuleSet,
        matched: &Matched<'_>,
        template: Option<&str>,
    ) -> Vec<Self> {
        let Some(verb) = matched.verb() else { return Vec::new() };
        let this_path = format!("{verb} {}{}", catalog.api().mount(), template.unwrap_or(matched.path()));
        let candidates = match matched.op().map(|op| catalog.operation(op)) {
            Some(operation) => {
                let access = if operation.verb.reads() { "read" } else { "write" };
                let mut candidates = vec![(operation.id.to_owned(), false)];
                if template.is_none() && operation.template.segments().contains(&Segment::Param) {
                    candidates.push((this_path, true));
                }
                candidates.push((format!("{}:{access}", operation.tag), false));
                candidates
            }
            // What is most likely a slip is not to be granted.
            None if catalog.meant(matched.path()).is_some() => Vec::new(),
            None => vec![(this_path, true)],
        };
        let tried = candidates.into_iter().filter_map(|(rule, this_path_alone)| {
            let alone = alone(catalog, &rule)?;
            alone.decide(matched).is_allowed().then(|| {
                let others = catalog.operations().filter(|(op, _)| Some(*op) != matched.op());
                let also_allows = others.filter(|(op, operation)| opens(&alone, rules, *op, operation));
                let also_allows = also_allows.map(|(op, _)| op).collect();
                Self { rule, this_path_alone, also_allows }
            })
        });
        tried.collect()
    }
}

/// What a rule allows by itself.
fn alone(catalog: &Catalog, rule: &str) -> Option<RuleSet> {
    let origin = Origin::from("suggested");
    let rule = RuleText { text: rule.to_owned(), conditions: None, cache: None, origin };
    let name = PolicyName::parse("suggested").ok()?;
    let policy = Policy { name, allow: vec![Arc::new(rule)], deny: Vec::new() };
    RuleSet::compile(catalog, &[&policy]).ok()
}

/// Whether a rule opens an operation that was not open before; a `deny` stays one.
fn opens(rule: &RuleSet, before: &RuleSet, op: Op, operation: &Operation) -> bool {
    let is_open = || matches!(before.about(op, operation).0, Verdict::Allowed(_) | Verdict::Denied { .. });
    rule.about(op, operation).0.is_allowed() && !is_open()
}
