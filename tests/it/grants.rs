//! What a grant allows beside the operation: conditions on query and body, and scopes; and what of it stands in the
//! audit log and the matrix.

use claviger_emulator::Effect;
use serde_json::{Value, json};

use crate::support::{Answer, Logto, Proxy, Request, canary::MARK, claviger};

const SUPPORT: &str = "[
    'GetUser',
    { operation = 'ListUsers', query = { page_size = { max = 2 }, search = { forbidden = true } } },
    { operation = 'UpdateUser', body = ['name', 'customData'] },
    { operation = 'CreateRole', body = ['name', 'description'] },
]";

async fn support(logto: &Logto) -> Proxy {
    Proxy::builder()
        .tenant("acme", logto)
        .set("policies.support.allow", SUPPORT.replace('\n', " "))
        .set("policies.names.allow", "[{ operation = 'UpdateUser', body = ['username'] }]")
        .set("callers.local.policies", "['support', 'names']")
        .set("limits.replay", "'4KiB'")
        .set("audit.output", "{ file = 'audit.jsonl' }")
        // An upstream that is gone stays away here.
        .set("retry.unreachable", "'0s'")
        .start()
        .await
}

async fn first_user(proxy: &Proxy, logto: &Logto) -> String {
    let users = proxy.get("/api/users?page_size=1").await;
    assert_eq!(users.status, 200, "{}", users.text());
    let id = users.json()[0]["id"].as_str().expect("there is a user").to_owned();
    logto.clear_recorded();
    format!("/api/users/{id}")
}

fn detail(answer: &Answer) -> String {
    answer.json()["detail"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_body_passes_with_the_members_of_the_grant_and_no_others() {
    let logto = Logto::start().await;
    let proxy = support(&logto).await;
    let path = first_user(&proxy, &logto).await;
    let patch = |body: &str| Request::new("PATCH", &path).body("application/json", body.as_bytes().to_vec());
    for (body, status) in [
        (r#"{"name":"A"}"#, 200),
        (r#"{"name":"B","customData":{"a":1}}"#, 200),
        (r#"{"username":"abc"}"#, 200),
        // It passes, and Logto has nothing to write (fact 6.4).
        ("{}", 422),
    ] {
        let answer = proxy.ask(&patch(body)).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
        assert_eq!(logto.last().body, body.as_bytes(), "byte for byte");
    }
    let chunked = patch(r#"{"name":"chunked"}"#).header("Transfer-Encoding", "chunked");
    assert_eq!(proxy.ask(&chunked).await.status, 200);
    assert_eq!(logto.last().body, br#"{"name":"chunked"}"#);
    logto.clear_recorded();

    let answer = proxy.ask(&patch(r#"{"isSuspended":true}"#)).await;
    assert_eq!(answer.outcome(), (403, "claviger.not_permitted".into()));
    assert!(
        detail(&answer).contains("member isSuspended is not allowed by the grant"),
        "{}",
        detail(&answer)
    );
    let typed = |kind: &str, body: &[u8]| Request::new("PATCH", &path).body(kind, body.to_vec());
    let utf16: Vec<u8> = r#"{"isSuspended":true}"#.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let json = "application/json";
    for (what, request) in [
        ("an escaped name", patch(r#"{"\u0069sSuspended":true}"#)),
        ("a member twice", patch(r#"{"name":"a","name":"b"}"#)),
        ("one member of each grant", patch(r#"{"name":"a","username":"b"}"#)),
        ("two objects", patch(r#"{"name":"a"}{"isSuspended":true}"#)),
        ("a list", patch(r#"[{"isSuspended":true}]"#)),
        ("a byte order mark", patch("\u{feff}{\"name\":\"a\"}")),
        ("a form", typed("application/x-www-form-urlencoded", b"isSuspended=true")),
        ("a harmless form", typed("application/x-www-form-urlencoded", b"name=a")),
        ("UTF-16", typed("application/json; charset=utf-16le", &utf16)),
        ("UTF-16 that is not said", typed(json, &utf16)),
        ("UTF-7", typed("application/json; charset=utf-7", b"+AHs-\"isSuspended\":true+AH0-")),
        ("two types", patch("isSuspended=true").header("Content-Type", "application/x-www-form-urlencoded")),
        ("JSON of another kind", typed("application/vnd.api+json", br#"{"isSuspended":true}"#)),
        ("chunked", patch(r#"{"isSuspended":true}"#).header("Transfer-Encoding", "chunked")),
    ] {
        let answer = proxy.ask(&request).await;
        assert_eq!(answer.outcome(), (403, "claviger.not_permitted".into()), "{what}: {}", answer.text());
    }
    // Refused for everybody: see masked.rs.
    let compressed = proxy.ask(&patch(r#"{"name":"a"}"#).header("Content-Encoding", "gzip")).await;
    assert_eq!(compressed.outcome(), (415, "claviger.content_encoded".into()));
    let large = format!(r#"{{"name":"{}"}}"#, "x".repeat(5000));
    for request in [patch(&large), patch(&large).header("Transfer-Encoding", "chunked")] {
        let answer = proxy.ask(&request).await;
        assert_eq!(answer.outcome(), (413, "claviger.body_too_large".into()), "{}", answer.text());
        assert!(detail(&answer).contains("limits.replay"), "{}", detail(&answer));
    }
    let cut = proxy.ask(&patch(r#"{"name":"x""#)).await;
    assert_eq!(cut.outcome(), (403, "claviger.not_permitted".into()));
    let said = "it is not valid JSON: EOF while parsing an object at line 1 column 11. Correct the body.";
    assert!(detail(&cut).ends_with(said), "{}", detail(&cut));
    assert!(logto.api_requests_seen().is_empty(), "nothing was sent: {:?}", logto.api_requests_seen());
}

#[tokio::test]
async fn a_query_passes_within_its_bounds() {
    let logto = Logto::start().await;
    let proxy = support(&logto).await;
    for query in ["", "?page_size=2", "?page=1&page_size=1"] {
        assert_eq!(proxy.get(&format!("/api/users{query}")).await.status, 200, "{query}");
    }
    assert_eq!(logto.last().target_text(), "/api/users?page=1&page_size=1", "byte for byte");
    logto.clear_recorded();
    for query in [
        "page_size=3",
        "page_size=1&page_size=100",
        "page%5Fsize=100",
        "page%255Fsize=100",
        "page_size[]=100",
        "page_size=1e2",
        "page_size=%31%30%30",
        "PAGE_SIZE=100",
        "?page_size=100",
        "search=x",
        "search.id=x",
        "x=1;page_size=100",
    ] {
        let answer = proxy.get(&format!("/api/users?{query}")).await;
        assert_eq!(answer.outcome(), (403, "claviger.not_permitted".into()), "{query}: {}", answer.text());
    }
    assert!(logto.api_requests_seen().is_empty());
    let answer = proxy.get("/api/users?page_size=3").await;
    assert!(detail(&answer).contains("query parameter page_size is above 2"), "{}", detail(&answer));
}

#[tokio::test]
async fn b32_a_grant_may_close_the_rest_of_the_query() {
    let logto = Logto::start().await;
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set(
            "policies.all.allow",
            "[{ operation = 'ListUsers', query = { page_size = { max = 5 }, '*' = 'forbidden' } }]",
        )
        .start()
        .await;
    for query in ["", "?page_size=5"] {
        assert_eq!(proxy.get(&format!("/api/users{query}")).await.status, 200, "{query}");
    }
    logto.clear_recorded();
    for query in ["page=1", "search=x", "se%61rch=x", "Search=x", "page_size=5&mode=exact", "x", "=", "*=1"] {
        let answer = proxy.get(&format!("/api/users?{query}")).await;
        assert_eq!(answer.outcome(), (403, "claviger.not_permitted".into()), "{query}: {}", answer.text());
    }
    assert!(logto.api_requests_seen().is_empty());
    let said = detail(&proxy.get("/api/users?search=x").await);
    assert!(!said.contains("search="), "{said}");
}

#[tokio::test]
async fn a_grant_asks_for_its_own_scopes_and_a_caller_cannot_choose_them() {
    let logto = Logto::start().await;
    let key = |of: &str| format!("{MARK}key-of-{of}-0123456789");
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set("tenants.acme.scopes", "['all', 'more']")
        .set("callers.narrow.identify", format!("{{ api_key = '{}' }}", key("narrow")))
        .set("callers.narrow.policies", "['all']")
        .set("callers.narrow.scopes", "['all']")
        .start()
        .await;
    let scopes = || -> Vec<String> {
        let form = |body: &[u8]| {
            let pairs: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
            pairs.into_iter().find(|(name, _)| name == "scope").map(|(_, scope)| scope).unwrap_or_default()
        };
        let mut scopes: Vec<_> =
            logto.recorded().iter().filter(|r| r.is_token_request()).map(|r| form(&r.body)).collect();
        scopes.sort();
        scopes.dedup();
        scopes
    };
    let request =
        Request::get("/api/roles?scope=more&organization_id=o").key(&key("narrow")).header("scope", "more");
    assert_eq!(proxy.ask(&request).await.status, 200);
    assert!(scopes().contains(&"all".to_owned()), "{:?}", scopes());
    let form = format!("grant_type=client_credentials&client_id=narrow&client_secret={}", key("narrow"));
    for (asked, error) in [
        ("scope=more", "invalid_scope"),
        ("organization_id=o", "invalid_target"),
        ("resource=x", "invalid_target"),
    ] {
        let answer = proxy.ask(&Request::form("/oidc/token", &format!("{form}&{asked}"))).await;
        assert_eq!((answer.status, &answer.json()["error"]), (400, &error.into()), "{}", answer.text());
    }
    let answer = proxy.ask(&Request::form("/oidc/token", &form)).await;
    assert_eq!(answer.json()["scope"], "all", "{}", answer.text());
    assert!(scopes().iter().all(|scope| scope == "all" || scope == "all more"), "{:?}", scopes());
    for request in logto.recorded().iter().filter(|r| r.is_token_request()) {
        assert!(!String::from_utf8_lossy(&request.body).contains("organization_id"));
    }
}

/// The audit log of a program that was asked to stop: by then everything is written.
pub(crate) async fn audit_of(mut proxy: Proxy) -> String {
    proxy.signal(rustix::process::Signal::TERM);
    assert!(proxy.ended().await.success());
    std::fs::read_to_string(proxy.directory().join("audit.jsonl")).expect("it is there")
}

/// The records of an audit log.
pub(crate) fn records(text: &str) -> Vec<Value> {
    assert!(!text.contains("eyJ") && !text.contains(MARK), "a secret in the audit log: {text}");
    text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

#[tokio::test]
async fn the_audit_log_says_who_did_what_by_which_rule() {
    let logto = Logto::start().await;
    let proxy = support(&logto).await;
    let path = first_user(&proxy, &logto).await;
    let patch = |body: &str| Request::new("PATCH", &path).body("application/json", body.as_bytes().to_vec());
    let fine = proxy.ask(&patch(r#"{"username":"abc"}"#).header("X-Request-Id", "fine")).await;
    assert_eq!(fine.status, 200);
    proxy.ask(&patch(r#"{"isSuspended":true}"#).header("X-Request-Id", "refused")).await;
    proxy.ask(&Request::get("/api/roles?secret-in-query=1").header("X-Request-Id", "no-rule")).await;
    proxy
        .ask(&Request::get("/api/users/x").key("wrong-key-0123456789").header("X-Request-Id", "nobody"))
        .await;
    proxy
        .ask(&Request::form("/oidc/token", "grant_type=client_credentials").header("X-Request-Id", "token"))
        .await;
    logto.api_fault_times(1, Effect::Truncate { after: 30 });
    let mut client = proxy.connect().await;
    client.write(&Request::get(&path).header("X-Request-Id", "cut").head()).await.expect("it is read");
    client.read_to_end().await;
    drop(logto);
    assert_eq!(proxy.ask(&Request::get(&path).header("X-Request-Id", "gone")).await.status, 502);
    let text = audit_of(proxy).await;
    let records = records(&text);
    let of = |id: &str| {
        records
            .iter()
            .find(|record| record["request_id"] == id)
            .unwrap_or_else(|| panic!("no {id} in {text}"))
            .clone()
    };
    let fine = of("fine");
    let expected = json!({
        "schema": 1, "caller": "local", "identified_by": "loopback", "tenant": "acme", "operation": "UpdateUser",
        "method": "PATCH", "path": path, "outcome": "answered", "status": 200, "code": null, "source": "upstream",
        "attempts": 1, "issued": null,
    });
    for (member, value) in expected.as_object().expect("an object") {
        assert_eq!(fine[member], *value, "{member} of {fine}");
    }
    assert_eq!(fine["rule"]["policy"], "names");
    assert_eq!(fine["rule"]["conditions"], true);
    assert!(
        fine["rule"]["origin"].as_str().is_some_and(|origin| origin.contains("claviger.toml:")),
        "{fine}"
    );
    assert!(fine["upstream_request_id"].is_string(), "{fine}");
    assert!(fine["peer"].as_str().is_some_and(|peer| peer.starts_with("127.0.0.1:")));
    assert!(fine["duration_ms"].as_f64().is_some_and(|ms| ms > 0.0));
    let refused = of("refused");
    assert_eq!((&refused["outcome"], &refused["attempts"]), (&json!("denied"), &json!(0)));
    assert_eq!((&refused["rule"]["effect"], &refused["operation"]), (&json!("allow"), &json!("UpdateUser")));
    let no_rule = of("no-rule");
    assert_eq!((&no_rule["operation"], &no_rule["tenant"]), (&json!("ListRoles"), &json!("acme")));
    assert_eq!((&no_rule["rule"], &no_rule["path"]), (&Value::Null, &json!("/api/roles")));
    let nobody = of("nobody");
    assert_eq!((&nobody["caller"], &nobody["code"]), (&Value::Null, &json!("claviger.caller_unknown")));
    let cut = of("cut");
    assert_eq!(
        (&cut["outcome"], &cut["status"], &cut["attempts"]),
        (&json!("failed"), &json!(200), &json!(1))
    );
    assert_eq!(cut["code"], "claviger.upstream_unreachable", "not the caller's doing: {cut}");
    let gone = of("gone");
    assert_eq!(
        (&gone["outcome"], &gone["attempts"]),
        (&json!("failed"), &json!(0)),
        "nothing was sent: {gone}"
    );
    let token = of("token");
    assert_eq!((&token["issued"], &token["outcome"]), (&json!("claviger"), &json!("issued")));
    assert!(!text.contains("secret-in-query") && !text.contains("abc"));
}

#[tokio::test]
async fn the_matrix_and_explain_show_the_conditions() {
    let logto = Logto::start().await;
    let proxy = support(&logto).await;
    let file = proxy.file().display().to_string();
    let table = claviger(&["policy", "matrix", "--config", &file]).await;
    table.assert_code(0);
    let line = |start: &str| {
        table.stdout.lines().find(|line| line.trim_start().starts_with(start)).unwrap_or_default()
    };
    assert!(line("GetUser ").contains(" yes "), "{}", table.stdout);
    assert!(line("UpdateUser ").contains(" if "), "{}", table.stdout);
    assert!(table.stdout.contains("\n  PATCH /api/users/{userId}\n"), "{}", table.stdout);
    assert!(table.stdout.contains("\n       in the body only name, customData\n"), "{}", table.stdout);
    assert!(!table.stdout.contains("DeleteUser"));
    let json = claviger(&["policy", "matrix", "--config", &file, "--json"]).await;
    json.assert_code(0);
    let json: Value = serde_json::from_str(&json.stdout).expect("it is JSON");
    let operations = json["callers"][0]["operations"].as_array().expect("a list");
    let update = operations.iter().find(|op| op["operation"] == "UpdateUser").expect("it is granted");
    assert_eq!(update["granted"], "if");
    assert_eq!(update["rules"].as_array().map(Vec::len), Some(2));
    assert_eq!(update["rules"][1]["conditions"], "in the body only name, customData");
    let explain = |path: &'static str| {
        let file = file.clone();
        async move { claviger(&["explain", "--config", &file, "--caller", "local", "GET", path]).await }
    };
    let fine = explain("/api/users?page_size=2").await;
    fine.assert_code(0);
    assert!(
        fine.stdout.starts_with("allowed: GET /api/users (ListUsers) by caller local"),
        "{}",
        fine.stdout
    );
    assert!(fine.stdout.contains("page_size at most 2; search forbidden"), "{}", fine.stdout);
    let not = explain("/api/users?page_size=3").await;
    not.assert_code(1);
    assert!(not.stdout.contains("not met: query parameter page_size is above 2"), "{}", not.stdout);
}

#[tokio::test]
async fn a_deny_list_takes_what_an_allow_list_may_not() {
    let logto = Logto::start().await;
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set("policies.all.deny", "['subject-tokens:*', 'GET /api/applications/{id}/secrets']")
        .start()
        .await;
    assert_eq!(proxy.get("/api/applications/a/secrets").await.status, 403);
    assert_eq!(proxy.get("/api/roles").await.status, 200);
}

#[tokio::test]
async fn the_example_of_the_page_does_what_the_page_says() {
    let page = include_str!("../../docs/policy.md");
    let example =
        page.split("```").find_map(|block| block.strip_prefix("toml\n# example\n")).expect("it has one");
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("claviger.toml");
    let tenant = "\n[tenants.acme]\nclient_id = 'x'\nclient_secret = '0123456789abcdef'\n";
    std::fs::write(&file, format!("{example}{tenant}")).expect("it can be written");
    let file = file.display().to_string();
    for (caller, method, path, code) in [
        ("support", "GET", "/api/users?page_size=50", 0),
        ("support", "GET", "/api/users?page_size=51", 1),
        ("support", "GET", "/api/users", 1),
        ("support", "PATCH", "/api/users/u1", 0),
        ("support", "PATCH", "/api/users/u1/is-suspended", 1),
        ("support", "DELETE", "/api/users/u1", 1),
        ("provisioning", "POST", "/api/users", 0),
        ("provisioning", "POST", "/api/organizations/o1/users", 0),
        ("provisioning", "PATCH", "/api/users/u1/password", 1),
        ("provisioning", "DELETE", "/api/users/u1", 1),
        ("reporting", "GET", "/api/organizations", 0),
        ("reporting", "GET", "/api/logs", 1),
        ("reporting", "GET", "/api/applications/a/secrets", 1),
        ("reporting", "POST", "/api/users", 1),
    ] {
        let said = claviger(&["explain", "--config", &file, "--caller", caller, method, path]).await;
        said.assert_code(code);
    }
    for name in ["UpdateUserIsSuspended", "UpdateUserPassword", "AddOrganizationUsers"] {
        let operations = claviger(&[
            "operations",
            "--tag",
            if name.starts_with("Add") { "organizations" } else { "users" },
        ])
        .await;
        assert!(operations.stdout.contains(&format!(" {name} ")), "{name} is no operation");
    }
}
