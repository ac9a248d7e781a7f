//! `claviger explain` and `POST /explain`: that they say what is done, to whom they say it, and that they keep to themselves
//! what they are given.

#[path = "explain/assumed.rs"]
mod assumed;
#[path = "explain/credentials.rs"]
mod credentials;
#[path = "explain/pages.rs"]
mod pages;

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use crate::support::{
    Finished, Logto, Proxy, Request,
    canary::MARK,
    claviger,
    command::{finish, program},
    proxy::Builder,
    quoted, within,
};

async fn ask(proxy: &Proxy, question: &Value) -> crate::support::Answer {
    proxy.ask_admin(&Request::post("/explain", question.to_string())).await
}

/// Runs a command with something on its standard input.
async fn with_input(arguments: &[&str], input: &str) -> Finished {
    let mut command = program();
    let mut child = command.args(arguments).stdin(Stdio::piped()).spawn().expect("the program can be run");
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(input.as_bytes()).await.expect("it is read");
    drop(stdin);
    let output = within("a command to end", child.wait_with_output()).await.expect("it ends");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Finished { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn key(name: &str) -> String {
    format!("{MARK}key-of-{name}-0123456789")
}

/// Callers of every kind, each with something that it may do and something that it may not.
fn callers(logto: &Logto) -> Builder {
    Proxy::builder()
        .tenant("acme", logto)
        .tenant("beta", logto)
        .set(
            "policies.some.allow",
            "['users:read', 'roles:*', 'hooks:read', 'GET /api/new-things/{id}', \
              { operation = 'UpdateUser', body = ['name'] }, \
              { operation = 'ListOrganizations', query = { page_size = { max = 5 } } }]",
        )
        .set("policies.some.deny", "['GetRole', 'GET /api/users/admin']")
        .set("callers.local.policies", "['some']")
        .set("callers.local.tenants", "['acme']")
        .set("callers.keyed.identify", format!("{{ api_key = {} }}", quoted(key("keyed"))))
        .set("callers.keyed.policies", "['some']")
        .set("callers.keyed.tenants", "['acme', 'beta']")
}

#[tokio::test]
async fn what_explain_says_is_what_serve_does() {
    let logto = Logto::start().await;
    let proxy = callers(&logto).start().await;
    let file = proxy.file().display().to_string();
    let (local, keyed, json_type) = (None, Some(key("keyed")), "application/json");
    let mut both = 0;
    for (method, target, key, body) in [
        ("GET", "/api/users?page_size=2", &local, None),
        ("GET", "/api/Users/", &local, None),
        ("HEAD", "/api/users", &local, None),
        ("GET", "/api/users/admin", &local, None),
        ("GET", "/t/acme/api/users", &local, None),
        ("GET", "/t/beta/api/users", &local, None),
        ("GET", "/t/nobody/api/users", &local, None),
        ("GET", "/t/acme/users", &local, None),
        ("DELETE", "/api/users/x", &local, None),
        ("GET", "/api/roles", &local, None),
        ("GET", "/api/roles/x", &local, None),
        ("GET", "/api/hooks", &local, None),
        ("GET", "/api/users/x/personal-access-tokens", &local, None),
        ("GET", "/api/unheard-of", &local, None),
        ("GET", "/api/new-things/1", &local, None),
        ("PUT", "/api/roles", &local, None),
        ("GET", "/api/swagger.json", &local, None),
        ("GET", "/api/users//x", &local, None),
        ("GET", "/api/users/..%2froles", &local, None),
        ("GET", "/nowhere", &local, None),
        ("GET", "/api/organizations?page_size=5", &local, None),
        ("GET", "/api/organizations?page_size=6", &local, None),
        ("GET", "/api/organizations?page%5fsize=5", &local, None),
        ("PATCH", "/api/users/x", &local, Some((json_type, r#"{"name":"A"}"#))),
        ("PATCH", "/api/users/x", &local, Some((json_type, r#"{"isSuspended":true}"#))),
        ("PATCH", "/api/users/x", &local, Some((json_type, "not JSON"))),
        ("PATCH", "/api/users/x", &local, Some(("application/x-www-form-urlencoded", r#"{"name":"A"}"#))),
        ("PATCH", "/api/roles/x", &local, Some((json_type, r#"{"name":"[redacted by claviger]"}"#))),
        ("GET", "/api/users", &keyed, None),
        ("GET", "/t/beta/api/users", &keyed, None),
        (
            "POST",
            "/t/beta/oidc/token",
            &keyed,
            Some(("application/x-www-form-urlencoded", "grant_type=client_credentials")),
        ),
        (
            "POST",
            "/t/beta/oidc/token",
            &keyed,
            Some(("application/x-www-form-urlencoded", "grant_type=password")),
        ),
        ("GET", "/oidc/token", &local, None),
        ("GET", "/.well-known/oauth-authorization-server", &local, None),
        ("GET", "/api/users", &Some(key("nobody")), None),
    ] {
        let mut request = Request::new(method, target);
        let mut curl = format!("curl --path-as-is -X {method} 'http://{}{target}'", proxy.authority());
        if let Some(key) = key {
            request = request.key(key);
            curl.push_str(&format!(" -H 'Claviger-Key: {key}'"));
        }
        if let Some((content_type, body)) = body {
            request = request.body(content_type, body);
            curl.push_str(&format!(" -H 'Content-Type: {content_type}' --data-raw '{body}'"));
        }
        let done = proxy.ask(&request).await;
        let (status, code) = if method == "HEAD" { (done.status, String::new()) } else { done.outcome() };
        let asked = if key.is_none() {
            json!({ "request": curl, "caller": "local" })
        } else {
            json!({ "request": curl })
        };
        let said = ask(&proxy, &asked).await.json();
        let what = format!("{curl}\n{said:#}");
        assert_eq!(said["allowed"] == true, code.is_empty(), "{what}");
        if !code.is_empty() {
            assert_eq!(
                (said["status"].as_u64(), said["code"].as_str()),
                (Some(status.into()), Some(code.as_str())),
                "{what}"
            );
        }
        let by_files = if key.is_none() {
            with_input(&["explain", "--config", &file, "--json", "--caller", "local", "-"], &curl).await
        } else {
            with_input(&["explain", "--config", &file, "--json", "-"], &curl).await
        };
        by_files.keep(proxy.tap());
        let mut by_files: Value =
            serde_json::from_str(&by_files.stdout).unwrap_or_else(|_| panic!("{by_files:?}"));
        by_files.as_object_mut().expect("an object").remove("decided_by");
        assert_eq!(by_files, said, "{curl}");
        both += 1;
    }
    assert!(both > 30);
    const COUNTED: &str = "claviger_explanations_total{result=\"unauthenticated\"}";
    assert_eq!(proxy.metric(COUNTED).await, 1.0);
}

#[tokio::test]
async fn only_who_may_see_the_status_may_ask() {
    let logto = Logto::start().await;
    let start = async |address: &str, token: Option<&str>| {
        let builder = Proxy::builder().tenant("acme", &logto).set("listen.admin", quoted(address));
        match token {
            Some(token) => builder.set("admin.token", "{ env = 'ADMIN_TOKEN' }").env("ADMIN_TOKEN", token),
            None => builder,
        }
        .start()
        .await
    };
    let question = json!({ "request": "GET /api/users" }).to_string();
    let post = || Request::post("/explain", question.clone());
    let open = start("0.0.0.0:0", None).await;
    for request in [post(), Request::get("/matrix")] {
        assert_eq!(open.ask_admin(&request).await.status, 403);
    }
    let guarded = start("127.0.0.1:0", Some("a-token-for-admins")).await;
    for request in [post(), Request::get("/matrix")] {
        assert_eq!(guarded.ask_admin(&request).await.status, 401);
        let wrong = request.clone().header("Authorization", "Bearer a-token-for-admin");
        assert_eq!(guarded.ask_admin(&wrong).await.status, 401);
        let right = request.header("Authorization", "Bearer a-token-for-admins");
        assert_eq!(guarded.ask_admin(&right).await.status, 200);
    }
    // The command finds the token where the process has it from.
    let file = guarded.file().display().to_string();
    let mut command = program();
    command
        .args(["explain", "/api/users"])
        .current_dir(guarded.directory())
        .env("ADMIN_TOKEN", "a-token-for-admins");
    command.env("CLAVIGER_LISTEN__ADMIN", guarded.admin_authority());
    let said = finish(&mut command).await;
    said.assert_code(0);
    assert!(said.stderr.starts_with("claviger: asked the running process at "), "{}", said.stderr);
    let without = claviger(&["explain", "--address", &guarded.admin_authority(), "/api/users"]).await;
    without.assert_code(2);
    let says = "asks for admin.token, and the configuration here has none: set CLAVIGER_ADMIN__TOKEN";
    assert!(without.stderr.contains(says), "{} {file}", without.stderr);

    let local = start("127.0.0.1:0", None).await;
    assert_eq!(local.ask_admin(&post()).await.status, 200);
    for (name, value) in [("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site")] {
        assert_eq!(local.ask_admin(&post().header(name, value)).await.status, 403, "{name}");
    }
    assert_eq!(local.ask_admin(&post().header("Host", "evil.example")).await.status, 421);
    assert_eq!(local.admin("/explain").await.status, 405);
    assert_eq!(local.ask_admin(&Request::post("/matrix", "{}")).await.status, 405);
    let large = json!({ "request": "x".repeat(64 * 1024) });
    assert_eq!(ask(&local, &large).await.status, 413);
    for (question, says) in [
        (json!("GET /api/users"), "the body is JSON such as"),
        (json!({ "request": "GET /api/users", "callr": "local" }), "the body is JSON such as"),
        (json!({ "request": "nonsense" }), "this is no request"),
        (json!({ "request": "/api/users", "caller": "nobody" }), "there is no such caller; there are: local"),
        (json!({ "request": "/api/users", "headers": { "Claviger-Key": 1 } }), "a header field is a text"),
        (json!({ "request": "/api/users", "certificate": "none" }), "the certificate is not one in PEM form"),
    ] {
        let answer = ask(&local, &question).await;
        assert_eq!(answer.status, 400, "{question}");
        let error = answer.json()["error"].as_str().unwrap_or_default().to_owned();
        assert!(error.contains(says), "{question}: {error}");
    }
    assert_eq!(local.metric("claviger_explanations_total{result=\"unclear\"}").await, 6.0);
    assert_eq!(local.metric("claviger_explanations_total{result=\"allowed\"}").await, 1.0);
}

#[tokio::test]
async fn the_command_asks_the_process_and_else_the_files() {
    let logto = Logto::start().await;
    let proxy = callers(&logto).set("audit.output", "{ file = 'audit.jsonl' }").start().await;
    let address = proxy.admin_authority();
    let here = |arguments: &[&str]| {
        let mut command = program();
        command.arg("explain").args(arguments).current_dir(proxy.directory());
        command.env("CLAVIGER_LISTEN__ADMIN", &address);
        command
    };
    let asked = finish(&mut here(&["GET", "/api/organizations", "--caller", "local"])).await;
    asked.assert_code(0);
    assert_eq!(asked.stderr, format!("claviger: asked the running process at {address}\n"));
    let keyed = finish(&mut here(&["--caller", "keyed", "curl", "http://localhost/t/beta/api/roles"])).await;
    let note = "decided as if caller keyed had sent it; as it is sent without one it is taken for caller local (loopback). Add its";
    assert!(keyed.stdout.contains(note), "{keyed:?}");
    let keyed = finish(&mut here(&["--caller", "keyed", "http://localhost/t/beta/api/roles"])).await;
    assert!(!keyed.stdout.contains("no credential"), "{keyed:?}");
    let curl = ["curl", "-X", "DELETE", "http://h/api/users/u1"];
    let denied = finish(&mut here(&[&["--json", "--caller", "local"][..], &curl].concat())).await;
    denied.assert_code(1);
    let denied: Value = serde_json::from_str(&denied.stdout).expect("it is JSON");
    assert_eq!(denied["suggestion"]["rule"], "DeleteUser");
    assert_eq!(denied["decided_by"], format!("asked the running process at {address}"));

    // A line of the audit log, as it is.
    assert_eq!(
        proxy.ask(&Request::new("DELETE", "/t/beta/api/users/u1").key(&key("keyed"))).await.status,
        403
    );
    let audit = proxy.directory().join("audit.jsonl");
    let line = crate::support::until("the record", || {
        let text = std::fs::read_to_string(&audit).ok()?;
        text.lines().find(|line| line.contains("DeleteUser")).map(ToOwned::to_owned)
    })
    .await;
    let explained = with_input(&["explain", "--address", &address, "-"], &line).await;
    explained.assert_code(1);
    assert!(
        explained.stdout.contains("(DeleteUser) by caller keyed at tenant beta: 403"),
        "{}",
        explained.stdout
    );

    // The file has changed, and the process has not read it yet: each says what holds there.
    let file = proxy.file().display().to_string();
    let text = std::fs::read_to_string(&file)
        .expect("it is there")
        .replace("'hooks:read'", "'hooks:read', 'DeleteUser'");
    std::fs::write(&file, text).expect("it can be written");
    let delete = ["delete", "/api/users/u1", "--caller", "local"];
    finish(&mut here(&delete)).await.assert_code(1);
    let by_file = claviger(&[&["explain", "--config", &file][..], &delete].concat()).await;
    by_file.assert_code(0);
    assert_eq!(by_file.stderr, format!("claviger: decided by {file}, without asking a running process\n"));
    assert!(proxy.reload().await);
    finish(&mut here(&delete)).await.assert_code(0);
    let text = std::fs::read_to_string(&file).expect("it is there");
    std::fs::write(&file, format!("nonsense\n{text}")).expect("it can be written");
    assert!(!proxy.reload().await);
    let by_the_old = finish(&mut here(&delete)).await;
    let note =
        "  note: the configuration was changed, and that was refused: this is decided by the one before it";
    assert!(by_the_old.assert_code(0).stdout.contains(note), "{by_the_old:?}");
    let matrix = proxy.admin("/matrix").await.json();
    let said = matrix["note"].as_str().unwrap_or_default();
    assert!(said.starts_with(note.trim_start_matches("  note: ")), "{said}");
    std::fs::write(&file, text).expect("it can be written");
    assert!(proxy.reload().await);
    assert!(!finish(&mut here(&delete)).await.stdout.contains("note: the configuration"));
    assert!(proxy.admin("/matrix").await.json().get("note").is_none());

    for (arguments, says) in [
        (&["/api/users"][..], "whose request is it?"),
        (&["/api/users", "--caller", "nobody"], "there are: keyed, local"),
        (&["nonsense"], "this is no request"),
        (&["/api/users", "--header", "nonsense"], "--header is written as 'Name: value'"),
        (&["/api/users", "--cert", "nowhere.pem"], "--cert nowhere.pem: "),
        (&["/api/users", "--cert", "claviger.toml"], "there is no certificate in PEM form in it"),
        (&["-"], "there is no request"),
    ] {
        let finished = finish(&mut here(arguments)).await;
        finished.assert_code(2);
        assert!(finished.stderr.contains(says) && finished.stdout.is_empty(), "{}", finished.stderr);
    }
    let directory = proxy.directory().to_owned();
    let kept = tempfile::tempdir().expect("there is a temporary directory");
    std::fs::copy(directory.join("claviger.toml"), kept.path().join("claviger.toml"))
        .expect("it can be copied");
    assert_eq!(proxy.stop().await.code(), Some(0));
    let mut alone = program();
    alone.args(["explain", "/api/users", "--caller", "local"]).current_dir(kept.path());
    let alone = finish(alone.env("CLAVIGER_LISTEN__ADMIN", &address)).await;
    alone.assert_code(0);
    let says = format!(
        "claviger: no process answers at {address}; decided by the configuration that is found here\n"
    );
    assert_eq!(alone.stderr, says);
    std::fs::write(kept.path().join("claviger.toml"), "wrkers = 1\n").expect("it can be written");
    let mut invalid = program();
    invalid.args(["explain", "/api/users", "--caller", "local"]).current_dir(kept.path());
    let invalid = finish(invalid.env("CLAVIGER_LISTEN__ADMIN", &address)).await;
    let says = format!(
        "claviger: no process answers at {address}, and the configuration that is found here is invalid:\n"
    );
    invalid.assert_code(64);
    assert!(invalid.stderr.starts_with(&says) && invalid.stderr.contains("wrkers"), "{}", invalid.stderr);
    let named = claviger(&["explain", "--address", &address, "/api/users"]).await;
    named.assert_code(2);
    assert!(named.stderr.contains("is `claviger serve` running?"), "{}", named.stderr);
}

#[tokio::test]
async fn the_matrix_of_the_process_is_that_of_its_file() {
    let logto = Logto::start().await;
    let proxy = callers(&logto).start().await;
    let file = proxy.file().display().to_string();
    let by_file = claviger(&["policy", "matrix", "--config", &file, "--json"]).await;
    let by_file: Value = serde_json::from_str(&by_file.stdout).expect("it is JSON");
    let shown = proxy.admin("/matrix").await.json();
    assert_eq!((&shown["callers"], &shown["left_out"]), (&by_file["callers"], &json!(0)));
    let one = proxy.admin("/matrix?caller=keyed").await.json();
    assert_eq!(one["callers"], json!([by_file["callers"][0]]));
    assert_eq!(by_file["callers"][0]["caller"], "keyed");
    let users = by_file["callers"][1]["operations"].as_array().expect("a list").iter();
    let users = users.clone().find(|it| it["operation"] == "GetUser").expect("it is granted");
    let expected = json!({
        "operation": "GetUser", "method": "GET", "path": "/api/users/{userId}", "granted": "yes", "sensitive": false,
        "secrets_masked": false, "secrets_revealed": false, "some_paths_differ": true,
        "rules": [{
            "policy": "some", "effect": "allow", "rule": "users:read", "conditions": null,
            "origin": users["rules"][0]["origin"],
        }],
        "rules_about_some_paths": [{
            "policy": "some", "effect": "deny", "rule": "GET /api/users/admin", "conditions": null,
            "origin": users["rules_about_some_paths"][0]["origin"],
        }],
    });
    assert_eq!(*users, expected);
}
