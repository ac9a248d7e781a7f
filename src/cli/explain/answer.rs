//! An answer, and what is printed where there is none.

use std::process::ExitCode;

use serde_json::Value;

/// The exit code where the question cannot be answered: neither yes nor no.
const USAGE: u8 = 2;

/// An answer, and whose it is.
pub(super) struct Answer {
    pub(super) json: Value,
    pub(super) from: String,
}

/// It was asked wrongly, or there is nobody to ask.
pub(super) fn usage(why: &str) -> ExitCode {
    eprintln!("claviger: {why}");
    ExitCode::from(USAGE)
}
