//! What is wrong with a text that is not TOML. The parser's description and the place are used, and never the text, which
//! may be a secret; a table or key that is there twice is named, with both lines.

use crate::config::{path::is_odd, problem::Problem, tree::Lines};

/// What the parser says of a table or key that is there already.
const DUPLICATE: &str = "duplicate key";

/// Quotation marks as text processors and web pages make them of straight ones.
const CURLY: [char; 5] = ['\u{201c}', '\u{201d}', '\u{201e}', '\u{2018}', '\u{2019}'];

/// The headers of a file, in its order.
pub(super) struct Tables<'t> {
    text: &'t str,
    /// Where each begins, and its name without brackets.
    headers: Vec<(usize, &'t str)>,
}

impl<'t> Tables<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        let mut at = 0;
        let mut headers = Vec::new();
        for line in text.split_inclusive('\n') {
            if let Some(name) = header(line) {
                headers.push((at, name));
            }
            at += line.len();
        }
        Self { text, headers }
    }

    /// The problem that the parser found at `at`; `None` where it follows from a table that is there twice.
    pub(super) fn problem(&self, lines: &Lines, message: &str, at: usize) -> Option<Problem> {
        let begins = self.text.get(..at).unwrap_or(self.text).rfind('\n').map_or(0, |end| end + 1);
        let line = self.text[begins..].lines().next().unwrap_or_default();
        let plain = || {
            let (what, remedy) = match line.contains(CURLY) {
                true => (
                    "typographic quotation marks",
                    "Write straight ones: \" in the place of \u{201c} and \u{201d}.",
                ),
                false => (message, "Text goes in double quotes, a key and its value on one line."),
            };
            let what = format!("this is not TOML: {what}");
            Problem { key: String::new(), origin: Some(lines.at(at)), what, remedy: remedy.into() }
        };
        if message != DUPLICATE {
            return Some(plain());
        }
        let (name, first, remedy) = match header(line) {
            Some(name) if is_plain(name) => {
                let first = self.headers.iter().find(|(_, other)| *other == name)?.0;
                (format!("[{name}]"), first, "Write all of its keys below one of them.")
            }
            Some(_) => return Some(plain()),
            None => {
                let table = self.headers.iter().rfind(|(start, _)| *start < begins);
                let is_again = |(start, name): &(usize, &str)| {
                    self.headers.iter().any(|(earlier, other)| earlier < start && other == name)
                };
                if table.is_some_and(is_again) {
                    return None;
                }
                let Some(name) = key(line).filter(|key| !is_odd(key)) else { return Some(plain()) };
                let mut from = table.map_or(0, |(start, _)| *start);
                let first = self.text[from..begins].split_inclusive('\n').find_map(|line| {
                    let start = from;
                    from += line.len();
                    (key(line) == Some(name)).then_some(start)
                });
                match first {
                    Some(first) => (format!("`{name}`"), first, "Leave one of them out."),
                    None => return Some(plain()),
                }
            }
        };
        let (first, second) = (lines.at(first).line(), lines.at(at).line());
        Some(Problem {
            key: String::new(),
            origin: Some(lines.at(at)),
            what: format!("{name} is defined twice: lines {first} and {second}"),
            remedy: remedy.into(),
        })
    }
}

/// Whether a header's name is one that may be repeated in a message.
fn is_plain(name: &str) -> bool {
    name.len() <= 100 && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
}

/// The name in a line such as `[policies.support]`.
fn header(line: &str) -> Option<&str> {
    let (name, _) = line.trim_start().strip_prefix('[')?.split_once(']')?;
    (!name.starts_with('[')).then(|| name.trim())
}

/// The key of a line such as `allow = []`.
fn key(line: &str) -> Option<&str> {
    line.split_once('=').map(|(key, _)| key.trim())
}
