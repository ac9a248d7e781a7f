//! What a rule may say: `users:read`, `ListUsers`, `GET /api/roles/{id}`, `*`. Parses one rule at a time and refuses
//! what could not do what it says, with what to write instead. What a set of rules decides is `decide`'s work.

mod error;

use crate::catalog::{
    Catalog, Op, Operation, Requirement, Verb,
    matcher::Case,
    nearest,
    template::{Segment, Template},
};

pub use self::error::RuleError;

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
    /// `read`: `GET` and `HEAD`.
    Read,
    /// `write`: every other method.
    Write,
    /// `*`
    Any,
}

impl Access {
    /// Whether it includes a method.
    pub fn includes(self, verb: Verb) -> bool {
        match self {
            Self::Read => verb.reads(),
            Self::Write => !verb.reads(),
            Self::Any => true,
        }
    }
}

/// A parsed rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// `*`: every operation of the catalog; in `deny`, everything.
    All,
    /// `users:read`
    Tag {
        /// One of the catalog's.
        tag: &'static str,
        /// Which of its operations.
        access: Access,
    },
    /// `ListUsers`
    Operation(Op),
    /// `GET /api/roles/{id}`: also for paths that the catalog does not know.
    Template {
        /// The method.
        verb: Verb,
        /// The paths.
        template: Template,
    },
}

impl Rule {
    /// Parses one rule of an `allow` or a `deny` list.
    ///
    /// # Errors
    /// [`RuleError`], which says what to write instead; for `allow` also where the rule could grant nothing.
    pub fn parse(effect: Effect, text: &str) -> Result<Self, RuleError> {
        let catalog = Catalog::logto();
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
        if text == "*" {
            return Ok(Self::All);
        }
        if let Some((method, path)) = text.split_once(char::is_whitespace) {
            return read_template(method, path.trim_start());
        }
        if text.starts_with('/') {
            return Err(RuleError::NoMethod { path: text.into() });
        }
        if let Some((tag, access)) = text.split_once(':') {
            return read_tag(catalog, tag, access);
        }
        match (catalog.by_id(text), catalog.tag(text)) {
            (Some(op), _) => Ok(Self::Operation(op)),
            (None, Some(tag)) => Err(RuleError::TagAlone { tag }),
            (None, None) => {
                Err(RuleError::UnknownOperation { id: text.into(), nearest: nearest(text, catalog.ids()) })
            }
        }
    }

    /// Whether the rule is about the whole of an operation.
    pub(super) fn covers(&self, effect: Effect, op: Op, operation: &Operation) -> bool {
        match self {
            Self::All => true,
            Self::Tag { tag, access } => *tag == operation.tag && access.includes(operation.verb),
            Self::Operation(named) => *named == op,
            Self::Template { verb, template } => {
                *verb == operation.verb && template.covers(&operation.template, effect.case().same())
            }
        }
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

fn read_tag(catalog: &Catalog, tag: &str, access: &str) -> Result<Rule, RuleError> {
    let Some(known) = catalog.tag(tag) else {
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
    let mut sensitive = Vec::new();
    for (op, operation) in catalog.operations().filter(|(op, o)| rule.covers(Effect::Allow, *op, o)) {
        if operation.is_sensitive() {
            sensitive.push(catalog.operation(op).id);
        } else if operation.requirement != Requirement::Withheld {
            return Ok(());
        }
    }
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
            rule: format!("{verb} {template}").into(),
            id: operation.id,
        });
    }
    let respelled = template.segments().iter().zip(operation.template.segments()).any(|pair| match pair {
        (Segment::Literal(ours), Segment::Literal(theirs)) => ours != theirs,
        _ => false,
    });
    if respelled {
        return Err(RuleError::Spelling { right: format!("{verb} {}", operation.template).into() });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
