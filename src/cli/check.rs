//! `claviger check`: all problems in one run; with `--online`, each tenant end to end.

mod online;
mod start;

use std::{path::PathBuf, process::ExitCode};

use self::online::online;
pub(super) use self::start::Start;
use crate::{
    clock::Clock,
    config::{Address, Caller, Config, Identity, Issue},
    policy::rules::Brings,
    proxy::{self, Findings},
};

#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    sources: super::Sources,
    /// Get a token for each tenant and make one harmless call; try the token of each account at Logto Cloud; fetch the keys of callers'
    /// issuers; connect to Redis.
    #[arg(long)]
    online: bool,
    /// A file without --config in front of it.
    #[arg(hide = true, value_name = "FILE", value_parser = super::sources::by_option)]
    file: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let loaded = match super::load(&args.sources.paths) {
        Ok(loaded) => loaded,
        Err(problems) => return super::report_first(&problems),
    };
    let config = &loaded.config;
    let (found, errors) = match proxy::examine(config, &Clock::system()) {
        Ok(found) => (found, Vec::new()),
        Err(errors) => (Findings::default(), errors),
    };
    let Findings { concerns, notes } = found;
    let warnings: Vec<_> = loaded.warnings.iter().chain(&concerns).collect();
    for warning in &warnings {
        tell!("warning: {}", loaded.placed(&warning.to_string()));
    }
    let start = Start::of(config);
    for warning in &start.warnings {
        tell!("warning: {}", loaded.placed(warning));
    }
    let errors = errors.iter().map(ToString::to_string).chain(start.errors);
    let errors: Vec<_> = errors.map(|error| loaded.placed(&error)).collect();
    if !errors.is_empty() {
        for error in &errors {
            tell!("error: {error}");
        }
        tell!("claviger: the configuration is invalid: {}", super::count(errors.len(), "problem"));
        return ExitCode::from(super::INVALID_CONFIGURATION);
    }
    say!(
        "the configuration is valid: {}, {}, {}",
        super::count(config.tenants.len(), "tenant"),
        super::count(config.callers.len(), "caller"),
        super::count(warnings.len() + start.warnings.len(), "warning"),
    );
    let mut said = Vec::new();
    for policy in &config.policies {
        for brings in Brings::of_all(&config.catalog.catalog, std::iter::once(policy)) {
            if !said.contains(&brings) {
                if said.is_empty() {
                    say!("  what the rules allow (each operation: claviger policy matrix):");
                }
                say!("    {brings}");
                said.push(brings);
            }
        }
    }
    let shared = not_shared(config).into_iter().chain(unshared_vault(config));
    for note in start
        .notes
        .into_iter()
        .chain(notes)
        .chain(shared)
        .chain(unguarded(config))
        .chain(wrong_keys(config))
        .chain(hidden_status(config))
        .chain(args.online.then(|| super::unused_proxy::note(config)).flatten())
    {
        say!("  {note}");
    }
    if !args.online {
        return ExitCode::SUCCESS;
    }
    match super::runtime() {
        Ok(runtime) => runtime.block_on(online(loaded.config, start.vault)),
        Err(error) => super::fail(&format!("cannot start: {error}")),
    }
}

/// A vault that only one of several replicas could open, where there may be some.
fn unshared_vault(config: &Config) -> Option<String> {
    let path = config.vault.as_ref().and_then(|vault| vault.file())?;
    may_have_replicas(config).then(|| {
        format!(
            "one process at a time has the vault, {}: for several replicas write store = {{ redis = true }} or {{ kubernetes = {{ namespace = \"…\" }} }}",
            path.display()
        )
    })
}

/// Beside a caller that comes over the network.
fn may_have_replicas(config: &Config) -> bool {
    let is_local = |address: &Address| match address {
        Address::Tcp(address) => address.ip().is_loopback(),
        Address::Unix(_) => true,
    };
    !config.listen.proxy.iter().all(is_local)
}

/// What replicas would have to share and do not, where there may be some: beside a caller that comes over the network.
fn not_shared(config: &Config) -> Option<String> {
    let is_shared = config.redis.as_ref().is_some_and(|redis| redis.share_limits);
    if is_shared || !may_have_replicas(config) {
        return None;
    }
    let named = |kind: &str, names: Vec<&str>| match &*names {
        [] => None,
        [name] => Some(format!("the {kind} of {name}")),
        names => Some(format!(
            "the {kind}s of {}",
            super::count(names.len(), if kind == "quota" { "tenant" } else { "caller" })
        )),
    };
    let quotas = config.tenants.iter().filter(|tenant| tenant.quota.is_some());
    let rates = config.callers.iter().filter(|caller| caller.rate.is_some());
    let counted = [
        named("quota", quotas.map(|tenant| tenant.name.as_str()).collect()),
        named("rate", rates.map(|caller| caller.name.as_str()).collect()),
    ];
    let counted: Vec<_> = counted.into_iter().flatten().collect();
    (!counted.is_empty()).then(|| {
        format!(
            "each replica counts for itself: {}. With N replicas, write one N-th of it, or share it through a [redis] (docs/quota.md)",
            counted.join(", ")
        )
    })
}

/// What callers can do that no rule restricts: for the review of a policy.
fn unguarded(config: &Config) -> Vec<String> {
    let own = config.callers.iter().filter(|caller| caller.issue == Issue::Upstream);
    let own = own.map(|caller| {
        format!(
            "caller {} gets the tenant's own token from the broker: with it, no rule binds it at Logto itself (issue = \"upstream\")",
            caller.name
        )
    });
    let lent = config.authz.enabled.then(|| {
        "authz.enabled lends the tenant's own token to another proxy: Claviger decides, and sees neither body nor answer"
            .to_owned()
    });
    own.chain(lent).collect()
}

/// Where a mistyped key goes unnoticed: a bearer that is no caller's is ignored, and the connection then says whose request it is.
fn wrong_keys(config: &Config) -> Option<String> {
    let by_connection = |identity: &&Identity| {
        matches!(identity, Identity::Loopback | Identity::UnixUid(_) | Identity::UnixGid(_))
    };
    let has_key =
        |caller: &Caller| caller.identify.iter().any(|identity| matches!(identity, Identity::ApiKey { .. }));
    let with_key = config.callers.iter().filter(|caller| has_key(caller));
    let local = config.callers.iter().filter_map(|caller| {
        let method = caller.identify.iter().find(by_connection)?;
        // Its own keys beside it are no other's.
        let is_beside = with_key.clone().any(|other| other.name != caller.name);
        is_beside.then(|| format!("{} ({})", caller.name, method.key()))
    });
    let local: Vec<_> = local.collect();
    if local.is_empty() {
        return None;
    }
    Some(format!(
        "a wrong bearer key from this machine counts as {}: clients should send Claviger-Key, where a wrong one is a 401",
        local.join(" or ")
    ))
}

/// Where nobody can look at how the process is.
fn hidden_status(config: &Config) -> Option<String> {
    let is_open = |address: &Address| matches!(address, Address::Tcp(address) if !address.ip().is_loopback());
    let open =
        config.listen.admin.as_ref().filter(|address| is_open(address) && config.admin.token.is_none())?;
    Some(format!(
        "nobody can see /status: listen.admin is {open}, and there is no admin.token. `claviger status` and the page need one"
    ))
}
