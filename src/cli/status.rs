//! `claviger status`: what `/status` of the running process says, for a person in a terminal: what is wrong first, with what to do
//! about it. `--watch` shows it anew every two seconds.

mod document;
mod paint;
mod question;
mod render;
mod watch;

use std::process::ExitCode;

use self::{paint::Paint, question::Question};
use super::{
    number,
    process::{Process, parse_address},
};
use crate::{config::Address, ids::TenantName};

#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    sources: super::Sources,
    /// The admin listener, such as 127.0.0.1:3601 or unix:/run/claviger/admin.sock; left out: as configured.
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    address: Option<Address>,
    /// Refresh it every two seconds, until Ctrl-C.
    #[arg(long)]
    watch: bool,
    /// Only this tenant, or those that match a pattern such as acme-*.
    #[arg(long, value_name = "NAME", value_parser = tenant)]
    tenant: Option<String>,
    /// The most tenants and callers; those with problems come first.
    #[arg(long, value_name = "NUMBER", default_value_t = 20, allow_negative_numbers = true, value_parser = |text: &str| number::within(text, 1..=1000))]
    limit: u64,
    /// The document as the process gives it.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> ExitCode {
    // Another process than was meant would be shown.
    if let Some(missing) = args.sources.paths.iter().find(|path| !path.exists()) {
        return super::fail(&format!("--config {}: there is no such file", missing.display()));
    }
    if args.address.is_none()
        && !args.sources.paths.is_empty()
        && let Err(problems) = super::load_policy(&args.sources.paths)
        && problems.admin.is_none()
        && let Some(problem) = problems.problems.first()
    {
        return super::fail(&format!("{problem} Or name the admin listener by --address."));
    }
    let process = match Process::with_token(&args.sources, args.address.clone()) {
        Ok(process) => process,
        Err(exit) => return exit,
    };
    let question = Question {
        process,
        target: match &args.tenant {
            Some(tenant) => format!("/status?limit={}&tenant={tenant}", args.limit),
            None => format!("/status?limit={}", args.limit),
        },
    };
    if args.watch {
        return watch::run(question, args.json);
    }
    match question.ask() {
        Ok(document) => {
            let text = if args.json { document.json() } else { render::text(&document, &Paint::of_stdout()) };
            super::print(&text);
            document.exit()
        }
        Err(why) => super::fail(&why),
    }
}

/// A name or a pattern; nothing that would have to be escaped.
fn tenant(text: &str) -> Result<String, String> {
    let stars = text.replace('*', "x");
    TenantName::parse(&stars).map(|_| text.to_owned()).map_err(|error| error.to_string())
}
