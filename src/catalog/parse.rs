//! Reads `operations.tsv`: seven columns, one operation a line. The text is part of the program, so an error here
//! is a mistake of ours; it is an error and not a gap, because a missing line would be a missing check.

use std::borrow::Cow;

use super::{
    operation::{Operation, Paging, Requirement, Risk, Verb},
    ops::MAX_OPS,
    template::Template,
};

/// How a template ends whose last segment is a free name.
pub(super) const FREE_NAME: &str = ":free}";

/// A line that is not an operation.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct CatalogError {
    /// Counted from 1, comments included.
    pub line: usize,
    /// What it is not, such as "not a method".
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
        if operations.len() == MAX_OPS {
            return Err(CatalogError {
                line: index + 1,
                problem: "more operations than a set of them holds",
            });
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
    let (template, has_free_name) = match template.strip_suffix(FREE_NAME) {
        Some(rest) => (Cow::Owned(format!("{rest}}}")), true),
        None => (Cow::Borrowed(template), false),
    };
    Ok(Operation {
        verb: Verb::parse(verb).ok_or("not a method")?,
        template: Template::parse(&template).map_err(|_| "not a template")?,
        has_free_name,
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
