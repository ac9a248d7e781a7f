//! Whether an account's personal access token is taken: `check --online`, `serve --strict` and `/status` say so.

use claviger_emulator::Emulator;

use super::account;
use crate::support::{
    Proxy, Settings,
    canary::MARK,
    claviger,
    command::{finish, program},
    quoted,
};

fn with(cloud: &Emulator, token: &str) -> Settings {
    Settings::usual()
        .set("cloud.default.endpoint", quoted(cloud.base_url()))
        .set("cloud.default.token", quoted(token))
        .set("callers.local.cloud", "'default'")
        .set("policies.all.allow", "['cloud:*']")
}

#[tokio::test]
async fn check_and_strict_tell_a_token_that_is_taken_from_one_that_is_not() {
    let (cloud, token) = account().await;
    let directory = tempfile::tempdir().expect("there is a temporary directory");
    let file = directory.path().join("claviger.toml");
    let name = file.display().to_string();
    with(&cloud, &token).write(&file);
    let good = claviger(&["check", "--online", "--config", &name]).await;
    assert!(good.assert_code(0).stdout.contains("cloud.default: fine"), "{good:?}");
    with(&cloud, &format!("{MARK}another-0123456789")).write(&file);
    let refused =
        "refuses the personal access token. Make another personal access token in the Logto Console";
    let bad = claviger(&["check", "--online", "--config", &name]).await;
    assert!(bad.assert_code(1).stderr.contains(refused), "{bad:?}");
    let strict = finish(program().args(["serve", "--strict", "--config", &name])).await;
    assert!(strict.assert_code(1).stderr.contains(refused), "{strict:?}");
    assert!(strict.stderr.contains("not started: --strict"), "{strict:?}");
}

#[tokio::test]
async fn the_status_shows_accounts_and_what_is_wrong_with_them() {
    let (cloud, token) = account().await;
    let started = async |token: &str| super::with(&cloud, token).start().await;
    let proxy: Proxy = started(&token).await;
    assert_eq!(proxy.get("/cloud/api/tenants").await.status, 200);
    let status = proxy.status().await;
    let account = &status["accounts"]["default"];
    assert_eq!((&account["state"], &account["upstream"]["tries"]), (&"ok".into(), &1.into()), "{status:#}");
    let proxy = started(&format!("{MARK}another-0123456789")).await;
    proxy.get("/cloud/api/tenants").await.assert_problem(502, "token_rejected");
    let status = proxy.status().await;
    let problem = &status["problems"][0];
    assert_eq!(
        (&status["accounts"]["default"]["state"], &problem["about"]),
        (&"error".into(), &"cloud.default".into())
    );
    assert!(
        problem["remedy"].as_str().is_some_and(|it| it.starts_with("Make another personal access token")),
        "{problem}"
    );
}
