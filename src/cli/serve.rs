//! `claviger serve`: runs the proxy until SIGTERM or SIGINT; SIGHUP reloads.

use std::{path::PathBuf, pin::pin, process::ExitCode, sync::Arc};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

use super::{check::Start, unused_proxy};
use crate::{
    app::{App, Loader, ProbeError, StartError},
    clock::Clock,
    config::Loaded,
    observe::{Metrics, log},
};

#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    sources: super::Sources,
    /// Write the addresses as JSON to this file once all ports are bound.
    #[arg(long, value_name = "PATH")]
    ready_file: Option<PathBuf>,
    /// Try the credential of each tenant and account first, and do not start where Logto refuses one. A Logto that cannot be reached is a
    /// warning: it may be back before the credential is needed.
    #[arg(long)]
    strict: bool,
    /// A file without --config in front of it.
    #[arg(hide = true, value_name = "FILE", value_parser = super::sources::by_option)]
    file: Option<PathBuf>,
}

pub(super) fn run(args: Args) -> ExitCode {
    let loaded = match super::load(&args.sources.paths) {
        Ok(loaded) => loaded,
        Err(problems) => return super::report(&problems),
    };
    let metrics = Arc::new(Metrics::new());
    let repeated = match log::init(&loaded.config.log, metrics.log_lost.clone()) {
        Ok(repeated) => repeated,
        Err(error) => return super::fail(&error.to_string()),
    };
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    if let Some(note) = unused_proxy::note(&loaded.config) {
        tracing::warn!("{note}");
    }
    let paths = args.sources.paths.clone();
    let ended = match super::runtime() {
        Ok(runtime) => {
            let ended = runtime.block_on(async {
                tokio::spawn(repeated.tell());
                serve(loaded, args, metrics).await
            });
            ended.unwrap_or_else(|error| not_started(&error, &paths))
        }
        Err(error) => super::fail(&format!("cannot start: {error}")),
    };
    log::flush();
    ended
}

/// Says all that is in the way of a start, as far as it is found without making anything.
fn not_started(error: &StartError, paths: &[PathBuf]) -> ExitCode {
    for what in error.each() {
        tracing::error!("{what}");
    }
    let said = match error {
        StartError::Bind(_) => "listen.",
        StartError::Audit(_) => "audit.",
        _ => return ExitCode::from(super::NO),
    };
    if let Ok(loaded) = super::load(paths) {
        for what in Start::of(&loaded.config).errors.iter().filter(|what| !what.starts_with(said)) {
            tracing::error!("{}", loaded.placed(what));
        }
    }
    ExitCode::from(super::NO)
}

async fn serve(loaded: Loaded, args: Args, metrics: Arc<Metrics>) -> Result<ExitCode, StartError> {
    // Before anything else: a signal that comes while it starts must not kill it.
    let (stop, reload) = match signals() {
        Ok(signals) => signals,
        Err(error) => {
            tracing::error!("cannot watch for signals: {error}");
            return Ok(ExitCode::from(super::NO));
        }
    };
    let mut stop = pin!(stop);
    let paths = args.sources.paths;
    let loader: Loader = Box::new(move || super::load(&paths));
    let app = App::start(loaded, loader, metrics, Clock::system()).await?;
    if args.strict {
        tokio::select! {
            work = credentials_work(&app) => if !work { return Ok(ExitCode::from(super::NO)) },
            () = &mut stop => return Ok(ExitCode::SUCCESS),
        }
    }
    // The log is complete up to here once the process is ready.
    log::flush();
    if let Some(path) = &args.ready_file
        && let Err(error) = app.addresses().write(path)
    {
        tracing::error!("--ready-file {}: {error}", path.display());
        return Ok(ExitCode::from(super::NO));
    }
    Ok(match app.run(stop, reload).await {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(super::NO),
    })
}

/// Whether Logto refuses no tenant's credential.
async fn credentials_work(app: &App) -> bool {
    let mut refused = 0;
    for (tenant, error) in app.probe_tenants().await {
        match error {
            ProbeError::Refused(why) => {
                refused += 1;
                tracing::error!(%tenant, "this tenant's credential does not work: {why}");
            }
            ProbeError::Unknown(why) => {
                tracing::warn!(%tenant, "cannot tell whether this tenant works: {why}")
            }
        }
    }
    if refused > 0 {
        tracing::error!(refused, "not started: --strict, and Logto refuses a credential");
    }
    refused == 0
}

/// SIGTERM and SIGINT stop, SIGHUP reloads; a second one to stop does not wait.
pub(super) fn signals() -> std::io::Result<(impl Future<Output = ()>, mpsc::Receiver<()>)> {
    let stop = stopping()?;
    let mut hup = signal(SignalKind::hangup())?;
    let (reload, reloads) = mpsc::channel(1);
    tokio::spawn(async move {
        while hup.recv().await.is_some() {
            // One that waits already is enough.
            let _: Result<(), _> = reload.try_send(());
        }
    });
    Ok((stop, reloads))
}

/// Until SIGTERM or SIGINT comes; a second one ends the process at once.
pub(super) fn stopping() -> std::io::Result<impl Future<Output = ()>> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let (stop, stopped) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
        let _: Result<(), ()> = stop.send(());
        tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
        tracing::warn!("stopped at once: a second signal came");
        log::flush();
        std::process::exit(super::NO.into());
    });
    Ok(async { drop(stopped.await) })
}
