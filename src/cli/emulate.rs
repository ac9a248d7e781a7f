//! `claviger emulate`: the Logto emulator alone, for consumers' own tests.

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use claviger_emulator::{Client, Emulator, ManagementRole, Options, Quota, Seed};

use super::number;

/// Rows that the emulator keeps of a kind.
const MOST_USERS: u64 = 20_000;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Where to listen; port 0 takes a free one, which is printed.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:3001", value_parser = super::process::parse_socket)]
    listen: SocketAddr,
    /// The id of the machine-to-machine application.
    #[arg(long, value_name = "ID", default_value = "emulator-app")]
    client_id: String,
    /// Its secret; may be repeated.
    #[arg(long = "client-secret", value_name = "SECRET", default_value = "emulator-secret")]
    client_secrets: Vec<String>,
    /// The number of users that it starts with, 20000 at the most.
    #[arg(long, value_name = "NUMBER", default_value_t = 25, allow_negative_numbers = true, value_parser = |text: &str| number::within(text, 0..=MOST_USERS))]
    users: u64,
    /// Emulate an account at Logto Cloud instead, with this personal access token: POST /api/tenants creates tenants, each an
    /// emulator on a port of its own.
    #[arg(long, value_name = "PAT", conflicts_with_all = ["client_id", "client_secrets", "users", "token_ttl"])]
    cloud_token: Option<String>,
    /// What the tenant allows all of its clients together, sign-in included, such as 200/10s, which is what Logto Cloud allows: beyond it
    /// is 429.
    #[arg(long, value_name = "REQUESTS/SECONDS")]
    quota: Option<Quota>,
    /// Life of its tokens, in seconds.
    #[arg(long, default_value_t = 3600, value_name = "SECONDS", allow_negative_numbers = true, value_parser = |text: &str| number::seconds(text))]
    token_ttl: u64,
}

pub(super) fn run(args: &Args) -> ExitCode {
    match super::runtime() {
        Ok(runtime) => runtime.block_on(emulate(args)),
        Err(error) => super::fail(&format!("cannot start: {error}")),
    }
}

async fn emulate(args: &Args) -> ExitCode {
    let options = Options {
        bind: args.listen,
        seed: Seed::Demo { users: usize::try_from(args.users).unwrap_or(usize::MAX) },
        clients: vec![Client {
            id: args.client_id.clone(),
            secrets: args.client_secrets.clone(),
            role: ManagementRole::Granted,
        }],
        token_ttl: Duration::from_secs(args.token_ttl),
        quota: args.quota,
        cloud: args.cloud_token.clone(),
        ..Options::default()
    };
    // Before it says that it listens.
    let (stop, _) = match super::serve::signals() {
        Ok(signals) => signals,
        Err(error) => return super::fail(&format!("cannot watch for signals: {error}")),
    };
    let emulator = match Emulator::start(options).await {
        Ok(emulator) => emulator,
        Err(error) => {
            let choose = "Choose another address, such as --listen 127.0.0.1:0.";
            return super::fail(&format!("cannot listen on {}: {error}. {choose}", args.listen));
        }
    };
    say!(
        "{}",
        serde_json::json!({
            "listening": emulator.addr().to_string(),
            "endpoint": emulator.base_url(),
            "client_id": args.client_id,
            "client_secrets": args.client_secrets,
        })
    );
    stop.await;
    emulator.shutdown();
    ExitCode::SUCCESS
}
