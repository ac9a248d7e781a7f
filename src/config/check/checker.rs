//! The state of one check, and the tools that each section is checked with: leaves, lists, numbers in a range,
//! and what is said about them. Knows no section.

use std::{
    collections::{BTreeSet, HashMap},
    ops::RangeInclusive,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use super::names::Names;
use crate::{
    catalog::Catalog,
    config::{
        env::{self, Environment},
        inputs::{Inputs, References},
        intake::Secrets,
        leaf::{DURATIONS, Leaf, List, SIZES, Size, UNITS, WHOLE_NUMBERS},
        node::{FromNode, Named},
        path::{KeyPath, Trail},
        policy::RuleCheck,
        problem::{Mistake, Problem},
        read::read,
        remarks::Remarks,
        tree::{Members, Node},
    },
    ids::Label,
    secret::Secret,
};

/// What is to be known beside the files.
pub(in crate::config) struct Settings<'a> {
    pub(in crate::config) env: &'a Environment,
    pub(in crate::config) rule_check: &'a dyn RuleCheck,
    pub(in crate::config) references: References,
}

/// The names that are defined, be their tables right or wrong.
pub(super) struct Found<'a> {
    pub(super) issuers: Names<'a>,
    pub(super) tenants: Names<'a>,
    pub(super) templates: Names<'a>,
    pub(super) cloud: Names<'a>,
    pub(super) policies: Names<'a>,
    /// Of tenants, as far as they were looked at.
    pub(super) labels: BTreeSet<Label>,
}

/// The state of one check.
pub(in crate::config) struct Checker<'a> {
    /// Where each value stands.
    pub(super) tree: &'a Node,
    pub(super) secrets: &'a Secrets,
    pub(super) settings: Settings<'a>,
    pub(super) names: Found<'a>,
    pub(super) remarks: Remarks,
    pub(super) inputs: Inputs,
    /// What the rules are about.
    pub(super) catalog: Arc<Catalog>,
    /// Files of secrets that were read, each with its mode where others may read it too.
    pub(super) read: HashMap<PathBuf, (Secret, Option<u32>)>,
}

impl<'a> Checker<'a> {
    pub(in crate::config) fn new(
        tree: &'a Node,
        secrets: &'a Secrets,
        settings: Settings<'a>,
        remarks: Remarks,
        inputs: Inputs,
    ) -> Self {
        let names = |section| Names::of(tree.member(section));
        let names = Found {
            issuers: names("issuers"),
            tenants: names("tenants"),
            templates: names("tenant_templates"),
            cloud: names("cloud"),
            policies: names("policies"),
            labels: BTreeSet::new(),
        };
        let (catalog, read) = (Catalog::embedded(), HashMap::new());
        Self { tree, secrets, settings, names, remarks, inputs, catalog, read }
    }

    /// The tables of a section, each under its name. Where the section is no table, that was said.
    pub(super) fn named<T>(
        &self,
        section: &str,
        given: Option<Named<T>>,
    ) -> impl ExactSizeIterator<Item = (&'a str, &'a Node)> + use<'a, T> {
        let members = given.and(self.tree.member(section)).and_then(Node::members);
        members.map(Members::iter).unwrap_or_default()
    }

    /// The table `name` of a section.
    pub(super) fn table<T: FromNode>(&mut self, section: &str, name: &str, node: &Node) -> Option<T> {
        let section = Trail::Key(&Trail::Root, section);
        read(self.tree, node, &Trail::Key(&section, name), &mut self.remarks)
    }

    /// What was said, and what was read.
    pub(in crate::config) fn into_findings(self) -> (Remarks, Inputs) {
        (self.remarks, self.inputs)
    }
}

impl Checker<'_> {
    pub(super) fn problem(&mut self, key: &KeyPath, what: impl Into<String>, remedy: impl Into<String>) {
        let problem = self.entry(key, what.into(), remedy.into());
        self.remarks.problems.push(problem);
    }

    pub(super) fn warn(&mut self, key: &KeyPath, what: impl Into<String>, remedy: impl Into<String>) {
        let problem = self.entry(key, what.into(), remedy.into());
        self.remarks.warnings.push(problem);
    }

    /// A problem with something that is not there, unless it was there and refused.
    pub(super) fn missing(&mut self, key: &KeyPath, what: impl Into<String>, remedy: impl Into<String>) {
        if !self.is_reported(key) {
            self.problem(key, what, remedy);
        }
    }

    /// Whether something was said already about `key` or a part of it.
    pub(super) fn is_reported(&self, key: &KeyPath) -> bool {
        self.remarks.touches(key)
    }

    pub(super) fn entry(&self, key: &KeyPath, what: String, remedy: String) -> Problem {
        Problem { key: key.to_string(), origin: self.tree.place(key), what, remedy }
    }

    pub(super) fn mistake(&mut self, key: &KeyPath, mistake: Mistake) {
        self.problem(key, mistake.what, mistake.remedy);
        self.remarks.reported.push(key.clone());
    }

    /// The value of a leaf that is given and right.
    pub(in crate::config) fn leaf<T>(
        &mut self,
        section: &KeyPath,
        key: &str,
        leaf: Option<Leaf<T>>,
    ) -> Option<T> {
        match leaf?.0 {
            Ok(value) => Some(value),
            Err(mistake) => {
                let key = section.key(key);
                let mistake = self.of_reference(&key, mistake);
                self.mistake(&key, mistake);
                None
            }
        }
    }

    /// A mistake, with what to write in place of a reference that stands where no secret is wanted.
    fn of_reference(&self, key: &KeyPath, mistake: Mistake) -> Mistake {
        let refers = ["env", "file"].iter().any(|form| self.tree.has(&key.key(form)));
        if !refers || !mistake.remedy.is_empty() {
            return mistake;
        }
        if let Some(path) = self.tree.text_at(&key.key("file"))
            && mistake.what.ends_with("a path is wanted")
        {
            return Mistake {
                remedy: format!("Write the path alone: {} = {path:?}.", key.steps().last().unwrap_or(&"")),
                ..mistake
            };
        }
        let variable = env::name_of(key).map(|name| format!(", or set {name} to it")).unwrap_or_default();
        let what = "this is no secret, and only a secret is written as a reference";
        Mistake::new(what, format!("Write the text itself{variable}."))
    }

    /// The value of a plain key that may be anything of its type.
    pub(in crate::config) fn value<T>(
        &mut self,
        section: &KeyPath,
        key: &str,
        leaf: Option<Leaf<T>>,
    ) -> Option<T> {
        self.leaf(section, key, leaf)
    }

    /// The values of a list that are right, each with its path.
    pub(super) fn list<T>(
        &mut self,
        section: &KeyPath,
        key: &str,
        list: Option<List<T>>,
    ) -> Option<Vec<(KeyPath, T)>> {
        let (list, path) = (list?, section.key(key));
        let mut values = Vec::with_capacity(list.items.len());
        for (index, leaf) in list.items.into_iter().enumerate() {
            let at = if list.alone { path.clone() } else { path.index(index) };
            match leaf.0 {
                Ok(value) => values.push((at, value)),
                Err(mut mistake) => {
                    if mistake.remedy.is_empty() {
                        mistake.remedy = format!("Write a text for each: {key} = [\"…\"].");
                    }
                    self.mistake(&at, mistake);
                }
            }
        }
        Some(values)
    }

    pub(in crate::config) fn duration(
        &mut self,
        section: &KeyPath,
        key: &str,
        leaf: Option<Leaf<Duration>>,
        allowed: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        const ON_SIGHUP: &str = "Write \"5s\", or \"0s\" to reload on SIGHUP alone.";
        let (least, most) = (as_written(*allowed.start()), as_written(*allowed.end()));
        let remedy = format!("Write a duration from \"{least}\" to \"{most}\".");
        let units = if section.steps() == ["reload"] { ON_SIGHUP } else { UNITS };
        let leaf = leaf.map(|leaf| leaf.in_range(DURATIONS, &remedy).in_range(UNITS, units));
        let value = self.leaf(section, key, leaf)?;
        if allowed.contains(&value) {
            return Some(value);
        }
        let what = format!("{} is out of range", as_written(value));
        self.problem(&section.key(key), what, remedy);
        None
    }

    pub(in crate::config) fn size<N: TryFrom<u64>>(
        &mut self,
        section: &KeyPath,
        key: &str,
        leaf: Option<Leaf<Size>>,
        allowed: RangeInclusive<u64>,
    ) -> Option<N> {
        let remedy = format!("Write a size from {} to {} bytes.", allowed.start(), allowed.end());
        let Size(value) = self.leaf(section, key, leaf.map(|leaf| leaf.in_range(SIZES, &remedy)))?;
        if let Some(size) = N::try_from(value).ok().filter(|_| allowed.contains(&value)) {
            return Some(size);
        }
        self.problem(&section.key(key), format!("{value} bytes is out of range"), remedy);
        None
    }

    /// A whole number in the range of its type and of its meaning.
    pub(in crate::config) fn count<N: TryFrom<u64>>(
        &mut self,
        section: &KeyPath,
        key: &str,
        leaf: Option<Leaf<u64>>,
        allowed: RangeInclusive<u64>,
    ) -> Option<N> {
        let remedy = format!("Write a whole number from {} to {}.", allowed.start(), allowed.end());
        let value = self.leaf(section, key, leaf.map(|leaf| leaf.in_range(WHOLE_NUMBERS, &remedy)))?;
        let number = N::try_from(value).ok().filter(|_| allowed.contains(&value));
        if number.is_none() {
            self.problem(&section.key(key), format!("{value} is out of range"), remedy);
        }
        number
    }

    pub(in crate::config) fn fraction<N: Fraction>(
        &mut self,
        section: &KeyPath,
        key: &str,
        leaf: Option<Leaf<f64>>,
        allowed: RangeInclusive<f64>,
    ) -> Option<N> {
        let value = self.leaf(section, key, leaf)?;
        if allowed.contains(&value) {
            return Some(N::of(value));
        }
        let remedy = format!("Write a fraction from {} to {}.", allowed.start(), allowed.end());
        self.problem(&section.key(key), format!("{value} is out of range"), remedy);
        None
    }
}

/// A number that a fraction is kept as.
pub(in crate::config) trait Fraction {
    fn of(number: f64) -> Self;
}

impl Fraction for f64 {
    fn of(number: f64) -> Self {
        number
    }
}

impl Fraction for f32 {
    /// A share of requests does not need more digits.
    fn of(number: f64) -> Self {
        number as Self
    }
}

pub(in crate::config) const MILLISECOND: Duration = Duration::from_millis(1);
pub(in crate::config) const SECOND: Duration = Duration::from_secs(1);
pub(in crate::config) const MINUTE: Duration = Duration::from_secs(60);
pub(in crate::config) const HOUR: Duration = Duration::from_secs(60 * 60);
pub(in crate::config) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// As somebody would write it: whole days as days, not as years, months and the hours that are left.
fn as_written(duration: Duration) -> String {
    match duration.as_secs() {
        seconds if seconds > 0 && duration.subsec_nanos() == 0 && seconds.is_multiple_of(DAY.as_secs()) => {
            format!("{}d", seconds / DAY.as_secs())
        }
        _ => humantime::format_duration(duration).to_string(),
    }
}

/// Whether every byte may stand in client credentials (RFC 6749 appendix A: VSCHAR), and so in a header.
pub(super) fn is_visible(bytes: &[u8]) -> bool {
    bytes.iter().all(|b| (0x20..=0x7e).contains(b))
}
