//! The operations of the Logto Management API, and of the Logto Cloud API, as data: which there are, which are sensitive and why, which are
//! paged, what they take. `operations.tsv` holds the facts; this module reads it once, adds what a reviewed file says of a newer
//! Logto, and finds an operation by its name or by method and path. It knows nothing of callers and rules, and never decides whether a request may pass.

mod added;
mod api;
mod cloud;
mod document;
mod extend;
mod facts;
mod index;
mod kept;
pub mod matcher;
mod meant;
mod nearest;
mod operation;
pub mod ops;
mod parameters;
mod parse;
pub mod secrets;
pub mod template;

pub use self::{
    api::Api,
    cloud::{CREATE_TENANT, DELETE_TENANT, SUBSCRIBE_TENANT},
    document::ApiDocument,
    extend::{FileProblem, UNREVIEWED},
    index::{Catalog, Tagged},
    meant::{Meant, Slip},
    nearest::nearest,
    operation::{Op, Operation, Paging, Requirement, Risk, Verb},
    parameters::Parameters,
    parse::CatalogError,
    secrets::Secrets,
};

#[cfg(test)]
mod tests;
