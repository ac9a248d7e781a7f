//! `claviger check --online`: each tenant end to end, each account, issuers' keys, Redis.

use std::{process::ExitCode, sync::Arc};

use super::super::output::sentence;
use crate::{
    app::{self, GrantMetrics},
    clock::{Clock, Random},
    config::{Config, StoreOptions},
    observe::Metrics,
    proxy::Shared,
    token::Tokens,
    vault::{VaultError, VaultTenants},
};

/// Tries them, each with the secrets that `serve` would use: those of the vault come first.
pub(super) async fn online(config: Config, vault: Result<VaultTenants, VaultError>) -> ExitCode {
    let clock = Clock::system();
    let metrics = Arc::new(Metrics::new());
    let grants = Arc::new(GrantMetrics(metrics.clone()));
    let tokens = Tokens::new(clock.clone(), Random::system(), grants, tokio::runtime::Handle::current());
    let shared = Shared::new(metrics, clock, tokens);
    let mut is_away = false;
    if let Some(options) = &config.redis {
        let has_vault =
            config.vault.as_ref().is_some_and(|vault| matches!(vault.store, StoreOptions::Redis(_)));
        match app::probe_redis(options, has_vault).await {
            Ok(server) => say!("redis: fine: connected to {server}"),
            Err(why) => {
                is_away = true;
                tell!("redis: {why}");
            }
        }
    }
    let (config, unread) = match vault {
        Ok(vault) => (vault.beside(&config), None),
        Err(error) => (config, Some(error)),
    };
    let pipeline = match shared.pipeline(Arc::new(config), None, None) {
        Ok(pipeline) => pipeline,
        Err(error) => return super::super::fail(&error.to_string()),
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
                if unread.is_some() {
                    tell!("{name}: this is the secret that is configured; the vault may have a newer one");
                }
            }
        }
    }
    if let Some(error) = &unread {
        tell!("vault: {}", not_tried(error));
    }
    let mut mute = 0;
    for keyring in pipeline.authenticators().keyrings() {
        let issuer = keyring.issuer();
        let why = match keyring.probe().await {
            None => continue,
            Some(Ok(0)) => "it publishes no usable key.".to_owned(),
            Some(Ok(keys)) => {
                say!("issuers.{}: fine: {}", issuer.name, super::super::count(keys, "key"));
                continue;
            }
            Some(Err(error)) => format!("{} {}", sentence(&error.to_string()), error.remedy()),
        };
        mute += 1;
        let asked = issuer.asked().unwrap_or_default();
        tell!("issuers.{}: {asked}: {why} None of its tokens would be accepted.", issuer.name);
    }
    let failed = [(bad, "tenant"), (mute, "issuer")].into_iter().filter(|(many, _)| *many > 0);
    let failed = failed.map(|(many, what)| super::super::count(many, what));
    let failed: Vec<_> = failed.chain(is_away.then(|| "Redis".to_owned())).collect();
    let unusable = (!failed.is_empty()).then(|| format!("{} cannot be used", failed.join(" and ")));
    let untried = unread.map(|_| "the tenants of the vault were not tried".to_owned());
    let why: Vec<_> = unusable.into_iter().chain(untried).collect();
    match why.is_empty() {
        true => ExitCode::SUCCESS,
        false => super::super::fail(&why.join("; ")),
    }
}

/// Why nothing of the vault was tried, and what to do instead.
fn not_tried(error: &VaultError) -> String {
    match error {
        VaultError::Unavailable(error) if error.is_in_use() => {
            "another process has it, so its tenants and the secrets that were rotated were not tried here. How they are, that \
             process shows: claviger status"
                .to_owned()
        }
        error => format!("its tenants and the secrets that were rotated were not tried: {} {}", sentence(&error.to_string()), error.remedy()),
    }
}
