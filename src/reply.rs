//! The answer to the caller: the body of every answer with the record that it owns, and the headers that lead back
//! through this proxy. What of an upstream's answer may be seen has been decided before, by the response filter.

mod blocked;
mod body;
mod links;

pub use blocked::report;
pub use body::{Body, BodySource};
pub use links::{Base, rebuild};
