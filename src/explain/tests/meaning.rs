//! Whose a request is, and where.

use super::*;

#[tokio::test]
async fn whose_a_request_is_comes_from_whatever_says_so() {
    let key = format!("curl http://127.0.0.1:3600/t/acme/api/users/u1 -H 'Claviger-Key: {KEY}'");
    let known = said("", &key).await;
    assert!(known.contains("(GetUser) by caller support at tenant acme\n"), "{known}");
    assert!(known.contains("  authenticated by api_key\n"), "{known}");
    let named = json("support", &key).await;
    assert_eq!(named["identified"]["by"], "api_key", "{named}");
    let other = said("local", &key).await;
    assert_eq!(
        other,
        "unclear: what the request presents is caller support's and not local's: leave one of the two out"
    );
    let wrong = json("", "curl http://127.0.0.1:3600/api/users -H 'Claviger-Key: CANARY-wrong'").await;
    assert_eq!(
        (&wrong["status"], &wrong["code"]),
        (&401.into(), &"claviger.caller_unknown".into()),
        "{wrong}"
    );
    assert_eq!(
        wrong["reason"],
        "the caller could not be authenticated by api_key: Claviger-Key is not a caller's key"
    );
    assert!(
        wrong["text"].as_str().unwrap().ends_with("\n  callers with API keys: one, support\n"),
        "{wrong}"
    );
    assert_eq!(wrong["identified"]["by"], Value::Null);
    assert!(wrong["identified"]["tried"].as_array().is_some_and(|tried| tried.len() == 2), "{wrong}");
    // A bearer token that is nobody's is passed over where locality is enough, and that is told.
    let local = said("", "curl http://127.0.0.1:3600/api/users -H 'Authorization: Bearer CANARY-x'").await;
    assert!(local.contains("by caller local") && local.contains("  authenticated by loopback\n"), "{local}");
    assert!(local.contains("  not by api_key: the bearer token is neither a caller's key nor"), "{local}");
    let network = said("", "curl http://0.0.0.0:3700/api/users -H 'Authorization: Bearer CANARY-x'").await;
    assert!(network.contains("401 claviger.caller_unknown"), "{network}");
    let basic =
        said("", "curl http://127.0.0.1:3600/oidc/token -u any:thing -d grant_type=client_credentials").await;
    assert!(basic.starts_with("allowed: POST /oidc/token by caller local"), "{basic}");
    // In the form of a token request.
    let client = |secret: &str| {
        format!(
            "curl http://0.0.0.0:3700/t/acme/oidc/token -d grant_type=client_credentials -d client_id=support -d client_secret={secret}"
        )
    };
    let right = said("", &client(KEY)).await;
    assert!(right.starts_with("allowed: POST /t/acme/oidc/token by caller support"), "{right}");
    assert!(right.contains("  authenticated by api_key\n"), "{right}");
    let wrong = said("", &client("CANARY-wrong")).await;
    assert!(wrong.contains("401 claviger.caller_unknown") && !wrong.contains("CANARY"), "{wrong}");
    let line =
        said("", r#"{"method":"GET","path":"/api/users/u1","caller":"support","tenant":"beta"}"#).await;
    assert!(line.contains("by caller support at tenant beta\n"), "{line}");
    assert_eq!(
        said("", "/api/users").await,
        "unclear: whose request is it? Name the caller, or give the credential that it comes with. There are: \
         local (loopback), one (api_key), support (api_key), two (unix_uid)"
    );
    assert_eq!(
        said("nobody", "/api/users").await,
        "unclear: there is no such caller; there are: local, one, support, two"
    );
}

/// A command is all that is sent, so a credential that it lacks is lacking; a path that somebody asks about is none yet.
#[tokio::test]
async fn a_command_without_a_credential_is_not_the_callers_that_was_named() {
    let curl = |url: &str, more: &str| format!("curl http://{url}/t/acme/api/users/u1 {more}");
    let key = "Add its API key, as the header Claviger-Key\n";
    let here = said("support", &curl("127.0.0.1:3600", "")).await;
    assert!(
        here.starts_with(
            "allowed once it has the caller's credential: GET /api/users/u1 (GetUser) by caller support"
        ),
        "{here}"
    );
    let note = "  note: no credential was given: decided as if caller support had sent it; as it is sent without one it is \
                taken for caller local (loopback). ";
    assert!(here.ends_with(&format!("{note}{key}")), "{here}");
    let there = said("support", &curl("0.0.0.0:3700", "")).await;
    let note = "  note: no credential was given: decided as if caller support had sent it; as it is sent without one it is a 401. ";
    assert!(there.ends_with(&format!("{note}{key}")), "{there}");
    for (caller, text) in [
        ("support", "/t/acme/api/users/u1".to_owned()),
        (
            "support",
            r#"{"method":"GET","path":"/api/users/u1","caller":"support","tenant":"acme"}"#.to_owned(),
        ),
        ("local", curl("127.0.0.1:3600", "")),
        ("support", curl("127.0.0.1:3600", &format!("-H 'Claviger-Key: {KEY}'"))),
        // It has one that nobody read.
        ("support", curl("127.0.0.1:3600", "-H \"Claviger-Key: $KEY\"")),
        ("support", curl("127.0.0.1:3600", "-H \"$AUTH\"")),
        ("support", curl("127.0.0.1:3600", "-H @headers")),
        ("support", curl("127.0.0.1:3600", "-K more")),
        ("support", curl("127.0.0.1:3600", "--cert client.pem")),
        ("two", curl("localhost", "--unix-socket /run/claviger.sock")),
        ("support", "curl https://acme.logto.app/api/users/u1".to_owned()),
    ] {
        let said = said(caller, &text).await;
        assert!(!said.contains("no credential was given") && !said.contains("once it has"), "{text}: {said}");
    }
}

#[tokio::test]
async fn a_placeholder_in_the_style_of_a_router_earns_a_note() {
    let told = |text: &'static str| async move {
        said("local", text).await.contains("\n  note: a segment begins with \":\" like a placeholder")
    };
    assert!(told("/t/acme/api/users/:id").await && told("/t/acme/api/users/:userId/roles").await);
    assert!(!told("/t/acme/api/users/u1?x=/:id").await && !told("/t/acme/api/users/a:b").await);
}

#[tokio::test]
async fn the_base_of_all_operations_is_none_itself() {
    let base = said("local", "/t/acme/api").await;
    assert!(base.ends_with("no rule names method and path. Name one, such as /api/users.\n"), "{base}");
}

#[tokio::test]
async fn a_url_is_at_the_tenant_whose_endpoint_it_has_or_here() {
    for (text, says) in [
        ("https://acme.logto.app/api/users/u1", "(GetUser) by caller support at tenant acme\n"),
        ("https://ACME.logto.app:443/api/users/u1", "at tenant acme\n"),
        ("http://127.0.0.1:3001/api/users/u1", "at tenant beta\n"),
        ("https://claviger.internal/t/beta/api/users/u1", "at tenant beta\n"),
        ("https://gateway.example/logto/t/beta/api/users/u1", "denied: GET /logto/t/beta"),
    ] {
        let said = said("support", text).await;
        if text.contains("gateway") {
            assert!(said.contains("at tenant beta\n") && !said.contains("/logto/"), "{text}: {said}");
        } else {
            assert!(said.contains(says), "{text}: {said}");
        }
    }
    let unknown = said("support", "https://other.logto.app/api/users").await;
    assert!(
        unknown.starts_with("unclear: no tenant has this endpoint; there are: acme (https://acme.logto.app)"),
        "{unknown}"
    );
    let logtos =
        said("support", "curl https://acme.logto.app/api/users/u1 -H 'Authorization: Bearer CANARY-token'")
            .await;
    assert!(logtos.contains("note: its credential is for Logto, so it was not looked at"), "{logtos}");
    let conflict =
        Question { tenant: Some("acme".into()), ..question("support", "/t/beta/api/users").unwrap() };
    let conflict = explain(&pipeline().await, conflict).await.unwrap();
    assert!(conflict.text.contains("name different tenants"), "{}", conflict.text);
}

#[tokio::test]
async fn b63_it_says_whose_answer_may_come_from_the_cache() {
    let users = "/t/acme/api/users?page_size=20";
    let kept = said("support", users).await;
    assert!(
        kept.contains(
            "\n  the answer may come from the cache, up to 30s old; then it counts towards no quota"
        ),
        "{kept}"
    );
    assert_eq!(json("support", users).await["cache"], "30s");
    for (caller, text) in [
        ("local", users),
        ("support", "HEAD /t/acme/api/users?page_size=20"),
        ("support", "/t/acme/api/users/u1"),
    ] {
        assert_eq!(json(caller, text).await["cache"], Value::Null, "{caller} {text}");
    }
}

/// As it stands at a terminal, in one line or with what is below it.
#[tokio::test]
async fn a_line_of_the_log_for_people_says_whose_request_it_was_and_where() {
    let line = "19:10:46Z  403   0.1 ms  DELETE  /t/beta/api/roles/r1        support → beta  DeleteRole";
    let below = "\n                         claviger.not_permitted: no rule allows DeleteRole\n                         request k35";
    for text in [line.to_owned(), format!("{line}{below}"), line.trim_start_matches("19:10:46Z  ").to_owned()]
    {
        let said = said("", &text).await;
        assert!(
            said.starts_with("denied: DELETE /api/roles/r1 (DeleteRole)") && !said.contains("query"),
            "{text}: {said}"
        );
        assert!(said.contains("by caller support at tenant beta"), "{text}: {said}");
    }
    let query = said("", "19:10:46Z  200    12 ms  GET     /api/users?…   support → beta  ListUsers").await;
    assert!(query.contains("at tenant beta") && query.contains("decided without a query"), "{query}");
    let nobody = said("", "19:10:46Z  401   0.1 ms  GET     /api/users   from 10.0.0.7:1234").await;
    let early = "unclear: this line is of a request that was refused before any rule was asked (401)";
    assert!(nobody.starts_with(early), "{nobody}");
    let several = said("", &format!("{line}\n{line}")).await;
    assert!(several.starts_with("unclear: these are several lines"), "{several}");
}
