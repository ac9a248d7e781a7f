//! `claviger healthcheck`: asks the running process's admin listener, for images without curl.

use std::process::ExitCode;

use super::process::{Process, parse_address};
use crate::{catalog::nearest, config::Address};

#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    sources: super::Sources,
    /// Which probe: /livez, /readyz or /startupz.
    #[arg(long, default_value = "/livez", value_name = "PATH", value_parser = parse_probe)]
    probe: String,
    /// The admin listener, such as 127.0.0.1:3601 or unix:/run/claviger/admin.sock; left out: as configured.
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    address: Option<Address>,
}

/// A path; which, the process knows.
fn parse_probe(text: &str) -> Result<String, String> {
    let meant = || nearest(text, ["livez", "readyz", "startupz"].into_iter()).unwrap_or("livez");
    if text.starts_with('/') { Ok(text.to_owned()) } else { Err(format!("write a path: /{}", meant())) }
}

pub(super) fn run(args: &Args) -> ExitCode {
    let process = match Process::find(&args.sources, args.address.clone()) {
        Ok(process) => process,
        Err(exit) => return exit,
    };
    match process.ask("GET", &args.probe) {
        // Only an answer of Claviger comes through as one.
        Ok(answer) if answer.status == 200 => ExitCode::SUCCESS,
        Ok(answer) => super::fail(
            &answer
                .of_proxy(&process.address)
                .unwrap_or_else(|| format!("{} {}: {}", process.address, args.probe, answer.last_line())),
        ),
        Err(error) => super::fail(&process.unreachable(&error)),
    }
}
