//! What is asked about tenants of the vault, and who answers: the process that runs, which has the file, and where none does, the
//! file itself.

use std::{io::ErrorKind, sync::Arc, time::Duration};

use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::super::{audit, output::sentence, process::Process, vault::not_configured};
use crate::{
    app::{GrantMetrics, look_into_vault, open_vault, open_vault_file},
    clock::{Clock, Random},
    config::{Config, Loaded},
    observe::Metrics,
    proxy::{AdoptError, Adoption, Shared, alias},
    token::Tokens,
    vault::{Vault, VaultError, VaultTenants},
};

/// A grant may take its time.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// What is asked.
pub(super) enum Ask {
    List,
    Show(String),
    /// `yes`: also the secret in force of a tenant of the configuration.
    Remove {
        alias: String,
        yes: bool,
    },
    Rotate(String),
    Adopt(Box<Adoption>),
}

impl Ask {
    /// Of the one tenant that it is about, where it may be none of the vault's.
    fn alias(&self) -> Option<&str> {
        match self {
            Self::Show(alias) | Self::Remove { alias, .. } | Self::Rotate(alias) => Some(alias),
            Self::List | Self::Adopt(_) => None,
        }
    }
}

pub(super) fn answer(plain: &super::super::Plain, loaded: Loaded, ask: &Ask) -> Result<Value, String> {
    let process = Process::quietly(&plain.sources, None);
    // Where nobody is there the file is free.
    let answering = process.as_ref().filter(|process| process.has_token());
    if let Some(answered) = answering.and_then(|process| through(process, &loaded.config, ask)) {
        return answered;
    }
    let runtime = super::super::runtime().map_err(|error| format!("cannot start: {error}"))?;
    runtime.block_on(in_the_file(loaded, process.as_ref(), ask))
}

pub(super) fn said(error: &AdoptError) -> String {
    sentence(format!("{} {}", sentence(&error.to_string()), error.remedy()).trim_end())
}

/// The answer of the process that runs; `None` where there is none.
fn through(process: &Process, config: &Config, ask: &Ask) -> Option<Result<Value, String>> {
    if let Ask::Remove { alias, yes: false } = ask
        && let Ok(shown) = through(process, config, &Ask::Show(alias.clone()))?
        && let Some(why) = in_force(&shown, config)
    {
        return Some(Err(why));
    }
    let (method, target, body) = match ask {
        Ask::List => ("GET", "/tenants".to_owned(), Zeroizing::default()),
        Ask::Show(alias) => ("GET", format!("/tenants/{alias}"), Zeroizing::default()),
        Ask::Remove { alias, .. } => ("DELETE", format!("/tenants/{alias}"), Zeroizing::default()),
        Ask::Rotate(alias) => ("POST", format!("/tenants/{alias}/rotate"), Zeroizing::default()),
        Ask::Adopt(adoption) => ("POST", "/tenants".to_owned(), Zeroizing::new(json!(adoption).to_string())),
    };
    if let Some(name) = ask.alias()
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
        Err(error) if error.kind() == ErrorKind::InvalidData => {
            return Some(Err(process.unreachable(&error)));
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
        (_, Some(why)) if value["code"] == "claviger.tenant_unknown" => {
            Err(ask.alias().and_then(|alias| of_configuration(alias, config)).unwrap_or(why))
        }
        (_, Some(why)) => Err(why),
        _ => Err(process.refusal(&answer)),
    })
}

/// Why the process did not do it.
pub(super) fn refused(answer: &Value) -> Option<String> {
    let remedy = answer["remedy"].as_str().unwrap_or_default();
    Some(format!("{} {remedy}", sentence(answer["message"].as_str()?)).trim_end().to_owned())
}

async fn in_the_file(
    Loaded { config, absent, .. }: Loaded,
    process: Option<&Process>,
    ask: &Ask,
) -> Result<Value, String> {
    let options = config.vault.clone().ok_or_else(|| not_configured(&absent))?;
    if let Ask::Adopt(adoption) = ask {
        let vault = open_vault(&options).await.map_err(|error| not_opened(error, process))?.0;
        return adopted(config, vault, adoption).await;
    }
    let vault = match ask {
        Ask::List | Ask::Show(_) => look_into_vault(&options).await,
        _ => open_vault_file(&options).await,
    };
    let vault = vault.map_err(|error| not_opened(error, process))?;
    if let (None, Some(file)) = (&vault, options.file())
        && file.parent().is_some_and(|parent| !parent.as_os_str().is_empty() && !parent.is_dir())
    {
        return Err(format!("there is no vault at {}: its directory does not exist", file.display()));
    }
    if let (None, Some(file), Ask::List) = (&vault, options.file(), ask) {
        tell!("there is no vault at {} yet", file.display());
    }
    let vault = vault.map(Vault::new);
    if let (Ask::Remove { alias, yes }, Some(vault)) = (ask, &vault) {
        let shown = if *yes {
            None
        } else {
            read(&config, Some(vault.clone()), &Ask::Show(alias.clone())).await.ok()
        };
        return match shown.and_then(|shown| in_force(&shown, &config)) {
            Some(why) => Err(why),
            None => removed(&config, vault, alias).await,
        };
    }
    read(&config, vault, ask).await.map_err(|error| said(&error))
}

/// Why the vault could not be opened; `process` is the one that was looked for and does not answer.
pub(super) fn not_opened(error: VaultError, process: Option<&Process>) -> String {
    match (&error, process) {
        (VaultError::Unavailable(why), Some(process))
            if why.is_in_use()
                && let Some(no_token) = process.no_token() =>
        {
            format!("{why}, and it could not be asked: {no_token}")
        }
        // Nobody was asked.
        (_, Some(process)) if !process.has_token() => said(&error.into()),
        (VaultError::Unavailable(why), Some(process)) if why.is_in_use() => format!(
            "{why}, and nothing answers at {}, which is listen.admin of this configuration. Give the configuration that the other process runs with (--config).",
            process.address
        ),
        _ => said(&error.into()),
    }
}

async fn read(config: &Config, vault: Option<Vault>, ask: &Ask) -> Result<Value, AdoptError> {
    match ask {
        Ask::List => {
            let all = match vault {
                Some(vault) => vault.list().await?,
                None => Vec::new(),
            };
            let all: Vec<_> = all.iter().map(|stored| stored.shown(config)).collect();
            Ok(json!({ "tenants": all }))
        }
        Ask::Show(name) | Ask::Remove { alias: name, .. } => {
            let alias = alias(name)?;
            let unknown = || match of_configuration(name, config) {
                Some(why) => AdoptError::Said(why),
                None => VaultError::Unknown(alias.clone()).into(),
            };
            let stored = vault.ok_or_else(unknown)?.get(&alias).await?.ok_or_else(unknown)?;
            let mut value = stored.shown(config);
            stored.show_callers(config, &mut value);
            Ok(value)
        }
        Ask::Rotate(_) | Ask::Adopt(_) => Err(AdoptError::Said(
            "this takes the running process, with admin.tenants = true: start `claviger serve`".into(),
        )),
    }
}

async fn removed(config: &Config, vault: &Vault, name: &str) -> Result<Value, String> {
    let alias = alias(name).map_err(|error| said(&error))?;
    let shared = shared(config, vault.clone())?;
    let removed = shared.remove(&alias).await.map_err(|error| match error {
        VaultError::Unknown(_) => of_configuration(name, config).unwrap_or_else(|| said(&error.into())),
        error => said(&error.into()),
    });
    audit::written(shared.audit.as_ref(), removed).await?;
    Ok(json!({ "removed": alias }))
}

async fn adopted(config: Config, vault: Vault, adoption: &Adoption) -> Result<Value, String> {
    let again = serde_json::to_value(adoption).and_then(serde_json::from_value);
    let again: Adoption = again.map_err(|error| error.to_string())?;
    let shared = shared(&config, vault.clone())?;
    let pipeline = shared.pipeline(Arc::new(config), None, None).map_err(|error| error.to_string())?;
    let adopted = shared.adopt(&pipeline, again).await.map_err(|error| said(&error));
    let adopted = audit::written(shared.audit.as_ref(), adopted).await?;
    let config = pipeline.config();
    let mut value = adopted.shown(&config);
    adopted.show_callers(&config, &mut value);
    let all = vault.list().await.map_err(|error| said(&error.into()))?;
    let beside = VaultTenants::new(all.into_iter().map(|stored| stored.record), &config).beside(&config);
    let sharing = adopted.record.sharing(&beside.tenants);
    if !sharing.is_empty() {
        value["same_application_as"] = json!(sharing);
    }
    Ok(value)
}

/// What it takes to change the vault without the process.
///
/// # Errors
/// Where the audit log cannot be written.
pub(super) fn shared(config: &Config, vault: Vault) -> Result<Shared, String> {
    let (clock, metrics) = (Clock::system(), Arc::new(Metrics::new()));
    let audit = audit::open(config, &metrics)?;
    let grants = Arc::new(GrantMetrics(metrics.clone()));
    let tokens = Tokens::new(clock.clone(), Random::system(), grants, tokio::runtime::Handle::current());
    let mut shared = Shared::new(metrics, clock, tokens);
    (shared.vault, shared.audit) = (Some(vault), audit);
    Ok(shared)
}

/// What is said of a tenant that the vault does not have, but the configuration.
fn of_configuration(alias: &str, config: &Config) -> Option<String> {
    config.tenants.iter().any(|own| own.name.as_str() == alias).then(|| {
        format!(
            "{alias} is a tenant of the configuration, and the vault has nothing of it: `claviger status` shows it; to remove it, take \
             [tenants.{alias}] out."
        )
    })
}

/// Why this secret is not removed without being asked twice: the tenant is one of the configuration, and the secret that is written there
/// was replaced by it.
fn in_force(shown: &Value, config: &Config) -> Option<String> {
    let (alias, rotated) = (shown["alias"].as_str()?, shown["rotation"]["last"].as_str()?);
    let own = config.tenants.iter().find(|own| own.name.as_str() == alias)?;
    let is_same = shown["client_id"] == *own.client_id && shown["endpoint"] == own.endpoint.to_string();
    (shown["configured"] == true && is_same).then(|| {
        format!(
            "nothing was removed: tenants.{alias}.client_secret of the configuration was replaced, last at {rotated}, and Logto has most likely \
             deleted it. The vault has the secret that works; without it the one that is configured counts again. Make a new secret in the \
             Logto Console and configure that first. Then, or if you know better: claviger tenant remove {alias} --yes"
        )
    })
}
