//! What a reviewed file adds to the embedded catalog: operations of a newer Logto, one a line, in the columns of
//! `operations.tsv` and up to three more. Finds everything that is wrong with it at once. What it must never do is weaken
//! the embedded catalog: no line redefines one of its operations, takes a path away from one, or names another tag for
//! paths that have one; and nothing is added whose risks nobody has written down.

mod column;
mod conflict;
mod problem;

use std::sync::Arc;

use self::{column::Line, problem::problem};
use super::{
    added::Added,
    api::Api,
    index::{Catalog, EMBEDDED},
    operation::Operation,
    ops::MAX_OPS,
    parse,
};

pub use self::problem::{FileProblem, UNREVIEWED};

/// More problems than anyone reads at once.
const MOST_PROBLEMS: usize = 100;

impl Catalog {
    /// The operations of Logto v1.42.0, and those of a reviewed file beside them. None of the former changes: not its
    /// path, its risks, nor what is masked.
    ///
    /// # Errors
    /// Everything that is wrong with the file.
    pub fn extended(text: &str) -> Result<Arc<Self>, Vec<FileProblem>> {
        let (operations, added) = read(Self::logto(), text)?;
        let embedded = parse::operations(EMBEDDED);
        let embedded = embedded.expect("it was read before: that is the catalog which was added to");
        let all = embedded.into_iter().chain(operations).collect();
        Ok(Arc::new(Self::of(Api::Management, all, added)))
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
            problems.push(problem(
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
        problems.push(problem(
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
    Ok((operations, Added::new(text, extras)))
}

#[cfg(test)]
mod tests;
