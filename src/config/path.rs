//! The path of a key, as steps and as text: `tenants.acme.scopes[1]`. Names may hold dots, so a path is
//! never taken apart again once it is text.

use std::fmt;

/// A path from the root of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct KeyPath(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Key(String),
    Index(usize),
}

impl KeyPath {
    pub(super) fn of(keys: &[&str]) -> Self {
        Self(keys.iter().map(|key| Step::Key((*key).into())).collect())
    }

    /// This path and one key more.
    pub(super) fn key(&self, key: &str) -> Self {
        let mut longer = self.clone();
        longer.0.push(Step::Key(key.into()));
        longer
    }

    /// This path and one index more.
    pub(super) fn index(&self, index: usize) -> Self {
        let mut longer = self.clone();
        longer.0.push(Step::Index(index));
        longer
    }

    pub(super) fn parent(&self) -> Option<Self> {
        let (_, shorter) = self.0.split_last()?;
        Some(Self(shorter.to_vec()))
    }

    /// This path with `…` for its last key.
    pub(super) fn hiding_last(&self) -> Self {
        self.parent().unwrap_or_default().key("…")
    }

    /// This path with `…` for each key that looks unlike one.
    pub(super) fn hiding_odd(&self) -> Self {
        let shown = |step: &Step| match step {
            Step::Key(key) if is_odd(key) => Step::Key("…".into()),
            step => step.clone(),
        };
        Self(self.0.iter().map(shown).collect())
    }

    /// The paths that lead to this one, the shortest first, and this one.
    pub(super) fn prefixes(&self) -> impl Iterator<Item = Self> {
        (1..=self.0.len()).map(|length| Self(self.0[..length].to_vec()))
    }

    /// Whether `self` is `other` or lies below it.
    pub(super) fn is_within(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }

    /// The last step where it is a key.
    pub(super) fn last_key(&self) -> Option<&str> {
        match self.0.last()? {
            Step::Key(key) => Some(key),
            Step::Index(_) => None,
        }
    }

    /// The keys, with `*` for an index.
    pub(super) fn steps(&self) -> Vec<&str> {
        self.0
            .iter()
            .map(|step| match step {
                Step::Key(key) => key.as_str(),
                Step::Index(_) => "*",
            })
            .collect()
    }
}

/// Whether `key` looks unlike any key of a configuration, and so may be a value that slipped to the left.
pub(super) fn is_odd(key: &str) -> bool {
    key.contains(|c: char| !c.is_ascii_lowercase() && !matches!(c, '_' | '-'))
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) => {
                    if i > 0 {
                        f.write_str(".")?;
                    }
                    let bare = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
                    if !key.is_empty() && key.bytes().all(bare) {
                        f.write_str(key)?;
                    } else {
                        f.write_str(&super::problem::quoted(key))?;
                    }
                }
            }
        }
        Ok(())
    }
}
