//! `claviger token`: commands to the running process about its tokens.

use std::{process::ExitCode, time::Duration};

use clap_complete::ArgValueCandidates;

use super::process::{Process, parse_address};
use crate::{config::Address, ids::TenantName};

/// Of the admin listener.
const RETRY: &str = "/token/retry";
/// Longer than the process takes to say what came of it.
const PATIENCE: Duration = Duration::from_secs(25);

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Read changed files, and ask at once for the tokens that are missing: after a role, a secret or an application was corrected.
    Retry(Retry),
}

#[derive(clap::Args)]
pub(super) struct Retry {
    /// Only this tenant's.
    #[arg(add = ArgValueCandidates::new(super::complete::tenants))]
    tenant: Option<String>,
    #[command(flatten)]
    sources: super::Sources,
    /// The admin listener; left out: as configured.
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    address: Option<Address>,
}

pub(super) fn run(Command::Retry(args): &Command) -> ExitCode {
    let target = match args.tenant.as_deref().map(TenantName::parse) {
        None => RETRY.to_owned(),
        Some(Ok(tenant)) => format!("{RETRY}?tenant={tenant}"),
        Some(Err(error)) => return super::usage(&error.to_string()),
    };
    let process = match Process::find(&args.sources, args.address.clone()) {
        Ok(process) => process,
        Err(exit) => return exit,
    };
    match process.send("POST", &target, "", PATIENCE) {
        Ok(answer) if answer.status == 200 => super::print(&answer.body),
        Ok(answer) => {
            let proxy = answer.of_proxy(&process.address);
            super::fail(proxy.as_deref().unwrap_or(answer.body.trim_end()))
        }
        Err(error) => super::fail(&process.unreachable(&error)),
    }
}
