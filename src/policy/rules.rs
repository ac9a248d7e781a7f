//! What a rule may say: `users:read`, `ListUsers`, `GET /api/roles/{id}`, `*`. Parses one rule at a time and refuses
//! what could not do what it says, with what to write instead. What a set of rules decides is `decide`'s work.

mod bring;
mod error;

use crate::catalog::{
    Catalog, Op, Operation, Requirement, Tagged, Verb,
    matcher::Case,
    nearest,
    ops::OpSet,
    template::{Segment, Template},
};

pub use self::{bring::Brings, error::RuleError};
use error::access_of;

/// Whether a rule gives or takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// From an `allow` list.
    Allow,
    /// From a `deny` list: wins.
    Deny,
}

impl Effect {
    /// How literals of a rule's template are compared: a rule never allows more than it says, and never denies
    /// less than Logto, which ignores case, could make of it.
    pub(super) fn case(self) -> Case {
        match self {
            Self::Allow => Case::Exact,
            Self::Deny => Case::Ignored,
        }
    }
}

/// Which operations of a tag a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// `read`: those that only read, `GET` and `HEAD`.
    Read,
    /// `write`: those of every other method, deleting ones among them.
    Write,
    /// `*`: all of them.
    Any,
}

impl Access {
    /// Which of a tag's operations it is.
    fn of(self, tagged: &Tagged) -> OpSet {
        match self {
            Self::Read => tagged.reading,
            Self::Write => tagged.writing,
            Self::Any => tagged.reading | tagged.writing,
        }
    }

    /// Whether it includes a method.
    pub fn includes(self, verb: Verb) -> bool {
        match self {
            Self::Read => verb.reads(),
            Self::Write => !verb.reads(),
            Self::Any => true,
        }
    }
}

/// The operations that a rule is about.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Coverage {
    /// Those that it covers, on all of their paths.
    pub(super) whole: OpSet,
    /// Those that some of its paths are of, but not all of theirs are its own.
    pub(super) in_part: OpSet,
}

/// A rule about one of the two APIs, by its form. What it covers beyond that depends on whether it allows or denies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// `*`, of the Cloud API `cloud:*`: every operation of the catalog; in `deny`, everything.
    All,
    /// `users:read`: the operations of a tag that are not sensitive; those that read secrets alone come masked.
    Tag {
        /// One that some operation of the catalog has.
        tag: &'static str,
        /// Whether those that read, those that write, or both.
        access: Access,
    },
    /// `ListUsers`: one operation of the catalog, also where it is sensitive.
    Operation(Op),
    /// `GET /api/roles/{id}`: also for paths that the catalog does not know.
    Template {
        /// `GET` stands for `HEAD` as well.
        verb: Verb,
        /// In `allow` compared letter for letter, in `deny` without regard to case.
        template: Template,
    },
}

impl Rule {
    /// Parses one rule of an `allow` or a `deny` list.
    ///
    /// # Errors
    /// [`RuleError`], which says what to write instead; for `allow` also where the rule could grant nothing.
    pub fn parse(catalog: &Catalog, effect: Effect, text: &str) -> Result<Self, RuleError> {
        let rule = Self::read(catalog, text.trim())?;
        match effect {
            Effect::Allow => rule.check_grants(catalog, text.trim()).map(|()| rule),
            Effect::Deny => Ok(rule),
        }
    }

    fn read(catalog: &Catalog, text: &str) -> Result<Self, RuleError> {
        if text.is_empty() {
            return Err(RuleError::Empty);
        }
        let name = text.strip_prefix(catalog.api().prefix()).unwrap_or(text);
        if name == "*" {
            return Ok(Self::All);
        }
        if let Some((method, path)) = text.split_once(char::is_whitespace) {
            let path = path.trim_start();
            let within = path.strip_prefix(catalog.api().mount()).unwrap_or(path);
            return match read_template(method, within) {
                Err(RuleError::Template { .. }) if is_without_api(catalog, method, within) => {
                    let right = format!("{method} {}/api{within}", catalog.api().mount());
                    Err(RuleError::WithoutApi { right: right.into() })
                }
                Err(RuleError::Method { .. }) if !path.starts_with('/') => {
                    let rules = text.split([' ', '\t', ',']).filter(|rule| !rule.is_empty());
                    Err(RuleError::Several { rules: rules.map(Into::into).collect() })
                }
                read => read,
            };
        }
        if text.contains(',') {
            let rules = text.split(',').filter(|rule| !rule.is_empty());
            return Err(RuleError::Several { rules: rules.map(Into::into).collect() });
        }
        if text.starts_with('/') {
            return Err(RuleError::NoMethod { path: text.into() });
        }
        if let Some(right) = spaced(text) {
            return Err(RuleError::NoSpace { right: right.into() });
        }
        if name.contains(':')
            && let Some((tag, access)) = text.rsplit_once(':')
        {
            return read_tag(catalog, tag, access);
        }
        match (catalog.by_id(text), catalog.tag(text)) {
            (Some(op), _) => Ok(Self::Operation(op)),
            (None, Some(tag)) => Err(RuleError::TagAlone { tag }),
            (None, None) => {
                if let Some(access) = access_of(text).filter(|access| *access != "*") {
                    return Err(RuleError::NoTag { text: text.into(), access });
                }
                let nearest = nearest(text, catalog.ids());
                let scope = if nearest.is_none() { read_scope(catalog, text) } else { None };
                Err(scope.unwrap_or_else(|| RuleError::UnknownOperation { id: text.into(), nearest }))
            }
        }
    }

    /// The operations that the rule is about.
    pub(super) fn coverage(&self, effect: Effect, catalog: &Catalog) -> Coverage {
        let mut coverage = Coverage::default();
        match self {
            Self::All => coverage.whole = catalog.all(),
            Self::Tag { tag, access } => {
                if let Some(tagged) = catalog.tagged(tag) {
                    coverage.whole = access.of(tagged);
                }
            }
            Self::Operation(op) => coverage.whole = OpSet::only(*op),
            Self::Template { verb, template } => {
                let same = effect.case().same();
                for (op, operation) in catalog.operations().filter(|(_, o)| o.verb == *verb) {
                    if template.covers(&operation.template, same) {
                        coverage.whole |= OpSet::only(op);
                    } else if template.meets(&operation.template, same) {
                        coverage.in_part |= OpSet::only(op);
                    }
                }
            }
        }
        coverage
    }

    /// Whether the rule names the operation, so that it counts though the operation is sensitive.
    pub(super) fn names(&self, op: Op) -> bool {
        *self == Self::Operation(op)
    }

    /// An `allow` that grants nothing is a mistake: its author meant to grant something.
    fn check_grants(&self, catalog: &Catalog, text: &str) -> Result<(), RuleError> {
        match self {
            Self::All => Ok(()),
            Self::Operation(op) => check_not_withheld(catalog.operation(*op)),
            Self::Tag { .. } => check_tag(self, catalog, text),
            Self::Template { template, .. } if template.has_tail() => Ok(()),
            Self::Template { verb, template } => check_template(catalog, *verb, template),
        }
    }
}

/// The rule that was meant by `GET/api/users`, or by `get:/api/users`.
fn spaced(text: &str) -> Option<String> {
    let (method, path) = text.split_at(text.find('/')?);
    let method = method.trim_end_matches(':').to_ascii_uppercase();
    Verb::parse(&method).map(|verb| format!("{verb} {path}"))
}

/// Whether it would be Logto's path behind `/api`.
fn is_without_api(catalog: &Catalog, method: &str, path: &str) -> bool {
    let find = |verb| catalog.find(verb, &format!("/api{path}"));
    path.starts_with('/') && Verb::parse(method).and_then(find).is_some()
}

fn read_template(method: &str, path: &str) -> Result<Rule, RuleError> {
    match Verb::parse(method) {
        Some(verb) => match Template::parse(path) {
            Ok(template) => Ok(Rule::Template { verb, template }),
            Err(error) => Err(RuleError::Template { path: path.into(), error }),
        },
        None if method == "HEAD" => Err(RuleError::Head),
        None => Err(RuleError::Method { method: method.into() }),
    }
}

/// What was meant by `read:users`, `users.read` or `all`, which is Logto's own scope.
fn read_scope(catalog: &Catalog, text: &str) -> Option<RuleError> {
    let near = |tag: &str| catalog.tag(tag).or_else(|| nearest(tag, catalog.tags().iter().copied()));
    let of = |(tag, access): (&str, &str)| Some(format!("{}:{}", near(tag)?, access_of(access)?));
    let halves =
        [':', '.', '/', '_', '-'].into_iter().filter(|joint| text.contains(*joint)).find_map(|joint| {
            let first = text.rsplit_once(joint).and_then(of);
            first.or_else(|| text.split_once(joint).and_then(|(access, tag)| of((tag, access))))
        });
    let right = halves
        .or_else(|| text.eq_ignore_ascii_case("all").then(|| format!("{}*", catalog.api().prefix())))?;
    Some(RuleError::Scope { text: text.into(), right: right.into() })
}

fn read_tag(catalog: &Catalog, tag: &str, access: &str) -> Result<Rule, RuleError> {
    let Some(known) = catalog.tag(tag) else {
        if access_of(tag).is_some()
            && let Some(scope) = read_scope(catalog, &format!("{tag}:{access}"))
        {
            return Err(scope);
        }
        if let ("*", Some(access)) = (tag, access_of(access)) {
            return Err(RuleError::NoTag { text: format!("*:{access}").into(), access });
        }
        let nearest = nearest(tag, catalog.tags().iter().copied());
        return Err(RuleError::UnknownTag { tag: tag.into(), access: access.into(), nearest });
    };
    let access = match access {
        "read" => Access::Read,
        "write" => Access::Write,
        "*" => Access::Any,
        _ => return Err(RuleError::UnknownAccess { tag: known, access: access.into() }),
    };
    Ok(Rule::Tag { tag: known, access })
}

fn check_not_withheld(operation: &Operation) -> Result<(), RuleError> {
    match operation.requirement {
        Requirement::Withheld => Err(RuleError::Withheld { id: operation.id }),
        Requirement::Token | Requirement::Public => Ok(()),
    }
}

fn check_tag(rule: &Rule, catalog: &Catalog, text: &str) -> Result<(), RuleError> {
    let covered = rule.coverage(Effect::Allow, catalog).whole;
    let grants = covered - catalog.sensitive() - catalog.withheld();
    if !grants.is_empty() {
        return Ok(());
    }
    let sensitive = covered.iter().map(|op| catalog.operation(op)).filter(|o| o.is_sensitive());
    let sensitive = sensitive.map(|operation| operation.id).collect();
    Err(RuleError::GrantsNothing { rule: text.into(), sensitive })
}

fn check_template(catalog: &Catalog, verb: Verb, template: &Template) -> Result<(), RuleError> {
    // `{x}` cannot be a literal, so the template's own text finds the operation that its paths are.
    let Some(op) = catalog.find(verb, template.as_str()) else {
        return Ok(());
    };
    let operation = catalog.operation(op);
    check_not_withheld(operation)?;
    if operation.is_sensitive() {
        return Err(RuleError::SensitiveTemplate {
            rule: format!("{verb} {}{template}", catalog.api().mount()).into(),
            id: operation.id,
        });
    }
    let respelled = template.segments().iter().zip(operation.template.segments()).any(|pair| match pair {
        (Segment::Literal(ours), Segment::Literal(theirs)) => ours != theirs,
        _ => false,
    });
    if respelled {
        let right = format!("{verb} {}{}", catalog.api().mount(), operation.template);
        return Err(RuleError::Spelling { right: right.into() });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
