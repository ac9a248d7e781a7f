//! `claviger vault`: the vault as a whole. A process that holds its file must be stopped first; one that shares a store goes on.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    audit,
    output::{sentence, unopened},
};
use crate::{
    app::{open_store, open_vault_file, vault_key},
    clock::Clock,
    config::{Loaded, Problem, StoreOptions, VaultOptions},
    ids::{OPERATOR, TenantName},
    observe::{Metrics, audit::TenantRecord},
    secret::{Secret, SecretSource},
    vault::{Unavailable, VaultError, export, exported},
};

/// Records of the audit log that are written before the next are, and how long that may take.
const AT_ONCE: usize = 1000;
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of the shortest key, as of `vault.key`.
const LEAST: usize = 32;

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Read and check every record of the vault; of a file, every page as well.
    Verify(super::Plain),
    /// Encrypt every record with another master key. Afterwards put that key into vault.key.
    Rekey {
        /// The file with the new key, of 32 bytes or more: openssl rand -hex 32.
        #[arg(long, value_name = "FILE")]
        new_key: PathBuf,
        #[command(flatten)]
        plain: super::Plain,
    },
    /// Write all records to a file, encrypted with a key that is made for the transport.
    Export {
        /// The new file.
        out: PathBuf,
        /// A file that is there, with a key of 32 bytes or more that seals it, as of openssl rand -hex 32; never the vault's own.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        #[command(flatten)]
        plain: super::Plain,
    },
    /// Add the records of such a file whose alias is free.
    Import {
        /// The file.
        from: PathBuf,
        /// The file with the key that it is sealed with.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        #[command(flatten)]
        plain: super::Plain,
    },
}

pub(super) fn run(command: &Command) -> ExitCode {
    let (Command::Verify(plain)
    | Command::Rekey { plain, .. }
    | Command::Export { plain, .. }
    | Command::Import { plain, .. }) = command;
    let loaded = match super::load_policy(&plain.sources.paths) {
        Ok(loaded) => loaded,
        Err(problems) => return super::report(&problems),
    };
    let runtime = match super::runtime() {
        Ok(runtime) => runtime,
        Err(error) => return super::fail(&format!("cannot start: {error}")),
    };
    match runtime.block_on(audited(&loaded, command)) {
        Ok(value) if plain.json => super::print(&format!("{value:#}\n")),
        Ok(value) => super::print(&format!("{}\n", value["said"].as_str().unwrap_or_default())),
        Err(error) => super::fail(&error),
    }
}

/// What changes the vault, or takes all credentials out of it, is in the audit log.
async fn audited(loaded: &Loaded, command: &Command) -> Result<Value, String> {
    let Loaded { config, absent, .. } = loaded;
    let options = config.vault.as_ref().ok_or_else(|| not_configured(absent));
    let action = match command {
        Command::Verify(_) => return answer(options, command).await,
        Command::Rekey { .. } => "rekey",
        Command::Export { .. } => "export",
        Command::Import { .. } => "import",
    };
    let log = audit::open(config, &Metrics::new())?;
    let done = answer(options, command).await;
    if let Some(log) = &log {
        let record = |tenant: Option<TenantName>| {
            let outcome = if done.is_ok() { "done" } else { "failed" };
            let (now, error) = (Clock::system().now().wall, done.as_ref().err().cloned());
            log.tenant(TenantRecord::new(now, tenant, action, OPERATOR, outcome, error));
        };
        match done.as_ref().map(|value| value["added"].as_array()) {
            Ok(Some(added)) => {
                for (n, alias) in added.iter().filter_map(Value::as_str).enumerate() {
                    record(TenantName::parse(alias).ok());
                    if n % AT_ONCE == AT_ONCE - 1 {
                        log.flush(PATIENCE).await;
                    }
                }
            }
            _ => record(None),
        }
    }
    audit::written(log.as_ref(), done).await
}

/// Why a configuration that was read without what only `serve` may be able to read has no vault.
pub(super) fn not_configured(absent: &[Problem]) -> String {
    match absent.iter().find(|problem| problem.key.starts_with("vault.")) {
        Some(problem) => format!("the vault cannot be opened: {problem}"),
        None => {
            let error = VaultError::from(Unavailable::not_configured());
            format!("{} {}", sentence(&error.to_string()), error.remedy())
        }
    }
}

async fn answer(options: Result<&VaultOptions, String>, command: &Command) -> Result<Value, String> {
    let said = |error: VaultError| format!("{} {}", sentence(&error.to_string()), error.remedy());
    let options = options?;
    let store = match command {
        // A new machine may have none yet.
        Command::Import { .. } => open_store(options, None).await.map_err(said)?,
        _ => {
            let there = open_vault_file(options).await.map_err(said)?;
            there.ok_or_else(|| match options.file() {
                Some(path) => format!("there is no vault at {}", path.display()),
                None => format!(
                    "there is no vault in {}: was its data lost? Else the first `claviger serve` begins it",
                    place(options)
                ),
            })?
        }
    };
    match command {
        Command::Verify(_) => {
            let checkup = store.verify().await.map_err(said)?;
            let open = checkup.open_to_others.map(|mode| {
                let path = options.file().map(|path| path.display().to_string()).unwrap_or_default();
                format!("; others than its owner have access (mode {mode:04o}): chmod 600 {path}")
            });
            let count = super::count(checkup.records, "record");
            let mut text =
                format!("all is well: {count}, {} bytes{}", checkup.bytes, open.unwrap_or_default());
            for concern in &checkup.concerns {
                text += &format!("\nwarning: {concern}");
            }
            Ok(with(text, json!(checkup)))
        }
        Command::Rekey { new_key, .. } => {
            let new = new(new_key)?;
            if vault_key(options).await.is_ok_and(|own| own == new) {
                return Err(
                    "this is the key that the vault is sealed with already: make another one with: openssl rand -hex 32"
                        .into(),
                );
            }
            let count = store.rekey(new).await.map_err(said)?;
            let text = format!(
                "{} sealed with the new key: let `vault.key` in the configuration name {} before the next start",
                super::count(count, "record"),
                new_key.display()
            );
            Ok(with(text, json!({ "records": count })))
        }
        Command::Export { out, key: sealing, .. } => {
            let sealing = new(sealing)?;
            if vault_key(options).await.is_ok_and(|own| own == sealing) {
                return Err(
                    "this is the vault's own key: use another one for the export: openssl rand -hex 32"
                        .into(),
                );
            }
            let records = store.list().await.map_err(said)?;
            let text = export(&records, &sealing).map_err(said)?;
            let count = records.len();
            super::output::keep(out, &text).map_err(|error| format!("{}: {error}", out.display()))?;
            Ok(with(
                format!("{} in {}, sealed", super::count(count, "record"), out.display()),
                json!({ "records": count }),
            ))
        }
        Command::Import { from, key: sealing, .. } => {
            let text = std::fs::read_to_string(from).map_err(|error| match error.kind() {
                ErrorKind::InvalidData => format!(
                    "{}: this is no export of a vault. Name a file of `claviger vault export`",
                    from.display()
                ),
                _ => unopened("", from, &error),
            })?;
            let records = exported(&text, &key(sealing)?).map_err(said)?;
            let imported = store.import(records).await.map_err(said)?;
            let taken: Vec<_> = imported.taken.iter().map(ToString::to_string).collect();
            let left = if taken.is_empty() {
                String::new()
            } else {
                format!("; left out, as the alias is taken: {}", taken.join(", "))
            };
            let count = super::count(imported.added.len(), "record");
            Ok(with(format!("{count} taken in{left}"), json!(imported)))
        }
    }
}

/// Where a vault that is no file would be.
fn place(options: &VaultOptions) -> String {
    match &options.store {
        StoreOptions::Redis(redis) => {
            let urls: Vec<_> = redis.url.iter().map(ToString::to_string).collect();
            format!("Redis ({}, redis.prefix {})", urls.join(", "), redis.prefix)
        }
        StoreOptions::Kubernetes(kubernetes) => {
            format!("Secrets of the namespace {}", kubernetes.namespace)
        }
        StoreOptions::File(path) => path.display().to_string(),
    }
}

/// A key that may have to be made first.
fn new(path: &Path) -> Result<Secret, String> {
    key(path).map_err(|error| match path.exists() {
        true => error,
        false => format!("{error}. Make it with: openssl rand -hex 32 > {}", path.display()),
    })
}

fn with(text: String, mut value: Value) -> Value {
    value["said"] = text.into();
    value
}

fn key(path: &Path) -> Result<Secret, String> {
    let key = SecretSource::File(path.into()).read().map_err(|error| error.to_string())?;
    let length = key.expose().len();
    if length < LEAST {
        return Err(format!("the key in {} has {length} bytes; {LEAST} is the least", path.display()));
    }
    Ok(key)
}
