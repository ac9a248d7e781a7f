//! Requests whose sender puts its credentials where they do not belong: in queries, paths, names of tenants and hosts,
//! bodies, and headers of all kinds.

use serde_json::json;

use crate::support::Request;

/// What the callers have to prove who they are.
pub(super) struct Credentials {
    pub(super) key: String,
    pub(super) jwt: String,
    pub(super) sealed: String,
}

/// How a request says who sends it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Says {
    Key,
    BearerKey,
    Jwt,
    Sealed,
}

impl Credentials {
    /// `request` from one of them, with all that they have in all the wrong places.
    pub(super) fn from(&self, says: Says, method: &str, target: &str) -> Request {
        let mark = if target.contains('?') { '&' } else { '?' };
        let target = format!("{target}{mark}key={}&jwt={}&token={}", self.key, self.jwt, self.sealed);
        let request = Request::new(method, &target)
            .header("User-Agent", &self.key)
            .header("Cookie", &format!("session={}", self.jwt))
            .header("X-Api-Key", &self.key)
            .header("X-Request-Id", &self.key)
            .header("traceparent", &self.key)
            .header("tracestate", &format!("a={}", self.sealed))
            .header("Referer", &format!("http://localhost/{}", self.sealed));
        let bearer = |value: &str| format!("Bearer {value}");
        match says {
            Says::Key => request.key(&self.key),
            Says::BearerKey => request.header("Authorization", &bearer(&self.key)),
            Says::Jwt => request.header("Authorization", &bearer(&self.jwt)),
            Says::Sealed => request.header("Authorization", &bearer(&self.sealed)),
        }
    }

    /// What is refused by itself, whatever the upstream does.
    pub(super) fn refused(&self, says: Says) -> Vec<Request> {
        let ask = |method: &str, target: &str| self.from(says, method, target);
        let with = |name: &str, value: &str| ask("GET", "/t/acme/api/roles").header(name, value);
        let body = |kind: &str, body: String| ask("POST", "/t/acme/api/roles").body(kind, body);
        let Self { key, jwt, sealed } = self;
        vec![
            ask("GET", &format!("http://{key}/api/roles")),
            ask("GET", "/api/roles"),
            ask("GET", &format!("/t/acme/api/x/../{key}")),
            ask("GET", &format!("/t/acme/api/%2e{jwt}")),
            ask("DELETE", &format!("/t/acme/api/users/{key}")),
            ask("GET", &format!("/t/acme/api/nonsense/{sealed}")),
            ask(key, "/t/acme/api/roles"),
            ask("GET", &format!("/t/{key}/api/roles")),
            ask("GET", &format!("/t/{jwt}/api/roles")),
            ask("GET", "/api/roles").header("Claviger-Tenant", sealed),
            with("Claviger-Tenant", key),
            ask("GET", &format!("/{key}")),
            ask("GET", &format!("/authz/t/acme/api/nonsense/{key}")),
            ask("GET", "/authz").header("X-Original-URI", &format!("/t/{key}/api/roles?{jwt}")),
            with("Host", &format!("{key}.example")),
            with("Origin", &format!("https://{key}.example")),
            body("application/json", format!("{{\"name\":\"{key}{}\"}}", "x".repeat(5000))),
            body("application/x-www-form-urlencoded", format!("{{\"name\":\"{key}\"}}")),
            body(
                "application/json",
                format!("{{\"name\":\"{key}\",\"description\":\"[redacted by claviger]\"}}"),
            ),
            body("application/json", format!("{{\"name\":\"{key}\"}}")).header("Content-Encoding", "gzip"),
            ask("PUT", &format!("/api/users/{key}?{jwt}")),
            ask("POST", "/oidc/.well-known/openid-configuration"),
            body("", json!({"name": key, "description": jwt}).to_string()),
            // Against a condition: members, and a query, of the caller's choice.
            ask("PATCH", "/t/acme/api/users/u1").body("application/json", format!("{{\"{key}\":1}}")),
            ask("PATCH", "/t/acme/api/users/u1")
                .body("application/json", format!("{{\"name\":1,\"{sealed}\":2}}")),
            ask("PATCH", "/t/acme/api/users/u1").body("application/json", format!("[\"{key}\", \"{jwt}\"")),
            ask("PATCH", "/t/acme/api/users/u1").body(jwt, "{}"),
            ask("GET", &format!("/t/acme/api/users?page_size={key}")),
            ask("GET", &format!("/t/acme/api/users?page_size=1&page_size={jwt}")),
            ask("GET", "/t/wrong/api/roles"),
            ask("GET", "/t/roleless/api/roles"),
            ask("GET", "/t/dead/api/roles"),
            ask("GET", "/t/locked/api/roles"),
            ask("GET", "/t/gone/api/roles"),
            ask("GET", "/t/poor/api/roles"),
            ask("GET", "/t/poor/api/roles"),
            // Nobody, though nearly somebody.
            Request::get("/t/acme/api/roles").key(&format!("{key}x")),
            Request::get("/t/acme/api/roles").key(key).key(key),
            Request::get("/t/acme/api/roles").key(jwt),
            Request::get("/t/acme/api/roles").header("Authorization", &format!("Bearer {jwt}x")),
            Request::get("/t/acme/api/roles").header("Authorization", &format!("Bearer {sealed}x")),
            Request::get("/t/acme/api/roles").header("Authorization", &format!("Basic {key}")),
            Request::get("/t/acme/api/roles").header(key, jwt),
        ]
    }

    /// Token requests that are refused.
    pub(super) fn forms(&self) -> Vec<Request> {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        let Self { key, jwt, sealed } = self;
        let basic = format!("Basic {}", STANDARD.encode(format!("keyed:{key}")));
        let form = |text: String| Request::form(&format!("/oidc/token?{key}"), &text);
        let asked = |text: String| Request::form(&format!("/t/acme/oidc/token?{key}"), &text);
        const GRANT: &str = "grant_type=client_credentials";
        vec![
            Request::get(&format!("/oidc/token?client_secret={key}")).header("Authorization", &basic),
            Request::post("/oidc/token", json!({"client_id": "keyed", "client_secret": key}).to_string()),
            form(format!("grant_type={key}&client_id=keyed&client_secret={key}")),
            form(format!("{GRANT}&client_id={key}&client_secret={key}")),
            form(format!("{GRANT}&client_id=keyed&client_secret={key}x")),
            form(format!("{GRANT}&client_id=keyed&client_secret={jwt}")),
            form(format!("{GRANT}&client_id=vouched&client_secret={sealed}")),
            form(format!("{GRANT}&client_id=keyed&client_secret={key}")).header("Authorization", &basic),
            form(format!("{GRANT}&client_id=keyed&client_secret={key}&client_secret={key}")),
            asked(format!("{GRANT}&client_id=keyed&client_secret={key}&resource=https://{key}")),
            asked(format!("{GRANT}&client_id=keyed&client_secret={key}&resource=a&resource={key}")),
            asked(format!("{GRANT}&client_id=keyed&client_secret={key}&organization_id={key}")),
            asked(format!("{GRANT}&client_id=keyed&client_secret={key}&scope={key}")),
            form(format!("{GRANT}&client_secret={key}&{}", "x".repeat(20_000))),
            Request::form(
                &format!("/t/{key}/oidc/token"),
                &format!("{GRANT}&client_id=keyed&client_secret={key}"),
            ),
        ]
    }
}
