//! The command line: exit codes and what it says.

#[path = "commands/caller.rs"]
mod caller;
#[path = "commands/operations.rs"]
mod operations;
#[path = "commands/policies.rs"]
mod policies;

use crate::support::{
    Logto, Proxy, Settings, claviger,
    command::{finish, program},
    issuer::{Issuer, Signer, key_set},
    quoted,
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

#[tokio::test]
async fn check_finds_everything_at_once_with_place_and_remedy() {
    let files = Files::new();
    let file = files.with(&offline());
    let check = |file: &str| {
        let mut command = program();
        command.args(["check", "--config", file]).env("ACME_SECRET", "CANARY-held-secret-of-check");
        command
    };
    let fine = finish(&mut check(&file)).await;
    fine.assert_code(0);
    assert!(
        fine.stdout.contains("the configuration is valid: 1 tenant, 1 caller, 0 warnings"),
        "{}",
        fine.stdout
    );
    let without = claviger(&["check", "--config", &file]).await;
    without.assert_code(64);
    assert!(without.stderr.contains("ACME_SECRET"), "{}", without.stderr);

    let broken = offline()
        .set("timeouts.hed", "'1s'")
        .set("timeouts.idle", "'soon'")
        .set("listen.admin", "'127.0.0.1'")
        .set("policies.all.allow", "['users:reed']")
        .set("callers.local.tenants", "['nobody']")
        .set("callers.other.identify", "{ loopback = true }")
        .set("callers.other.policies", "['none']");
    let file = files.with(&broken);
    let finished = finish(&mut check(&file)).await;
    finished.assert_code(64);
    for part in [
        "timeouts.hed",
        "timeouts.idle",
        "listen.admin",
        "\"reed\" is not an access",
        "nobody",
        "none",
        "claviger.toml:",
    ] {
        assert!(finished.stderr.contains(part), "{part}: {}", finished.stderr);
    }
    let errors = finished.stderr.lines().filter(|line| line.starts_with("error: ")).count();
    assert!(errors >= 6, "{}", finished.stderr);
    assert!(finished.stderr.contains("the configuration is invalid: "));
    claviger(&["check", "--config", "/nonexistent/claviger.toml"]).await.assert_code(64);
}

#[tokio::test]
async fn a_key_set_of_no_use_is_told_with_its_place() {
    let files = Files::new();
    let keys = files.0.path().join("jwks.json");
    std::fs::write(&keys, r#"{"keys":[{"kty":"oct","kid":"x"}]}"#)
        .expect("a temporary directory can be written to");
    let file = files.with(
        &offline()
            .set("issuers.kubernetes.issuer", "'https://kubernetes.default.svc'")
            .set("issuers.kubernetes.audience", "'claviger'")
            .set("issuers.kubernetes.jwks", format!("{{ file = {} }}", quoted(keys.display()))),
    );
    let mut command = program();
    command.args(["check", "--config", &file]).env("ACME_SECRET", "CANARY-held-secret-of-check");
    let finished = finish(&mut command).await;
    finished.assert_code(64);
    assert!(finished.stderr.contains(&format!("error: {file}:")), "{}", finished.stderr);
    assert!(finished.stderr.contains(": issuers.kubernetes.jwks: "), "{}", finished.stderr);
    assert!(finished.stderr.contains("none of its 1 keys"), "{}", finished.stderr);
    assert!(finished.stderr.ends_with("the configuration is invalid: 1 problem\n"), "{}", finished.stderr);
}

#[tokio::test]
async fn a_literal_secret_earns_a_warning_that_does_not_show_it() {
    let files = Files::new();
    let secret = "CANARY-held-literal-secret";
    let file = files.with(&offline().set("tenants.acme.client_secret", quoted(secret)));
    let finished = claviger(&["check", "--config", &file]).await;
    finished.assert_code(0);
    assert!(
        finished.stderr.contains("warning: ") && finished.stdout.contains("1 warning"),
        "{}",
        finished.stderr
    );
    assert!(!finished.stderr.contains(secret) && !finished.stdout.contains(secret));
}

#[tokio::test]
async fn check_warns_of_places_that_are_not_there() {
    let files = Files::new();
    let there = files.0.path().display().to_string();
    let with = |directory: &str| {
        let settings = offline()
            .set("tenants.acme.client_secret", "'0123456789abcdef'")
            .set("listen.proxy", format!("['unix:{directory}/s']"))
            .set("listen.admin", format!("'unix:{directory}/a'"))
            .set("audit.output", format!("{{ file = '{directory}/audit.jsonl' }}"));
        files.with(&settings)
    };
    let fine = claviger(&["check", "--config", &with(&there)]).await;
    fine.assert_code(0);
    assert!(!fine.stderr.contains("there is no directory"), "{}", fine.stderr);
    let missing = claviger(&["check", "--config", &with("/nonexistent/claviger")]).await;
    missing.assert_code(0);
    for key in ["listen.proxy", "listen.admin", "audit.output"] {
        let said = format!("warning: {key}: there is no directory /nonexistent/claviger here.");
        assert!(missing.stderr.contains(&said), "{key}: {}", missing.stderr);
    }
    std::fs::write(files.0.path().join("s"), "").expect("it can be written");
    let in_the_way = claviger(&["check", "--config", &with(&there)]).await;
    assert!(in_the_way.stderr.contains("/s is not a socket"), "{}", in_the_way.stderr);
}

#[tokio::test]
async fn check_online_explains_in_the_users_terms() {
    let logto = Logto::start().await;
    let files = Files::new();
    let good = Settings::usual().tenant("acme", &logto);
    let cases = [
        (good.clone(), 0, "acme: fine"),
        (
            good.clone().set("tenants.acme.client_secret", "'wrong'"),
            1,
            "The client secret is wrong or was deleted",
        ),
        (good.clone().set("tenants.acme.client_id", "'nobody'"), 1, "no application with this `client_id`"),
        (good.clone().set("tenants.acme.client_id", "'m2m-without-role'"), 1, "Assign a role"),
        (good.clone().set("tenants.acme.resource", "'https://x.logto.app/api'"), 1, "Set `resource`"),
        (good.clone().set("tenants.acme.endpoint", "'http://127.0.0.1:9'"), 1, "Check `endpoint`"),
    ];
    let signer = Signer::new("one");
    let issuer = Issuer::start(key_set(&[&signer])).await;
    let vouched = |url: &str| {
        good.clone()
            .set("issuers.ci.issuer", quoted(url))
            .set("issuers.ci.audience", "'claviger'")
            .set("callers.ci.identify", "{ jwt = { issuer = 'ci', claims = { sub = 'x' } } }")
            .set("callers.ci.policies", "['all']")
    };
    let other = issuer.url().replace("127.0.0.1", "localhost");
    let cases = cases.into_iter().chain([
        (vouched(&issuer.url()), 0, "issuers.ci: fine: 1 key"),
        (vouched(&other), 1, "which the configuration has to say to the letter"),
        (vouched("http://127.0.0.1:9"), 1, "1 issuer cannot vouch for anybody"),
    ]);
    for (settings, code, text) in cases {
        let file = files.with(&settings);
        let finished = claviger(&["check", "--online", "--config", &file]).await;
        finished.assert_code(code);
        assert!(
            finished.stdout.contains(text) || finished.stderr.contains(text),
            "{text}: {}",
            finished.stderr
        );
        assert!(!finished.stderr.contains(logto.secret()) && !finished.stderr.contains("eyJ"));
    }
}

#[tokio::test]
async fn explain_says_yes_or_no_and_why() {
    let files = Files::new();
    let file = files.with(&offline().set("tenants.acme.client_secret", "'0123456789abcdef'"));
    let explain = |caller: &'static str, method: &'static str, path: &'static str| {
        let file = file.clone();
        async move { claviger(&["explain", "--config", &file, "--caller", caller, method, path]).await }
    };
    for (method, path, code, text) in [
        ("GET", "/api/users", 0, "ListUsers"),
        ("GET", "/api/USERS/u1/", 0, "GetUser"),
        ("GET", "/api/users?page=1", 0, "users:read"),
        ("GET", "/api/new-things/1", 0, "GET /api/new-things/{id}"),
        ("POST", "/api/users", 1, "add \"CreateUser\" to policies.all.allow (tenant acme)"),
        ("GET", "/api/hooks", 1, "add \"ListHooks\" to policies.all.allow (tenant acme)"),
        ("GET", "/api/users/u1/identities/github", 1, "GetUserIdentity"),
        ("GET", "/api/nothing", 1, "denied"),
        ("GET", "/api/../users", 1, "denied: at byte"),
        ("GET", "/api/users%2fx", 1, "escaped delimiter"),
    ] {
        let finished = explain("local", method, path).await;
        finished.assert_code(code);
        assert!(finished.stdout.contains(text), "{method} {path}: {}", finished.stdout);
        assert_eq!(finished.stdout.starts_with("allowed: "), code == 0);
    }
    let nobody = explain("nobody", "GET", "/api/users").await;
    nobody.assert_code(1);
    assert!(nobody.stderr.contains("there are: local"), "{}", nobody.stderr);
    let tenant =
        claviger(&["explain", "--config", &file, "--caller", "local", "--tenant", "x", "GET", "/api/users"])
            .await;
    tenant.assert_code(1);
    assert!(tenant.stdout.contains("no tenant of that name"), "{}", tenant.stdout);
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
    assert!(matrix.contains("local: tenants acme") && matrix.contains("ListHooks+"), "{matrix}");
    for (path, answer) in [
        ("/api/applications/x/secrets", "comes with its secrets, as the caller's reveal says"),
        ("/api/hooks", "come masked; reveal = [\"ListHooks\"]"),
    ] {
        let said = say(&["explain", "--caller", "local", "GET", path], 0).await;
        assert!(said.contains(answer), "{path}: {said}");
    }
}

#[tokio::test]
async fn what_explain_says_is_what_serve_does() {
    let logto = Logto::start().await;
    let settings = |s: Settings| {
        s.set("policies.all.allow", "['users:read', 'roles:*']").set("policies.all.deny", "['GetRole']")
    };
    let mut proxy = Proxy::of(&logto).await;
    assert!(proxy.reload_with(settings).await);
    let file = proxy.file().display().to_string();
    for (method, path) in [
        ("GET", "/api/users"),
        ("GET", "/api/Users/"),
        ("GET", "/api/users/x/roles"),
        ("DELETE", "/api/users/x"),
        ("GET", "/api/roles"),
        ("GET", "/api/roles/x"),
        ("GET", "/api/hooks"),
        ("GET", "/api/users/x/personal-access-tokens"),
        ("GET", "/api/unheard-of"),
    ] {
        let said = claviger(&["explain", "--config", &file, "--caller", "local", method, path]).await.code
            == Some(0);
        let done = proxy.ask(&crate::support::Request::new(method, path)).await.outcome().1.is_empty();
        assert_eq!(said, done, "{method} {path}");
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
    none.assert_code(1);
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
    for wrong in
        [&["serv"][..], &[], &["serve", "--confg", "x"], &["explain", "GET"], &["completions", "tcsh"]]
    {
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
    let mut explain = program();
    let explained = explain
        .args(["explain", "--caller", "local", "DELETE", "/api/users/u1"])
        .current_dir(directory.path())
        .env("LOGTO_ENDPOINT", logto.base_url())
        .env("LOGTO_M2M_APP_ID", logto.client())
        .env("LOGTO_M2M_APP_SECRET", logto.secret())
        .env("CLAVIGER_ALLOW", "users:read,ListRoles");
    let said = finish(explained).await.stdout;
    let readme = include_str!("../../README.md");
    assert!(readme.contains(&format!("DELETE /api/users/u1\n{said}")), "README does not show: {said}");
}
