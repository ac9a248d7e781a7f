//! The matrix for a terminal: no line is wider than 100 columns, but for a path or a name that is. Callers that do not
//! fit beside each other come in tables below each other.

use super::numbered::{Marked, Numbered, listed, used};
use crate::{
    config::Issue,
    policy::{conditions::Words, matrix::Column},
};

const WIDTH: usize = 100;
const GAP: usize = 2;

/// The signs in the order in which a reader comes to them: in a cell, then at an operation's name.
const LEGEND: [&str; 11] = [
    "how to read it",
    "  yes N    allowed by rule N",
    "  if N     allowed where the conditions of rule N are met",
    "  part N   allowed on some of its paths only: those of rule N",
    "  -        denied",
    "  … -N     except on the paths that rule N denies",
    "  … !      the answer shows its secrets: the caller's `reveal` names the operation",
    "  NAME*    sensitive: granted by a rule with its name, never by a tag or *",
    "  NAME+    the answer holds secrets: masked, except where ! stands",
    "  The rules and the callers follow below.",
    "",
];

pub(super) fn text(columns: &[Column<'_>]) -> String {
    let numbered = Numbered::new(columns);
    let mut lines = Vec::new();
    if columns.iter().all(|column| column.granted().next().is_none()) {
        lines.push("nobody may use any operation of the catalog".to_owned());
    }
    let mut rest = columns;
    while !rest.is_empty() {
        let (table, others) = rest.split_at(fitting(rest, &numbered));
        rest = others;
        rows(table, &numbered, &mut lines);
    }
    lines.extend(LEGEND.iter().map(|line| (*line).to_owned()));
    rules(&numbered, &mut lines);
    columns.iter().for_each(|column| summary(column, &numbered, &mut lines));
    lines.join("\n") + "\n"
}

/// The width of the names of operations that are shown.
fn first_width(columns: &[Column<'_>]) -> usize {
    let names = columns.iter().flat_map(Column::granted).map(|cell| cell.operation.id.len() + 1);
    names.max().unwrap_or_default().max("operation".len()) + GAP
}

/// How many of the first columns fit into the width; one at least.
fn fitting(columns: &[Column<'_>], numbered: &Numbered<'_>) -> usize {
    let mut left = WIDTH.saturating_sub(first_width(columns));
    let fits = |column: &&Column<'_>| {
        let width = width(column, numbered);
        let fits = width <= left;
        left = left.saturating_sub(width + GAP);
        fits
    };
    columns.iter().take_while(fits).count().max(1)
}

fn width(column: &Column<'_>, numbered: &Numbered<'_>) -> usize {
    let cells = column.granted().map(|cell| shown(&numbered.cell(cell)).len());
    cells.max().unwrap_or_default().max(column.caller.name.as_str().len())
}

fn shown(marked: &Marked) -> String {
    let but_not = marked.but_not.iter().map(|number| format!(" -{number}")).collect::<String>();
    let unmasked = if marked.unmasked { " !" } else { "" };
    match marked.allowed_by.as_slice() {
        [] => format!("{}{but_not}{unmasked}", marked.mark.as_str()),
        rules => format!("{} {}{but_not}{unmasked}", marked.mark.as_str(), listed(rules)),
    }
}

fn rows(columns: &[Column<'_>], numbered: &Numbered<'_>, lines: &mut Vec<String>) {
    let first = first_width(columns);
    let widths: Vec<usize> = columns.iter().map(|column| width(column, numbered) + GAP).collect();
    let line = |name: &str, cells: Vec<String>| {
        let cells = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        let line = format!("{name:<first$}{}", cells.collect::<String>());
        line.trim_end().to_owned()
    };
    lines.push(line("operation", columns.iter().map(|column| column.caller.name.to_string()).collect()));
    for (operation, cells) in used(columns) {
        let sign = match operation {
            operation if operation.is_sensitive() => "*",
            operation if operation.is_safe_when_masked() => "+",
            _ => "",
        };
        let cells = cells.iter().map(|cell| shown(&numbered.cell(cell))).collect();
        lines.push(line(&format!("{}{sign}", operation.id), cells));
        lines.push(format!("  {} {}", operation.verb.as_str(), operation.template.as_str()));
    }
    lines.push(String::new());
}

fn rules(numbered: &Numbered<'_>, lines: &mut Vec<String>) {
    if numbered.rules.is_empty() {
        return;
    }
    lines.push("rules".to_owned());
    let width = numbered.rules.len().to_string().len();
    for (number, rule) in (1..).zip(&numbered.rules) {
        wrap(&format!("  {number:>width$}  "), &rule.to_string(), lines);
        if let Some(conditions) = &rule.rule.conditions {
            wrap(&" ".repeat(width + 6), &Words(conditions).to_string(), lines);
        }
    }
}

fn summary(column: &Column<'_>, numbered: &Numbered<'_>, lines: &mut Vec<String>) {
    let caller = column.caller;
    lines.extend([String::new(), format!("caller {}", caller.name)]);
    let methods = column.identified_by();
    let methods =
        if methods.is_empty() { "nothing: it can never be authenticated".into() } else { methods.join(", ") };
    wrap("  authenticated by: ", &methods, lines);
    let places = column.places();
    let tenants = if places.is_empty() { "none".to_owned() } else { places.join(", ") };
    wrap("  tenants: ", &tenants, lines);
    if let Some(scopes) = &caller.scopes {
        wrap("  scopes: ", &scopes.join(" "), lines);
    }
    if let Some(organization) = &caller.organization_id {
        wrap("  organization: ", organization, lines);
    }
    if caller.issue == Issue::Upstream {
        const OWN: &str = "the token broker hands out the tenant's own token. With it the caller may do anything at Logto itself, whatever this table says";
        wrap("  ! ", OWN, lines);
    }
    for brings in &column.brings {
        wrap("  ", &brings.to_string(), lines);
    }
    for rule in &caller.reveal {
        wrap("  ", &format!("{}: answers unmasked ({})", rule.text, rule.origin), lines);
    }
    for taken in &column.denies {
        wrap("  ", &format!("{} {taken}", taken.source), lines);
    }
    let beyond = numbered.beyond(column);
    if !beyond.is_empty() {
        wrap("  ", &format!("also paths that the catalog does not know, by rule {}", listed(&beyond)), lines);
    }
}

/// Adds `text` in lines of the usual width, further ones a little behind the first word of it.
fn wrap(indent: &str, text: &str, lines: &mut Vec<String>) {
    let (mut line, further) = (indent.to_owned(), " ".repeat(indent.len() + 2));
    let mut has_word = false;
    for word in text.split(' ') {
        if has_word && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(std::mem::replace(&mut line, further.clone()));
            has_word = false;
        }
        if has_word {
            line.push(' ');
        }
        line.push_str(word);
        has_word = true;
    }
    lines.push(line);
}
