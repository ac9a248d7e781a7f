//! Facts measured on Logto, one line each: they hold without the recordings.

use serde_json::{Value, json};

use crate::fact::{Fact, hold};
use crate::world::World;

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const TYPE_JSON: &str = "content-type: application/json; charset=utf-8";
const TYPE_TEXT: &str = "content-type: text/plain; charset=utf-8";

/// The beginning of every good token request.
const CC: &str = "grant_type=client_credentials&resource=https%3A%2F%2Fdefault.logto.app%2Fapi";

fn token(number: &'static str, body: &'static str) -> Fact {
    Fact::new(number, "POST /oidc/token").basic("right").body(FORM, body)
}

fn api(number: &'static str, line: &'static str) -> Fact {
    Fact::new(number, line).bearer()
}

/// A page of users that comes compressed.
fn coded(number: &'static str, coding: &'static str) -> Fact {
    let vary = "vary: Accept-Encoding, Origin";
    let asked = api(number, "GET /api/users").header("Accept-Encoding", coding).answers(200);
    asked.headers(&[vary, "!content-length", "transfer-encoding: chunked"])
}

fn refusal(fact: Fact, status: u16, error: &str, description: &str) -> Fact {
    fact.answers(status).headers(&[TYPE_JSON]).json(json!({
        "code": format!("oidc.{error}"), "error": error, "error_description": description,
    }))
}

fn error(fact: Fact, status: u16, code: &str) -> Fact {
    fact.answers(status).headers(&[TYPE_JSON]).json(json!({ "code": code }))
}

fn plain(fact: Fact, status: u16, body: &'static str) -> Fact {
    fact.answers(status).headers(&[TYPE_TEXT]).text(body)
}

fn token_facts() -> Vec<Fact> {
    let all = "grant_type=client_credentials&resource=https%3A%2F%2Fdefault.logto.app%2Fapi&scope=all";
    let granted = json!({ "expires_in": 3600, "token_type": "Bearer", "scope": "all" });
    let bare = json!({ "expires_in": 3600, "token_type": "Bearer", "scope": Value::Null });
    let invalid = "client authentication failed";
    vec![
        token("1.1", all).answers(200).headers(&[TYPE_JSON, "cache-control: no-store", "!set-cookie", "!etag"]).json(granted.clone()),
        token("1.4 no scope", CC).answers(200).json(bare.clone()),
        token("1.4 unknown scope", "grant_type=client_credentials&resource=https%3A%2F%2Fdefault.logto.app%2Fapi&scope=nope")
            .answers(200)
            .json(bare.clone()),
        token("1.4 mixed scope", "grant_type=client_credentials&resource=https%3A%2F%2Fdefault.logto.app%2Fapi&scope=all+nope")
            .answers(200)
            .json(granted.clone()),
        token("1.4 no role", all).basic("no-role").answers(200).json(bare),
        refusal(token("1.5 wrong secret", all).basic("wrong"), 401, "invalid_client", invalid).headers(&[
            "www-authenticate: Basic realm=\"http://127.0.0.1:3001/oidc\", error=\"invalid_client\", \
             error_description=\"client authentication failed\"",
        ]),
        refusal(token("1.5 unknown client", all).basic("unknown"), 400, "invalid_client", "invalid client unknown")
            .headers(&["!www-authenticate"]),
        refusal(
            token("1.5 empty secret", all).basic("empty"),
            400,
            "invalid_request",
            "client_secret must be provided in the Authorization header",
        ),
        refusal(
            Fact::new("1.5 no client", "POST /oidc/token").body(FORM, all),
            400,
            "invalid_request",
            "no client authentication mechanism provided",
        ),
        refusal(
            Fact::new("1.5 bearer", "POST /oidc/token").header("Authorization", "Bearer x").body(FORM, all),
            400,
            "invalid_request",
            "invalid authorization header value format",
        ),
        refusal(
            token("1.5 two mechanisms", "grant_type=client_credentials&client_secret=x"),
            400,
            "invalid_request",
            "client authentication must only be provided using one mechanism",
        ),
        refusal(
            token("1.5 no resource", "grant_type=client_credentials&scope=all"),
            400,
            "invalid_target",
            "both `resource` and `organization_id` are not provided",
        ),
        refusal(
            token("1.5 unknown resource", "grant_type=client_credentials&resource=https%3A%2F%2Fdefault.logto.app%2Fapi%2F"),
            400,
            "invalid_target",
            "resource indicator is missing, or unknown",
        ),
        refusal(
            token("1.5 relative resource", "grant_type=client_credentials&resource=foo"),
            400,
            "invalid_target",
            "resource indicator must be an absolute URI",
        ),
        refusal(token("1.5 no grant type", "scope=all"), 400, "invalid_request", "missing required parameter 'grant_type'"),
        refusal(
            token("1.5 other grant type", "grant_type=password"),
            400,
            "unsupported_grant_type",
            "unsupported grant_type requested",
        ),
        refusal(
            token("1.5 refresh", "grant_type=refresh_token&refresh_token=x"),
            400,
            "invalid_request",
            "requested grant type is not allowed for this client",
        ),
        refusal(
            token("1.5 organization", "grant_type=client_credentials&organization_id=nosuch"),
            403,
            "access_denied",
            "app has not associated with the organization",
        ),
        refusal(
            token("1.7 origin", all).header("Origin", "null"),
            400,
            "invalid_request",
            "origin null not allowed for client: k4deq2c6a2s1p08nven40",
        )
        .headers(&["!access-control-allow-origin"]),
        token("1.7 own origin", all).header("Origin", "http://127.0.0.1:3001").answers(200).json(granted.clone()),
        refusal(
            Fact::new("1.5 GET", "GET /oidc/token"),
            404,
            "invalid_request",
            "unrecognized route or not allowed method (GET on /token)",
        ),
        Fact::new("1.5 parse_error", "POST /oidc/token?parse_error=false")
            .basic("wrong")
            .body(FORM, all)
            .answers(401)
            .json(json!({ "error": "invalid_client", "code": null, "message": null })),
        refusal(
            Fact::new("1.5 no content type", "POST /oidc/token").basic("right").body("", all),
            400,
            "invalid_request",
            "missing required parameter 'grant_type'",
        ),
        Fact::new("1.6 JSON", "POST /oidc/token")
            .basic("right")
            .body(JSON, r#"{"grant_type":"client_credentials","resource":"https://default.logto.app/api","scope":"all"}"#)
            .answers(200)
            .json(granted.clone()),
        Fact::new("1.6 trailing slash", "POST /oidc/token/").basic("right").body(FORM, all).answers(200).json(granted),
        Fact::new("1.9 revocation", "POST /oidc/token/revocation")
            .answers(400)
            .json(json!({ "error": "unsupported_token_type" })),
        plain(
            Fact::new("1.5 large", "POST /oidc/token").basic("right").large_body(FORM, "grant_type=", 60 * 1024, ""),
            404,
            "Not Found",
        ),
    ]
}

fn auth_facts() -> Vec<Fact> {
    let with =
        |number, value: &'static str| Fact::new(number, "GET /api/users").header("Authorization", value);
    vec![
        error(Fact::new("2.1 no token", "GET /api/users"), 401, "auth.authorization_header_missing")
            .headers(&["!www-authenticate"]),
        error(with("2.1 scheme", "Basic YTpi"), 401, "auth.authorization_token_type_not_supported"),
        error(with("2.1 lower case", "bearer x"), 401, "auth.authorization_token_type_not_supported"),
        with("2.1 garbage", "Bearer garbage")
            .answers(401)
            .json(json!({ "code": "auth.unauthorized", "data": { "code": "ERR_JWS_INVALID", "name": "JWSInvalid" } })),
        error(Fact::new("2.5 query", "GET /api/users?access_token=x"), 401, "auth.authorization_header_missing"),
        plain(Fact::new("2.6 unknown path", "GET /api/nosuchroute"), 404, "Not Found"),
        plain(Fact::new("2.6 wrong method", "PUT /api/users"), 405, "Method Not Allowed")
            .headers(&["allow: POST, HEAD, GET"]),
        error(
            Fact::new("2.9", "GET /api/users").header("development-user-id", "x"),
            401,
            "auth.authorization_header_missing",
        ),
        error(api("2.10", "GET /api/my-account"), 401, "auth.unauthorized"),
    ]
}

fn routing_facts() -> Vec<Fact> {
    let page = "content-type: text/html; charset=utf-8";
    let html = |number, line| Fact::new(number, line).answers(200).headers(&[page]);
    vec![
        html("3.4 outside", "GET /nosuch"),
        html("3.5 /API", "GET /API/users"),
        html("3.5 %61pi", "GET /%61pi/users"),
        Fact::new("3.4 /", "GET /")
            .answers(302)
            .headers(&["location: http://127.0.0.1:3001/unknown-session"]),
        plain(Fact::new("3.4 /api", "GET /api"), 404, "Not Found"),
        api("3.5 upper case", "GET /api/USERS").answers(200),
        api("3.5 trailing slash", "GET /api/users/").answers(200),
        plain(api("3.5 //", "GET /api//users"), 404, "Not Found"),
        plain(api("3.5 %75", "GET /api/%75sers"), 404, "Not Found"),
        plain(api("3.5 ;", "GET /api/users;x=1"), 404, "Not Found"),
        plain(api("3.5 ..", "GET /api/users/../applications"), 404, "Not Found"),
        error(api("3.5 %2F", "GET /api/users/a%2Fb"), 404, "entity.not_found"),
        error(api("3.5 %zz", "GET /api/users/%zz"), 404, "entity.not_found"),
        plain(Fact::new("3.6 verb", "PROPFIND /api/users"), 501, "Not Implemented"),
        plain(Fact::new("3.7 OPTIONS", "OPTIONS /api/users"), 200, "").headers(&["allow: POST, HEAD, GET"]),
        Fact::new("3.3", "GET http://127.0.0.1:3001/api/users").answers(500),
        api("3.6 HEAD", "HEAD /api/users").answers(200).headers(&["total-number: 5", "!etag"]).text(""),
    ]
}

fn paging_facts() -> Vec<Fact> {
    let invalid = |number, line| error(api(number, line), 400, "guard.invalid_pagination");
    let link = |query: &str, rel: &str| format!("link: <http://127.0.0.1:3001/{query}>; rel=\"{rel}\"");
    vec![
        api("4.3", "GET /api/users?page=2&page_size=2").answers(200).headers(&[
            "total-number: 5",
            &link("users?page=1&page_size=2", "first"),
            &link("users?page=1&page_size=2", "prev"),
            &link("users?page=3&page_size=2", "last"),
            &link("users?page=3&page_size=2", "next"),
        ]),
        api("4.4 joined", "GET /api/applications?page=1&types=MachineToMachine&types=SPA")
            .answers(200)
            .headers(&[&link("applications?page=1&types=MachineToMachine%2CSPA", "first")]),
        api("4.1 fraction", "GET /api/users?page=1.5&page_size=2").answers(200),
        api("4.1 beyond", "GET /api/users?page=99").answers(200).text("[]"),
        invalid("4.1 zero", "GET /api/users?page=0"),
        invalid("4.1 negative", "GET /api/users?page=-1"),
        invalid("4.1 large", "GET /api/users?page_size=101"),
        invalid("4.1 text", "GET /api/users?page=abc"),
        invalid("4.1 twice", "GET /api/users?page=1&page=2"),
        api("4.6 optional", "GET /api/applications").answers(200).headers(&["!total-number", "!link"]),
        api("6.8 like", "GET /api/users?search=%25user%25").answers(200).headers(&["total-number: 5"]),
        api("6.8 exact", "GET /api/users?search.username=user1&search.username=user2&mode.username=exact")
            .answers(200)
            .headers(&["total-number: 2"]),
        api("6.8 case", "GET /api/users?search.username=USER1&isCaseSensitive=true")
            .answers(200)
            .headers(&["total-number: 0"]),
        api(
            "6.8 and",
            "GET /api/users?search.primaryEmail=%25%40example.com&search.username=user3&joint=and",
        )
        .answers(200)
        .headers(&["total-number: 1"]),
        error(api("6.8 field", "GET /api/users?search.foo=bar"), 400, "request.invalid_input"),
        error(api("6.8 mode", "GET /api/users?search=a&mode=zzz"), 400, "request.invalid_input"),
        error(api("6.8 several", "GET /api/users?search.name=a&search.name=b"), 400, "request.invalid_input"),
    ]
}

fn body_facts() -> Vec<Fact> {
    let post = |number| api(number, "POST /api/users");
    vec![
        plain(post("5.1 JSON").large_body(JSON, "{\"name\":\"", 1100 * 1024, "\"}"), 404, "Not Found"),
        plain(post("5.1 form").large_body(FORM, "name=", 60 * 1024, ""), 404, "Not Found"),
        post("5.2 no type").body("", r#"{"username":"x"}"#).answers(200).json(json!({ "username": null })),
        post("5.2 form").body(FORM, "username=form1").answers(200).json(json!({ "username": "form1" })),
        post("5.2 empty").body(JSON, "").answers(200).json(json!({ "username": null })),
        error(post("5.2 text").body("text/plain", "{}"), 400, "guard.invalid_input"),
        post("6.1").body(JSON, r#"{"username":5}"#).answers(400).json(json!({
            "code": "guard.invalid_input",
            "details": "Error in key path \"username\": (invalid_type) Expected string but received number.",
        })),
        post("6.2")
            .body(JSON, "{")
            .answers(400)
            .json(json!({ "message": "Unexpected end of JSON input", "code": null })),
        error(post("6.3").body(JSON, r#"{"username":"user1"}"#), 422, "user.username_already_in_use"),
        post("6.4").body(JSON, r#"{"username":"unk1","foo":1}"#).answers(200).json(json!({ "foo": null })),
        post("6.5")
            .body(JSON, r#"{"name":"a\u0000b"}"#)
            .answers(500)
            .json(json!({ "message": "Internal server error." })),
        error(api("6.3 entity", "GET /api/applications/nosuch"), 404, "entity.not_exists_with_id"),
        error(
            api("6.3 connector", "POST /api/verification-codes").body(JSON, "{}"),
            501,
            "connector.not_found",
        ),
        Fact::new("5.7", "POST /api/users").header("Expect", "foo").answers(417),
        Fact::new("5.4", "GET /api/users").header("X-Big", "a").long_header().answers(431).text(""),
        api("5.8", "POST /api/organizations/org000000001/applications")
            .body(JSON, r#"{"applicationIds":["demo-m2m"]}"#)
            .answers(201)
            .headers(&[TYPE_TEXT])
            .text("Created"),
        api("5.9", "GET /api/users").answers(200).headers(&[
            "vary: Accept-Encoding, Origin",
            "strict-transport-security: max-age=15552000; includeSubDomains",
            "x-frame-options: SAMEORIGIN",
            "keep-alive: timeout=5",
            "!server",
            "!set-cookie",
        ]),
        coded("5.5 gzip", "gzip").headers(&["content-encoding: gzip"]),
        coded("5.5 the best of many", "zstd, deflate, gzip").headers(&["content-encoding: gzip"]),
        coded("5.5 any", "*").headers(&["content-encoding: gzip"]),
        coded("5.5 weights", "gzip;q=0").headers(&["content-encoding: gzip"]),
        coded("5.5 deflate", "deflate").headers(&["content-encoding: deflate"]),
        api("5.5 as it is", "GET /api/users")
            .header("Accept-Encoding", "identity")
            .answers(200)
            .headers(&["!content-encoding", "!transfer-encoding"]),
        api("5.5 HEAD", "HEAD /api/users")
            .header("Accept-Encoding", "gzip")
            .answers(200)
            .headers(&["!content-encoding"]),
        api("5.5 small", "GET /api/users?page_size=1")
            .header("Accept-Encoding", "gzip")
            .answers(200)
            .headers(&["!content-encoding"]),
        Fact::new("9.1", "GET /api/status").answers(204).headers(&["!content-type"]),
        Fact::new("10.5 keys", "GET /oidc/jwks")
            .answers(200)
            .headers(&["content-type: application/jwk-set+json; charset=utf-8"]),
        Fact::new("1.3", "GET /oidc/.well-known/openid-configuration")
            .header("Host", "proxy.example")
            .answers(200)
            .json(json!({
                "issuer": "http://127.0.0.1:3001/oidc", "token_endpoint": "http://proxy.example/oidc/token",
            })),
        error(api("no state", "GET /api/email-templates"), 501, "emulator.not_implemented"),
        error(
            Fact::new("no state, no token", "GET /api/email-templates"),
            401,
            "auth.authorization_header_missing",
        ),
        error(
            api("1.11", "DELETE /api/resources/management-api"),
            400,
            "resource.cannot_delete_management_api",
        ),
    ]
}

#[tokio::test]
async fn facts() {
    let facts: Vec<Fact> = [token_facts(), auth_facts(), routing_facts(), paging_facts(), body_facts()]
        .into_iter()
        .flatten()
        .collect();
    assert!(facts.len() >= 60, "only {} facts", facts.len());
    let mut wrong = Vec::new();
    for fact in facts {
        let world = World::demo().await;
        wrong.extend(hold(&world, fact).await);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
