//! What the shell may complete with: names out of the configuration that the command line names, tags, operations. The
//! shell runs the program itself for it, so that nothing is out of date.

use std::path::PathBuf;

use clap_complete::{CompleteEnv, CompletionCandidate, env::Shells};

use super::load_policy;
use crate::{catalog::Catalog, config::Config};

/// The variable by which the shell asks.
const VARIABLE: &str = "COMPLETE";

/// Answers the shell, where it is the shell that asks; the process ends then.
pub(super) fn answer(command: fn() -> clap::Command) {
    CompleteEnv::with_factory(command).var(VARIABLE).complete();
}

/// The names of shells.
pub(super) fn shells() -> clap::builder::PossibleValuesParser {
    Shells::builtins().names().collect::<Vec<_>>().into()
}

/// The lines for a shell's start-up file.
pub(super) fn script(shell: &str) -> std::io::Result<String> {
    let mut script = Vec::new();
    if let Some(shell) = Shells::builtins().completer(shell) {
        shell.write_registration(VARIABLE, "claviger", "claviger", "claviger", &mut script)?;
    }
    Ok(String::from_utf8_lossy(&script).into_owned())
}

pub(super) fn callers() -> Vec<CompletionCandidate> {
    names(|config| config.callers.iter().map(|caller| caller.name.to_string()).collect())
}

pub(super) fn tenants() -> Vec<CompletionCandidate> {
    names(|config| config.tenants.iter().map(|tenant| tenant.name.to_string()).collect())
}

pub(super) fn tags() -> Vec<CompletionCandidate> {
    Catalog::logto().tags().iter().copied().map(CompletionCandidate::new).collect()
}

/// Of the configuration in the files that the line names by `--config`; none where that is invalid.
fn names(of: impl Fn(&Config) -> Vec<String>) -> Vec<CompletionCandidate> {
    let words: Vec<_> = std::env::args_os().collect();
    let named = words.windows(2).filter(|pair| pair[0] == "--config").map(|pair| PathBuf::from(&pair[1]));
    let Ok(loaded) = load_policy(&named.collect::<Vec<_>>()) else { return Vec::new() };
    of(&loaded.config).into_iter().map(CompletionCandidate::new).collect()
}
