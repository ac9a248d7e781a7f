//! From an operation id to its handler.
//!
//! Decides which operations have state here; all others are an honest 501. Handlers get a [`Call`] with everything
//! they may use.

use serde_json::Value;

use crate::body::Parsed;
use crate::errors::{ApiError, Outcome};
use crate::jwt::Keys;
use crate::paging::{self, Asked, Query};
use crate::routes::Route;
use crate::store::Store;
use crate::{
    applications, configs, connectors, hooks, logs, one_time_tokens, organizations, resources, roles, users,
    well_known,
};

/// One call of an operation, after authentication.
pub(crate) struct Call<'a> {
    pub(crate) store: &'a mut Store,
    pub(crate) keys: &'a mut Keys,
    pub(crate) route: &'static Route,
    pub(crate) params: Vec<String>,
    pub(crate) query: Query,
    pub(crate) parsed: Parsed,
    /// Milliseconds since 1970.
    pub(crate) now: u64,
    /// `http://{Host}`.
    pub(crate) origin: String,
    /// The path without `/api`.
    pub(crate) path: String,
}

/// What a list needs to know of its call, detached from the store.
pub(crate) struct Lister<'a>(Asked<'a>);

impl Lister<'_> {
    pub(crate) fn list<T: serde::Serialize>(&self, items: Vec<T>) -> Outcome {
        paging::list(&self.0, items)
    }
}

impl Call<'_> {
    /// The `index`th parameter of the path.
    pub(crate) fn param(&self, index: usize) -> &str {
        self.params.get(index).map_or("", String::as_str)
    }

    /// The body; an absent one is an empty object (fact 5.2).
    pub(crate) fn body(&self) -> Value {
        match &self.parsed {
            Parsed::Value(value) => value.clone(),
            Parsed::Absent | Parsed::Multipart => Value::Object(serde_json::Map::new()),
        }
    }

    /// The store, and a way to answer a list from it.
    pub(crate) fn lister(&mut self) -> (&mut Store, Lister<'_>, &[String]) {
        let asked =
            Asked { query: &self.query, paging: self.route.paging, origin: &self.origin, path: &self.path };
        (&mut *self.store, Lister(asked), &self.params)
    }
}

/// Carries an operation out.
pub(crate) fn run(call: &mut Call<'_>) -> Outcome {
    let operation = call.route.operation;
    let answered = users::run(operation, call)
        .or_else(|| applications::run(operation, call))
        .or_else(|| organizations::run(operation, call))
        .or_else(|| roles::run(operation, call))
        .or_else(|| resources::run(operation, call))
        .or_else(|| connectors::run(operation, call))
        .or_else(|| hooks::run(operation, call))
        .or_else(|| one_time_tokens::run(operation, call))
        .or_else(|| logs::run(operation, call))
        .or_else(|| configs::run(operation, call))
        .or_else(|| well_known::run(operation, call));
    answered.unwrap_or_else(|| Err(ApiError::not_implemented(operation)))
}
