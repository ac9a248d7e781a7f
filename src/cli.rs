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
mod output;
mod runtime;
mod serve;
mod sources;
mod token;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use self::{
    output::{INVALID_CONFIGURATION, NO, count, fail, print, report},
    runtime::runtime,
    sources::{Sources, load, load_policy},
};
use crate::config;

/// A sidecar for the Logto Management API: holds the credentials, lets each service call exactly what it was granted.
#[derive(Parser)]
#[command(name = "claviger", version, about, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
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
    /// Would this request be allowed, by which rule; and what to write where it is not.
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
    /// Tell the running process what to do about its tokens.
    #[command(subcommand)]
    Token(token::Command),
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
        Command::Explain(args) => explain::run(args),
        Command::Policy(Policy::Matrix(args)) => matrix::run(&args),
        Command::Operations(args) => operations::run(&args),
        #[cfg(feature = "emulator")]
        Command::Emulate(args) => emulate::run(&args),
        Command::Healthcheck(args) => healthcheck::run(&args),
        Command::Token(command) => token::run(&command),
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
