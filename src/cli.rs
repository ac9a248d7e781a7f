//! The command line: one file a command. Standard output is for what was asked for, standard error for
//! everything else. Exit codes: 0 fine, 1 the answer is no or start-up failed, 2 wrong usage, 64 invalid
//! configuration.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line prints")]

mod caller;
mod check;
#[cfg(feature = "emulator")]
mod demo;
#[cfg(feature = "emulator")]
mod emulate;
mod explain;
mod healthcheck;
mod matrix;
#[cfg(any(test, not(feature = "emulator")))]
mod no_emulator;
mod operations;
mod serve;

use std::{io::Write as _, path::PathBuf, process::ExitCode};

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::{
    config::{self, LoadRequest, Loaded, Problems, References, RuleList},
    policy::rules,
};

const NO: u8 = 1;
const INVALID_CONFIGURATION: u8 = 64;

/// A sidecar for the Logto Management API: holds the credentials, lets each service call exactly what it was granted.
#[derive(Parser)]
#[command(name = "claviger", version, about, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// Where the configuration is.
#[derive(clap::Args, Clone)]
struct Sources {
    /// Configuration file (.toml, .yaml, .json); may be repeated, a later one wins.
    /// Left out: ./claviger.toml, then /etc/claviger/claviger.toml, else the environment alone.
    #[arg(long = "config", value_name = "PATH")]
    paths: Vec<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Run the proxy.
    Serve(serve::Args),
    /// Run the proxy in front of an embedded Logto emulator, with curl lines to try.
    #[cfg(feature = "emulator")]
    Demo(demo::Args),
    /// Make an API key for a caller.
    #[command(subcommand)]
    Caller(caller::Command),
    /// Validate the configuration: every problem at once.
    Check(check::Args),
    /// Would this request be allowed, by which rule, as which operation.
    Explain(explain::Args),
    /// What the policies come to.
    #[command(subcommand)]
    Policy(Policy),
    /// List the operations of the Management API.
    Operations(operations::Args),
    /// Run the Logto emulator alone, for tests.
    #[cfg(feature = "emulator")]
    Emulate(emulate::Args),
    /// Probe the running process.
    Healthcheck(healthcheck::Args),
    /// Print the JSON Schema of the configuration.
    Schema,
    /// Print shell completions.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page.
    Man,
}

#[derive(Subcommand)]
enum Policy {
    /// Callers by operations: who may do what, under which conditions, by which rule.
    Matrix(matrix::Args),
}

/// Runs the program.
pub fn main() -> ExitCode {
    let cli = Cli::try_parse().unwrap_or_else(|error| {
        #[cfg(not(feature = "emulator"))]
        let error = no_emulator::explained(error, &mut Cli::command());
        error.exit()
    });
    match cli.command {
        Command::Serve(args) => serve::run(args),
        #[cfg(feature = "emulator")]
        Command::Demo(args) => demo::run(&args),
        Command::Caller(command) => caller::run(&command),
        Command::Check(args) => check::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Policy(Policy::Matrix(args)) => matrix::run(&args),
        Command::Operations(args) => operations::run(&args),
        #[cfg(feature = "emulator")]
        Command::Emulate(args) => emulate::run(&args),
        Command::Healthcheck(args) => healthcheck::run(&args),
        Command::Schema => print(&format!("{:#}\n", config::schema())),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "claviger", &mut script);
            print(&String::from_utf8_lossy(&script))
        }
        Command::Man => {
            let mut page = Vec::new();
            match clap_mangen::Man::new(Cli::command()).render(&mut page) {
                Ok(()) => print(&String::from_utf8_lossy(&page)),
                Err(error) => fail(&error.to_string()),
            }
        }
    }
}

/// Prints all of it; a reader that has seen enough (`| head`) is no failure.
fn print(text: &str) -> ExitCode {
    let _: std::io::Result<()> = std::io::stdout().lock().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn fail(why: &str) -> ExitCode {
    eprintln!("claviger: {why}");
    ExitCode::from(NO)
}

fn load(paths: &[PathBuf]) -> Result<Loaded, Problems> {
    config::load(&LoadRequest::of_process(paths.to_vec(), &rule_check))
}

/// The configuration for commands that say what it allows: they are for reviewers too, who have no secrets.
fn load_policy(paths: &[PathBuf]) -> Result<Loaded, Problems> {
    let request = LoadRequest::of_process(paths.to_vec(), &rule_check);
    config::load(&LoadRequest { references: References::MayBeAbsent, ..request })
}

fn rule_check(list: RuleList, text: &str) -> Result<(), String> {
    let effect = match list {
        RuleList::Allow => rules::Effect::Allow,
        RuleList::Deny => rules::Effect::Deny,
    };
    rules::Rule::parse(effect, text).map(drop).map_err(|error| error.to_string())
}

/// Prints every problem, then how many there were.
fn report(problems: &Problems) -> ExitCode {
    for warning in &problems.warnings {
        eprintln!("warning: {warning}");
    }
    for problem in &problems.problems {
        eprintln!("error: {problem}");
    }
    eprintln!("claviger: the configuration is invalid: {}", count(problems.problems.len(), "problem"));
    ExitCode::from(INVALID_CONFIGURATION)
}

fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// A runtime for one thread: what is not a worker.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}
