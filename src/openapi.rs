//! The OpenAPI document of the Management API, cut down to what a caller may do. A tenant's document is fetched from Logto when
//! somebody asks for it and at most once in `openapi.refresh`, and kept in memory; until there is one, what the catalog
//! knows is written as a document. Cutting is the work of a thread of its own. No document holds a secret, and none says of
//! an operation more than that the caller may use it; what a request may do is decided elsewhere, by the same rules.

mod conditions;
mod cut;
mod cuts;
mod difference;
mod document;
mod fetch;
mod library;
mod operation;
mod outline;
mod plain;
mod references;
mod thread;
mod words;

pub use self::{
    cut::Cut,
    cuts::{CutError, Cuts},
    difference::{Change, Difference, Hint, Novelty},
    document::{Document, Source, Unusable},
    fetch::{FetchError, get},
    library::{Library, Origin, Shelf},
};

/// Where Logto serves the document (fact 10.2).
pub const PATH: &str = "/api/.well-known/management.openapi.json";
