//! `claviger batch FILE`: many operations, one JSON object a line, sent through a running Claviger or through the service of this
//! process, in the class `batch`. What may have been sent is in a journal before it is, so that a run that was killed goes on where it
//! was. A creation of unknown outcome is settled by asking what became of it, never by sending it blindly once more.

mod answer;
mod base_url;
mod client;
mod input;
mod journal;
mod line;
mod outcome;
mod patience;
mod progress;
mod run;
mod settle;
mod unique;
mod way;

use std::{
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use self::{
    input::Input,
    journal::Journal,
    run::{Ended, Run},
    way::Way,
};
use super::usage;
use crate::observe::log;

#[derive(clap::Args)]
#[command(after_long_help = "\
A line is one operation, by its name or by method and path:

  {\"operation\": \"CreateUser\", \"body\": {\"username\": \"ada\"}}
  {\"operation\": \"UpdateUser\", \"params\": {\"userId\": \"x1\"}, \"body\": {\"name\": \"Ada\"}}
  {\"id\": \"ada-roles\", \"method\": \"POST\", \"path\": \"/api/users/x1/roles\", \"body\": {\"roleIds\": [\"r1\"]}}

Every line is checked before the first is sent. FILE.journal has what was sent, FILE.results what came of it; the same command goes on
after an interruption. Ctrl-C (SIGINT, SIGTERM) sends nothing more and waits for what is under way; the second one does not wait.

Exit codes:
  0   all is done
  1   some operations failed, or their outcome is unknown; or the run was given up and can be resumed
  2   wrong usage, or a line that is none: nothing was sent
  64  with --caller: invalid configuration

Examples:
  claviger batch users.ndjson
  claviger batch users.ndjson --tenant acme --key-file key --concurrency 16
  claviger batch users.ndjson --config claviger.toml --caller importer    without a running Claviger, as this caller
  jq -c '.[] | {operation: \"CreateUser\", body: .}' users.json | claviger batch - --journal users.journal")]
pub(super) struct Args {
    /// The operations; - is standard input, and needs --journal.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    sources: super::Sources,
    #[command(flatten)]
    way: Way,
    /// The tenant of lines that name none. Left out: the caller's own.
    #[arg(long, value_name = "NAME", add = clap_complete::ArgValueCandidates::new(super::complete::tenants))]
    tenant: Option<String>,
    /// Operations at the same time; 1: one after the other, in order.
    #[arg(long, value_name = "NUMBER", default_value_t = 8, allow_negative_numbers = true, value_parser = |text: &str| super::number::within(text, 1..=256))]
    concurrency: u64,
    /// How long nothing may get on before the run is given up, to be resumed.
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = humantime::parse_duration)]
    patience: Duration,
    /// Settle operations again that were recorded as unknown, and send those again that nothing unique settles: they may be carried out
    /// twice.
    #[arg(long)]
    repeat_unknown: bool,
    /// What was sent. Left out: FILE.journal.
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// What came of it, one JSON object a line. Left out: FILE.results.
    #[arg(long, value_name = "FILE")]
    results: Option<PathBuf>,
}

/// Whether both are one file, by whatever name.
fn are_one(one: &Path, other: &Path) -> bool {
    let place = |path: &Path| path.metadata().ok().map(|it| (it.dev(), it.ino()));
    one == other || place(one).is_some_and(|place_of_one| place(other) == Some(place_of_one))
}

pub(super) fn run(args: &Args) -> ExitCode {
    let is_stdin = args.file.as_os_str() == "-";
    let beside = |end: &str| {
        let base = if is_stdin { args.journal.clone()? } else { args.file.clone() };
        let mut name = base.into_os_string();
        name.push(end);
        Some(PathBuf::from(name))
    };
    let (Some(journal), Some(results)) = (
        args.journal.clone().or_else(|| beside(".journal").filter(|_| !is_stdin)),
        args.results.clone().or_else(|| beside(".results")),
    ) else {
        return usage("standard input has no name that a journal could have: write --journal FILE");
    };
    let files = [&*args.file, &*journal, &*results];
    for (at, one) in files.iter().enumerate() {
        if files[at + 1..].iter().any(|other| are_one(one, other)) {
            return usage(&format!(
                "{}: it is two of operations, journal and results. Name three different files",
                one.display()
            ));
        }
    }
    let input = match Input::read(&args.file, args.tenant.as_deref()) {
        Ok(input) => input,
        Err(why) => return usage(&why),
    };
    let chosen = match args.way.choose(&args.sources) {
        Ok(chosen) => chosen,
        Err(ended) => return ended,
    };
    let journal = match Journal::open(&journal, &results, &input, args.tenant.as_deref(), args.repeat_unknown)
    {
        Ok(journal) => journal,
        Err(why) => return super::fail(&why),
    };
    let was_settled = journal.tally.concluded() == journal.tally.all;
    let runtime = match super::runtime() {
        Ok(runtime) => runtime,
        Err(error) => return super::fail(&format!("cannot start: {error}")),
    };
    let ended = runtime.block_on(async {
        let client = chosen.open().await?;
        let stop = super::serve::stopping().map_err(|error| format!("cannot watch for signals: {error}"))?;
        let run = Run::new(client, journal, args.repeat_unknown, args.patience);
        Ok::<_, String>(run.all(input, usize::try_from(args.concurrency).unwrap_or(1), stop).await)
    });
    log::flush();
    let Ended { tally, first_failure, given_up } = match ended {
        Ok(ended) => ended,
        Err(why) => return super::fail(&why),
    };
    let _: ExitCode = super::print(&format!("{tally} Results: {}\n", results.display()));
    if was_settled {
        tell!(
            "claviger: all {} were settled by an earlier run; nothing was sent now. To begin anew, move journal and results away",
            tally.all
        );
    }
    if let Some(why) = first_failure {
        tell!("claviger: the first that failed is {}", super::output::plain(&why));
    }
    if tally.unknown > 0 {
        tell!(
            "claviger: {} may have been carried out, or not: look for them, as {} has them. The same command with --repeat-unknown looks once \
             more and sends what it does not find, at the risk of having it carried out twice",
            tally.unknown,
            results.display()
        );
    }
    match given_up {
        Some(why) => super::fail(&why),
        None if tally.is_all_done() => ExitCode::SUCCESS,
        None => ExitCode::from(super::NO),
    }
}
