//! What can be wrong with a rule, each with what to write instead.

use crate::catalog::template::TemplateError;

/// Why a text is not a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// Nothing but white space.
    #[error("an empty rule: write a tag and \":read\", an operationId, a method and a path, or \"*\"")]
    Empty,
    /// No operation has this operationId.
    #[error("no operation is called {id:?}{}", no_id(id, *nearest))]
    UnknownOperation {
        /// What stands where an operationId is expected.
        id: Box<str>,
        /// The one that differs in the fewest letters, where that is few enough for a slip.
        nearest: Option<&'static str>,
    },
    /// An access without a tag, or of every one.
    #[error("{text:?} names no tag: write one, as in \"users:{access}\"; all tags are {}", all_tags(access))]
    NoTag {
        /// The whole text.
        text: Box<str>,
        /// What may be done.
        access: &'static str,
    },
    /// A tag and an access, put together as elsewhere.
    #[error("{text:?} is no rule; did you mean {right:?}?")]
    Scope {
        /// The whole text.
        text: Box<str>,
        /// The rule as it should be.
        right: Box<str>,
    },
    /// No operation has this tag.
    #[error("no tag is called {tag:?}{}", did_you_mean(*nearest, access))]
    UnknownTag {
        /// What stands before the colon.
        tag: Box<str>,
        /// What stands after the colon.
        access: Box<str>,
        /// The one that differs in the fewest letters, where that is few enough for a slip.
        nearest: Option<&'static str>,
    },
    /// A tag, without saying what of it.
    #[error("{tag:?} is a tag: write \"{tag}:read\", \"{tag}:write\" or \"{tag}:*\"")]
    TagAlone {
        /// As the catalog has it.
        tag: &'static str,
    },
    /// A tag with another word after the colon.
    #[error("{access:?} is not an access: write \"{tag}:read\", \"{tag}:write\" or \"{tag}:*\"")]
    UnknownAccess {
        /// As the catalog has it.
        tag: &'static str,
        /// What stands after the colon.
        access: Box<str>,
    },
    /// A path alone.
    #[error("a path needs a method: write \"GET {path}\"")]
    NoMethod {
        /// What stands where a path is expected.
        path: Box<str>,
    },
    /// A method and a path without the space between them.
    #[error("a space stands between method and path: write {right:?}")]
    NoSpace {
        /// The rule as it should be.
        right: Box<str>,
    },
    /// Not a method of the Management API.
    #[error("{method:?} is not a method: write GET, POST, PUT, PATCH or DELETE; a rule has one method")]
    Method {
        /// What stands before the path.
        method: Box<str>,
    },
    /// Several rules in one text.
    #[error("each rule is a text of its own: write {}", quoted(rules))]
    Several {
        /// What stands between spaces or commas.
        rules: Vec<Box<str>>,
    },
    /// `HEAD` has no rules of its own.
    #[error("HEAD is allowed and denied together with GET: write GET")]
    Head,
    /// The path is not a template.
    #[error("{path:?} is not a path template: {error}")]
    Template {
        /// What stands where a path is expected.
        path: Box<str>,
        /// The first thing that keeps it from being one.
        error: TemplateError,
    },
    /// A path of Logto's without what all of them begin with.
    #[error("a path begins with \"/api/\": write {right:?}")]
    WithoutApi {
        /// The rule as it should be.
        right: Box<str>,
    },
    /// A template that is Logto's but for the case of letters.
    #[error("write {right:?}, as Logto does")]
    Spelling {
        /// The rule as it should be.
        right: Box<str>,
    },
    /// An `allow` by template for what only an operationId grants.
    #[error("{rule:?} is the sensitive operation {id}, which only its name grants: write {id:?}")]
    SensitiveTemplate {
        /// The whole rule, to be quoted.
        rule: Box<str>,
        /// The operationId that the rule comes down to.
        id: &'static str,
    },
    /// An `allow` for an OpenAPI document.
    #[error("{id} is an OpenAPI document and never forwarded: leave the rule out")]
    Withheld {
        /// The operationId that the rule comes down to.
        id: &'static str,
    },
    /// An `allow` by tag that has nothing to give.
    #[error("{rule:?} grants nothing: {}", nothing(sensitive))]
    GrantsNothing {
        /// The whole rule, to be quoted.
        rule: Box<str>,
        /// The operations that it would cover if they were not sensitive.
        sensitive: Vec<&'static str>,
    },
}

fn all_tags(access: &str) -> &'static str {
    if access == "read" { "\"GET /api/**\"" } else { "\"*\"" }
}

fn no_id(id: &str, nearest: Option<&str>) -> String {
    match id {
        "openid" | "profile" | "email" | "offline_access" => {
            "; scopes of OAuth are no rules: write what the caller may do, such as \"users:read\"".into()
        }
        _ if id.contains('*') => {
            "; there are no patterns over names: write \"users:read\", or \"GET /api/users/**\"".into()
        }
        _ => did_you_mean(nearest, ""),
    }
}

fn did_you_mean(nearest: Option<&str>, access: &str) -> String {
    match nearest {
        Some(name) if access.is_empty() => format!("; did you mean {name:?}?"),
        Some(name) => format!("; did you mean \"{name}:{}\"?", likely(access)),
        None => "; `claviger operations` lists all tags and operations".into(),
    }
}

/// The access that was meant.
fn likely(access: &str) -> &'static str {
    access_of(access).unwrap_or("read")
}

/// The access that goes by this word elsewhere.
pub(super) fn access_of(word: &str) -> Option<&'static str> {
    Some(match &*word.to_ascii_lowercase() {
        "read" | "get" | "list" | "view" => "read",
        "write" | "create" | "update" | "delete" | "edit" => "write",
        "*" | "all" | "any" | "manage" | "admin" | "readwrite" => "*",
        _ => return None,
    })
}

fn quoted(rules: &[Box<str>]) -> String {
    rules.iter().map(|rule| format!("{rule:?}")).collect::<Vec<_>>().join(", ")
}

fn nothing(sensitive: &[&str]) -> String {
    if sensitive.is_empty() {
        return "the tag has no such operation that is forwarded".into();
    }
    format!("its operations are sensitive, and only their names grant them: {}", sensitive.join(", "))
}
