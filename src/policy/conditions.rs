//! What a rule asks of a request beside its operation: query parameters and top-level members of the body. A
//! request that Logto could read in another way than this module does never meets a condition: what is unclear
//! is refused. The query is judged with the permit; the body later, and nothing is sent before ([`ApprovedTarget`]).

mod body;
mod query;

use std::{fmt, sync::Arc};

use http::{HeaderMap, uri::PathAndQuery};

use super::decide::RuleSource;
use crate::config::{Conditions, QueryCondition};

pub use self::query::check as check_query;

/// The condition that a request does not meet. Names what is configured, or what the caller sent as far as that
/// is harmless to repeat; never a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// A required parameter is not there, or empty.
    #[error("the grant requires query parameter {0}")]
    Missing(String),
    /// A forbidden parameter is there.
    #[error("query parameter {0} is not allowed by the grant")]
    Forbidden(String),
    /// A parameter is given twice.
    #[error("query parameter {0} is given more than once")]
    Repeated(String),
    /// A name that one parser or another could take for a parameter with a condition.
    #[error("query parameter {0} is to be written in its plain form, as {0}=")]
    Spelling(String),
    /// Not a plain decimal number.
    #[error("query parameter {0} is to be a plain decimal number")]
    Number(String),
    /// Above the maximum.
    #[error("query parameter {0} is above {1}, the most that the grant allows")]
    Above(String, u64),
    /// Below the minimum.
    #[error("query parameter {0} is below {1}, the least that the grant allows")]
    Below(String, u64),
    /// None of the values that are allowed.
    #[error("query parameter {0} has a value that is not among those of the grant")]
    Value(String),
    /// The query has more than one reading, or more parameters than Logto looks at.
    #[error("the query can be read in more than one way, and the grant has conditions on it: {0}")]
    Query(&'static str),
    /// A body that has not been read whole.
    #[error("the grant has conditions on the body, which cannot be checked here")]
    Unseen,
    /// A body that is not plainly JSON.
    #[error("the grant has conditions on the body, so it is to be {0}")]
    Body(&'static str),
    /// A member twice.
    #[error("member {0} is given more than once")]
    Twice(String),
    /// A member that the grant does not list.
    #[error("member {0} is not allowed by the grant")]
    Member(Member),
}

/// A condition that is not met, and the rule that has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmet {
    /// The first of the rules that would have allowed the operation.
    pub rule: Arc<RuleSource>,
    /// What it asks for in vain.
    pub broken: Broken,
}

/// A member's name as the caller sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member(pub String);

impl fmt::Display for Member {
    /// The name, where it is one such as Logto's are, of letters alone; the caller's free text is not repeated, as it could
    /// be a key or a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if (1..=40).contains(&self.0.len()) && self.0.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            f.write_str(&self.0)
        } else {
            f.write_str("(not a plain name)")
        }
    }
}

/// What is left to check once the query has met its conditions.
#[derive(Debug, Clone)]
pub(super) struct Pending(Box<[Arc<RuleSource>]>);

/// What came of the conditions on the query.
pub(super) enum Met {
    /// All is well by this rule, whatever the body.
    By(Arc<RuleSource>),
    /// It depends on the body.
    Body(Pending),
}

impl Pending {
    /// Judges the rules that would allow an operation by the query: any of them will do.
    ///
    /// # Errors
    /// What the first rule asks for in vain.
    pub(super) fn by_query<'r>(
        rules: impl Iterator<Item = &'r Arc<RuleSource>>,
        query: Option<&str>,
    ) -> Result<Met, Unmet> {
        let (mut first, mut left) = (None, Vec::new());
        for rule in rules {
            let conditions = rule.rule.conditions.as_ref();
            match conditions.map_or(Ok(()), |conditions| check_query(&conditions.query, query)) {
                Ok(()) if conditions.is_none_or(|conditions| conditions.body.is_none()) => {
                    return Ok(Met::By(rule.clone()));
                }
                Ok(()) => left.push(rule.clone()),
                Err(broken) => first = first.or_else(|| Some(Unmet { rule: rule.clone(), broken })),
            }
        }
        match first {
            Some(refused) if left.is_empty() => Err(refused),
            _ => Ok(Met::Body(Self(left.into()))),
        }
    }

    fn by_body(&self, headers: &HeaderMap, body: Option<&[u8]>) -> Result<&Arc<RuleSource>, Unmet> {
        let mut first = None;
        for rule in &self.0 {
            let members = rule.rule.conditions.as_ref().and_then(|conditions| conditions.body.as_deref());
            let judged = body.ok_or(Broken::Unseen).and_then(|body| match members {
                Some(members) => body::check(members, headers, body),
                None => Ok(()),
            });
            match judged {
                Ok(()) => return Ok(rule),
                Err(broken) => first = first.or_else(|| Some(Unmet { rule: rule.clone(), broken })),
            }
        }
        Err(first.expect("there is at least one rule"))
    }
}

/// What may be sent upstream: a target whose conditions are met. Only [`ConditionalTarget::clear`] makes one of what a
/// caller asked for.
#[derive(Debug, Clone, Copy)]
pub struct ApprovedTarget<'a>(&'a PathAndQuery);

impl<'a> ApprovedTarget<'a> {
    /// For a request of Claviger's own, which is of no caller's making.
    pub fn own(target: &'a Own) -> Self {
        Self(&target.0)
    }

    /// The path and query to send, byte for byte.
    pub fn target(self) -> &'a PathAndQuery {
        self.0
    }
}

/// The target of a request of Claviger's own.
#[derive(Debug)]
pub struct Own(PathAndQuery);

impl Own {
    /// Nothing that comes at run time.
    pub fn new(target: &'static str) -> Self {
        Self(PathAndQuery::from_static(target))
    }
}

/// A permitted target that is given out only when its conditions are met.
#[derive(Debug)]
pub struct ConditionalTarget {
    target: PathAndQuery,
    pending: Option<Pending>,
}

impl ConditionalTarget {
    pub(super) fn new(target: PathAndQuery, pending: Option<Pending>) -> Self {
        Self { target, pending }
    }

    /// Whether the body has to be whole in memory for [`ConditionalTarget::clear`].
    pub fn looks_at_body(&self) -> bool {
        self.pending.is_some()
    }

    /// The target, if `body` meets the conditions; `None`: it is not at hand, so it meets none. Also the rule
    /// that decided, where it was the body that did.
    ///
    /// # Errors
    /// [`Unmet`]
    pub fn clear(
        &self,
        headers: &HeaderMap,
        body: Option<&[u8]>,
    ) -> Result<(ApprovedTarget<'_>, Option<&Arc<RuleSource>>), Unmet> {
        let rule = match &self.pending {
            None => None,
            Some(pending) => Some(pending.by_body(headers, body)?),
        };
        Ok((ApprovedTarget(&self.target), rule))
    }

    /// The target to look at; to send it, it has to be cleared.
    pub fn as_str(&self) -> &str {
        self.target.as_str()
    }
}

/// Conditions in words, for `explain` and the matrix.
#[derive(Debug, Clone, Copy)]
pub struct Words<'c>(pub &'c Conditions);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut between = "";
        for (name, condition) in &self.0.query {
            write!(f, "{between}{name} {}", Asked(condition))?;
            between = "; ";
        }
        match self.0.body.as_deref() {
            None => Ok(()),
            Some([]) => write!(f, "{between}the body without any member"),
            Some(members) => write!(f, "{between}in the body only {}", members.join(", ")),
        }
    }
}

struct Asked<'c>(&'c QueryCondition);

impl fmt::Display for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let QueryCondition { required, forbidden, max, min, one_of } = self.0;
        let mut words = Vec::new();
        if *required {
            words.push("required".into());
        }
        if *forbidden {
            words.push("forbidden".into());
        }
        words.extend(min.map(|min| format!("at least {min}")));
        words.extend(max.map(|max| format!("at most {max}")));
        words.extend(one_of.as_ref().map(|values| format!("one of {values:?}")));
        f.write_str(&words.join(", "))
    }
}

#[cfg(test)]
mod tests;
