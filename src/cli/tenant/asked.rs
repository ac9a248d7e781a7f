//! What is asked about tenants of the vault, and who answers: the process that runs, which has the file, and where none does, the
//! file itself.

use std::{io::ErrorKind, sync::Arc, time::Duration};

use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::super::{output::sentence, process::Process};
use crate::{
    app::{GrantMetrics, open_vault, open_vault_file},
    clock::{Clock, Random},
    config::Config,
    observe::Metrics,
    proxy::{AdoptError, Adoption, Shared, alias},
    token::Tokens,
    vault::{Unavailable, Vault, VaultError, VaultTenants},
};

/// A grant may take its time.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// What is asked.
pub(super) enum Ask {
    List,
    Show(String),
    Remove(String),
    Rotate(String),
    Adopt(Box<Adoption>),
}

pub(super) fn answer(plain: &super::super::Plain, config: Config, ask: &Ask) -> Result<Value, String> {
    let process = Process::quietly(&plain.sources, None).filter(Process::has_token);
    // Where nobody is there the file is free.
    if let Some(answered) = process.as_ref().and_then(|process| through(process, ask)) {
        return answered;
    }
    let runtime = super::super::runtime().map_err(|error| format!("cannot start: {error}"))?;
    runtime.block_on(in_the_file(config, ask)).map_err(|error| match (&error, &process) {
        (AdoptError::Vault(VaultError::Unavailable(why)), Some(process)) if why.is_in_use() => format!(
            "{why}, and nothing answers at {}, which is listen.admin of this configuration. Give the configuration that the other process runs with (--config).",
            process.address
        ),
        _ => said(&error),
    })
}

pub(super) fn said(error: &AdoptError) -> String {
    sentence(format!("{} {}", sentence(&error.to_string()), error.remedy()).trim_end())
}

/// The answer of the process that runs; `None` where there is none.
fn through(process: &Process, ask: &Ask) -> Option<Result<Value, String>> {
    let (method, target, body) = match ask {
        Ask::List => ("GET", "/tenants".to_owned(), Zeroizing::default()),
        Ask::Show(alias) => ("GET", format!("/tenants/{alias}"), Zeroizing::default()),
        Ask::Remove(alias) => ("DELETE", format!("/tenants/{alias}"), Zeroizing::default()),
        Ask::Rotate(alias) => ("POST", format!("/tenants/{alias}/rotate"), Zeroizing::default()),
        Ask::Adopt(adoption) => ("POST", "/tenants".to_owned(), Zeroizing::new(json!(adoption).to_string())),
    };
    if let Ask::Show(name) | Ask::Remove(name) | Ask::Rotate(name) = ask
        && let Err(error) = alias(name)
    {
        return Some(Err(error.to_string()));
    }
    if !process.is_on_this_machine() && matches!(ask, Ask::Adopt(_)) {
        return Some(Err(
            "the admin listener is not on this machine: a secret is not sent there in clear".into()
        ));
    }
    let answer = match process.send(method, &target, &body, PATIENCE) {
        Ok(answer) => answer,
        Err(error) if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound) => {
            return None;
        }
        // It may have been done.
        Err(error) => {
            let what = format!("{}: the process gave no answer: {error}", process.address);
            return Some(Err(format!("{what}. See what happened: claviger tenant list.")));
        }
    };
    let value: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    Some(match (answer.status, refused(&value)) {
        (200, _) => Ok(value),
        (_, Some(why)) => Err(why),
        _ => Err(format!("{}: {}", process.address, answer.last_line())),
    })
}

/// Why the process did not do it.
pub(super) fn refused(answer: &Value) -> Option<String> {
    let remedy = answer["remedy"].as_str().unwrap_or_default();
    Some(format!("{} {remedy}", sentence(answer["message"].as_str()?)).trim_end().to_owned())
}

async fn in_the_file(config: Config, ask: &Ask) -> Result<Value, AdoptError> {
    let Some(options) = config.vault.clone() else {
        return Err(no_vault().into());
    };
    if let Ask::Adopt(adoption) = ask {
        let (vault, _) = open_vault(&options).await?;
        let again = serde_json::to_value(adoption).and_then(serde_json::from_value);
        let again: Adoption = again.map_err(|error| AdoptError::Said(error.to_string()))?;
        let shared = shared(vault);
        let pipeline = shared.pipeline(Arc::new(config), None, None);
        let pipeline = pipeline.map_err(|error| AdoptError::Said(error.to_string()))?;
        let adopted = shared.adopt(&pipeline, again).await?;
        let mut value = json!(adopted);
        if let Some(vault) = &shared.vault {
            let config = pipeline.config();
            let all = vault.list().await?.into_iter().map(|stored| stored.record);
            let beside = VaultTenants::new(all, &config).beside(&config);
            let sharing = adopted.record.sharing(&beside.tenants);
            if !sharing.is_empty() {
                value["same_application_as"] = json!(sharing);
            }
        }
        return Ok(value);
    }
    let vault = open_vault_file(&options).await?.map(Vault::new);
    match ask {
        Ask::List => {
            let all = match vault {
                Some(vault) => vault.list().await?,
                None => Vec::new(),
            };
            Ok(json!({ "tenants": all }))
        }
        Ask::Show(name) | Ask::Remove(name) => {
            let alias = alias(name)?;
            let unknown = || VaultError::Unknown(alias.clone());
            let vault = vault.ok_or_else(unknown)?;
            let stored = vault.get(&alias).await?.ok_or_else(unknown)?;
            if matches!(ask, Ask::Show(_)) {
                return Ok(json!(stored));
            }
            vault.remove(&alias, stored.version).await?;
            Ok(json!({ "removed": alias }))
        }
        Ask::Rotate(_) | Ask::Adopt(_) => Err(AdoptError::Said(
            "this takes the running process, with admin.tenants = true: start `claviger serve`".into(),
        )),
    }
}

/// The configuration was read without what only `serve` may be able to read.
pub(super) fn no_vault() -> VaultError {
    let what = "there is no [vault] in the configuration, or its key cannot be read here";
    let remedy = "`claviger vault verify` says which; `claviger status` shows the tenants of the configuration itself.";
    Unavailable::new(what, remedy).into()
}

pub(super) fn shared(vault: Vault) -> Shared {
    let (clock, metrics) = (Clock::system(), Arc::new(Metrics::new()));
    let grants = Arc::new(GrantMetrics(metrics.clone()));
    let tokens = Tokens::new(clock.clone(), Random::system(), grants, tokio::runtime::Handle::current());
    let mut shared = Shared::new(metrics, clock, tokens);
    shared.vault = Some(vault);
    shared
}
