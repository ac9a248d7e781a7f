//! What the catalog says of one operation: method, path, why it is sensitive, how it is paged, what it asks for.
//! Plain facts; what follows from them is decided in `policy`.

use std::fmt;

use super::{template::Template, verb::Verb};

/// Why an operation is sensitive (FACTS section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Risk {
    /// The answer holds a secret in clear.
    Secrets,
    /// It gives permissions to an application, a role or a user, or lifts a check.
    Elevation,
    /// It touches keys or credentials: makes, rotates, activates, lists or deletes them.
    Keys,
    /// The server requests a URL that the request chooses.
    Fetch,
    /// It lets the caller act as a user.
    Impersonation,
}

impl Risk {
    pub(super) fn parse(word: &str) -> Option<Self> {
        match word {
            "secrets" => Some(Self::Secrets),
            "elevation" => Some(Self::Elevation),
            "keys" => Some(Self::Keys),
            "fetch" => Some(Self::Fetch),
            "impersonation" => Some(Self::Impersonation),
            _ => None,
        }
    }

    /// The word for it, as in the catalog.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Secrets => "secrets",
            Self::Elevation => "elevation",
            Self::Keys => "keys",
            Self::Fetch => "fetch",
            Self::Impersonation => "impersonation",
        }
    }

    /// What it means, to follow "the operation".
    pub fn describe(self) -> &'static str {
        match self {
            Self::Secrets => "answers with secrets in clear",
            Self::Elevation => "gives permissions or lifts a check",
            Self::Keys => "touches keys or credentials",
            Self::Fetch => "makes the server request a URL",
            Self::Impersonation => "lets the caller act as a user",
        }
    }
}

impl fmt::Display for Risk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// When a list comes in pages (fact 4.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paging {
    /// In every answer.
    Always,
    /// Only where the query has `page` or `page_size`; else the whole list at once.
    Optional,
}

/// What an operation asks of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// A token.
    Token,
    /// Nothing: Logto answers anybody (fact 10.3).
    Public,
    /// Never forwarded: an OpenAPI document, which upstream rebuilds for seconds at each request (fact 10.1).
    Withheld,
}

/// One operation.
#[derive(Debug)]
pub struct Operation {
    /// Its method.
    pub verb: Verb,
    /// Its path as Logto documents it: `/api/users/{userId}`.
    pub template: Template,
    /// Logto's operationId: `GetUser`.
    pub id: &'static str,
    /// Logto's first tag in lower-kebab-case: `audit-logs`.
    pub tag: &'static str,
    /// Why the operation is sensitive; empty where it is not.
    pub risks: Box<[Risk]>,
    /// Whether its answer comes in pages.
    pub paging: Option<Paging>,
    /// What it asks of a request.
    pub access: Access,
}

impl Operation {
    /// Whether only a rule that names the operation grants it.
    pub fn is_sensitive(&self) -> bool {
        !self.risks.is_empty()
    }
}
