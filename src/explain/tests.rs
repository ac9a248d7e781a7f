mod meaning;
mod suggestions;

use std::{collections::BTreeMap, path::PathBuf, sync::LazyLock, time::Duration};

use http::Method;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::{
    app::GrantMetrics,
    clock::{Clock, Random},
    config::{self, LoadRequest, References},
    observe::Metrics,
    policy::CatalogCheck,
    proxy::Shared,
    token::Tokens,
};

const SECRET: &str = "a client secret of the test, long enough";

/// Callers of several kinds, with one policy each and one that two share.
const CONFIG: &str = r#"
listen.proxy = ["127.0.0.1:3600", "0.0.0.0:3700"]
listen.public_url = "https://gateway.example/logto"
[tenants.acme]
endpoint = "https://acme.logto.app"
tls.roots = "bundled"
client_id = "m2m"
client_secret = { env = "SECRET" }
[tenants.beta]
endpoint = "http://127.0.0.1:3001"
client_id = "m2m"
client_secret = { env = "SECRET" }
resource = "https://beta/api"
[policies.reading]
allow = ["users:read", "hooks:read", "GET /api/new-things/{id}"]
deny = ["GetUserIdentity"]
[policies.support]
allow = [
  "GetUser",
  { operation = "ListUsers", query = { page_size = { required = true, max = 50 } }, cache = "30s" },
  { operation = "UpdateUser", body = ["name", "customData"] },
]
[policies.naming]
allow = [{ operation = "UpdateUser", body = ["username"] }]
[policies.shared]
allow = ["roles:write", "GetUser", "DELETE /api/users/userId", "DELETE /api/users/u1", "POST /api/users/**"]
deny = ["GET /api/users/root"]
[callers.local]
identify = { loopback = true }
policies = ["reading"]
tenants = ["acme"]
[callers.support]
identify = { api_key = { env = "KEY" } }
policies = ["support", "naming"]
tenants = ["acme", "beta"]
[callers.one]
identify = { api_key = { env = "KEY1" } }
policies = ["shared"]
tenants = ["beta"]
reveal = ["GetHook"]
[callers.two]
identify = { unix_uid = 7 }
policies = ["shared"]
tenants = ["acme"]
issue = "upstream"
"#;

const KEY: &str = "CANARY-key-of-support-0123456789";

async fn pipeline() -> Pipeline {
    static FILE: LazyLock<(tempfile::TempDir, PathBuf)> = LazyLock::new(|| {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c.toml");
        std::fs::write(&path, CONFIG).unwrap();
        (directory, path)
    });
    let env = [("SECRET", SECRET), ("KEY", KEY), ("KEY1", "another-key-of-the-caller-one-0123")];
    let loaded = config::load(&LoadRequest {
        paths: vec![FILE.1.clone()],
        search: Vec::new(),
        env: env.into_iter().map(|(name, value)| (name.into(), value.into())).collect::<BTreeMap<_, _>>(),
        rule_check: &CatalogCheck,
        references: References::Needed,
    });
    let config = loaded.unwrap_or_else(|problems| panic!("{problems}")).config;
    let (clock, metrics) = (Clock::system(), std::sync::Arc::new(Metrics::new()));
    let grants = std::sync::Arc::new(GrantMetrics(metrics.clone()));
    let tokens = Tokens::new(clock.clone(), Random::system(), grants, tokio::runtime::Handle::current());
    Shared::new(metrics, clock, tokens).pipeline(config.into(), None, None).unwrap()
}

fn question(caller: &str, text: &str) -> Result<Question, Unclear> {
    let caller = Some(caller.to_owned()).filter(|caller| !caller.is_empty());
    Ok(Question { caller, ..Question::of(Asked::parse(text)?) })
}

async fn ask(caller: &str, text: &str) -> Result<Explanation, Unclear> {
    explain(&pipeline().await, question(caller, text)?).await
}

/// The words, with places in the file as lines alone.
async fn said(caller: &str, text: &str) -> String {
    match ask(caller, text).await {
        Ok(explanation) => {
            assert!(!explanation.to_json().to_string().contains("CANARY"), "{text}");
            let file = explanation.text.split(&['(', ' '][..]).find(|it| it.contains("/c.toml")).map(|it| {
                it.split_once("c.toml").map(|(directory, _)| directory.to_owned()).unwrap_or_default()
            });
            explanation.text.replace(&file.unwrap_or_else(|| "\0".into()), "")
        }
        Err(unclear) => format!("unclear: {unclear}"),
    }
}

async fn json(caller: &str, text: &str) -> Value {
    ask(caller, text).await.unwrap().to_json().clone()
}

#[tokio::test]
async fn it_says_what_happens_and_why() {
    for (caller, text, says) in [
        (
            "local",
            "/api/users",
            "allowed: GET /api/users (ListUsers) by caller local at tenant acme\n  \
             by allow \"users:read\" of policy reading (c.toml:15)\n  \
             counts towards the quota of tenant acme (140 requests per 10s, 70 % of what Logto allows), which all its callers share\n",
        ),
        (
            "local",
            "head /api/Users/u1/",
            "allowed: HEAD /api/users/u1 (GetUser) by caller local at tenant acme\n  \
             by allow \"users:read\" of policy reading (c.toml:15)\n  \
             counts towards the quota of tenant acme (140 requests per 10s, 70 % of what Logto allows), which all its callers share\n",
        ),
        (
            "local",
            "/api/hooks/h1",
            "allowed: GET /api/hooks/h1 (GetHook) by caller local at tenant acme\n  \
             by allow \"hooks:read\" of policy reading (c.toml:15)\n  \
             counts towards the quota of tenant acme (140 requests per 10s, 70 % of what Logto allows), which all its callers share\n  \
             masked in the answer: config.headers, signingKey\n    \
             reveal = [\"GetHook\"] in callers.local would show it\n",
        ),
        (
            "local",
            "/api/users/u1?includePasswordHash=1",
            "allowed: GET /api/users/u1 (GetUser) by caller local at tenant acme\n  \
             by allow \"users:read\" of policy reading (c.toml:15)\n  \
             counts towards the quota of tenant acme (140 requests per 10s, 70 % of what Logto allows), which all its callers share\n  \
             masked in the answer: passwordDigest\n    \
             reveal = [\"GetUser\"] in callers.local would show it\n",
        ),
        (
            "local",
            "/api/new-things/1",
            "allowed: GET /api/new-things/1 by caller local at tenant acme\n  \
             by allow \"GET /api/new-things/{id}\" of policy reading (c.toml:15)\n  \
             counts towards the quota of tenant acme (140 requests per 10s, 70 % of what Logto allows), which all its callers share\n  \
             masked in the answer: every member with the name of a secret\n",
        ),
        (
            "local",
            "/api/users/u1/identities/github",
            "denied: GET /api/users/u1/identities/github (GetUserIdentity) by caller local at tenant acme: \
             403 claviger.not_permitted\n  \
             by deny \"GetUserIdentity\" of policy reading (c.toml:16), which wins over every rule that allows it\n  \
             to allow it, take it out of policies.reading.deny: a deny wins\n",
        ),
        (
            "local",
            "post /api/hooks",
            "denied: POST /api/hooks (CreateHook) by caller local at tenant acme: 403 claviger.not_permitted\n  \
             sensitive operations are allowed by their names alone\n  \
             sensitive: it answers with secrets in clear, makes the server request a URL\n  \
             to allow it, add to policies.reading.allow:\n    \
             \"CreateHook\"  this operation alone, with secrets masked\n",
        ),
        (
            "two",
            "post /api/roles",
            "denied: POST /api/roles (CreateRole) by caller two at tenant acme: 403 claviger.not_permitted\n  \
             sensitive operations are allowed by their names alone, and allow \"roles:write\" of policy shared \
             (c.toml:26) does not name it\n  \
             sensitive: it gives permissions or lifts a check\n  \
             to allow it, add to policies.shared.allow:\n    \
             \"CreateRole\"  this operation alone\n  \
             policy shared is also of: one\n",
        ),
        (
            "support",
            "/t/beta/api/users?page_size=100&search=x",
            "denied: GET /api/users (ListUsers) by caller support at tenant beta: 403 claviger.not_permitted\n  \
             its rule has a condition that is not met\n  \
             by allow \"ListUsers\" of policy support (c.toml:20)\n    \
             page_size required, at most 50\n    \
             not met: query parameter page_size is above 50, the most that the grant allows\n",
        ),
        (
            "local",
            "/api/swagger.json",
            "allowed: GET /api/swagger.json (GetSwaggerJson) by caller local at tenant acme\n  \
             Claviger answers it itself: the OpenAPI document of the Management API, cut down to what this caller may do\n",
        ),
        (
            "local",
            "/api/.well-known/user.openapi.json",
            "denied: GET /api/.well-known/user.openapi.json (GetWellKnownUserOpenapiJson) by caller local at tenant acme: 404 claviger.not_found\n  \
             there is one OpenAPI document here, that of the Management API: GET /api/swagger.json\n",
        ),
        (
            "local",
            "put /api/users",
            "denied: PUT /api/users by caller local at tenant acme: 405 claviger.method_not_allowed\n  \
             there is no such operation: this path has GET, POST\n",
        ),
        (
            "local",
            "/api/user/u1",
            "denied: GET /api/user/u1 by caller local at tenant acme: 404 claviger.operation_unknown\n  \
             Logto 1.42 has no such operation, and no rule names method and path. Did you mean /api/users/{userId}?\n",
        ),
        (
            "local",
            "/api/something-else/1",
            "denied: GET /api/something-else/1 by caller local at tenant acme: 404 claviger.operation_unknown\n  \
             Logto 1.42 has no such operation, and no rule names method and path.\n  \
             to allow it, add to policies.reading.allow:\n    \
             \"GET /api/something-else/1\"  this path alone\n",
        ),
        (
            "local",
            "/users",
            "denied: GET /users: 404 claviger.not_found\n  \
             there is no such path here: /api is missing. Did you mean /api/users?\n",
        ),
        (
            "local",
            "/api/users/..%2froles",
            "denied: GET /api/users/..%2froles by caller local at tenant acme: 400 claviger.path_ambiguous\n  \
             at byte 13 of the path: %2F is an escaped \"/\", which some servers decode before they match the path and \
             others do not. Between two segments write \"/\" itself; an id with \"/\" in it cannot be sent.\n",
        ),
        (
            "local",
            "/t/beta/api/users",
            "denied: GET /api/users (ListUsers) by caller local: 403 claviger.not_permitted\n  \
             caller local has no grant for tenant beta; it may use: acme. To grant it, add \"beta\" to callers.local.tenants\n",
        ),
        (
            "local",
            "/t/nobody/api/users",
            "denied: GET /api/users (ListUsers) by caller local: 404 claviger.tenant_unknown\n  \
             there is no tenant of that name; there are: acme, beta\n",
        ),
        (
            "support",
            "/api/users/u1",
            "denied: GET /api/users/u1 (GetUser) by caller support: 400 claviger.bad_request\n  \
             the request names no tenant, and caller support has several: acme, beta\n",
        ),
        (
            "local",
            "post /oidc/token",
            "allowed: POST /oidc/token by caller local at tenant acme\n  \
             the token broker hands out a token that is good here alone\n",
        ),
        (
            "two",
            "post /oidc/token",
            "allowed: POST /oidc/token by caller two at tenant acme\n  \
             the token broker hands out the tenant's own token, as `issue` of the caller says\n",
        ),
        (
            "local",
            "/oidc/.well-known/openid-configuration",
            "allowed: GET /oidc/.well-known/openid-configuration\n  \
             it says where the token broker is, and needs neither a credential nor a rule\n",
        ),
    ] {
        assert_eq!(said(caller, text).await, says, "{caller} {text}");
    }
}

#[tokio::test]
async fn a_url_of_another_host_is_explained_and_noted() {
    let foreign = said("local", "https://other.example/api/users").await;
    assert!(
        foreign.starts_with("allowed: GET /api/users (ListUsers) by caller local at tenant acme\n"),
        "{foreign}"
    );
    let note = "  note: other.example is no tenant's endpoint, and no address or name of this Claviger that its configuration has; as a \
                Host it would be refused (listen.allowed_hosts). Explained as if the request came here, to http://127.0.0.1:3600. If it is this Claviger's name, write \
                listen.public_url; if a Logto's, a tenant's endpoint\n";
    assert!(foreign.ends_with(note), "{foreign}");
    for here in [
        "https://acme.logto.app/api/users",
        "https://gateway.example/logto/api/users",
        "http://localhost:8080/api/users",
        "http://claviger.infra.svc.cluster.local:3600/api/users",
        "http://127.0.0.1:3600/api/users",
    ] {
        let said = said("local", here).await;
        assert!(said.starts_with("allowed: ") && !said.contains("note: "), "{here}: {said}");
    }
}

#[tokio::test]
async fn hosts_and_web_pages_are_checked_as_the_listener_does() {
    for (command, says) in [
        (
            "curl -H 'Host: evil.example' http://127.0.0.1:3600/api/users",
            "denied: GET /api/users (ListUsers): 421 claviger.host_not_allowed\n  \
             This listener does not answer to Host \"evil.example\". Use localhost or a loopback address, or have the operator \
             add the name to `listen.allowed_hosts`.\n",
        ),
        (
            "curl -H 'Origin: http://localhost:5173' http://127.0.0.1:3600/api/users",
            "denied: GET /api/users (ListUsers): 403 claviger.origin_not_allowed\n  \
             The request comes from a web page of origin \"http://localhost:5173\", which is not listed. Call from a service \
             instead of a web page, or have the operator add the page's origin to `listen.allowed_origins`.\n",
        ),
    ] {
        assert_eq!(said("local", command).await, says);
    }
}

#[tokio::test]
async fn a_condition_on_the_body_is_judged_where_there_is_a_body() {
    let unknown = said("support", "patch /t/acme/api/users/u1").await;
    assert!(unknown.starts_with("allowed: PATCH /api/users/u1 (UpdateUser)"), "{unknown}");
    assert!(unknown.contains("if its body meets the conditions of one of these rules"), "{unknown}");
    assert!(
        unknown.contains("in the body only name, customData") && unknown.contains("only username"),
        "{unknown}"
    );
    let with = async |body: &str| {
        let text = format!("curl -X PATCH http://127.0.0.1:3600/t/acme/api/users/u1 {body}");
        said("support", &text).await
    };
    for (body, says) in [
        ("--json '{\"name\":\"A\"}'", "allowed once it has the caller's credential: "),
        ("--json '{\"username\":\"a\"}'", "policy naming (c.toml:24)"),
        ("--json '{\"isSuspended\":true}'", "not met: member isSuspended is not allowed by the grant"),
        (
            "-H 'Content-Type: application/json' -d '{\"name\":1,\"name\":2}'",
            "not met: member name is given more than once",
        ),
        ("-d '{\"name\":\"A\"}'", "415 claviger.content_type_missing"),
        ("--json '{\"name\":\"[redacted by claviger]\"}'", "409 claviger.masked_value"),
        ("-H 'Content-Encoding: gzip' --json '{}'", "415 claviger.content_encoded"),
        ("", "400 claviger.bad_request"),
        ("-d @file", "note: its body is in a file or a variable, which was not read"),
    ] {
        let said = with(body).await;
        assert!(said.contains(says), "{body}: {said}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    /// Whatever is pasted and whatever it presents: there is an answer or a question back, and no panic.
    #[test]
    fn no_question_makes_it_panic(
        text in prop_oneof![
            any::<String>(),
            "(GET|POST|put|X) /(t/[a-z]{1,5}/)?(api|oidc|authz)[ -~]{0,40}",
            "curl http://(127.0.0.1:3600|acme.logto.app)/api/[ -~é]{0,40}( -H '(Claviger-Key|Authorization): [ -~]{0,20}')?",
        ],
        caller in prop::sample::select(vec!["", "local", "support", "x"]),
        tenant in prop::option::of(any::<String>()),
        certificate in prop::option::of(any::<String>()),
        body in prop::option::of(any::<Vec<u8>>()),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let pipeline = pipeline().await;
            if let Ok(mut question) = question(caller, &text) {
                (question.tenant, question.certificate) = (tenant, certificate);
                question.asked.body = body.or(question.asked.body.take());
                let answered = tokio::time::timeout(Duration::from_secs(5), explain(&pipeline, question)).await;
                if let Ok(explanation) = answered.expect("nothing waits") {
                    assert!(explanation.text.ends_with('\n') && explanation.to_json()["allowed"].is_boolean());
                }
            }
        });
    }
}

#[test]
fn the_methods_of_http_are_read_in_any_case() {
    for method in [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        let text = format!("{} /api/users", method.as_str().to_ascii_lowercase());
        assert_eq!(Asked::parse(&text).unwrap().method, method);
    }
}
