//! A path together with the operation it is. This is what rules are about and what is forwarded: literals are
//! spelled as Logto documents them, parameters are the caller's own bytes, and nothing after this changes them.

use std::borrow::Cow;

use crate::catalog::{ApiDocument, Catalog, Op, Requirement, Verb};

use super::path::CanonicalPath;

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matched<'p> {
    verb: Option<Verb>,
    op: Option<Op>,
    withheld: bool,
    sensitive: bool,
    path: Cow<'p, str>,
}

impl<'p> Matched<'p> {
    /// What a request for any path of a template asks for: `{x}` in it stands for whatever no rule names.
    pub(super) fn standing_for(catalog: &Catalog, verb: Verb, path: &'p str) -> Self {
        Self::of(catalog, Some(verb), path)
    }

    /// Finds the operation. Allocates only where the caller's spelling of a literal is not the catalog's.
    pub fn find(catalog: &Catalog, method: &http::Method, path: CanonicalPath<'p>) -> Self {
        Self::of(catalog, Verb::of(method), path.as_str())
    }

    fn of(catalog: &Catalog, verb: Option<Verb>, path: &'p str) -> Self {
        let Some(op) = verb.and_then(|verb| catalog.find(verb, path)) else {
            let withheld = ApiDocument::at(path).is_some();
            return Self { verb, op: None, withheld, sensitive: false, path: Cow::Borrowed(path) };
        };
        let operation = catalog.operation(op);
        Self {
            verb,
            op: Some(op),
            withheld: operation.requirement == Requirement::Withheld,
            sensitive: operation.is_sensitive(),
            path: catalog.spell(op, path),
        }
    }

    /// The method, where it is one that the Management API has.
    pub fn verb(&self) -> Option<Verb> {
        self.verb
    }

    /// The operation, where the catalog knows it.
    pub fn op(&self) -> Option<Op> {
        self.op
    }

    /// Whether it is never forwarded: an OpenAPI document, known to the catalog or not.
    pub fn is_withheld(&self) -> bool {
        self.withheld
    }

    /// The OpenAPI document that is asked for, if it is one.
    pub fn document(&self) -> Option<ApiDocument> {
        if self.withheld { ApiDocument::at(&self.path) } else { None }
    }

    /// Whether only a rule that names the operation grants it; never where the catalog does not know it.
    pub fn is_sensitive(&self) -> bool {
        self.sensitive
    }

    /// The path to forward, byte for byte.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The path to forward, byte for byte.
    pub fn into_path(self) -> Cow<'p, str> {
        self.path
    }
}
