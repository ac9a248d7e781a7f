//! The way back: what of an upstream's answer reaches the caller, and the answers that Claviger makes itself.

pub mod body;
pub mod links;
pub mod problem;
pub mod redact;

pub use body::Body;
pub use links::Base;
