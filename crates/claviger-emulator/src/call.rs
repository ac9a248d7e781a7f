//! One call of an operation: everything that its handler may use.
//!
//! Decides nothing; it must never know a handler.

use serde_json::Value;

use crate::{
    body::Parsed,
    errors::Outcome,
    jwt::Keys,
    paging::{self, Asked, Query},
    routes::Route,
    store::Store,
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
