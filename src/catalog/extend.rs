//! What a reviewed file adds to the embedded catalog: operations of a newer Logto, one a line, in the columns of
//! `operations.tsv` and up to three more. Finds everything that is wrong with it at once. What it must never do is weaken
//! the embedded catalog: no line redefines one of its operations, takes a path away from one, or names another tag for
//! paths that have one; and nothing is added whose risks nobody has written down.

mod column;
mod conflict;

use std::fmt;

use self::column::Line;
use super::{
    index::Catalog,
    operation::{Op, Operation},
    ops::MAX_OPS,
    parameters::Parameters,
    secrets::Secrets,
};

/// What stands in the place of risks that nobody has judged yet: `claviger operations --diff` proposes lines with it.
pub const UNREVIEWED: &str = "?";

/// More problems than anyone reads at once.
const MOST_PROBLEMS: usize = 100;

/// What is added to the embedded catalog; mostly nothing.
#[derive(Debug, Default)]
pub(super) struct Added {
    text: Box<str>,
    operations: Box<[Extra]>,
}

/// What is known of an added operation beside the operation itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extra {
    pub(super) parameters: Parameters,
    pub(super) secrets: Option<&'static Secrets>,
}

/// What is wrong with a line of a catalog file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileProblem {
    /// Counted from 1, comments included.
    pub line: usize,
    /// What is wrong, without a full stop.
    pub what: String,
    /// What to write instead: whole sentences.
    pub remedy: String,
}

impl fmt::Display for FileProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}. {}", self.line, self.what, self.remedy)
    }
}

impl Added {
    /// What makes one such addition differ from another.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn len(&self) -> usize {
        self.operations.len()
    }

    /// What is known of an operation of a catalog of so many, if it is an added one: those are the last.
    pub(super) fn of(&self, op: Op, operations: usize) -> Option<&Extra> {
        let embedded = operations - self.operations.len();
        self.operations.get(op.index().checked_sub(embedded)?)
    }
}

/// Reads a catalog file.
pub(super) fn read(embedded: &Catalog, text: &str) -> Result<(Vec<Operation>, Added), Vec<FileProblem>> {
    let (mut lines, mut problems) = (Vec::<Line>::new(), Vec::new());
    for (number, text) in (1..).zip(text.lines()) {
        if text.trim().is_empty() || text.starts_with('#') {
            continue;
        }
        if problems.len() >= MOST_PROBLEMS {
            problems.push(column::problem(
                number,
                format!("there are more than {MOST_PROBLEMS} problems; the rest was not looked at"),
                "Is this a catalog file? Its lines are as in src/catalog/operations.tsv.",
            ));
            break;
        }
        match Line::parse(number, text) {
            Err(wrong) => problems.extend(wrong),
            Ok(line) => match conflict::of(&line, embedded, &lines) {
                Some(conflict) => problems.push(conflict),
                None => lines.push(line),
            },
        }
    }
    let room = MAX_OPS - embedded.operations().len();
    if let Some(line) = lines.get(room) {
        problems.push(column::problem(
            line.number,
            format!("this is one operation more than the {room} that a file may add"),
            "Take out what no caller needs, or use a newer Claviger, whose own catalog has more.",
        ));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let (operations, extras): (Vec<_>, Vec<_>) =
        lines.into_iter().map(|line| (line.operation, line.extra)).unzip();
    // Comments are no part of what is added.
    let said = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    let text = said.flat_map(|line| [line, "\n"]).collect::<String>();
    Ok((operations, Added { text: text.into(), operations: extras.into() }))
}

#[cfg(test)]
mod tests;
