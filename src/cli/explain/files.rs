//! Decides by the files: with a pipeline that is made of them as `serve` makes its own, and that sends nothing.

use std::{process::ExitCode, sync::Arc};

use super::answer::Answer;
use crate::{
    app::GrantMetrics,
    cli::{self, INVALID_CONFIGURATION, Sources, usage},
    clock::{Clock, Random},
    config::{Address, Loaded},
    explain::{Question, explain},
    listen::tls::Tls,
    observe::Metrics,
    proxy::{BuildError, Pipeline, Shared},
    token::Tokens,
};

/// The answer; `asked` is the address at which nobody answered.
pub(super) fn answer(
    sources: &Sources,
    mut question: Question,
    asked: Option<&Address>,
) -> Result<Answer, ExitCode> {
    let presents = question.asked.has_credential() || question.certificate.is_some();
    // Whoever reviews a policy has no secrets; but by these credentials are verified.
    let loaded = match cli::load_policy(&sources.paths) {
        Ok(loaded) => loaded,
        Err(problems) => {
            if let Some(address) = asked {
                let why = match &*problems.files {
                    [] => "there are no files to decide by",
                    _ => "the configuration that is found here is invalid:",
                };
                tell!("claviger: no process answers at {address}, and {why}");
            }
            return Err(cli::report(&problems));
        }
    };
    if presents && let Err(problems) = cli::load(&sources.paths) {
        let first = problems.problems.first().map(ToString::to_string).unwrap_or_default();
        question.asked.notes.push(format!(
            "not all that the configuration names is here, so the credential may be valid all the same: {first}"
        ));
    }
    question.asked.notes.extend(cli::unseen_vault(&loaded).map(str::to_owned));
    let by = if sources.paths.is_empty() {
        "the configuration that is found here".to_owned()
    } else {
        sources.paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
    };
    let from = match asked {
        Some(address) => format!("no process answers at {address}; decided by {by}"),
        None => format!("decided by {by}, without asking a running process"),
    };
    let runtime = cli::runtime().map_err(|error| usage(&format!("cannot start: {error}")))?;
    runtime.block_on(async {
        let pipeline = pipeline(loaded).map_err(|error| {
            tell!("error: {error}");
            ExitCode::from(INVALID_CONFIGURATION)
        })?;
        match explain(&pipeline, question).await {
            Ok(explanation) => Ok(Answer { json: explanation.to_json().clone(), from }),
            Err(unclear) => Err(usage(&unclear.to_string())),
        }
    })
}

/// As a running process would have it. It is never warmed, so it asks nobody for tokens or keys.
fn pipeline(loaded: Loaded) -> Result<Pipeline, BuildError> {
    let (clock, metrics) = (Clock::system(), Arc::new(Metrics::new()));
    let grants = Arc::new(GrantMetrics(metrics.clone()));
    let tokens = Tokens::new(clock.clone(), Random::system(), grants, tokio::runtime::Handle::current());
    let tls = loaded.config.listen.tls.as_ref().map(|tls| Tls::new(tls, &clock)).transpose()?;
    Shared::new(metrics, clock, tokens).pipeline(Arc::new(loaded.config), tls.as_ref(), None)
}
