//! What a server's OpenAPI document has that the catalog lacks, and the reverse: operations, their names and tags, query
//! parameters, members of bodies. For each new operation the line that a catalog file would have, with the risks left to a
//! person. Decides nothing: no request is judged by it.

mod described;
mod review;
mod schema;

use std::collections::BTreeSet;

pub use self::review::Hint;
use self::{
    described::{Described, described},
    schema::Shapes,
};
use super::document::Document;
use crate::catalog::{Catalog, Op, Operation, UNREVIEWED, Verb, template::Template};

/// How a document and a catalog differ.
#[derive(Debug, Default)]
pub struct Difference {
    /// Operations that the catalog lacks.
    pub added: Vec<Novelty>,
    /// Operations of the catalog that the document lacks: method, path, operationId.
    pub missing: Vec<(Verb, String, &'static str)>,
    /// Operations that both have, and that are not the same in both.
    pub changed: Vec<Change>,
}

/// An operation that the catalog lacks.
#[derive(Debug)]
pub struct Novelty {
    /// Its method.
    pub verb: Verb,
    /// Its path, as the document has it.
    pub path: String,
    /// Its operationId; empty where the document has none.
    pub id: String,
    /// The line that a catalog file would have, but for its risks.
    pub line: String,
    /// What a reviewer should look at before writing down the risks.
    pub hints: Vec<Hint>,
    /// Why a catalog file cannot have the line, where it cannot.
    pub problem: Option<String>,
}

/// What differs in an operation that both have.
#[derive(Debug, PartialEq, Eq)]
pub struct Change {
    /// The catalog's operationId.
    pub id: &'static str,
    /// What differs, such as "query parameter": what the document has beyond the catalog, and what it lacks.
    pub what: &'static str,
    /// New in the document.
    pub added: Vec<String>,
    /// In the catalog alone.
    pub missing: Vec<String>,
}

impl Difference {
    /// The difference of a document from `catalog`.
    pub fn of(document: &Document, catalog: &Catalog) -> Self {
        let outline = document.outline();
        let shapes = Shapes { outline: &outline };
        let mut difference = Self::default();
        let mut seen = vec![false; catalog.operations().len()];
        for described in described(&outline) {
            match known(catalog, &described) {
                None => difference.added.push(novelty(&shapes, &described)),
                Some((op, operation)) => {
                    seen[op.index()] = true;
                    difference.changed.extend(changes(catalog, &shapes, &described, op, operation));
                }
            }
        }
        let missing = catalog.operations().filter(|(op, _)| !seen[op.index()]);
        difference.missing = missing.map(|(_, it)| (it.verb, it.template.to_string(), it.id)).collect();
        difference
    }

    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        self.added.is_empty() && self.missing.is_empty() && self.changed.is_empty()
    }
}

/// The catalog's operation of the same method and shape of path.
fn known<'c>(catalog: &'c Catalog, described: &Described) -> Option<(Op, &'c Operation)> {
    let template = Template::parse(&described.path).ok()?;
    let op = catalog.find(described.verb, template.as_str())?;
    let operation = catalog.operation(op);
    let same = |a: &str, b: &str| a.eq_ignore_ascii_case(b);
    let alike = operation.template.covers(&template, same) && template.covers(&operation.template, same);
    alike.then_some((op, operation))
}

fn changes(
    catalog: &Catalog,
    shapes: &Shapes<'_>,
    described: &Described,
    op: Op,
    operation: &Operation,
) -> Vec<Change> {
    let takes = catalog.parameters(op);
    let owned =
        |names: &mut dyn Iterator<Item = &'static str>| names.map(str::to_owned).collect::<BTreeSet<_>>();
    let one = |text: &str| BTreeSet::from([text.to_owned()]);
    let all = [
        ("operationId", described.id().map_or_else(BTreeSet::new, one), one(operation.id)),
        ("tag", described.tag().map_or_else(BTreeSet::new, |tag| one(&tag)), one(operation.tag)),
        ("query parameter", described.query(shapes), owned(&mut takes.query())),
        ("member of the body", described.members(shapes), owned(&mut takes.members())),
    ];
    let changes = all.into_iter().filter(|(_, document, catalog)| document != catalog);
    let change = |(what, document, catalog): (_, BTreeSet<String>, BTreeSet<String>)| Change {
        id: operation.id,
        what,
        added: document.difference(&catalog).cloned().collect(),
        missing: catalog.difference(&document).cloned().collect(),
    };
    changes.map(change).collect()
}

fn novelty(shapes: &Shapes<'_>, described: &Described) -> Novelty {
    let (query, members) = (described.query(shapes), described.members(shapes));
    let list = |names: &BTreeSet<String>| match names.len() {
        0 => "-".to_owned(),
        _ => names.iter().map(String::as_str).collect::<Vec<_>>().join(","),
    };
    // Nothing in a document says whether a list comes whole where no page is asked for; this is the stricter reading.
    let paging = if query.contains("page") && query.contains("page_size") { "optional" } else { "-" };
    let access = if described.guarded { "token" } else { "public" };
    let id = described.id().unwrap_or_default();
    let tag = described.tag().unwrap_or_default();
    let line = |risks: &str| {
        let columns = [
            described.verb.as_str(),
            &described.path,
            id,
            &tag,
            risks,
            paging,
            access,
            &list(&query),
            &list(&members),
            "-",
        ];
        columns.join("\t")
    };
    let problem = Catalog::extended(&line("-")).err().and_then(|problems| problems.into_iter().next());
    let problem = problem.map(|problem| format!("{}. {}", problem.what, problem.remedy));
    Novelty {
        verb: described.verb,
        path: described.path.clone(),
        id: id.to_owned(),
        line: line(UNREVIEWED),
        hints: review::hints(described, shapes, &members),
        problem,
    }
}

#[cfg(test)]
mod tests;
