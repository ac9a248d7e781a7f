//! The matrix for a spreadsheet: one line for each operation of each caller (RFC 4180), in which no cell is taken for a
//! formula, whatever its text.

use crate::policy::{
    conditions::Words,
    decide::RuleSource,
    matrix::{Cell, Column, Mark},
};

/// How many cells a line has.
const CELLS: usize = 12;
const HEAD: [&str; CELLS] = [
    "caller",
    "authenticated by",
    "tenants",
    "operation",
    "method",
    "path",
    "granted",
    "rules",
    "conditions",
    "rules about some paths only",
    "sensitive",
    "secrets in the answer",
];

pub(super) fn text(columns: &[Column<'_>]) -> String {
    let mut text = line(HEAD.map(ToOwned::to_owned));
    for column in columns {
        for cell in column.granted() {
            text.push_str(&line(row(column, cell)));
        }
        for rule in &column.beyond {
            let (tenants, empty) = (column.tenants.join(" "), String::new);
            let (method, path) = rule.rule.text.split_once(' ').unwrap_or_default();
            let row = [
                column.caller.name.to_string(),
                column.identified_by().join("; "),
                tenants,
                "(not in the catalog)".into(),
                method.into(),
                path.trim_start().into(),
                if rule.rule.conditions.is_some() { Mark::Conditions } else { Mark::Yes }.as_str().into(),
                rule.to_string(),
                conditions(rule),
                empty(),
                "unknown".into(),
                "masked by name".into(),
            ];
            text.push_str(&line(row));
        }
    }
    text
}

fn row(column: &Column<'_>, cell: &Cell<'_>) -> [String; CELLS] {
    let word = |is: bool| if is { "yes".to_owned() } else { "no".to_owned() };
    let joined = |rules: &[&RuleSource], text: fn(&RuleSource) -> String| {
        let texts = rules.iter().map(|rule| text(rule)).filter(|text| !text.is_empty());
        texts.collect::<Vec<_>>().join("; ")
    };
    let rules = cell.rules();
    [
        column.caller.name.to_string(),
        column.identified_by().join("; "),
        column.tenants.join(" "),
        cell.operation.id.to_owned(),
        cell.operation.verb.as_str().to_owned(),
        cell.operation.template.as_str().to_owned(),
        cell.mark().as_str().to_owned(),
        joined(&rules, ToString::to_string),
        joined(&rules, conditions),
        joined(&cell.about_some_paths, ToString::to_string),
        word(cell.operation.is_sensitive()),
        match (cell.masked, cell.unmasked) {
            (true, _) => "masked".to_owned(),
            (_, true) => "unmasked".to_owned(),
            _ => "none".to_owned(),
        },
    ]
}

fn conditions(rule: &RuleSource) -> String {
    rule.rule.conditions.as_ref().map(|conditions| Words(conditions).to_string()).unwrap_or_default()
}

fn line(cells: [String; CELLS]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| quoted(cell)).collect();
    format!("{}\r\n", cells.join(","))
}

/// In quotes, with an apostrophe before what a spreadsheet would take for a formula.
fn quoted(cell: &str) -> String {
    let first = cell.trim_start().chars().next();
    let is_formula = matches!(first, Some('=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠' | '|' | '%'))
        || cell.starts_with(['\t', '\r', '\n']);
    let apostrophe = if is_formula { "'" } else { "" };
    format!("\"{apostrophe}{}\"", cell.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_or_ends_another() {
        for (cell, written) in [
            ("GetUser", "\"GetUser\""),
            ("", "\"\""),
            ("=HYPERLINK(\"x\")", "\"'=HYPERLINK(\"\"x\"\")\""),
            ("+1", "\"'+1\""),
            ("-1", "\"'-1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("\t=1", "\"'\t=1\""),
            (" =1", "\"' =1\""),
            ("＝1", "\"'＝1\""),
            ("a,\r\n\"b\"", "\"a,\r\n\"\"b\"\"\""),
        ] {
            assert_eq!(quoted(cell), written);
        }
    }
}
