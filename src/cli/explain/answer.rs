//! An answer, and what is printed where there is none.

use std::process::ExitCode;

use serde_json::Value;

/// Of what is asked, and of whom: it is neither yes nor no.
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
