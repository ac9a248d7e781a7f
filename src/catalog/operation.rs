//! What the catalog knows of an operation: its method and path, its names, why it is sensitive, how it is paged.

use std::fmt;

use super::template::Template;

/// The method of an operation. `HEAD` is the `GET` of the same path (RFC 9110 section 9.3.2); Logto's
/// Management API has no other methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verb {
    /// `GET`, and `HEAD`.
    Get,
    /// `POST`: mostly creates.
    Post,
    /// `PUT`: replaces.
    Put,
    /// `PATCH`: changes in part.
    Patch,
    /// `DELETE`: removes.
    Delete,
}

impl Verb {
    /// In the order in which messages list them.
    pub const ALL: [Self; 5] = [Self::Get, Self::Post, Self::Put, Self::Patch, Self::Delete];

    /// The verb of a request's method; `None` for a method that no operation has.
    pub fn of(method: &http::Method) -> Option<Self> {
        if *method == http::Method::HEAD { Some(Self::Get) } else { Self::parse(method.as_str()) }
    }

    /// The verb so named; upper case, as in HTTP.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "GET" => Some(Self::Get),
            "POST" => Some(Self::Post),
            "PUT" => Some(Self::Put),
            "PATCH" => Some(Self::Patch),
            "DELETE" => Some(Self::Delete),
            _ => None,
        }
    }

    /// Its name in HTTP.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// Whether it only reads (RFC 9110 section 9.2.1).
    pub fn reads(self) -> bool {
        self == Self::Get
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An operation, by its place in the catalog (`Catalog::operations`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Op(pub(super) u16);

impl Op {
    /// From 0 and without gaps, in the order of `operations.tsv`: for tables with one entry an operation.
    pub fn index(self) -> usize {
        usize::from(self.0)
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
pub enum Requirement {
    /// A token of the tenant's.
    Token,
    /// Nothing: Logto answers anybody (fact 10.3).
    Public,
    /// Never forwarded: an OpenAPI document, which upstream rebuilds for seconds at each request (fact 10.1).
    Withheld,
}

/// What the catalog knows of one operation.
#[derive(Debug)]
pub struct Operation {
    /// `HEAD` is asked as `GET`.
    pub verb: Verb,
    /// Its path as Logto documents it: `/api/users/{userId}`.
    pub template: Template,
    /// Whether its last segment is a name that people choose, and not an id: it may have any characters, escaped.
    pub has_free_name: bool,
    /// Logto's operationId: `GetUser`.
    pub id: &'static str,
    /// Logto's first tag in lower-kebab-case: `audit-logs`.
    pub tag: &'static str,
    /// What makes the operation dangerous; empty where nothing does.
    pub risks: Box<[Risk]>,
    /// Whether its answer comes in pages.
    pub paging: Option<Paging>,
    /// Whether it takes a token, and whether it is forwarded at all.
    pub requirement: Requirement,
}

impl Operation {
    /// Whether only a rule that names the operation grants it.
    pub fn is_sensitive(&self) -> bool {
        !self.risks.is_empty() && !self.is_safe_when_masked()
    }

    /// Whether it only reads, and nothing but the secrets in its answer makes it dangerous: with these masked, it is as
    /// harmless as any other that reads.
    pub fn is_safe_when_masked(&self) -> bool {
        self.verb.reads() && *self.risks == [Risk::Secrets]
    }
}

/// What makes an operation dangerous.
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
    /// It deletes what holds secrets, which nobody can write back, or a whole collection.
    Destruction,
    /// It spends money, or leads to where money is spent.
    Spending,
}

impl Risk {
    /// In the order in which messages list them.
    pub const ALL: [Self; 7] = [
        Self::Secrets,
        Self::Elevation,
        Self::Keys,
        Self::Fetch,
        Self::Impersonation,
        Self::Destruction,
        Self::Spending,
    ];

    pub(super) fn parse(word: &str) -> Option<Self> {
        match word {
            "secrets" => Some(Self::Secrets),
            "elevation" => Some(Self::Elevation),
            "keys" => Some(Self::Keys),
            "fetch" => Some(Self::Fetch),
            "impersonation" => Some(Self::Impersonation),
            "destruction" => Some(Self::Destruction),
            "spending" => Some(Self::Spending),
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
            Self::Destruction => "destruction",
            Self::Spending => "spending",
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
            Self::Destruction => "destroys what holds secrets, or a whole collection",
            Self::Spending => "spends money",
        }
    }
}

impl fmt::Display for Risk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
