//! What the shell completes with: callers and tenants of the configuration that the command line names, operations and tags of
//! its catalog. The shell runs the program for it, so nothing is out of date.

use std::{path::PathBuf, sync::Arc};

use clap_complete::{CompleteEnv, CompletionCandidate, env::Shells};

use super::load_policy;
use crate::{
    catalog::{Catalog, Operation},
    config::Config,
};

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
    catalog().tags().iter().copied().map(CompletionCandidate::new).collect()
}

/// With method and path, for shells that show them.
pub(super) fn operations() -> Vec<CompletionCandidate> {
    let candidate = |operation: &Operation| {
        let what = format!("{} {}", operation.verb.as_str(), operation.template.as_str());
        CompletionCandidate::new(operation.id).help(Some(what.into()))
    };
    catalog().operations().map(|(_, operation)| candidate(operation)).collect()
}

/// That of the configuration, with its catalog file; Claviger's own where there is no valid one.
fn catalog() -> Arc<Catalog> {
    configured().map_or_else(Catalog::embedded, |config| config.catalog.catalog)
}

fn names(of: impl Fn(&Config) -> Vec<String>) -> Vec<CompletionCandidate> {
    let names = configured().map(|config| of(&config)).unwrap_or_default();
    names.into_iter().map(CompletionCandidate::new).collect()
}

/// The configuration in the files that the line names by `--config`, or that is found; none where it is invalid.
fn configured() -> Option<Config> {
    let words: Vec<_> = std::env::args_os().collect();
    let apart = words.windows(2).filter(|pair| pair[0] == "--config").map(|pair| PathBuf::from(&pair[1]));
    let joined = words.iter().filter_map(|word| word.to_str()?.strip_prefix("--config=").map(PathBuf::from));
    let paths: Vec<_> = apart.chain(joined).collect();
    load_policy(&paths).ok().map(|loaded| loaded.config)
}
