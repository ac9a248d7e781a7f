//! Whether a request may pass: the path in its one form, the operation it is, the rules about it.
//!
//! Reads top to bottom as a request goes: [`target`] (which tenant, which path) → [`path`] (one reading, or
//! refused) → [`matched`] (which operation, and the path as it will be forwarded) → [`rules`] and [`decide`]
//! (allowed or not, by which rule). Everything here is pure: no I/O, no clock, and no allocation for an
//! ordinary request.

mod asked;
mod catalog_check;
pub mod compile;
pub mod conditions;
pub mod decide;
mod denies;
mod extent;
pub mod forward_auth;
mod grant;
mod grants;
mod idle_allows;
mod idle_cloud;
mod idle_reveals;
pub mod matched;
pub mod matrix;
pub mod path;
mod permit;
mod refusal;
pub mod reveal;
mod rights;
pub mod rules;
mod scope;
mod source;
pub mod suggest;
mod tables;
pub mod target;
mod token_spec;

pub use catalog_check::CatalogCheck;
pub use denies::idle_denies;
pub use extent::{Extent, Extents};
pub use forward_auth::ForwardAuthError;
pub use grant::place_of_rules;
pub use grants::{DESCRIBE, Grants, ISSUE, Judged};
pub use idle_allows::idle_allows;
pub use idle_cloud::idle_cloud;
pub use idle_reveals::idle_reveals;
pub use permit::{Action, Granted, Permit, PermittedOperation, Sharing, Tenant};
pub use refusal::{NoDocument, Refusal};
pub use rights::{Hidden, Rights};
pub use target::Asked;
pub use token_spec::{Narrowing, TokenSpec};
