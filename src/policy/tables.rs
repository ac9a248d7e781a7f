//! What a list of rules says of each operation and of paths that the catalog does not know, for one look-up each.
//! Knows rules by their place in the list alone: equal lists of different policies have one and the same tables.
//!
//! A row says all that the rules say of an operation. Few rows differ, so there is one of each kind, and a table
//! from operations to rows that has only the operations that some rule is about.

use std::{
    collections::{HashMap, hash_map::Entry},
    num::NonZeroU32,
};

use super::rules::{Coverage, Effect, Rule};
use crate::catalog::{
    Catalog, Op, Verb,
    matcher::Trie,
    ops::{OpMap, OpSet},
    template::Template,
};

/// The place of a rule in its list, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RuleIndex(NonZeroU32);

impl RuleIndex {
    /// Counted from 0. A configuration has far fewer rules than would be confused.
    fn new(place: usize) -> Self {
        Self(NonZeroU32::MIN.saturating_add(u32::try_from(place).unwrap_or(u32::MAX)))
    }

    /// Counted from 0.
    pub(super) fn place(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// What a rule does to the operations that it covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Deny,
    Allow,
    /// Allows, under conditions.
    Conditional,
}

impl Kind {
    pub(super) fn effect(self) -> Effect {
        match self {
            Self::Deny => Effect::Deny,
            Self::Allow | Self::Conditional => Effect::Allow,
        }
    }
}

/// What the rules say of one operation.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) deny: Option<RuleIndex>,
    /// Names the operation, or covers it where it is not sensitive.
    pub(super) allow: Option<RuleIndex>,
    /// Would allow the operation if it were not sensitive.
    pub(super) unnamed: Option<RuleIndex>,
    /// As `allow`, each under its conditions.
    pub(super) conditional: Box<[RuleIndex]>,
    pub(super) sensitive: bool,
    /// Whether some template is about a part of its paths, so that the tries have to be asked.
    pub(super) in_part: bool,
}

/// What a list of rules says.
#[derive(Debug)]
pub(super) struct Tables {
    rows: Box<[Row]>,
    /// The place of an operation's row; none for those that no rule is about.
    row_of: OpMap<u16>,
    /// Templates of `allow` lists.
    allow: Option<Box<Trie<RuleIndex>>>,
    /// Templates of `deny` lists.
    deny: Option<Box<Trie<RuleIndex>>>,
    /// Templates of `allow` lists with conditions.
    conditional: Option<Box<Groups>>,
    /// The first `*` of a `deny` list.
    deny_all: Option<RuleIndex>,
}

/// Templates that several rules may have.
#[derive(Debug)]
struct Groups {
    /// To the place of the template's rules.
    trie: Trie<usize>,
    rules: Box<[Box<[RuleIndex]>]>,
}

impl Tables {
    pub(super) fn new(catalog: &Catalog, rules: &[(Kind, Rule)]) -> Self {
        let coverage: Vec<Coverage> =
            rules.iter().map(|(kind, rule)| rule.coverage(kind.effect(), catalog)).collect();
        let covered = coverage.iter().fold(OpSet::default(), |all, one| all | one.whole | one.in_part);
        let mut rows = Vec::new();
        let row_of = OpMap::new(covered, |op| {
            let row = Row::new(op, catalog.sensitive().contains(op), rules, &coverage);
            let at = rows.iter().position(|known| *known == row).unwrap_or_else(|| {
                rows.push(row);
                rows.len() - 1
            });
            u16::try_from(at).expect("there are at most as many rows as operations, which a u16 counts")
        });
        Self {
            rows: rows.into(),
            row_of,
            allow: trie(Effect::Allow, allowed(rules)),
            deny: trie(Effect::Deny, denied(catalog, rules)),
            conditional: Groups::new(rules),
            deny_all: numbered(rules)
                .find_map(|(kind, rule, index)| (kind == Kind::Deny && *rule == Rule::All).then_some(index)),
        }
    }

    /// What the rules say of an operation; `None`: no rule is about it.
    pub(super) fn row(&self, op: Op) -> Option<&Row> {
        self.rows.get(usize::from(self.row_of.get(op)?))
    }

    /// The template of an `allow` list for a path.
    pub(super) fn allow(&self, verb: Verb, path: &str) -> Option<RuleIndex> {
        self.allow.as_ref()?.find(verb, path)
    }

    /// The template of a `deny` list for a path.
    pub(super) fn deny(&self, verb: Verb, path: &str) -> Option<RuleIndex> {
        self.deny.as_ref()?.find(verb, path)
    }

    /// The `*` of a `deny` list, which is about what the catalog does not know as well.
    pub(super) fn deny_all(&self) -> Option<RuleIndex> {
        self.deny_all
    }

    /// The rules with conditions by template for a path. None, or at least one.
    pub(super) fn conditional(&self, verb: Verb, path: &str) -> &[RuleIndex] {
        let group = self.conditional.as_ref().and_then(|groups| {
            let group = groups.trie.find(verb, path)?;
            groups.rules.get(group)
        });
        group.map_or(&[], |rules| rules)
    }
}

impl Row {
    fn new(op: Op, sensitive: bool, rules: &[(Kind, Rule)], coverage: &[Coverage]) -> Self {
        let mut row = Self { sensitive, ..Self::default() };
        let mut conditional = Vec::new();
        for ((kind, rule, index), coverage) in numbered(rules).zip(coverage) {
            row.in_part |= coverage.in_part.contains(op);
            if !coverage.whole.contains(op) {
                continue;
            }
            let first = match kind {
                Kind::Deny => &mut row.deny,
                _ if sensitive && !rule.names(op) => &mut row.unnamed,
                Kind::Allow => &mut row.allow,
                Kind::Conditional => {
                    conditional.push(index);
                    continue;
                }
            };
            first.get_or_insert(index);
        }
        row.conditional = conditional.into();
        row
    }
}

impl Groups {
    fn new(rules: &[(Kind, Rule)]) -> Option<Box<Self>> {
        let mut places = HashMap::<_, usize>::new();
        let (mut templates, mut groups) = (Vec::new(), Vec::<Vec<RuleIndex>>::new());
        for (kind, rule, index) in numbered(rules) {
            let (Kind::Conditional, Rule::Template { verb, template }) = (kind, rule) else { continue };
            match places.entry((*verb, template.segments(), template.has_tail())) {
                Entry::Occupied(place) => groups[*place.get()].push(index),
                Entry::Vacant(place) => {
                    templates.push((*verb, template, *place.insert(groups.len())));
                    groups.push(vec![index]);
                }
            }
        }
        if templates.is_empty() {
            return None;
        }
        let rules = groups.into_iter().map(Into::into).collect();
        Some(Box::new(Self { trie: Trie::new(Effect::Allow.case(), templates), rules }))
    }
}

type Templates<'r> = Vec<(Verb, &'r Template, RuleIndex)>;

fn trie(effect: Effect, templates: Templates<'_>) -> Option<Box<Trie<RuleIndex>>> {
    (!templates.is_empty()).then(|| Box::new(Trie::new(effect.case(), templates)))
}

fn allowed(rules: &[(Kind, Rule)]) -> Templates<'_> {
    let templates = numbered(rules).filter_map(|(kind, rule, index)| match (kind, rule) {
        (Kind::Allow, Rule::Template { verb, template }) => Some((*verb, template, index)),
        _ => None,
    });
    templates.collect()
}

/// A deny by tag also covers what a newer Logto has below the tag's paths: `users:write` denied and
/// `POST /api/users/**` allowed must not let through the next way to change a user.
fn denied<'r>(catalog: &'r Catalog, rules: &'r [(Kind, Rule)]) -> Templates<'r> {
    let mut templates = Vec::new();
    for (kind, rule, index) in numbered(rules) {
        match (kind, rule) {
            (Kind::Deny, Rule::Template { verb, template }) => templates.push((*verb, template, index)),
            (Kind::Deny, Rule::Tag { tag, access }) => {
                let paths = catalog.tagged(tag).map_or([].as_slice(), |tagged| &tagged.paths);
                for verb in Verb::ALL.into_iter().filter(|verb| access.includes(*verb)) {
                    templates.extend(paths.iter().map(|template| (verb, template, index)));
                }
            }
            _ => {}
        }
    }
    templates
}

fn numbered(rules: &[(Kind, Rule)]) -> impl Iterator<Item = (Kind, &Rule, RuleIndex)> {
    rules.iter().enumerate().map(|(place, (kind, rule))| (*kind, rule, RuleIndex::new(place)))
}
