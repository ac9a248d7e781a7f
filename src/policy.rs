//! Whether a request may pass: the path in its one form, the operation it is, the rules about it.
//!
//! Reads top to bottom as a request goes: [`target`] (which tenant, which path) → [`path`] (one reading, or
//! refused) → [`matched`] (which operation, and the path as it will be forwarded) → [`rules`] and [`decide`]
//! (allowed or not, by which rule). Everything here is pure: no I/O, no clock, and no allocation for an
//! ordinary request.

pub mod asks;
pub mod compile;
pub mod conditions;
pub mod decide;
pub mod grants;
pub mod lend;
pub mod matched;
pub mod path;
mod refusal;
pub mod reveal;
pub mod rules;
mod source;
mod tables;
pub mod target;
