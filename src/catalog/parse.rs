//! Reads `operations.tsv`: seven columns, one operation a line. The text is part of the program, so an error here
//! is a mistake of ours; it is an error and not a gap, because a missing line would be a missing check.

use std::fmt;

use super::{Operation, Paging, Requirement, Verb, template::Template};

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
    fn parse(word: &str) -> Option<Self> {
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

/// A line that is not an operation.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct CatalogError {
    /// From 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// All operations of the text, in its order.
pub(super) fn operations(text: &'static str) -> Result<Box<[Operation]>, CatalogError> {
    let mut operations = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.starts_with('#') {
            continue;
        }
        let operation = operation(line).map_err(|problem| CatalogError { line: index + 1, problem })?;
        if operations.len() > usize::from(u16::MAX) {
            return Err(CatalogError { line: index + 1, problem: "more than 65,536 operations" });
        }
        operations.push(operation);
    }
    Ok(operations.into())
}

fn operation(line: &'static str) -> Result<Operation, &'static str> {
    let mut columns = line.split('\t');
    let mut column = || columns.next().ok_or("not seven columns");
    let (verb, template, id, tag) = (column()?, column()?, column()?, column()?);
    let (risks, paging, requirement) = (column()?, column()?, column()?);
    if columns.next().is_some() {
        return Err("not seven columns");
    }
    Ok(Operation {
        verb: Verb::parse(verb).ok_or("not a method")?,
        template: Template::parse(template).map_err(|_| "not a template")?,
        id,
        tag,
        risks: words(risks).map(|word| Risk::parse(word).ok_or("not a risk")).collect::<Result<_, _>>()?,
        paging: match paging {
            "-" => None,
            "always" => Some(Paging::Always),
            "optional" => Some(Paging::Optional),
            _ => return Err("not a kind of paging"),
        },
        requirement: match requirement {
            "token" => Requirement::Token,
            "public" => Requirement::Public,
            "withheld" => Requirement::Withheld,
            _ => return Err("not a kind of access"),
        },
    })
}

fn words(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').filter(|word| *word != "-")
}
