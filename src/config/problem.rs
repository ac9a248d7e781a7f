//! What is wrong with a configuration, in words for the person on call: where it is, what is wrong,
//! what to write instead. A problem never holds a secret; values are quoted only where they cannot be one.

use std::{fmt, path::PathBuf};

use super::{address::Address, origin::Origin};
use crate::secret::{Digest, Secret, looks_random};

/// One thing that is wrong, or (as a warning) that works but should not stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key, such as `tenants.acme.client_secret`; empty when the file as a whole is meant.
    pub key: String,
    /// Where it stands; `None` when it stands nowhere because it is missing.
    pub origin: Option<Origin>,
    /// What is wrong, without a full stop.
    pub what: String,
    /// What to do about it: whole sentences.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(origin) = &self.origin {
            write!(f, "{origin}: ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.what)?;
        if !self.remedy.is_empty() {
            write!(f, ". {}", self.remedy)?;
        }
        Ok(())
    }
}

/// Why there is no configuration: every problem, in the order of the files and lines.
#[derive(Debug, Clone)]
pub struct Problems {
    /// At least one.
    pub problems: Vec<Problem>,
    /// What should be changed as well.
    pub warnings: Vec<Problem>,
    /// Everything that was read or looked for, so that a watcher knows what to look at.
    pub files: Vec<PathBuf>,
    /// Fingerprint of all that was read: the same digest, the same problems.
    pub digest: Digest,
    /// `listen.admin`, written or left out, to find a process that still runs with an older configuration; `None` where it cannot be
    /// read, so that nobody knows.
    pub admin: Option<Box<Address>>,
    /// `admin.token` as far as it can be read, for the same.
    pub admin_token: Option<Secret>,
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// A value that is not what its key wants: what is wrong with it, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mistake {
    pub(super) what: String,
    pub(super) remedy: String,
}

impl Mistake {
    pub(super) fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what: what.into(), remedy: remedy.into() }
    }
}

/// `text` in quotes, without control characters and not longer than a line; but nothing that may be a secret in a wrong place.
pub(super) fn quoted(text: &str) -> String {
    const MOST: usize = 60;
    let is_number = text.trim_end_matches(char::is_alphabetic).bytes().all(|byte| byte.is_ascii_digit());
    if !is_number && looks_random(text) {
        return "\"…\" (not shown: it may be a secret)".to_owned();
    }
    match text.char_indices().nth(MOST) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}…", &text[..end]),
    }
}

/// The one of `known` that was most likely meant by `written`.
pub(super) fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if written.len() > 64 {
        return None;
    }
    let allowed = (written.chars().count() / 3).max(1);
    let written = written.to_lowercase();
    let between = |name: &str| {
        // One of a kind is near to many of it, however its plural is spelt.
        if plural(&written) == name || written == plural(name) { 1 } else { distance(&written, name) }
    };
    known
        .into_iter()
        .map(|name| (between(&name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// The one of `known` that `written` is but for a slip or two of the pen: for names that may as well be somebody else's.
pub(super) fn slip_of<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const MOST: usize = 2;
    let near = known.into_iter().filter(|name| name.len().abs_diff(written.len()) <= MOST);
    let near = near.map(|name| (distance(written, name), name)).filter(|(slips, _)| *slips <= MOST);
    near.min_by_key(|(slips, _)| *slips).map(|(_, name)| name)
}

fn plural(word: &str) -> String {
    match word.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None => format!("{word}s"),
    }
}

/// Edits from `a` to `b`, where two neighbours in the wrong order count as one (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(before_last[j - 2] + 1);
            }
            row.push(least);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}
