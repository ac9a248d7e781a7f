//! `claviger token`: what the running process is to do about its tokens.

use std::process::ExitCode;

use clap_complete::ArgValueCandidates;

use super::healthcheck;
use crate::{config::Address, ids::TenantName};

/// Of the admin listener.
const RETRY: &str = "/token/retry";

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Have the running process try again at once to get tokens, now that a role, a secret or an application was mended.
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
    #[arg(long, value_name = "ADDRESS", value_parser = healthcheck::parse)]
    address: Option<Address>,
}

pub(super) fn run(Command::Retry(args): &Command) -> ExitCode {
    let target = match args.tenant.as_deref().map(TenantName::parse) {
        None => RETRY.to_owned(),
        Some(Ok(tenant)) => format!("{RETRY}?tenant={tenant}"),
        Some(Err(error)) => return super::fail(&error.to_string()),
    };
    let address = match healthcheck::address(&args.sources, args.address.clone()) {
        Ok(address) => address,
        Err(exit) => return exit,
    };
    match healthcheck::ask(&address, "POST", &target) {
        Ok(answer) => {
            let said = answer.lines().last().unwrap_or("no answer");
            if answer.starts_with("HTTP/1.1 200") {
                super::print(&format!("{said}\n"))
            } else {
                super::fail(said)
            }
        }
        Err(error) => super::fail(&format!("{address}: {error}; is `claviger serve` running?")),
    }
}
