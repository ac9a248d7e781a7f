//! Allowed or not, and by which rule. Compiles the rules of a caller's policies, once, to one entry for each
//! operation and two tries of templates; deciding is then one look-up, whatever the number of rules. Deny wins;
//! what no rule allows is denied; a sensitive operation is allowed by its name alone; an OpenAPI document never.

mod verdict;

use std::sync::Arc;

use crate::{
    catalog::{
        Catalog, Op, Operation, Requirement, Verb,
        matcher::Trie,
        template::{Segment, Template},
    },
    config::Policy,
};

use super::{
    matched::Matched,
    rules::{Access, Effect, Rule},
};

pub use self::verdict::{Candidates, Explanation, Verdict};
pub use super::source::{RuleProblem, RuleSource};

/// The place of a rule in [`RuleSet::sources`].
type RuleIndex = usize;

/// Compiled rules.
#[derive(Debug)]
pub struct RuleSet {
    /// By [`Op::index`].
    entries: Box<[Entry]>,
    /// Templates of `allow` lists.
    allow: Trie<RuleIndex>,
    /// Templates of `deny` lists.
    deny: Trie<RuleIndex>,
    /// The first `*` of a `deny` list.
    deny_all: Option<RuleIndex>,
    /// Templates of `allow` lists with conditions: the places of their rules in `groups`.
    conditional: Trie<usize>,
    groups: Box<[Vec<RuleIndex>]>,
    sources: Box<[Arc<RuleSource>]>,
}

/// What the rules say of one operation.
#[derive(Debug, Clone, Default)]
struct Entry {
    deny: Option<RuleIndex>,
    /// Names the operation, or covers it where it is not sensitive.
    allow: Option<RuleIndex>,
    /// Would allow the operation if it were not sensitive.
    unnamed: Option<RuleIndex>,
    /// As `allow`, each under its conditions.
    conditional: Vec<RuleIndex>,
    sensitive: bool,
    /// Whether some template is about a part of its paths, so that the tries have to be asked.
    in_part: bool,
}

impl RuleSet {
    /// Compiles the rules of all of `policies` together: each allows what it allows, and a deny in any of them
    /// wins.
    ///
    /// # Errors
    /// Every rule that is not one.
    pub fn compile(catalog: &Catalog, policies: &[&Policy]) -> Result<Self, Vec<RuleProblem>> {
        let mut set = Builder::new(catalog);
        let mut problems = Vec::new();
        for policy in policies {
            let deny = policy.deny.iter().map(|rule| (Effect::Deny, rule));
            let allow = policy.allow.iter().map(|rule| (Effect::Allow, rule));
            for (effect, written) in deny.chain(allow) {
                match Rule::parse(effect, &written.text) {
                    Ok(rule) => {
                        let source =
                            RuleSource { effect, rule: written.clone(), policy: policy.name.clone() };
                        set.add(effect, &rule, source);
                    }
                    Err(error) => problems.push(RuleProblem { origin: written.origin.clone(), error }),
                }
            }
        }
        if problems.is_empty() { Ok(set.finish()) } else { Err(problems) }
    }

    /// Decides. Allocates nothing.
    pub fn decide(&self, matched: &Matched<'_>) -> Verdict<'_> {
        if matched.is_withheld() {
            return Verdict::Withheld;
        }
        let Some(verb) = matched.verb() else {
            return Verdict::Unknown;
        };
        match matched.op() {
            Some(op) => self.decide_known(&self.entries[op.index()], verb, matched.path()),
            None => self.decide_unknown(verb, matched.path()),
        }
    }

    /// What is decided about an operation wherever no rule about a part of its paths says otherwise; and whether
    /// there is such a rule. For tables: a request is decided by [`RuleSet::decide`].
    pub fn about(&self, op: Op, operation: &Operation) -> (Verdict<'_>, bool) {
        let entry = &self.entries[op.index()];
        if operation.requirement == Requirement::Withheld {
            return (Verdict::Withheld, false);
        }
        (self.settle(entry, entry.deny, entry.unnamed, None), entry.in_part)
    }

    /// Rules of `allow` lists that reach paths which the catalog does not know.
    pub fn beyond<'r>(&'r self, catalog: &Catalog) -> impl Iterator<Item = &'r Arc<RuleSource>> {
        let reaches = |source: &RuleSource| match Rule::parse(source.effect, &source.rule.text) {
            Ok(Rule::Template { verb, template }) => {
                template.has_tail() || catalog.find(verb, template.as_str()).is_none()
            }
            _ => false,
        };
        self.sources.iter().filter(move |source| source.effect == Effect::Allow && reaches(source))
    }

    fn decide_known<'r>(&'r self, entry: &'r Entry, verb: Verb, path: &str) -> Verdict<'r> {
        let ask = |trie: &Trie<RuleIndex>| if entry.in_part { trie.find(verb, path) } else { None };
        let deny = entry.deny.or_else(|| ask(&self.deny));
        if deny.is_some() || entry.allow.is_some() {
            return self.settle(entry, deny, None, None);
        }
        let in_part = if entry.in_part { self.conditional.find(verb, path) } else { None };
        self.settle(entry, None, entry.unnamed.or_else(|| ask(&self.allow)), in_part)
    }

    /// The order in which rules count.
    fn settle<'r>(
        &'r self,
        entry: &'r Entry,
        deny: Option<RuleIndex>,
        covering: Option<RuleIndex>,
        in_part: Option<usize>,
    ) -> Verdict<'r> {
        if let Some(rule) = deny {
            return Verdict::Denied(&self.sources[rule]);
        }
        if let Some(rule) = entry.allow {
            return Verdict::Allowed(&self.sources[rule]);
        }
        if let (Some(rule), false) = (covering, entry.sensitive) {
            return Verdict::Allowed(&self.sources[rule]);
        }
        let in_part = in_part.filter(|_| !entry.sensitive);
        let in_part = in_part.map_or([].as_slice(), |group| &self.groups[group]);
        if !entry.conditional.is_empty() || !in_part.is_empty() {
            return Verdict::Conditional(Candidates::new(&self.sources, &entry.conditional, in_part));
        }
        if entry.sensitive {
            return Verdict::SensitiveNotNamed(covering.map(|rule| &self.sources[rule]));
        }
        Verdict::NoRule
    }

    fn decide_unknown(&self, verb: Verb, path: &str) -> Verdict<'_> {
        if let Some(rule) = self.deny_all.or_else(|| self.deny.find(verb, path)) {
            return Verdict::Denied(&self.sources[rule]);
        }
        match self.allow.find(verb, path) {
            Some(rule) => Verdict::Allowed(&self.sources[rule]),
            None => match self.conditional.find(verb, path) {
                Some(group) => Verdict::Conditional(Candidates::new(&self.sources, &[], &self.groups[group])),
                None => Verdict::Unknown,
            },
        }
    }
}

struct Builder<'c> {
    catalog: &'c Catalog,
    entries: Vec<Entry>,
    allow: Trie<RuleIndex>,
    deny: Trie<RuleIndex>,
    deny_all: Option<RuleIndex>,
    conditional: Trie<usize>,
    groups: Vec<Vec<RuleIndex>>,
    /// The template of each group.
    grouped: Vec<(Verb, Template)>,
    sources: Vec<Arc<RuleSource>>,
}

impl<'c> Builder<'c> {
    fn new(catalog: &'c Catalog) -> Self {
        let entry = |operation: &Operation| Entry { sensitive: operation.is_sensitive(), ..Entry::default() };
        Self {
            catalog,
            entries: catalog.operations().map(|(_, operation)| entry(operation)).collect(),
            allow: Trie::new(Effect::Allow.case()),
            deny: Trie::new(Effect::Deny.case()),
            deny_all: None,
            conditional: Trie::new(Effect::Allow.case()),
            groups: Vec::new(),
            grouped: Vec::new(),
            sources: Vec::new(),
        }
    }

    fn add(&mut self, effect: Effect, rule: &Rule, source: RuleSource) {
        let index = self.sources.len();
        let conditional = effect == Effect::Allow && source.rule.conditions.is_some();
        self.sources.push(Arc::new(source));
        for (op, operation) in self.catalog.operations() {
            let kind = if conditional { Kind::Conditional } else { Kind::Of(effect) };
            self.entries[op.index()].add(kind, rule, index, op, operation);
        }
        match (effect, rule) {
            (Effect::Allow, Rule::Template { verb, template }) if conditional => {
                self.add_conditional(*verb, template, index);
            }
            (Effect::Allow, Rule::Template { verb, template }) => self.allow.insert(*verb, template, index),
            (Effect::Deny, Rule::Template { verb, template }) => self.deny.insert(*verb, template, index),
            (Effect::Deny, Rule::All) => self.deny_all = self.deny_all.or(Some(index)),
            (Effect::Deny, Rule::Tag { tag, access }) => self.deny_newer(tag, *access, index),
            (Effect::Allow, Rule::All | Rule::Tag { .. }) | (_, Rule::Operation(_)) => {}
        }
    }

    fn add_conditional(&mut self, verb: Verb, template: &Template, index: RuleIndex) {
        let same = |(v, t): &(Verb, Template)| *v == verb && t.segments() == template.segments();
        if let Some(group) = self.grouped.iter().position(same) {
            self.groups[group].push(index);
            return;
        }
        self.conditional.insert(verb, template, self.groups.len());
        self.groups.push(vec![index]);
        self.grouped.push((verb, template.clone()));
    }

    /// A deny by tag also covers what a newer Logto has below the tag's paths: `users:write` denied and
    /// `POST /api/users/**` allowed must not let through the next way to change a user. No two tags share a path.
    fn deny_newer(&mut self, tag: &str, access: Access, index: RuleIndex) {
        let verbs = [Verb::Get, Verb::Post, Verb::Put, Verb::Patch, Verb::Delete];
        for (_, operation) in self.catalog.operations().filter(|(_, operation)| operation.tag == tag) {
            let Some(Segment::Literal(room)) = operation.template.segments().get(1) else { continue };
            for text in [format!("/api/{room}"), format!("/api/{room}/**")] {
                let Ok(template) = Template::parse(&text) else { continue };
                for verb in verbs.into_iter().filter(|verb| access.includes(*verb)) {
                    self.deny.insert(verb, &template, index);
                }
            }
        }
    }

    fn finish(self) -> RuleSet {
        RuleSet {
            entries: self.entries.into(),
            allow: self.allow,
            deny: self.deny,
            deny_all: self.deny_all,
            conditional: self.conditional,
            groups: self.groups.into(),
            sources: self.sources.into(),
        }
    }
}

/// What a rule does to the operations that it covers.
#[derive(Clone, Copy)]
enum Kind {
    Of(Effect),
    /// Allows, under conditions.
    Conditional,
}

impl Entry {
    fn add(&mut self, kind: Kind, rule: &Rule, index: RuleIndex, op: Op, operation: &Operation) {
        let effect = match kind {
            Kind::Of(effect) => effect,
            Kind::Conditional => Effect::Allow,
        };
        if rule.covers(effect, op, operation) {
            let slot = match kind {
                Kind::Of(Effect::Deny) => &mut self.deny,
                _ if self.sensitive && !rule.names(op) => &mut self.unnamed,
                Kind::Of(Effect::Allow) => &mut self.allow,
                Kind::Conditional => {
                    self.conditional.push(index);
                    return;
                }
            };
            slot.get_or_insert(index);
        } else if let Rule::Template { verb, template } = rule {
            let meets = template.meets(&operation.template, effect.case().same());
            self.in_part |= *verb == operation.verb && meets;
        }
    }
}

#[cfg(test)]
mod tests;
