//! The path of a key, as steps and as text: `tenants.acme.scopes[1]`. Names may hold dots, so a path is
//! never taken apart again once it is text. [`Trail`] is the same while a tree is walked, and allocates nothing.

use std::{fmt, rc::Rc};

use super::problem::quoted;

/// A path from the root of the configuration. Longer paths share what they begin with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct KeyPath(Option<Rc<Link>>);

#[derive(Debug, PartialEq, Eq)]
struct Link {
    above: KeyPath,
    step: Step,
}

#[derive(Debug, PartialEq, Eq)]
enum Step {
    Key(Box<str>),
    Index(usize),
}

impl KeyPath {
    pub(super) fn of(keys: &[&str]) -> Self {
        keys.iter().fold(Self::default(), |path, key| path.key(key))
    }

    /// This path and one key more.
    pub(super) fn key(&self, key: &str) -> Self {
        self.and(Step::Key(key.into()))
    }

    /// This path and one index more.
    pub(super) fn index(&self, index: usize) -> Self {
        self.and(Step::Index(index))
    }

    fn and(&self, step: Step) -> Self {
        Self(Some(Rc::new(Link { above: self.clone(), step })))
    }

    pub(super) fn parent(&self) -> Option<Self> {
        self.0.as_ref().map(|link| link.above.clone())
    }

    /// This path with `…` for its last key.
    pub(super) fn hiding_last(&self) -> Self {
        self.parent().unwrap_or_default().key("…")
    }

    /// This path with `…` for each key that looks unlike one.
    pub(super) fn hiding_odd(&self) -> Self {
        self.links().into_iter().fold(Self::default(), |path, step| match step {
            Step::Key(key) if is_odd(key) => path.key("…"),
            Step::Key(key) => path.key(key),
            Step::Index(index) => path.index(*index),
        })
    }

    /// The paths that lead to this one, the shortest first, and this one.
    pub(super) fn prefixes(&self) -> impl Iterator<Item = Self> {
        let mut paths: Vec<_> = self.upwards().collect();
        paths.reverse();
        paths.into_iter()
    }

    /// Whether `self` is `other` or lies below it.
    pub(super) fn is_within(&self, other: &Self) -> bool {
        other.0.is_none() || self.upwards().any(|path| path == *other)
    }

    /// The keys, with `*` for an index.
    pub(super) fn steps(&self) -> Vec<&str> {
        let links = self.links().into_iter();
        let shown = links.map(|step| match step {
            Step::Key(key) => &**key,
            Step::Index(_) => "*",
        });
        shown.collect()
    }

    /// What `key` and `index` say on the way from the root to this path, as long as they go on.
    pub(super) fn descend<T>(
        &self,
        root: T,
        mut key: impl FnMut(&T, &str) -> Option<T>,
        mut index: impl FnMut(&T, usize) -> Option<T>,
    ) -> Vec<T> {
        let mut found = vec![root];
        for step in self.links() {
            let Some(last) = found.last() else { break };
            let next = match step {
                Step::Key(name) => key(last, name),
                Step::Index(at) => index(last, *at),
            };
            let Some(next) = next else { break };
            found.push(next);
        }
        found
    }

    /// How many steps it has.
    pub(super) fn len(&self) -> usize {
        self.upwards().count()
    }

    /// This path and those above it, but for the root.
    fn upwards(&self) -> impl Iterator<Item = Self> {
        let first = Some(self.clone()).filter(|path| path.0.is_some());
        std::iter::successors(first, |path| path.parent().filter(|path| path.0.is_some()))
    }

    fn links(&self) -> Vec<&Step> {
        let mut steps = Vec::new();
        let mut at = self;
        while let Some(link) = &at.0 {
            steps.push(&link.step);
            at = &link.above;
        }
        steps.reverse();
        steps
    }
}

/// Whether `key` looks unlike any key of a configuration, and so may be a value that slipped to the left.
pub(super) fn is_odd(key: &str) -> bool {
    key.contains(|c: char| !c.is_ascii_lowercase() && !matches!(c, '_' | '-'))
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.links().into_iter().enumerate() {
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
                        f.write_str(&quoted(key))?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// A path on the stack of a walk through a tree.
#[derive(Clone, Copy)]
pub(super) enum Trail<'t> {
    Root,
    Key(&'t Trail<'t>, &'t str),
    Index(&'t Trail<'t>, usize),
}

impl Trail<'_> {
    /// The same, to be kept.
    pub(super) fn path(&self) -> KeyPath {
        match self {
            Self::Root => KeyPath::default(),
            Self::Key(above, key) => above.path().key(key),
            Self::Index(above, index) => above.path().index(*index),
        }
    }

    /// The keys, with `*` for an index.
    pub(super) fn steps(&self) -> Vec<&str> {
        let mut steps = Vec::with_capacity(8);
        let mut at = self;
        loop {
            at = match at {
                Self::Root => break,
                Self::Key(above, key) => {
                    steps.push(*key);
                    above
                }
                Self::Index(above, _) => {
                    steps.push("*");
                    above
                }
            };
        }
        steps.reverse();
        steps
    }
}
