//! Allowed or not, and by which rule. A set of rules has one row for each operation and two tries of templates;
//! deciding is one look-up, whatever the number of rules. Deny wins; what no rule allows is denied; a sensitive
//! operation is allowed by its name alone; an OpenAPI document never.

mod verdict;

use std::{sync::Arc, time::Duration};

use super::{
    matched::Matched,
    permit::Sharing,
    reveal::Masking,
    rules::{Effect, Rule},
    tables::{Row, RuleIndex, Tables},
};
use crate::catalog::{Catalog, Op, Operation, Requirement, Verb};

pub use self::verdict::{Candidates, Verdict};
pub use super::source::{RuleProblem, RuleSource};

/// What the policies of one caller decide, ready to be asked. A few rules take some hundred bytes, a thousand with
/// templates on both sides, and nothing for tables that an equal list has already.
#[derive(Debug)]
pub struct RuleSet {
    /// Shared by all sets whose rules say the same.
    tables: Arc<Tables>,
    /// By [`RuleIndex::place`]: the rules as they stand in the policies of this set.
    sources: Box<[Arc<RuleSource>]>,
    /// How old answers may be that are given again: the shortest that a rule says. Mostly none.
    cached: Box<[(Op, Duration)]>,
}

impl RuleSet {
    /// A set whose rules stand at `sources`, in the order in which `tables` were made of them.
    pub(super) fn new(catalog: &Catalog, tables: Arc<Tables>, sources: Box<[Arc<RuleSource>]>) -> Self {
        let mut cached: Vec<(Op, Duration)> = Vec::new();
        for source in &sources {
            let rule = source.rule.cache.zip(Rule::parse(catalog, source.effect, &source.rule.text).ok());
            let Some((cache, rule)) = rule else { continue };
            let coverage = rule.coverage(source.effect, catalog);
            cached.extend((coverage.whole | coverage.in_part).iter().map(|op| (op, cache)));
        }
        cached.sort_unstable();
        cached.dedup_by_key(|(op, _)| *op);
        Self { tables, sources, cached: cached.into() }
    }

    /// Whether an answer of an operation may be given to others. What a caller may do is not decided by it.
    pub(super) fn sharing(&self, catalog: &Catalog, op: Op, masking: Masking) -> Sharing {
        let operation = catalog.operation(op);
        if !operation.verb.reads() || operation.is_sensitive() || matches!(masking, Masking::Revealed) {
            return Sharing::Never;
        }
        match self.cached.binary_search_by_key(&op, |(op, _)| *op) {
            Ok(at) => Sharing::Kept(self.cached[at].1),
            Err(_) => Sharing::UnderWay,
        }
    }

    #[cfg(test)]
    pub(super) fn shares_tables_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.tables, &other.tables)
    }

    /// Decides about a request but for its query and body. Allocates nothing, and takes no longer for many rules.
    pub fn decide(&self, matched: &Matched<'_>) -> Verdict<'_> {
        if matched.is_withheld() {
            return Verdict::Withheld;
        }
        let Some(verb) = matched.verb() else {
            return Verdict::Unknown;
        };
        match matched.op() {
            Some(op) => self.decide_known(op, matched.is_sensitive(), verb, matched.path()),
            None => self.decide_unknown(verb, matched.path()),
        }
    }

    /// What is decided about an operation wherever no rule about a part of its paths says otherwise; and whether
    /// there is such a rule. For tables: a request is decided by [`RuleSet::decide`].
    pub fn about(&self, op: Op, operation: &Operation) -> (Verdict<'_>, bool) {
        if operation.requirement == Requirement::Withheld {
            return (Verdict::Withheld, false);
        }
        match self.tables.row(op) {
            Some(row) => (self.settle(row, row.deny, row.unnamed, &[]), row.in_part),
            None => (no_rule(operation.is_sensitive()), false),
        }
    }

    /// All rules, in the order in which they count.
    pub(super) fn sources(&self) -> impl Iterator<Item = &Arc<RuleSource>> {
        self.sources.iter()
    }

    /// Rules of `allow` lists that reach paths which the catalog does not know.
    pub fn beyond<'r>(&'r self, catalog: &'r Catalog) -> impl Iterator<Item = &'r Arc<RuleSource>> {
        let reaches = |source: &RuleSource| match Rule::parse(catalog, source.effect, &source.rule.text) {
            Ok(Rule::Template { verb, template }) => {
                template.has_tail() || catalog.find(verb, template.as_str()).is_none()
            }
            _ => false,
        };
        self.sources.iter().filter(move |source| source.effect == Effect::Allow && reaches(source))
    }

    /// The rules that are about some paths of an operation and not about all of them. For tables.
    pub fn about_some_paths<'r>(
        &'r self,
        catalog: &'r Catalog,
        op: Op,
    ) -> impl Iterator<Item = &'r Arc<RuleSource>> {
        let is_in_part = move |source: &RuleSource| {
            let rule = Rule::parse(catalog, source.effect, &source.rule.text);
            rule.is_ok_and(|rule| rule.coverage(source.effect, catalog).in_part.contains(op))
        };
        self.sources.iter().filter(move |source| is_in_part(source))
    }

    fn decide_known(&self, op: Op, sensitive: bool, verb: Verb, path: &str) -> Verdict<'_> {
        let Some(row) = self.tables.row(op) else {
            return no_rule(sensitive);
        };
        if !row.in_part {
            return self.settle(row, row.deny, row.unnamed, &[]);
        }
        let deny = row.deny.or_else(|| self.tables.deny(verb, path));
        let covering = row.unnamed.or_else(|| self.tables.allow(verb, path));
        self.settle(row, deny, covering, self.tables.conditional(verb, path))
    }

    /// The order in which rules count. `covering` allows the operation if it is not sensitive, and each of `in_part`
    /// does under its conditions.
    fn settle<'r>(
        &'r self,
        row: &'r Row,
        deny: Option<RuleIndex>,
        covering: Option<RuleIndex>,
        in_part: &'r [RuleIndex],
    ) -> Verdict<'r> {
        let otherwise = self.allowed(row, covering, in_part);
        match deny {
            Some(rule) => Verdict::Denied { by: self.source(rule), is_allowed: otherwise.may_be_allowed() },
            None => otherwise,
        }
    }

    /// What is decided where nothing denies it.
    fn allowed<'r>(
        &'r self,
        row: &'r Row,
        covering: Option<RuleIndex>,
        in_part: &'r [RuleIndex],
    ) -> Verdict<'r> {
        if let Some(rule) = row.allow {
            return Verdict::Allowed(self.source(rule));
        }
        if let (Some(rule), false) = (covering, row.sensitive) {
            return Verdict::Allowed(self.source(rule));
        }
        let in_part = if row.sensitive { &[] } else { in_part };
        if !row.conditional.is_empty() || !in_part.is_empty() {
            return Verdict::Conditional(Candidates::new(&self.sources, &row.conditional, in_part));
        }
        if row.sensitive {
            return Verdict::SensitiveNotNamed(covering.map(|rule| self.source(rule)));
        }
        Verdict::NoRule
    }

    fn decide_unknown(&self, verb: Verb, path: &str) -> Verdict<'_> {
        let otherwise = match (self.tables.allow(verb, path), self.tables.conditional(verb, path)) {
            (Some(rule), _) => Verdict::Allowed(self.source(rule)),
            (None, []) => Verdict::Unknown,
            (None, rules) => Verdict::Conditional(Candidates::new(&self.sources, &[], rules)),
        };
        match self.tables.deny_all().or_else(|| self.tables.deny(verb, path)) {
            Some(rule) => Verdict::Denied { by: self.source(rule), is_allowed: otherwise.may_be_allowed() },
            None => otherwise,
        }
    }

    fn source(&self, rule: RuleIndex) -> &Arc<RuleSource> {
        &self.sources[rule.place()]
    }
}

/// What is decided about an operation that no rule is about.
fn no_rule<'r>(sensitive: bool) -> Verdict<'r> {
    if sensitive { Verdict::SensitiveNotNamed(None) } else { Verdict::NoRule }
}

#[cfg(test)]
mod tests;
