//! `claviger tenant`: the tenants of the vault. Through the process that runs, which holds the vault's file; where none does,
//! straight in the file. A secret comes from a file or standard input, and is never shown.

mod create;
mod export;
mod import;
mod table;

use std::{
    io::{ErrorKind, Read as _},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::process::Process;
use crate::{
    app::{GrantMetrics, open_vault, open_vault_file},
    clock::{Clock, Random},
    config::Config,
    observe::Metrics,
    proxy::{AdoptError, Adoption, Shared, alias},
    secret::SecretSource,
    token::Tokens,
    vault::{Unavailable, Vault, VaultError},
};

/// A grant may take its time.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// The tenants of the vault.
    List(super::Plain),
    /// One of them: where it is, how old its secrets are, what is under way.
    Show(Named),
    /// Have a tenant created at Logto Cloud, and keep its credential: by the process that runs.
    Create(create::Create),
    /// Take the credential of a tenant that exists at Logto into the vault, if a token can be had with it.
    Adopt(Adopt),
    /// Adopt many tenants, each with the proof that its credential works: a line of JSON for each. What is there already stays
    /// as it is, so the same file can be given again.
    Import(import::Import),
    /// Write what may be shown of all tenants, in the form that import takes once the secrets are filled in.
    Export(super::Plain),
    /// Replace a tenant's client secret by a new one: made at Logto, proved, stored and used; the old one is deleted after the
    /// overlap. By the process that runs.
    Rotate(Named),
    /// Forget a tenant's credential. At Logto nothing changes.
    Remove(Named),
}

#[derive(clap::Args)]
pub(super) struct Named {
    /// The tenant's alias.
    alias: String,
    #[command(flatten)]
    plain: super::Plain,
}

#[derive(clap::Args)]
pub(super) struct Adopt {
    /// The name that callers are to know it by.
    alias: String,
    /// Scheme and host of the tenant. Left out: TENANT-ID.logto.app, by https.
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// Logto's ID of the tenant.
    #[arg(long, value_name = "ID")]
    tenant_id: Option<String>,
    /// The API resource indicator. Left out: the endpoint's own.
    #[arg(long, value_name = "URI")]
    resource: Option<String>,
    /// The App ID of the machine-to-machine application.
    #[arg(long, value_name = "ID")]
    client_id: String,
    /// The file with its App secret; left out: standard input.
    #[arg(long, value_name = "FILE")]
    client_secret_file: Option<PathBuf>,
    /// The settings: [tenant_templates.NAME].
    #[arg(long, value_name = "NAME")]
    template: Option<String>,
    /// A label beside those of the template; may be given more than once.
    #[arg(long = "label", value_name = "LABEL")]
    labels: Vec<String>,
    #[command(flatten)]
    plain: super::Plain,
}

pub(super) fn run(command: Command) -> ExitCode {
    let (plain, ask) = match command {
        Command::Create(create) => return create::run(create),
        Command::Import(args) => return import::run(&args),
        Command::Export(plain) => return export::run(&plain),
        Command::List(plain) => (plain, Ask::List),
        Command::Show(Named { alias, plain }) => (plain, Ask::Show(alias)),
        Command::Remove(Named { alias, plain }) => (plain, Ask::Remove(alias)),
        Command::Rotate(Named { alias, plain }) => (plain, Ask::Rotate(alias)),
        Command::Adopt(adopt) => match adopt.said() {
            Ok((plain, adoption)) => (plain, Ask::Adopt(Box::new(adoption))),
            Err(error) => return super::fail(&error),
        },
    };
    let config = match super::load_policy(&plain.sources.paths) {
        Ok(loaded) => loaded.config,
        Err(problems) => return super::report(&problems),
    };
    match answer(&plain, config, &ask) {
        Ok(value) if plain.json => super::print(&format!("{value:#}\n")),
        Ok(value) => super::print(&table::text(&value)),
        Err(error) => super::fail(&error),
    }
}

/// What is asked.
enum Ask {
    List,
    Show(String),
    Remove(String),
    Rotate(String),
    Adopt(Box<Adoption>),
}

impl Adopt {
    fn said(self) -> Result<(super::Plain, Adoption), String> {
        let secret = match self.client_secret_file {
            Some(path) => SecretSource::File(path).read().map_err(|error| error.to_string())?,
            None => from_standard_input()?,
        };
        let text = std::str::from_utf8(secret.expose()).map_err(|_| "the secret is not text".to_owned())?;
        let adoption = Adoption {
            alias: self.alias,
            tenant_id: self.tenant_id,
            endpoint: self.endpoint,
            resource: self.resource,
            client_id: self.client_id,
            client_secret: Zeroizing::new(text.to_owned()),
            template: self.template,
            labels: self.labels,
        };
        Ok((self.plain, adoption))
    }
}

fn from_standard_input() -> Result<crate::secret::Secret, String> {
    if std::io::IsTerminal::is_terminal(&std::io::stdin()) {
        return Err("no secret: name its file with --client-secret-file, or pipe it in".into());
    }
    let mut text = Zeroizing::new(Vec::with_capacity(64 * 1024));
    let read = std::io::stdin().take(64 * 1024).read_to_end(&mut text);
    read.map_err(|error| format!("standard input: {error}"))?;
    SecretSource::Literal(crate::secret::Secret::new(text.to_vec()))
        .read()
        .map_err(|_| "standard input is empty: the secret is expected there".into())
}

fn answer(plain: &super::Plain, config: Config, ask: &Ask) -> Result<Value, String> {
    let process = Process::quietly(&plain.sources, None).filter(Process::has_token);
    // Where nobody is there the file is free.
    if let Some(answered) = process.and_then(|process| through(&process, ask)) {
        return answered;
    }
    let runtime = super::runtime().map_err(|error| format!("cannot start: {error}"))?;
    runtime.block_on(in_the_file(config, ask)).map_err(|error| said(&error))
}

fn said(error: &AdoptError) -> String {
    format!("{error}. {}", error.remedy()).trim_end().trim_end_matches('.').to_owned() + "."
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
            return Some(Err(format!("{what}. Look what came of it: claviger tenant list.")));
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
fn refused(answer: &Value) -> Option<String> {
    let remedy = answer["remedy"].as_str().unwrap_or_default();
    Some(format!("{}. {remedy}", answer["message"].as_str()?.trim_end_matches('.')).trim_end().to_owned())
}

async fn in_the_file(config: Config, ask: &Ask) -> Result<Value, AdoptError> {
    let Some(options) = config.vault.clone() else {
        let what = "there is no [vault] in the configuration, or its key cannot be read here";
        return Err(VaultError::from(Unavailable::new(what, "Look at vault.store and vault.key.")).into());
    };
    if let Ask::Adopt(adoption) = ask {
        let (vault, _) = open_vault(&options).await?;
        let again = serde_json::to_value(adoption).and_then(serde_json::from_value);
        let again: Adoption = again.map_err(|error| AdoptError::Said(error.to_string()))?;
        let shared = shared(vault);
        let pipeline = shared.pipeline(Arc::new(config), None, None);
        let pipeline = pipeline.map_err(|error| AdoptError::Said(error.to_string()))?;
        return Ok(json!(shared.adopt(&pipeline, again).await?));
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
            "this takes the process that runs: is `claviger serve` running, with admin.tenants = true?"
                .into(),
        )),
    }
}

fn shared(vault: Vault) -> Shared {
    let (clock, metrics) = (Clock::system(), Arc::new(Metrics::new()));
    let grants = Arc::new(GrantMetrics(metrics.clone()));
    let tokens = Tokens::new(clock.clone(), Random::system(), grants, tokio::runtime::Handle::current());
    let mut shared = Shared::new(metrics, clock, tokens);
    shared.vault = Some(vault);
    shared
}
