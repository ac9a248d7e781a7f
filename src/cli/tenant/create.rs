//! `claviger tenant create`: has the running process create a tenant at Logto Cloud and keep its credential, and tells how far it
//! has come. The secret never leaves that process.

use std::{io::ErrorKind, process::ExitCode};

use serde_json::{Value, json};

use super::{
    super::process::Process,
    asked::{PATIENCE, refused},
    table,
};
use crate::{
    clock::Clock,
    proxy::{NewTenant, alias},
};

const NOBODY: &str = "this takes the process that runs: is `claviger serve` running, with admin.tenants = true and admin.token?";

#[derive(clap::Args)]
pub(in crate::cli) struct Create {
    /// The name that callers are to know it by. Left out: what cloud.NAME.alias makes of Logto's ID of it.
    alias: Option<String>,
    /// The account: [cloud.NAME]. Left out: the only one.
    #[arg(long, value_name = "NAME")]
    cloud: Option<String>,
    /// Its name at Logto.
    #[arg(long, value_name = "TEXT")]
    name: String,
    /// The region, as Logto calls it, such as EU.
    #[arg(long, value_name = "REGION")]
    region: String,
    /// development or production. Left out: Logto's own choice.
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    #[command(flatten)]
    plain: super::super::Plain,
}

pub(super) fn run(args: Create) -> ExitCode {
    let plain = args.plain;
    let new = NewTenant {
        cloud: args.cloud,
        alias: args.alias,
        name: args.name,
        region: Some(args.region),
        tag: args.tag,
    };
    if let Some(Err(error)) = new.alias.as_deref().map(alias) {
        return super::super::usage(&error.to_string());
    }
    let found = Process::quietly(&plain.sources, None);
    if let Some(why) = found.as_ref().and_then(Process::no_token) {
        return super::super::fail(&format!(
            "this takes the process that runs, and it cannot be asked: {why}"
        ));
    }
    let Some(process) = found.filter(Process::has_token) else {
        return super::super::fail(NOBODY);
    };
    match created(&process, &new) {
        Ok(value) if plain.json => super::super::print(&format!("{value:#}\n")),
        Ok(value) => super::super::print(&table::text(&value, Clock::system().now().wall)),
        Err(error) => super::super::fail(&error),
    }
}

/// The tenant as the process has it; progress goes to standard error.
fn created(process: &Process, new: &NewTenant) -> Result<Value, String> {
    let (mut last, mut was_sent) = (Value::Null, false);
    let mut each = |line: &str| {
        let Ok(value) = serde_json::from_str::<Value>(line) else { return };
        was_sent |= value["step"] == "sent";
        match step(&value) {
            Some(text) => tell!("{text}"),
            None => last = value,
        }
    };
    let answer = match process.watch("/tenants", &json!(new).to_string(), PATIENCE, &mut each) {
        Ok(answer) => answer,
        Err(error) if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound) => {
            return Err(NOBODY.to_owned());
        }
        Err(error) if error.kind() == ErrorKind::InvalidData => return Err(process.unreachable(&error)),
        Err(error) => {
            return Err(unknown(&format!("{}: the process gave no answer: {error}", process.address)));
        }
    };
    if last["tenant"].is_object() {
        return Ok(last["tenant"].take());
    }
    let refused = refused(&last).or_else(|| refused(&serde_json::from_str(&answer.body).unwrap_or_default()));
    Err(match refused {
        Some(why) => why,
        None if answer.status == 200 && was_sent => {
            unknown(&format!("{}: the process broke off", process.address))
        }
        None => process.refusal(&answer),
    })
}

/// It may have been done.
fn unknown(what: &str) -> String {
    format!("{what}. See what happened: claviger tenant list, and the account's tenants in the Logto Console")
}

/// What was done, for whoever waits; `None`: it is no step.
fn step(value: &Value) -> Option<String> {
    let word = |member: &str| value[member].as_str().unwrap_or("?").to_owned();
    Some(match value["step"].as_str()? {
        "reserved" => format!("alias {} is reserved", word("alias")),
        "sent" => format!("Logto Cloud is asked, as account {}", word("account")),
        "created" => format!(
            "created at Logto Cloud as {}, at {}; its credential is captured",
            word("tenant_id"),
            word("endpoint")
        ),
        "stored" => format!("the credential is in the vault, sealed; tenant {} is in force", word("alias")),
        "proved" => "the credential is proved: Logto gave a token for it".to_owned(),
        other => other.to_owned(),
    })
}
