//! The command line: exit codes and what it says.

#[path = "commands/bootstrap.rs"]
mod bootstrap;
#[path = "commands/caller.rs"]
mod caller;
#[path = "commands/check.rs"]
mod check;
#[path = "commands/help.rs"]
mod help;
#[path = "commands/operations.rs"]
mod operations;
#[path = "commands/policies.rs"]
mod policies;
#[path = "commands/sockets.rs"]
mod sockets;
#[path = "commands/would_start.rs"]
mod would_start;

use std::process::Stdio;

use crate::support::{
    Logto, Settings, claviger,
    command::{finish, program},
    within,
};

struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("there is a temporary directory"))
    }

    fn with(&self, settings: &Settings) -> String {
        let path = self.0.path().join("claviger.toml");
        settings.write(&path);
        path.display().to_string()
    }
}

fn offline() -> Settings {
    Settings::usual()
        .set("tenants.acme.client_id", "'m2m'")
        .set("tenants.acme.client_secret", "{ env = 'ACME_SECRET' }")
        .set("policies.all.allow", "['users:read', 'GET /api/new-things/{id}']")
        .set("policies.all.deny", "['GetUserIdentity']")
}

/// What was asked for is not there then, as an export on a full disk.
#[tokio::test]
async fn what_cannot_be_printed_is_a_failure_and_a_reader_that_has_seen_enough_is_none() {
    let run = async |to: Stdio| {
        let running = program().arg("schema").stdout(to).spawn().expect("the program can be run");
        within("a command to end", running.wait_with_output()).await.expect("it can be waited for")
    };
    if let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") {
        let failed = run(full.into()).await;
        let said = "claviger: standard output cannot be written, and what was written of it is not whole: No space left";
        let stderr = String::from_utf8_lossy(&failed.stderr);
        assert_eq!((failed.status.code(), stderr.starts_with(said)), (Some(1), true), "{stderr}");
    }
    let (reader, writer) = std::io::pipe().expect("there is one");
    drop(reader);
    let fine = run(writer.into()).await;
    assert_eq!((fine.status.code(), &*fine.stderr), (Some(0), &b""[..]));
}

/// Whoever reviews a policy has neither the secrets nor the certificates that it names.
#[tokio::test]
async fn a_policy_is_read_where_its_secrets_are_not() {
    let files = Files::new();
    let settings = offline()
        .set("listen.tls.cert", "'none.crt'")
        .set("listen.tls.key", "'none.key'")
        .set("tenants.acme.client_secret", "{ env = 'SET_NOWHERE' }")
        .set("issuers.kubernetes.issuer", "'https://kubernetes.default.svc'")
        .set("issuers.kubernetes.audience", "'claviger'")
        .set("issuers.kubernetes.jwks", "{ file = 'none.json' }")
        .set("policies.all.allow", "['users:read', 'ListApplicationSecrets', 'ListHooks']")
        .set(
            "callers.local.identify",
            "[{ api_key = { file = 'none' } }, { service_account = 'shop/billing' }]",
        )
        .set("callers.local.reveal", "['ListApplicationSecrets']");
    let file = files.with(&settings);
    let say = async |arguments: &[&str], code| {
        let finished = claviger(&[arguments, &["--config", &file]].concat()).await;
        finished.assert_code(code);
        finished.stdout
    };
    say(&["check"], 64).await;
    let matrix = say(&["policy", "matrix"], 0).await;
    assert!(matrix.contains("ListHooks+"), "{matrix}");
    let caller = "\ncaller local\n  authenticated by: api_key, service_account shop/billing of kubernetes\n  tenants: acme\n";
    assert!(matrix.contains(caller), "{matrix}");
    for (path, answer) in [
        ("/api/applications/x/secrets", "  not masked in the answer, as callers.local.reveal says: value\n"),
        ("/api/hooks", "reveal = [\"ListHooks\"] in callers.local would show it\n"),
    ] {
        let said = say(&["explain", "--caller", "local", "GET", path], 0).await;
        assert!(said.contains(answer), "{path}: {said}");
    }
}

#[tokio::test]
async fn operations_are_listed() {
    let all = claviger(&["operations", "--json"]).await;
    all.assert_code(0);
    let rows: serde_json::Value = serde_json::from_str(&all.stdout).expect("it is JSON");
    assert!(rows.as_array().is_some_and(|rows| rows.len() > 200));
    let users = claviger(&["operations", "--tag", "users"]).await;
    users.assert_code(0);
    assert!(
        users.stdout.lines().all(|line| line.contains("/api/users")) && users.stdout.contains("ListUsers")
    );
    let none = claviger(&["operations", "--tag", "userz"]).await;
    none.assert_code(2);
    assert!(none.stderr.contains("users"), "{}", none.stderr);
}

#[tokio::test]
async fn the_schema_accepts_a_configuration_and_refuses_nonsense() {
    let finished = claviger(&["schema"]).await;
    finished.assert_code(0);
    let schema: serde_json::Value = serde_json::from_str(&finished.stdout).expect("it is JSON");
    let validator = jsonschema::validator_for(&schema).expect("it is a schema");
    let good = serde_json::json!({
        "listen": { "proxy": ["127.0.0.1:3600"], "admin": "off" },
        "tenants": { "acme": { "client_id": "m2m", "client_secret": { "file": "/run/secrets/acme" } } },
        "policies": { "readers": { "allow": ["users:read"] } },
        "callers": { "local": { "identify": { "loopback": true }, "policies": ["readers"] } },
    });
    let complaints: Vec<_> = validator.iter_errors(&good).map(|error| error.to_string()).collect();
    assert!(complaints.is_empty(), "{complaints:?}");
    assert!(!validator.is_valid(&serde_json::json!({ "listn": {} })));
}

#[tokio::test]
async fn wrong_usage_is_2_and_help_is_0() {
    for wrong in [
        &["serv"][..],
        &[],
        &["serve", "--confg", "x"],
        &["explain"],
        &["explain", "GET"],
        &["completions", "tcsh"],
    ] {
        let finished = claviger(wrong).await;
        finished.assert_code(2);
        assert!(finished.stdout.is_empty() && !finished.stderr.is_empty(), "{wrong:?}");
    }
    for fine in [&["--help"][..], &["--version"], &["serve", "--help"], &["man"], &["completions", "bash"]] {
        let finished = claviger(fine).await;
        finished.assert_code(0);
        assert!(!finished.stdout.is_empty(), "{fine:?}");
    }
}

#[tokio::test]
async fn the_environment_alone_is_enough() {
    let logto = Logto::start().await;
    let directory = tempfile::tempdir().expect("there is a temporary directory");
    let ready = directory.path().join("ready.json");
    let mut child = program()
        .args(["serve", "--ready-file", &ready.display().to_string()])
        .current_dir(directory.path())
        .env("LOGTO_ENDPOINT", logto.base_url())
        .env("LOGTO_M2M_APP_ID", logto.client())
        .env("LOGTO_M2M_APP_SECRET", logto.secret())
        .env("CLAVIGER_ALLOW", "users:read,ListRoles")
        .env("CLAVIGER_LISTEN__PROXY", "[\"127.0.0.1:0\"]")
        .env("CLAVIGER_LISTEN__ADMIN", "off")
        .spawn()
        .expect("the program can be run");
    let written = crate::support::until("the ready file", || std::fs::read(&ready).ok()).await;
    let written: serde_json::Value = serde_json::from_slice(&written).expect("it is JSON");
    assert!(written["admin"].is_null());
    let place = crate::support::wire::Place::parse(written["proxy"][0].as_str().expect("an address"));
    let mut client = place.connect(Default::default()).await.expect("it listens");
    assert_eq!(client.ask(&crate::support::Request::get("/api/users")).await.status, 200);
    client.ask(&crate::support::Request::get("/api/hooks")).await.assert_problem(403, "not_permitted");
    child.start_kill().expect("it is ours");
}

/// A command that waits for a secret holds one soon: it writes no core file.
#[tokio::test]
async fn a_command_that_reads_a_secret_writes_no_core_file() {
    let arguments = ["tenant", "adopt", "acme", "--client-id", "m2m"];
    let mut command = program();
    let mut waiting = command.args(arguments).stdin(Stdio::piped()).spawn().expect("it can be run");
    let limits = format!("/proc/{}/limits", waiting.id().expect("it runs"));
    within("the limit to be set", async {
        loop {
            let limits = std::fs::read_to_string(&limits).expect("it waits for standard input");
            let core = limits.lines().find(|line| line.starts_with("Max core file size"));
            if core.is_some_and(|core| core.split_whitespace().skip(4).take(2).all(|it| it == "0")) {
                break;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    waiting.kill().await.expect("it runs");
}
