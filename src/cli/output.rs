//! What commands print in common, and the exit codes that go with it.

use std::{io::Write as _, process::ExitCode};

use crate::config::Problems;

pub(super) const NO: u8 = 1;
pub(super) const INVALID_CONFIGURATION: u8 = 64;

/// Prints all of it; a reader that has seen enough (`| head`) is no failure.
pub(super) fn print(text: &str) -> ExitCode {
    let _: std::io::Result<()> = std::io::stdout().lock().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

pub(super) fn fail(why: &str) -> ExitCode {
    eprintln!("claviger: {why}");
    ExitCode::from(NO)
}

/// Prints every problem, then how many there were.
pub(super) fn report(problems: &Problems) -> ExitCode {
    for warning in &problems.warnings {
        eprintln!("warning: {warning}");
    }
    for problem in &problems.problems {
        eprintln!("error: {problem}");
    }
    eprintln!("claviger: the configuration is invalid: {}", count(problems.problems.len(), "problem"));
    ExitCode::from(INVALID_CONFIGURATION)
}

pub(super) fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
