//! `claviger check`, and what `serve --strict` does of it at the start.

use std::os::unix::fs::PermissionsExt as _;

use claviger_emulator::{Effect, Fault, Target};

use super::{Files, offline};
use crate::support::{
    Logto, Proxy, Settings, claviger,
    command::{finish, program},
    issuer::{Issuer, Signer, key_set},
    pki::Authority,
    quoted,
};

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
    let said = "claviger: more errors and warnings may show when these are mended\n";
    assert!(finished.stderr.contains(&format!("{said}claviger: the configuration is invalid: ")));
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
    assert!(finished.stderr.contains(": its one key is not a public key for RS, "), "{}", finished.stderr);
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
    for (mode, said) in [
        (0o600, "configuration itself. "),
        (0o644, "itself, which every user of this machine may read (mode 0644). "),
    ] {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).expect("it is ours");
        let finished = claviger(&["check", "--config", &file]).await;
        assert!(finished.stderr.contains(said), "{said}: {}", finished.stderr);
    }
}

#[tokio::test]
async fn check_finds_what_has_no_effect_and_what_replicas_do_not_share() {
    let files = Files::new();
    let file = files.with(
        &offline()
            .set("listen.proxy", "['0.0.0.0:3600']")
            .set("tenants.acme.quota", "{ requests = 200, per = '10s' }")
            .set("policies.all.allow", "['users:read', 'hooks:read', 'ListRoles']")
            .set("callers.local.identify", "[{ loopback = true }, { api_key_sha256 = '0000000000000000000000000000000000000000000000000000000000000001' }]")
            .set("callers.local.reveal", "['GetHook', 'GetConnector', 'ListUsers', 'ListRoles']"),
    );
    let check =
        finish(program().args(["check", "--config", &file]).env("ACME_SECRET", "0123456789abcdef0123")).await;
    check.assert_code(0);
    for said in [
        "callers.local.reveal: no policy of this caller allows GetConnector, so there is nothing to reveal. Add \"GetConnector\" to `allow` of one of its policies, or take it out here.\n",
        "callers.local.reveal: the answers of ListRoles hold no secrets that are masked. Take it out.\n",
    ] {
        assert!(check.stderr.contains(said), "{said}: {}", check.stderr);
    }
    // The second holds secrets where a request asks for them.
    assert!(!["GetHook", "ListUsers"].iter().any(|id| check.stderr.contains(id)), "{}", check.stderr);
    let shared = "  each replica counts for itself: the quota of acme. With N replicas, write one N-th of it, or share it through a [redis] (docs/quota.md)\n";
    assert!(check.stdout.contains(shared), "{}", check.stdout);
}

#[tokio::test]
async fn serve_strict_does_not_start_with_a_credential_that_logto_refuses() {
    let logto = Logto::start().await;
    let files = Files::new();
    let strict = async |settings: &Settings| {
        let file = files.with(settings);
        let ready = files.0.path().join("ready.json");
        let _: std::io::Result<()> = std::fs::remove_file(&ready);
        let mut command = program();
        command.args(["serve", "--strict", "--config", &file, "--ready-file", &ready.display().to_string()]);
        command.stderr(std::process::Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("it is there");
        let ended = crate::support::until("an end or a beginning", || {
            let ended = child.try_wait().expect("it is a child");
            (ended.is_some() || ready.exists()).then_some(ended)
        });
        let ended = ended.await;
        let _: std::io::Result<()> = child.start_kill();
        let output = child.wait_with_output().await.expect("it is a child");
        (ended.and_then(|status| status.code()), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let good = Settings::usual().tenant("acme", &logto);
    let (code, log) = strict(&good).await;
    assert_eq!((code, log.contains("does not work")), (None, false), "{log}");
    for (key, value, said) in [
        ("tenants.acme.client_secret", "'wrong'", "The client secret is wrong or was deleted"),
        ("tenants.acme.client_id", "'m2m-without-role'", "Assign a role"),
    ] {
        let (code, log) = strict(&good.clone().set(key, value)).await;
        assert_eq!(code, Some(1), "{log}");
        assert!(log.contains(said) && log.contains("not started: --strict"), "{log}");
    }
    let (code, log) =
        strict(&good.set("tenants.acme.endpoint", "'http://127.0.0.1:9'").set("retry.unreachable", "'0s'"))
            .await;
    assert_eq!(code, None, "{log}");
    assert!(log.contains("cannot tell whether this tenant works"), "{log}");
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
        (
            good.clone().set("tenants.acme.endpoint", "'http://127.0.0.1:9'"),
            1,
            "acme: no token from http://127.0.0.1:9/oidc/token: Logto cannot be reached: connection refused. Does Logto run there? Compare host and port with `endpoint` (LOGTO_ENDPOINT).\n",
        ),
        (
            good.clone().set("tenants.acme.endpoint", quoted(logto.base_url().replace("http:", "https:"))),
            1,
            "Logto cannot be reached: the port speaks plain HTTP: write http:// in place of https://.\n",
        ),
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
        (vouched("http://127.0.0.1:9"), 1, "1 issuer cannot be used"),
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
async fn check_online_tells_a_page_of_somebody_else_from_logtos_own_refusal() {
    let logto = Logto::start().await;
    let files = Files::new();
    let file = files.with(&Settings::usual().tenant("acme", &logto));
    for (effect, what) in [
        (
            Effect::body(403, "text/html", "<html>blocked"),
            "a web page (text/html) with status 403 Forbidden. Check the tenant's `endpoint`",
        ),
        (
            Effect::redirect(302, "https://elsewhere.example"),
            "a redirect with status 302 Found. Check the tenant's `endpoint`",
        ),
        (
            Effect::body(503, "text/html", "<html>nginx"),
            "503 Service Unavailable. What is in front of Logto answers in its place",
        ),
        (
            Effect::body(403, "application/json", r#"{"code":"blocked"}"#),
            "a token with the scope all was granted, so it is not the role, but the Management API answers 403 Forbidden. A firewall in front of Logto",
        ),
    ] {
        logto.faults().set(vec![Fault::new(Target::Api, effect)]);
        let finished = claviger(&["check", "--online", "--config", &file]).await;
        finished.assert_code(1);
        assert!(
            finished.stderr.contains(what) && !finished.stderr.contains("Assign a role"),
            "{}",
            finished.stderr
        );
    }
}

#[tokio::test]
async fn check_online_tells_who_else_refuses() {
    let logto = Logto::start().await;
    let files = Files::new();
    let says = async |settings: &Settings, what: &str| {
        let finished = claviger(&["check", "--online", "--config", &files.with(settings)]).await;
        finished.assert_code(1);
        assert!(finished.stderr.contains(what), "{}", finished.stderr);
    };
    let settings = Settings::usual().tenant("acme", &logto);
    logto.faults().set(vec![Fault::new(Target::Token, Effect::body(403, "text/html", "<html>nginx"))]);
    says(&settings, "not Logto, but something in its place answered with status 403. A reverse proxy").await;
    logto.faults().set(Vec::new());

    let other = Proxy::builder()
        .tenant("acme", &logto)
        .set("policies.all.allow", "['users:read']")
        .set("callers.keyed.identify", "{ api_key = 'a-key-of-the-caller-keyed-0123456789' }")
        .set("callers.keyed.policies", "['all']")
        .without("callers.local")
        .start()
        .await;
    let through =
        settings.clone().set("tenants.acme.endpoint", quoted(format!("http://{}", other.authority())));
    says(&through, "another Claviger is at `endpoint`, and has no caller with this name and key. Set").await;
    let through = through
        .set("tenants.acme.client_id", "'keyed'")
        .set("tenants.acme.client_secret", "'a-key-of-the-caller-keyed-0123456789'");
    let what = format!("another Claviger is at http://{}, and answers 403 Forbidden. Set", other.authority());
    says(&through, &what).await;

    let issuer = Issuer::start(key_set(&[])).await;
    issuer.refuse_with_a_page();
    let vouched = settings
        .set("issuers.ci.issuer", quoted(issuer.url()))
        .set("issuers.ci.audience", "'claviger'")
        .set("callers.ci.identify", "{ jwt = { issuer = 'ci', claims = { sub = 'x' } } }")
        .set("callers.ci.policies", "['all']");
    says(&vouched, "with a web page: not the issuer, but what is in front of it refuses").await;
}

/// Its value is in the environment anyway, but not in what is printed.
#[tokio::test]
async fn a_secret_in_the_place_of_a_path_is_not_repeated() {
    let secret = "k3v9c0x2m4h1ak3v9c0x2m4h1a";
    let mut command = program();
    command.arg("check").current_dir(std::env::temp_dir());
    command.env("LOGTO_ENDPOINT", "https://acme.logto.app").env("LOGTO_M2M_APP_ID", "m2m");
    let said =
        finish(command.env("LOGTO_M2M_APP_SECRET_FILE", secret).env("CLAVIGER_ALLOW", "users:read")).await;
    said.assert_code(64);
    let expected = "tenants.default.client_secret: there is no such file, and its name, not repeated here, looks like a secret. \
                    Name a file that holds the secret, not the secret itself.\n";
    assert!(said.stderr.contains(expected) && !said.stderr.contains(secret), "{}", said.stderr);
}

/// What certificates and key sets hold shows only when they are put to work: that is said in one run as well.
#[tokio::test]
async fn certificates_and_key_sets_are_reported_together() {
    let files = Files::new();
    let write = |name: &str, text: &str| {
        let path = files.0.path().join(name);
        std::fs::write(&path, text).expect("a temporary directory can be written to");
        quoted(path.display().to_string())
    };
    let (one, other) =
        (Authority::new("one").server(&["localhost"]), Authority::new("two").server(&["localhost"]));
    let config = files.with(
        &offline()
            .set("listen.tls.cert", write("a.crt", &one.cert_pem))
            .set("listen.tls.key", write("b.key", &other.key_pem))
            .set("issuers.idp.issuer", "'https://idp.example'")
            .set("issuers.idp.audience", "'claviger'")
            .set("issuers.idp.jwks", format!("{{ file = {} }}", write("jwks.json", "{}"))),
    );
    let said =
        finish(program().args(["check", "--config", &config]).env("ACME_SECRET", "0123456789abcdef")).await;
    said.assert_code(64);
    for part in ["the private key does not belong to the certificate", "jwks.json", "invalid: 2 problems"] {
        assert!(said.stderr.contains(part), "{part}: {}", said.stderr);
    }
}

/// A bearer that is no caller's is ignored, and the connection says whose the request is.
#[tokio::test]
async fn check_notes_where_a_wrong_key_counts_as_another_caller() {
    let files = Files::new();
    let check = async |settings: &Settings| {
        let file = files.with(settings);
        finish(program().args(["check", "--config", &file]).env("ACME_SECRET", "0123456789abcdef0123")).await
    };
    let key = "{ api_key_sha256 = '0000000000000000000000000000000000000000000000000000000000000001' }";
    let beside = offline().set("callers.keyed.identify", key).set("callers.keyed.policies", "['all']");
    let noted = check(&beside).await;
    let said = "  a wrong bearer key from this machine counts as local (loopback): clients should send Claviger-Key, where a wrong one \
                is a 401\n";
    assert!(noted.assert_code(0).stdout.contains(said), "{}", noted.stdout);
    for alone in
        [offline(), offline().set("callers.local.identify", format!("[{{ loopback = true }}, {key}]"))]
    {
        let alone = check(&alone).await;
        assert!(!alone.assert_code(0).stdout.contains("a wrong bearer key"), "{}", alone.stdout);
    }
}
