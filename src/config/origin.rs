//! Where something stands in the configuration, for messages.

use std::{fmt, sync::Arc};

/// The place of a value in the configuration: `claviger.toml:12`, or `environment variable CLAVIGER_ALLOW`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Shared by all values of a file.
    source: Arc<str>,
    /// Counted from 1; 0 where there are no lines.
    line: u32,
}

impl Origin {
    /// What stands before the name of an environment variable.
    pub(super) const VARIABLE: &str = "environment variable ";

    /// A place in a file, with its line counted from 1.
    pub fn in_file(file: &Arc<str>, line: usize) -> Self {
        Self { source: file.clone(), line: u32::try_from(line).unwrap_or(u32::MAX) }
    }

    /// The file or other source.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The environment variable, where it is one.
    pub(super) fn variable(&self) -> Option<&str> {
        self.source.strip_prefix(Self::VARIABLE)
    }

    /// The line, or 0.
    pub fn line(&self) -> u32 {
        self.line
    }
}

impl From<&str> for Origin {
    fn from(source: &str) -> Self {
        Self { source: source.into(), line: 0 }
    }
}

impl From<String> for Origin {
    fn from(source: String) -> Self {
        Self { source: source.into(), line: 0 }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)?;
        match self.line {
            0 => Ok(()),
            line => write!(f, ":{line}"),
        }
    }
}

/// Where something is written, for messages. No part of what it is: two that differ in nothing else are equal.
#[derive(Debug, Clone, Default, Eq)]
pub struct Written(pub Option<Origin>);

impl PartialEq for Written {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
