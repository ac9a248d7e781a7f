//! The token endpoint (fact 1), in the order in which oidc-provider checks a request.
//!
//! Decides client authentication, resource, scope and lifetime, and writes the audit row. It must never issue a
//! token whose scope the application's roles do not grant.

mod parameters;

use std::sync::atomic::Ordering;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde::Serialize;
use serde_json::{Value, json};

use self::parameters::Params;
use crate::{
    answer::{Answer, Family},
    body::Refused,
    jwt::Claims,
    oidc_error::OidcError,
    received::Received,
    shared::Shared,
    store::{MANAGEMENT_RESOURCE, Store, firsts},
    world::Tenant,
};

/// The answer, in Logto's member order.
#[derive(Debug, Serialize)]
struct Granted {
    access_token: String,
    expires_in: u64,
    token_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
}

struct Credentials {
    id: String,
    secret: Option<String>,
}

/// The answer to a preflight request.
pub(crate) fn preflight(headers: &HeaderMap) -> Answer {
    let text =
        |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).unwrap_or_default();
    Answer::no_content()
        .with(header::ACCESS_CONTROL_ALLOW_ORIGIN, text(header::ORIGIN))
        .with(header::ACCESS_CONTROL_MAX_AGE, "3600")
        .with(header::ACCESS_CONTROL_ALLOW_METHODS, Method::POST.as_str())
        .with(header::ACCESS_CONTROL_ALLOW_HEADERS, text(header::ACCESS_CONTROL_REQUEST_HEADERS))
}

/// Revocation and introspection of JWTs, which do not exist (fact 1.9).
pub(crate) fn structured(verb: &str, endpoint: &str) -> Answer {
    let description = format!("Structured JWT Tokens cannot be {verb} via the {endpoint}_endpoint");
    let answer = OidcError::bad("unsupported_token_type", &description).into_answer(None);
    cors(answer, None)
}

fn cors(answer: Answer, origin: Option<&str>) -> Answer {
    answer
        .with(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.unwrap_or("*"))
        .with(header::ACCESS_CONTROL_EXPOSE_HEADERS, "WWW-Authenticate")
}

pub(crate) fn answer(shared: &Shared, received: &Received<'_>, endpoint_of_host: &str) -> Answer {
    let params = match Params::read(received) {
        Ok(params) => params,
        Err(Refused::TooLarge) => {
            return Answer::text(StatusCode::NOT_FOUND).family(Family::NoOrigin);
        }
        Err(Refused::Error(error)) => return error.into_answer(),
    };
    let now = shared.now_ms();
    let mut world = shared.world();
    let ttl = world.token_ttl.as_secs();
    let tenant = world.tenant_mut(received.tenant);
    let attempt = Attempt { received, params: &params, now, ttl, endpoint: &shared.endpoint };
    let outcome = attempt.grant(tenant);
    let origin = received.headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    audit(&mut tenant.store, &attempt, &outcome);
    match outcome {
        Ok((granted, _)) => {
            shared.grants.fetch_add(1, Ordering::SeqCst);
            cors(Answer::ok(&granted).without_etag(), origin).with(header::CACHE_CONTROL, "no-store")
        }
        Err(error) => refusal(error, received, origin, endpoint_of_host),
    }
}

fn refusal(error: OidcError, received: &Received<'_>, origin: Option<&str>, endpoint: &str) -> Answer {
    let challenge = (error.status == StatusCode::UNAUTHORIZED).then(|| {
        format!(
            "Basic realm=\"{endpoint}/oidc\", error=\"{}\", error_description=\"{}\"",
            error.error, error.description
        )
    });
    let family = error.family;
    let mut answer = error.into_answer(received.uri.query());
    if family == Family::NoOrigin {
        return answer;
    }
    answer = match origin {
        // Without `Access-Control-Allow-Origin` the browser cannot read the refusal.
        Some(_) => answer.with(header::ACCESS_CONTROL_EXPOSE_HEADERS, "WWW-Authenticate"),
        None => cors(answer, None),
    };
    answer = answer.with(header::CACHE_CONTROL, "no-store");
    match challenge {
        Some(challenge) => answer.with(header::WWW_AUTHENTICATE, challenge),
        None => answer,
    }
}

struct Attempt<'a> {
    received: &'a Received<'a>,
    params: &'a Params,
    now: u64,
    ttl: u64,
    endpoint: &'a str,
}

impl Attempt<'_> {
    /// The answer, and the name of the secret that was used.
    fn grant(&self, tenant: &mut Tenant) -> Result<(Granted, String), OidcError> {
        if let Some(description) = self.params.unsupported() {
            return Err(OidcError::request(description));
        }
        let credentials = self.credentials()?;
        let secret = self.authenticate(&tenant.store, &credentials)?;
        self.check_origin(&tenant.store, &credentials.id)?;
        self.check_grant_type()?;
        let granted = self.issue(tenant, &credentials.id)?;
        Ok((granted, secret))
    }

    fn credentials(&self) -> Result<Credentials, OidcError> {
        let body_id = self.params.value("client_id");
        let body_secret = self.params.value("client_secret");
        let Some(value) = self.received.headers.get(header::AUTHORIZATION) else {
            let Some(id) = body_id else {
                return Err(OidcError::request("no client authentication mechanism provided"));
            };
            return Ok(Credentials { id: id.to_owned(), secret: body_secret.map(str::to_owned) });
        };
        let value = value.to_str().unwrap_or_default();
        let (scheme, encoded) = value.split_once(' ').unwrap_or((value, ""));
        if !scheme.eq_ignore_ascii_case("basic") || encoded.is_empty() || encoded.contains(' ') {
            return Err(OidcError::request("invalid authorization header value format"));
        }
        let badly_encoded =
            "client_id and client_secret in the authorization header are not properly encoded";
        let decoded = STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let decoded = decoded.ok_or_else(|| OidcError::request(badly_encoded))?;
        let Some((id, secret)) = decoded.split_once(':') else {
            return Err(OidcError::request("invalid authorization header value format"));
        };
        let (id, secret) = (form_decode(id), form_decode(secret));
        if body_id.is_some_and(|other| other != id) {
            return Err(OidcError::request("mismatch in body and authorization client ids"));
        }
        if secret.is_empty() {
            let description = "client_secret must be provided in the Authorization header";
            return Err(OidcError::request(description));
        }
        if body_secret.is_some() {
            let description = "client authentication must only be provided using one mechanism";
            return Err(OidcError::request(description));
        }
        Ok(Credentials { id, secret: Some(secret) })
    }

    fn authenticate(&self, store: &Store, credentials: &Credentials) -> Result<String, OidcError> {
        let id = credentials.id.as_str();
        let Some(application) = store.applications.iter().find(|row| row.id == id) else {
            return Err(OidcError::bad("invalid_client", &format!("invalid client {id}")));
        };
        let redirects = application.oidc_client_metadata.get("redirectUris").and_then(Value::as_array);
        if application.kind != "MachineToMachine" && redirects.is_none_or(Vec::is_empty) {
            return Err(OidcError::bad("invalid_redirect_uri", "redirect_uris must contain members"));
        }
        let given = credentials.secret.as_deref();
        let own = store.secrets.iter().filter(|row| row.application_id == id);
        let matching = own.clone().find(|row| Some(row.value.as_str()) == given);
        if let Some(secret) = matching {
            if secret.expires_at.is_some_and(|at| at <= self.now) {
                let mut error = OidcError::request("client secret has expired");
                error.family = Family::NoOrigin;
                return Err(error);
            }
            return Ok(secret.name.clone());
        }
        if application.secret.is_some() && application.secret.as_deref() == given {
            return Ok("Legacy secret".to_owned());
        }
        let description = "client authentication failed";
        Err(OidcError::new(StatusCode::UNAUTHORIZED, "invalid_client", description))
    }

    fn check_origin(&self, store: &Store, id: &str) -> Result<(), OidcError> {
        let Some(origin) = self.received.headers.get(header::ORIGIN).and_then(|value| value.to_str().ok())
        else {
            return Ok(());
        };
        let application = store.applications.iter().find(|row| row.id == id);
        let listed = application
            .and_then(|row| row.custom_client_metadata.get("corsAllowedOrigins"))
            .and_then(Value::as_array)
            .is_some_and(|origins| origins.iter().any(|known| known == origin));
        if listed || origin == self.endpoint {
            return Ok(());
        }
        Err(OidcError::request(&format!("origin {origin} not allowed for client: {id}")))
    }

    fn check_grant_type(&self) -> Result<(), OidcError> {
        match self.params.value("grant_type") {
            Some("client_credentials") => Ok(()),
            None => Err(OidcError::request("missing required parameter 'grant_type'")),
            Some(
                "authorization_code"
                | "refresh_token"
                | "urn:ietf:params:oauth:grant-type:device_code"
                | "urn:ietf:params:oauth:grant-type:token-exchange",
            ) => Err(OidcError::request("requested grant type is not allowed for this client")),
            Some(_) => Err(OidcError::bad("unsupported_grant_type", "unsupported grant_type requested")),
        }
    }

    fn issue(&self, tenant: &mut Tenant, client: &str) -> Result<Granted, OidcError> {
        let organization = self.params.value("organization_id");
        let mut resources = self.params.values("resource").filter(|value| !value.is_empty());
        let resource = match (resources.next(), resources.next()) {
            (None, _) => tenant.store.resources.iter().find(|row| row.is_default).map(|row| &row.indicator),
            (Some(one), None) => {
                if !one.split_once(':').is_some_and(|(scheme, rest)| !scheme.is_empty() && !rest.is_empty()) {
                    let description = "resource indicator must be an absolute URI";
                    return Err(OidcError::bad("invalid_target", description));
                }
                let known = tenant.store.resources.iter().find(|row| row.indicator == one);
                Some(known.map(|row| &row.indicator).ok_or_else(unknown_resource)?)
            }
            _ => return Err(unknown_resource()),
        };
        let resource = resource.cloned();
        if let Some(id) = organization {
            let joined = firsts(&tenant.store.organization_applications, client).any(|known| known == id);
            if !joined {
                let description = "app has not associated with the organization";
                return Err(OidcError::new(StatusCode::FORBIDDEN, "access_denied", description));
            }
        }
        let Some(indicator) = resource else {
            let Some(id) = organization else {
                let description = "both `resource` and `organization_id` are not provided";
                return Err(OidcError::bad("invalid_target", description));
            };
            let audience = format!("urn:logto:organization:{id}");
            let token = self.sign(tenant, client, &audience, None, None, self.ttl)?;
            return Ok(granted(token, self.ttl, Some(String::new())));
        };
        let row = tenant.store.resources.iter().find(|row| row.indicator == indicator);
        let (id, ttl) = row.map_or((String::new(), self.ttl), |row| (row.id.clone(), row.access_token_ttl));
        let ttl = if id == MANAGEMENT_RESOURCE { self.ttl } else { ttl };
        // With an organization only its own roles count, and applications have none here (fact 1.15).
        let scope = if organization.is_some() { None } else { self.scope(&tenant.store, client, &id) };
        let token = self.sign(tenant, client, &indicator, scope.as_deref(), organization, ttl)?;
        Ok(granted(token, ttl, scope))
    }

    /// The requested scopes that are granted; none is no error (fact 1.4).
    fn scope(&self, store: &Store, client: &str, resource: &str) -> Option<String> {
        let granted = store.granted_scopes(client, resource);
        let asked = self.params.value("scope").unwrap_or_default().split(' ');
        let scope: Vec<&str> = asked.filter(|name| granted.contains(name)).collect();
        (!scope.is_empty()).then(|| scope.join(" "))
    }

    fn sign(
        &self,
        tenant: &mut Tenant,
        client: &str,
        audience: &str,
        scope: Option<&str>,
        organization: Option<&str>,
        ttl: u64,
    ) -> Result<String, OidcError> {
        let iat = self.now / 1000;
        let jti: String = (0..43).map(|_| tenant.store.rng.alphanumeric()).collect();
        let claims = Claims {
            jti: &jti,
            sub: client,
            iat,
            exp: iat + ttl,
            scope,
            client_id: client,
            organization_id: organization,
            iss: &tenant.issuer,
            aud: audience,
        };
        let failed = |_| OidcError::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "signing failed");
        tenant.keys.issue(&claims).map_err(failed)
    }
}

fn granted(access_token: String, expires_in: u64, scope: Option<String>) -> Granted {
    Granted { access_token, expires_in, token_type: "Bearer", scope }
}

fn unknown_resource() -> OidcError {
    OidcError::bad("invalid_target", "resource indicator is missing, or unknown")
}

/// RFC 6749 appendix B: `+` is a space, `%XX` a byte.
fn form_decode(text: &str) -> String {
    let escaped = text.replace('&', "%26").replace('=', "%3D");
    form_urlencoded::parse(escaped.as_bytes()).next().map(|(key, _)| key.into_owned()).unwrap_or_default()
}

/// Fact 1.10: one row for each issuance and each failure, with the secrets struck out.
fn audit(store: &mut Store, attempt: &Attempt<'_>, outcome: &Result<(Granted, String), OidcError>) {
    let agent = attempt.received.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    let mut params = serde_json::Map::new();
    for (key, value) in attempt.params.pairs() {
        params.insert(key.clone(), json!(value));
    }
    params.insert("client_secret".to_owned(), json!("******"));
    let mut payload = json!({
        "key": "ExchangeTokenBy.ClientCredentials",
        "ip": "127.0.0.1",
        "userAgent": agent,
        "userAgentParsed": { "ua": agent, "browser": {}, "device": {}, "engine": {}, "os": {}, "cpu": {} },
        "params": params,
    });
    if let Ok(credentials) = attempt.credentials() {
        payload["applicationId"] = json!(credentials.id);
    }
    match outcome {
        Ok((granted, secret)) => {
            payload["result"] = json!("Success");
            payload["scope"] = json!(granted.scope);
            payload["tokenTypes"] = json!(["AccessToken"]);
            payload["applicationSecret"] = json!({ "name": secret });
        }
        Err(error) => {
            payload["result"] = json!("Error");
            payload["tokenTypes"] = json!([]);
            payload["error"] = json!(
                json!({
                    "name": error.error, "error": error.error, "status": error.status.as_u16(),
                    "error_description": error.description,
                })
                .to_string()
            );
        }
    }
    store.log("ExchangeTokenBy.ClientCredentials", payload, attempt.now);
}
