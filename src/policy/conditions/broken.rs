//! The condition that a request does not meet, and the rule that has it. Never repeats a value of the caller's.

use std::{fmt, sync::Arc};

use crate::{catalog::Parameters, policy::source::RuleSource};

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
    /// A parameter that the grant does not list, where it forbids all others.
    #[error("query parameter {0} is not among those that the grant allows")]
    Unlisted(Parameter),
    /// A parameter is given twice.
    #[error("query parameter {0} is given more than once")]
    Repeated(String),
    /// A name that one parser or another could take for a parameter with a condition.
    #[error("query parameter {0} must be written in its plain form, as {0}=")]
    Spelling(String),
    /// Not a plain decimal number.
    #[error("query parameter {0} must be a plain decimal number")]
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
    /// A body that no reader of JSON takes: what is wrong with it, and where.
    #[error("the grant has conditions on the body, and it is not valid JSON: {0}")]
    Json(Box<str>),
    /// A body that is not plainly JSON.
    #[error("the grant has conditions on the body, so it must be {0}")]
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

/// A parameter's name as the caller sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter(pub String);

impl fmt::Display for Parameter {
    /// The name, where it is one of Logto's; the caller's free text is not repeated, as it could be a key or a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if Parameters::is_of_some_operation(&self.0) { &self.0 } else { "(not one of Logto's)" })
    }
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
