//! The way back: what of an upstream's answer reaches the caller, and the answers that Claviger makes itself.

pub mod body;
pub mod guard;
pub mod links;
pub mod problem;
pub mod redact;
pub mod screen;

pub use body::Body;
pub use links::Base;
pub use screen::{Screen, Withheld};
