//! The command line: one file a command. Standard output is for what was asked for, standard error for
//! everything else. Exit codes: 0 fine, 1 the answer is no or it could not be done, 2 wrong usage, 64 invalid
//! configuration.

#[macro_use]
mod output;

mod audit;
mod batch;
mod bootstrap;
mod caller;
mod check;
mod complete;
#[cfg(feature = "emulator")]
mod demo;
#[cfg(feature = "emulator")]
mod emulate;
mod explain;
mod harden;
mod healthcheck;
mod man;
mod matrix;
mod misplaced;
#[cfg(any(test, not(feature = "emulator")))]
mod no_emulator;
mod number;
mod operations;
mod process;
mod runtime;
mod serve;
mod simulate;
mod sources;
mod status;
mod tenant;
mod token;
mod unused_proxy;
mod vault;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use self::{
    output::{INVALID_CONFIGURATION, NO, count, fail, print, report, report_first, usage},
    runtime::runtime,
    sources::{Plain, Sources, load, load_policy, unseen_vault},
};
use crate::config;

/// A proxy for the Logto Management API: holds the credentials, and lets each service call only what it was granted.
#[derive(Parser)]
#[command(
    name = "claviger",
    version,
    about,
    disable_help_subcommand = true,
    after_long_help = "\
Examples:
  claviger demo                               look around, without a Logto tenant
  claviger check --online                     is the configuration valid, and does Logto accept the credentials?
  claviger serve                              run
  claviger explain GET /api/users             would this be allowed?
  claviger status                             is everything all right?

Exit codes:
  0   fine
  1   the answer is no, or it could not be done; requests were cut off at the end
  2   wrong usage
  64  invalid configuration, before any port is bound

Files:
  ./claviger.toml, /etc/claviger/claviger.toml   the first that exists, if neither --config nor CLAVIGER_CONFIG names one"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the proxy.
    #[command(after_long_help = "\
Examples:
  claviger serve --config /etc/claviger/claviger.toml
  LOGTO_ENDPOINT=https://acme.logto.app LOGTO_M2M_APP_ID=… LOGTO_M2M_APP_SECRET_FILE=… CLAVIGER_ALLOW=users:read claviger serve
  CLAVIGER_LISTEN__PROXY=127.0.0.1:3700 claviger serve   (any key of the configuration can be set so)

Signals:
  SIGTERM, SIGINT  finish the requests under way, then end; a second one ends at once
  SIGHUP           read the configuration again, and try again to get tokens")]
    Serve(serve::Args),
    /// Run the proxy in front of an embedded Logto emulator, with curl lines to try.
    #[cfg(feature = "emulator")]
    Demo(demo::Args),
    /// Carry out many operations from a file, one JSON object a line, through the running process or without one; resumes after a crash.
    Batch(batch::Args),
    /// The first credential of a Logto of your own, without its Console.
    #[command(after_long_help = "\
Examples:
  claviger bootstrap                                   the steps
  claviger bootstrap --sql | psql \"$DB_URL\"           make the application
  claviger bootstrap --check --endpoint https://id.example.com --client-id ID")]
    Bootstrap(bootstrap::Args),
    /// Make an API key for a caller.
    #[command(subcommand)]
    Caller(caller::Command),
    /// Validate the configuration: all errors that can be found at once.
    #[command(after_long_help = "\
Examples:
  claviger check --config claviger.toml
  claviger check --online        also: does Logto give a token, and accept it?")]
    Check(check::Args),
    /// Would this request be allowed, and by which rule? If not: what to write.
    Explain(explain::Args),
    /// Review the policies.
    #[command(subcommand)]
    Policy(Policy),
    /// List the operations of the Management API.
    #[command(after_long_help = "\
Examples:
  claviger operations --tag users
  claviger operations --json | jq '.[] | select(.sensitive != [])'")]
    Operations(operations::Args),
    /// Run the Logto emulator on its own, for tests of your application.
    #[cfg(feature = "emulator")]
    #[command(after_long_help = "\
Examples:
  claviger emulate
  claviger emulate --listen 127.0.0.1:4001 --quota 200/10s

  Claviger in front of it, in another terminal:
  export LOGTO_ENDPOINT=http://127.0.0.1:3001
  export LOGTO_M2M_APP_ID=emulator-app
  export LOGTO_M2M_APP_SECRET=emulator-secret
  export CLAVIGER_ALLOW=users:read
  claviger check --online
  claviger serve

  The next two requests answered with 503; docs/guides/emulator.md has all faults:
  curl -X PUT http://127.0.0.1:3001/__emulator/faults -d '[{\"on\":\"api\",\"times\":2,\"effect\":{\"answer\":{\"status\":503}}}]'")]
    Emulate(emulate::Args),
    /// What a described load would make of a quota, in virtual time.
    Simulate(simulate::Args),
    /// Probe the running process.
    #[command(after_long_help = "\
Examples:
  claviger healthcheck
  claviger healthcheck --probe /readyz --address 127.0.0.1:3601")]
    Healthcheck(healthcheck::Args),
    /// Show the state of the running process: what is wrong and what to do about it, tenants, callers. Exit code 1 where something is wrong.
    Status(status::Args),
    /// Manage the tenants whose credentials are in the vault.
    #[command(subcommand)]
    #[command(after_long_help = "\
Examples:
  claviger tenant list
  claviger tenant adopt acme --tenant-id abc123 --client-id m2mapp000000000000001 --template customer < app-secret")]
    Tenant(tenant::Command),
    /// Verify, re-encrypt, export or import the vault.
    #[command(subcommand)]
    Vault(vault::Command),
    /// Make the running process get tokens again.
    #[command(subcommand)]
    Token(token::Command),
    /// Print the JSON Schema of the configuration.
    Schema,
    /// Print shell completion for commands, callers, tenants, operations and tags.
    #[command(after_long_help = "\
Examples:
  claviger completions bash > /etc/bash_completion.d/claviger
  claviger completions fish > ~/.config/fish/completions/claviger.fish
  echo 'source <(claviger completions zsh)' >> ~/.zshrc")]
    Completions {
        /// The shell.
        #[arg(value_parser = complete::shells())]
        shell: String,
    },
    /// Print a manual page.
    #[command(after_long_help = "\
Examples:
  claviger man | man -l -
  claviger man policy matrix > claviger-policy-matrix.1")]
    Man(man::Args),
}

#[derive(Subcommand)]
enum Policy {
    /// Print who may do what, under which conditions, by which rule.
    #[command(after_long_help = "\
Examples:
  claviger policy matrix --config claviger.toml
  claviger policy matrix --caller billing --format html > matrix.html
  claviger policy matrix --json > matrix.json     keep it beside the policy: a change of rights shows as a diff")]
    Matrix(matrix::Args),
}

/// Runs the program.
pub fn main() -> ExitCode {
    crate::vault::print_no_caught_panic();
    complete::answer(Cli::command);
    let cli = Cli::try_parse().unwrap_or_else(|error| {
        #[cfg(not(feature = "emulator"))]
        let error = no_emulator::explained(error, &mut Cli::command());
        misplaced::explained(error, std::env::args_os().nth(1).as_deref().and_then(std::ffi::OsStr::to_str))
            .exit()
    });
    // Nearly all of them read secrets: of a configuration, a vault, or standard input.
    harden::harden();
    match cli.command {
        Command::Serve(args) => serve::run(args),
        #[cfg(feature = "emulator")]
        Command::Demo(args) => demo::run(&args),
        Command::Batch(args) => batch::run(&args),
        Command::Bootstrap(args) => bootstrap::run(args),
        Command::Caller(command) => caller::run(&command),
        Command::Check(args) => check::run(&args),
        Command::Explain(args) => explain::run(args),
        Command::Policy(Policy::Matrix(args)) => matrix::run(&args),
        Command::Operations(args) => operations::run(&args),
        #[cfg(feature = "emulator")]
        Command::Emulate(args) => emulate::run(&args),
        Command::Simulate(args) => simulate::run(&args),
        Command::Healthcheck(args) => healthcheck::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Tenant(command) => tenant::run(command),
        Command::Vault(command) => vault::run(&command),
        Command::Token(command) => token::run(&command),
        Command::Schema => print(config::SCHEMA),
        Command::Completions { shell } => match complete::script(&shell) {
            Ok(script) => print(&script),
            Err(error) => fail(&error.to_string()),
        },
        Command::Man(args) => man::run(&args, Cli::command()),
    }
}
