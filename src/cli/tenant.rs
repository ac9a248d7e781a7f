//! `claviger tenant`: the tenants of the vault. Through the process that runs, which holds the vault's file; where none does,
//! straight in the file. A secret comes from a file or standard input, and is never shown.

mod asked;
mod create;
mod export;
mod frame;
mod import;
mod table;

use std::{io::Read as _, path::PathBuf, process::ExitCode};

use zeroize::Zeroizing;

use self::asked::{Ask, answer};
use crate::{clock::Clock, proxy::Adoption, secret::SecretSource};

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
    Remove(Remove),
}

#[derive(clap::Args)]
pub(super) struct Named {
    /// The tenant's alias.
    alias: String,
    #[command(flatten)]
    plain: super::Plain,
}

#[derive(clap::Args)]
pub(super) struct Remove {
    #[command(flatten)]
    named: Named,
    /// Also the secret in force of a tenant of the configuration, whose own was replaced by it.
    #[arg(long)]
    yes: bool,
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
        Command::Remove(Remove { named: Named { alias, plain }, yes }) => (plain, Ask::Remove { alias, yes }),
        Command::Rotate(Named { alias, plain }) => (plain, Ask::Rotate(alias)),
        Command::Adopt(adopt) => match adopt.said() {
            Ok((plain, adoption)) => (plain, Ask::Adopt(Box::new(adoption))),
            Err(error) => return super::fail(&error),
        },
    };
    let loaded = match super::load_policy(&plain.sources.paths) {
        Ok(loaded) => loaded,
        Err(problems) => return super::report(&problems),
    };
    match answer(&plain, loaded, &ask) {
        Ok(value) if plain.json => super::print(&format!("{value:#}\n")),
        Ok(value) => super::print(&table::text(&value, Clock::system().now().wall)),
        Err(error) => super::fail(&error),
    }
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
