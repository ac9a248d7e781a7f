//! `claviger check`: all problems in one run; with `--online`, each tenant end to end.

use std::{
    os::unix::fs::FileTypeExt as _,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use crate::{
    app::{self, GrantMetrics},
    clock::{Clock, Random},
    config::{Address, AuditOutput, Caller, Config, Identity, Issue},
    observe::Metrics,
    policy::rules::Brings,
    proxy::{self, Shared},
    token::Tokens,
    vault::{VaultError, VaultTenants},
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
        Err(problems) => return super::report(&problems),
    };
    let config = &loaded.config;
    let (concerns, errors) = match proxy::examine(config, &Clock::system()) {
        Ok(concerns) => (concerns, Vec::new()),
        Err(errors) => (Vec::new(), errors),
    };
    let warnings: Vec<_> = loaded.warnings.iter().chain(&concerns).collect();
    for warning in &warnings {
        tell!("warning: {warning}");
    }
    if !errors.is_empty() {
        for error in &errors {
            tell!("error: {error}");
        }
        tell!("claviger: the configuration is invalid: {}", super::count(errors.len(), "problem"));
        return ExitCode::from(super::INVALID_CONFIGURATION);
    }
    let mut missing = missing_places(config);
    missing.extend(vault_concerns(config));
    for warning in &missing {
        tell!("warning: {warning}");
    }
    say!(
        "the configuration is valid: {}, {}, {}",
        super::count(config.tenants.len(), "tenant"),
        super::count(config.callers.len(), "caller"),
        super::count(warnings.len() + missing.len(), "warning"),
    );
    let mut said = Vec::new();
    for policy in &config.policies {
        for brings in Brings::of_all(&config.catalog.catalog, std::iter::once(policy)) {
            if !said.contains(&brings) {
                say!("  {brings}");
                said.push(brings);
            }
        }
    }
    let shared = not_shared(config).into_iter().chain(unshared_vault(config));
    for note in shared.chain(unguarded(config)).chain(wrong_keys(config)).chain(hidden_status(config)) {
        say!("  {note}");
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
            warnings.push(format!("{key}: {} exists and is not a socket. Remove it.", path.display()));
        }
    }
    let audit = match &config.audit.output {
        AuditOutput::File { path, .. } => Some(("audit.output", path)),
        _ => None,
    };
    let vault = config.vault.as_ref().and_then(|vault| vault.file()).map(|path| ("vault.store", path));
    for (key, path) in sockets.chain(audit).chain(vault) {
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

/// What is odd about the vault, where no process has it open: that one says so itself.
fn vault_concerns(config: &Config) -> Vec<String> {
    let Some(options) = &config.vault else { return Vec::new() };
    let Ok(runtime) = super::runtime() else { return Vec::new() };
    let read = async {
        let Some(store) = app::open_vault_file(options).await? else { return Ok(Vec::new()) };
        store.list().await
    };
    match runtime.block_on(read) {
        Ok(stored) => VaultTenants::new(stored.into_iter().map(|it| it.record), config)
            .concerns(config, Clock::system().now().wall),
        Err(VaultError::Unavailable(error)) if error.is_in_use() => Vec::new(),
        Err(error) => vec![format!("vault: {error}. {}", error.remedy())],
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

async fn online(config: Config) -> ExitCode {
    let clock = Clock::system();
    let metrics = Arc::new(Metrics::new());
    let grants = Arc::new(GrantMetrics(metrics.clone()));
    let tokens = Tokens::new(clock.clone(), Random::system(), grants, tokio::runtime::Handle::current());
    let shared = Shared::new(metrics, clock, tokens);
    let mut is_away = false;
    if let Some(options) = &config.redis {
        match app::probe_redis(options).await {
            Ok(server) => say!("redis: fine: connected to {server}"),
            Err(why) => {
                is_away = true;
                tell!("redis: {why}");
            }
        }
    }
    let pipeline = match shared.pipeline(Arc::new(config), None, None) {
        Ok(pipeline) => pipeline,
        Err(error) => return super::fail(&error.to_string()),
    };
    let mut bad = 0;
    for account in pipeline.accounts().all() {
        let name = account.config().name.as_str().replacen(':', ".", 1);
        match app::probe(&account, &shared).await {
            Ok(()) => say!("{name}: fine: {} takes the personal access token", account.endpoint()),
            Err(why) => {
                bad += 1;
                tell!("{name}: {why}");
            }
        }
    }
    for tenant in pipeline.tenants().all() {
        let name = &tenant.config().name;
        match app::probe(&tenant, &shared).await {
            Ok(()) => say!("{name}: fine: a token was granted, and {} accepts it", tenant.endpoint()),
            Err(why) => {
                bad += 1;
                tell!("{name}: {why}");
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
                say!("issuers.{}: fine: {}", issuer.name, super::count(keys, "key"));
                continue;
            }
            Some(Err(error)) => error.to_string(),
        };
        mute += 1;
        tell!("issuers.{}: {}: {why}. None of its tokens would be accepted.", issuer.name, issuer.issuer);
    }
    let failed = [(bad, "tenant"), (mute, "issuer")].into_iter().filter(|(many, _)| *many > 0);
    let failed = failed.map(|(many, what)| super::count(many, what));
    let failed: Vec<_> = failed.chain(is_away.then(|| "Redis".to_owned())).collect();
    match failed.is_empty() {
        true => ExitCode::SUCCESS,
        false => super::fail(&format!("{} cannot be used", failed.join(" and "))),
    }
}
