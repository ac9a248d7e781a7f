//! `claviger simulate`: what a load would make of a quota, before anybody sends it.

mod svg;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use super::number;
use crate::simulate::{self, Fate, Outcome, SIGN_IN, Scenario, percentile};

#[derive(clap::Args)]
#[command(after_long_help = "\
A scenario is a file in TOML; only [load.NAME] is required:

  duration = \"60s\"                 # in virtual time
  quota    = { requests = 200, per = \"10s\", share = 0.7 }   # and burst, as of a tenant
  patience = \"30s\"                 # timeouts.quota
  queue    = 1024                  # limits.quota_queue
  latency  = \"50ms\"                # until the tenant answers
  direct   = false                 # true: straight to the tenant, to compare
  sign_in  = 3                     # sign-ins per second, at the tenant itself

  [load.export]
  priority    = \"batch\"            # and weight, as of a caller
  connections = 140                # each asks again as soon as it is answered

  [load.support]
  priority = \"interactive\"
  rate     = 5                     # requests per second; from = \"10s\", until = \"40s\"

Examples:
  claviger simulate scenario.toml
  claviger simulate scenario.toml --svg scenario.svg")]
pub(super) struct Args {
    /// The scenario; - is standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Draw waits, rejections and what is used of the quota over time.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Another one is another run.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, allow_negative_numbers = true, value_parser = number::any)]
    seed: u64,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let scenario = match read(&args.file) {
        Ok(scenario) => scenario,
        Err(exit) => return exit,
    };
    let outcome = match simulate::run(scenario, args.seed) {
        Ok(outcome) => outcome,
        Err(error) => return super::fail(&format!("cannot start: {error}")),
    };
    if let Some(file) = &args.svg
        && let Err(error) = std::fs::write(file, svg::draw(&outcome))
    {
        return super::fail(&super::output::unopened("--svg ", file, &error));
    }
    super::print(&table(&outcome))
}

fn read(file: &Path) -> Result<Scenario, ExitCode> {
    let text = if file.as_os_str() == "-" {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(file)
    };
    let name = file.display();
    let text = text.map_err(|error| super::fail(&super::output::unopened("", file, &error)))?;
    Scenario::parse(&text).map_err(|error| match error.line {
        Some(line) => super::usage(&format!("{name}:{line}: {error}")),
        None => super::usage(&format!("{name}: {error}")),
    })
}

/// Each load and sign-in, and what it comes to.
fn table(outcome: &Outcome) -> String {
    let scenario = &outcome.scenario;
    let mut rows = vec![
        ["LOAD", "CLASS", "ANSWERED", "REFUSED", "429 OF TENANT", "WAIT P50", "P99", "LONGEST"]
            .map(str::to_owned),
    ];
    for (index, load) in scenario.loads.iter().enumerate() {
        rows.push(row(outcome, index, &load.name, load.class.name()));
    }
    if scenario.sign_in > 0.0 {
        rows.push(row(outcome, SIGN_IN, "sign-in", "-"));
    }
    let widths: Vec<usize> = (0..8)
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default())
        .collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| match column {
            0 | 1 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        text.push_str(cells.collect::<Vec<_>>().join("   ").trim_end());
        text.push('\n');
    }
    let quota = scenario.quota;
    text + &format!(
        "\n{} sent in {}: {:.1}% of what may be spent ({:.1} a second of the {:.1} that the tenant allows), {} refused by the tenant.\n",
        outcome.sent(),
        humantime::format_duration(scenario.duration),
        outcome.utilisation() * 100.0,
        quota.per_second() * quota.share,
        quota.per_second(),
        outcome.refused_upstream,
    )
}

fn row(outcome: &Outcome, load: usize, name: &str, class: &str) -> [String; 8] {
    let waits = outcome.waits(load);
    let wait = |percent| if load == SIGN_IN { "-".into() } else { shown(percentile(&waits, percent)) };
    [
        name.to_owned(),
        class.to_owned(),
        outcome.count(load, Fate::Sent).to_string(),
        outcome.count(load, Fate::Refused).to_string(),
        outcome.count(load, Fate::RefusedUpstream).to_string(),
        wait(50),
        wait(99),
        wait(100),
    ]
}

fn shown(wait: Duration) -> String {
    if wait < Duration::from_secs(1) {
        format!("{} ms", wait.as_millis())
    } else {
        format!("{:.1} s", wait.as_secs_f64())
    }
}
