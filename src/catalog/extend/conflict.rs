//! What a line of a catalog file must leave alone: the operations of the embedded catalog, their paths and their tags, and
//! the lines before it.

use super::{
    column::Line,
    problem::{FileProblem, problem},
};
use crate::catalog::{
    document::ApiDocument,
    index::Catalog,
    operation::{Operation, Requirement},
    template::{Segment, Template},
};

/// Why a line cannot stand beside the embedded catalog and the lines before it.
pub(super) fn of(line: &Line, embedded: &Catalog, before: &[Line]) -> Option<FileProblem> {
    let new = &line.operation;
    let found = redefined(new, embedded)
        .or_else(|| taken(new, embedded))
        .or_else(|| document(new))
        .or_else(|| other_tag(new, embedded, before))
        .or_else(|| below_free_name(new, embedded, before))
        .or_else(|| twice(new, before));
    found.map(|(what, remedy)| problem(line.number, what, remedy))
}

type Conflict = (String, String);

fn redefined(new: &Operation, embedded: &Catalog) -> Option<Conflict> {
    let remedy = "Take the line out: a file adds operations and cannot change those that Claviger knows.";
    if embedded.by_id(new.id).is_some() {
        return Some((format!("{} is an operation of the embedded catalog", new.id), remedy.into()));
    }
    let (_, known) = embedded.operations().find(|(_, known)| same_shape(new, known))?;
    Some((format!("{} {} is {} of the embedded catalog", new.verb, new.template, known.id), remedy.into()))
}

/// A literal wins over a parameter, so a line could take paths away from an operation, and from the rules about it.
fn taken(new: &Operation, embedded: &Catalog) -> Option<Conflict> {
    let takes = |known: &Operation| {
        new.verb == known.verb
            && new.template.meets(&known.template, same_letters)
            && comes_first(&new.template, &known.template)
    };
    let (_, known) = embedded.operations().find(|(_, known)| takes(known))?;
    let what = format!(
        "its paths are such of {} ({} {}) of the embedded catalog",
        known.id, known.verb, known.template
    );
    let remedy = format!("Take the line out, and write the rule {:?} in the policy.", rule(new));
    Some((what, remedy))
}

fn document(new: &Operation) -> Option<Conflict> {
    ApiDocument::at(new.template.as_str()).filter(|_| new.requirement != Requirement::Withheld)?;
    Some((
        "OpenAPI documents are never forwarded".into(),
        "Take the line out, or write withheld for its access.".into(),
    ))
}

/// Paths below one name have one tag: a `deny` of a tag is about all of them, also those that the catalog lacks.
fn other_tag(new: &Operation, embedded: &Catalog, before: &[Line]) -> Option<Conflict> {
    let room = room(&new.template)?;
    let known = embedded.operations().map(|(_, operation)| operation);
    let mut known = known.chain(before.iter().map(|line| &line.operation));
    let other =
        known.find(|known| self::room(&known.template).is_some_and(|it| it.eq_ignore_ascii_case(room)))?;
    (other.tag != new.tag).then(|| {
        let what = format!("operations below /api/{room} have the tag {}, and not {}", other.tag, new.tag);
        (what, format!("Write {}.", other.tag))
    })
}

/// Whoever decodes before it routes takes `a%2Fb` for two segments: that must not be another operation.
fn below_free_name(new: &Operation, embedded: &Catalog, before: &[Line]) -> Option<Conflict> {
    let known = embedded.operations().map(|(_, operation)| operation);
    let mut known = known.chain(before.iter().map(|line| &line.operation));
    let other = known.find(|known| {
        let below = |free: &Operation, other: &Operation| {
            free.has_free_name && is_below(&free.template, &other.template)
        };
        known.verb == new.verb && (below(known, new) || below(new, known))
    })?;
    let what =
        format!("a name in a path of it or of {} may hold a slash, which would make one the other", other.id);
    let remedy = format!("Take the line out, and write the rule {:?} in the policy.", rule(new));
    Some((what, remedy))
}

fn twice(new: &Operation, before: &[Line]) -> Option<Conflict> {
    let same = before.iter().find(|line| line.operation.id == new.id || same_shape(new, &line.operation))?;
    let what = format!("{} is there already, at line {}", same.operation.id, same.number);
    Some((what, "Keep one of the two.".into()))
}

fn same_letters(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}

fn same_shape(a: &Operation, b: &Operation) -> bool {
    a.verb == b.verb
        && a.template.covers(&b.template, same_letters)
        && b.template.covers(&a.template, same_letters)
}

/// Whether the path that both match is `new`'s: the first to have a literal where the other has a parameter wins.
fn comes_first(new: &Template, known: &Template) -> bool {
    let pairs = new.segments().iter().zip(known.segments());
    let mut differing = pairs.filter_map(|pair| match pair {
        (Segment::Literal(_), Segment::Param) => Some(true),
        (Segment::Param, Segment::Literal(_)) => Some(false),
        _ => None,
    });
    differing.next().unwrap_or(true)
}

fn is_below(template: &Template, other: &Template) -> bool {
    let (ours, theirs) = (template.segments(), other.segments());
    let meets = |(a, b): (&Segment, &Segment)| match (a, b) {
        (Segment::Literal(a), Segment::Literal(b)) => same_letters(a, b),
        _ => true,
    };
    theirs.len() > ours.len() && ours.iter().zip(theirs).all(meets)
}

fn room(template: &Template) -> Option<&str> {
    match template.segments().get(1)? {
        Segment::Literal(name) => Some(name),
        Segment::Param => None,
    }
}

fn rule(operation: &Operation) -> String {
    format!("{} {}", operation.verb, operation.template)
}
