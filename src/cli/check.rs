//! `claviger check`: every problem at once; with `--online`, each tenant end to end.

use std::{os::unix::fs::FileTypeExt as _, path::Path, process::ExitCode, sync::Arc, time::Duration};

use http::{Request, StatusCode};
use tokio::time::Instant;

use crate::{
    app::GrantMetrics,
    clock::{Clock, Random},
    config::{Address, AuditOutput, Config},
    limit::Dispatch,
    observe::{Metrics, OperationMetrics, Record, RequestId},
    policy::rules::Brings,
    proxy::{self, Failure, Shared},
    token::Tokens,
    upstream::{self, Outbound, Prepared, Tenant, UpstreamError},
};

/// Harmless, small, and refused without the scope `all`.
const PROBE: &str = "/api/roles?page=1&page_size=1";
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    sources: super::Sources,
    /// Get a token for each tenant and make one harmless call.
    #[arg(long)]
    online: bool,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let loaded = match super::load(&args.sources.paths) {
        Ok(loaded) => loaded,
        Err(problems) => return super::report(&problems),
    };
    let config = &loaded.config;
    let (concerns, error) = match proxy::examine(config, &Clock::system()) {
        Ok(concerns) => (concerns, None),
        Err(error) => (Vec::new(), Some(error)),
    };
    let warnings: Vec<_> = loaded.warnings.iter().chain(&concerns).collect();
    for warning in &warnings {
        eprintln!("warning: {warning}");
    }
    if let Some(error) = error {
        eprintln!("error: {error}");
        eprintln!("claviger: the configuration is invalid: {}", super::count(1, "problem"));
        return ExitCode::from(super::INVALID_CONFIGURATION);
    }
    let missing = missing_places(config);
    for warning in &missing {
        eprintln!("warning: {warning}");
    }
    println!(
        "the configuration is valid: {}, {}, {}",
        super::count(config.tenants.len(), "tenant"),
        super::count(config.callers.len(), "caller"),
        super::count(warnings.len() + missing.len(), "warning"),
    );
    let allowed = config.policies.iter().flat_map(|policy| &policy.allow);
    for brings in Brings::of_all(&config.catalog.catalog, allowed.map(|rule| rule.text.as_str())) {
        println!("  {brings}");
    }
    if !args.online {
        return ExitCode::SUCCESS;
    }
    match super::runtime() {
        Ok(runtime) => runtime.block_on(online(loaded.config)),
        Err(error) => super::fail(&format!("cannot start: {error}")),
    }
}

/// What `serve` would make files in, where it is not there. A warning, since it may be there where `serve` runs.
fn missing_places(config: &Config) -> Vec<String> {
    let sockets =
        [("listen.proxy", config.listen.proxy.as_slice()), ("listen.admin", config.listen.admin.as_slice())];
    let sockets = sockets.into_iter().flat_map(|(key, addresses)| {
        addresses.iter().filter_map(move |address| match address {
            Address::Unix(path) => Some((key, path)),
            Address::Tcp(_) => None,
        })
    });
    let mut warnings = Vec::new();
    for (key, path) in sockets.clone() {
        let there = std::fs::symlink_metadata(path);
        if there.is_ok_and(|there| !there.file_type().is_socket()) {
            warnings
                .push(format!("{key}: {} is not a socket, and in its way here. Remove it.", path.display()));
        }
    }
    let audit = match &config.audit.output {
        AuditOutput::File { path, .. } => Some(("audit.output", path)),
        _ => None,
    };
    for (key, path) in sockets.chain(audit) {
        let parent = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
        if !parent.is_dir() {
            let directory = parent.display();
            warnings.push(format!(
                "{key}: there is no directory {directory} here. Where claviger serve runs, create it, writable for its user."
            ));
        }
    }
    warnings
}

async fn online(config: Config) -> ExitCode {
    let clock = Clock::system();
    let metrics = Arc::new(Metrics::new());
    let grants = Arc::new(GrantMetrics(metrics.clone()));
    let tokens = Tokens::new(clock.clone(), Random::system(), grants, tokio::runtime::Handle::current());
    let shared = Shared::new(metrics, clock, tokens);
    let pipeline = match shared.pipeline(Arc::new(config), None, None) {
        Ok(pipeline) => pipeline,
        Err(error) => return super::fail(&error.to_string()),
    };
    let mut bad = 0;
    for tenant in pipeline.tenants().all() {
        let name = &tenant.config().name;
        match probe(&tenant, &shared).await {
            Ok(()) => println!("{name}: fine: a token was granted, and {} accepts it", tenant.endpoint()),
            Err(why) => {
                bad += 1;
                eprintln!("{name}: {why}");
            }
        }
    }
    let mut mute = 0;
    for keyring in pipeline.authenticators().keyrings() {
        let issuer = keyring.issuer();
        let why = match keyring.probe().await {
            None => continue,
            Some(Ok(0)) => "it publishes no usable key".to_owned(),
            Some(Ok(keys)) => {
                println!("issuers.{}: fine: {}", issuer.name, super::count(keys, "key"));
                continue;
            }
            Some(Err(error)) => error.to_string(),
        };
        mute += 1;
        eprintln!("issuers.{}: {}: {why}. None of its tokens would be accepted.", issuer.name, issuer.issuer);
    }
    match (bad, mute) {
        (0, 0) => ExitCode::SUCCESS,
        (_, 0) => super::fail(&format!("{} cannot be used", super::count(bad, "tenant"))),
        (0, _) => super::fail(&format!("{} cannot vouch for anybody", super::count(mute, "issuer"))),
        _ => super::fail(&format!(
            "{} cannot be used, and {} cannot vouch for anybody",
            super::count(bad, "tenant"),
            super::count(mute, "issuer")
        )),
    }
}

async fn probe(tenant: &Arc<Tenant>, shared: &Shared) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    let (head, ()) = Request::get(PROBE).body(()).map_err(|error| error.to_string())?.into_parts();
    let name = tenant.config().name.as_str();
    let operation = Arc::new(OperationMetrics::new(shared.metrics.clone(), "", name, "ListRoles"));
    let id = RequestId::of(&head.headers, |_| false, || fastrand::u64(..));
    let log = crate::config::LogRequests::Off;
    let mut record = Record::begin(id, head.method.clone(), operation, shared.events.clone(), log);
    let dispatch = Dispatch::probe(tenant.clone(), PROBE).await.map_err(|error| error.to_string())?;
    let outbound = Outbound { head: &head, worker: 0, deadline };
    let body = Prepared::Held(bytes::Bytes::new());
    let status = match upstream::send(dispatch, outbound, body, &mut record).await {
        Ok(answer) => answer.status(),
        Err(UpstreamError::Token(error)) => return Err(format!("no token: {error}. {}", error.remedy())),
        Err(error) => return Err(explain(&error.into())),
    };
    match status {
        status if status.is_success() => Ok(()),
        StatusCode::FORBIDDEN => Err(format!(
            "a token was granted, but the Management API answers {status}. Assign a role with the permission `all` of the \
             Logto Management API to this machine-to-machine application; a token from before that stays without it for an hour."
        )),
        StatusCode::NOT_FOUND => Err(format!(
            "a token was granted, but there is no Management API at {}. Set `endpoint` to the tenant's own address.",
            tenant.endpoint()
        )),
        status => Err(format!("a token was granted, but the Management API answers {status}.")),
    }
}

fn explain(failure: &Failure) -> String {
    let description = failure.describe();
    let cause = failure.cause().map(|cause| format!(" ({cause})")).unwrap_or_default();
    format!("{}{cause}", failure.detail(&description))
}
