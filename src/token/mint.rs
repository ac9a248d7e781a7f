//! The wire: how a token request is written (RFC 6749 sections 2.3.1 and 4.4.2) and sent. Everything that
//! reqwest would do of its own accord is switched off: redirects (a 307 would post the credentials
//! elsewhere), proxies from the environment, retries, HTTP/2. Errors leave here without a URL.

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use base64::Engine as _;
use bytes::Bytes;
use form_urlencoded::byte_serialize;
use http::{HeaderMap, HeaderValue, header};
use zeroize::Zeroizing;

use crate::{
    config::ClientAuth,
    secret::Secret,
    token::{
        answer::{Answer, MAX_BODY},
        error::{Fault, Flaw},
        key::TokenKey,
    },
    trust::{RESET, look_closer},
};

/// Whoever answers token requests. A seam for tests; [`HttpIssuer`] is the real one.
pub trait Issuer: Send + Sync {
    /// Sends one request and reads the answer, at most [`MAX_BODY`] of it. The caller
    /// bounds the time by dropping the future.
    fn request(
        &self,
        request: GrantRequest,
    ) -> Pin<Box<dyn Future<Output = Result<Answer, Fault>> + Send + '_>>;
}

/// One token request, credentials included; they are zeroed when it has been sent.
pub struct GrantRequest {
    /// `Basic …` for `client_secret_basic`.
    pub authorization: Option<HeaderValue>,
    /// The `application/x-www-form-urlencoded` body.
    pub form: Bytes,
}

impl fmt::Debug for GrantRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GrantRequest(..)")
    }
}

impl GrantRequest {
    pub(super) fn new(key: &TokenKey, secret: &Secret) -> Self {
        let mut form = Form::with_room_for(key, secret);
        form.push("grant_type", b"client_credentials");
        if !key.resource.is_empty() {
            form.push("resource", key.resource.as_bytes());
        }
        if let Some(scope) = key.scope() {
            form.push("scope", scope.as_bytes());
        }
        if let Some(organization) = &key.organization_id {
            form.push("organization_id", organization.as_bytes());
        }
        for (name, value) in key.parameters.iter() {
            form.push(name, value.as_bytes());
        }
        let authorization = match key.client_auth {
            ClientAuth::Basic => Some(basic(&key.client_id, secret)),
            ClientAuth::Post => {
                form.push("client_id", key.client_id.as_bytes());
                form.push("client_secret", secret.expose());
                None
            }
        };
        Self { authorization, form: form.finish() }
    }
}

/// `client_secret_basic`: both parts are form-encoded first (RFC 6749 section 2.3.1 and appendix B; Logto
/// decodes them, fact 1.17), so that a colon in the id or a `%` in the secret survives.
fn basic(client_id: &str, secret: &Secret) -> HeaderValue {
    let mut pair = Zeroizing::new(String::with_capacity(3 * (client_id.len() + secret.expose().len()) + 1));
    pair.extend(byte_serialize(client_id.as_bytes()));
    pair.push(':');
    pair.extend(byte_serialize(secret.expose()));
    let mut encoded = String::with_capacity(pair.len() * 4 / 3 + 4);
    base64::engine::general_purpose::STANDARD.encode_string(pair.as_bytes(), &mut encoded);
    Secret::new(encoded.into_bytes()).header("Basic ").expect("Base64 is made of header bytes")
}

/// A form body in memory that is zeroed; big enough from the start, as growing would leave copies behind.
struct Form(Zeroizing<String>);

impl Form {
    fn with_room_for(key: &TokenKey, secret: &Secret) -> Self {
        let parameters: usize = key.parameters.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
        let scopes: usize = key.scopes.iter().map(|scope| scope.len() + 1).sum();
        let organization = key.organization_id.as_ref().map_or(0, String::len);
        let values = key.client_id.len() + secret.expose().len() + key.resource.len() + organization;
        Self(Zeroizing::new(String::with_capacity(3 * (parameters + scopes + values) + 128)))
    }

    fn push(&mut self, name: &str, value: &[u8]) {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        self.0.extend(byte_serialize(name.as_bytes()));
        self.0.push('=');
        self.0.extend(byte_serialize(value));
    }

    fn finish(mut self) -> Bytes {
        Secret::new(std::mem::take(&mut *self.0).into_bytes()).body()
    }
}

const RESET_IN_PLAIN: &str = "connection reset: if the port speaks TLS, write https:// in place of http://";

/// A token endpoint over HTTP/1.1.
#[derive(Clone)]
pub struct HttpIssuer {
    http: reqwest::Client,
    url: Arc<str>,
}

impl HttpIssuer {
    /// A client of the token endpoint `url` ([`TokenKey::token_url`]). `connect` bounds connection and TLS
    /// handshake, `idle` how long a connection is kept for the next request.
    ///
    /// # Errors
    /// When the URL or the TLS configuration is invalid; the text names no credential.
    pub fn new(
        url: &str,
        tls: rustls::ClientConfig,
        connect: Duration,
        idle: Duration,
    ) -> Result<Self, Box<str>> {
        let headers = HeaderMap::from_iter([
            (header::ACCEPT, HeaderValue::from_static("application/json")),
            // Logto translates its messages; ours should read the same everywhere (fact 6.1).
            (header::ACCEPT_LANGUAGE, HeaderValue::from_static("en")),
            (header::USER_AGENT, HeaderValue::from_static(concat!("claviger/", env!("CARGO_PKG_VERSION")))),
        ]);
        let http = crate::trust::cold_client(tls, connect)
            .pool_idle_timeout(idle)
            .pool_max_idle_per_host(1)
            .default_headers(headers)
            .build()
            .map_err(|error| crate::trust::describe(error).into_boxed_str())?;
        Self { http, url: "".into() }.at(url)
    }

    /// The client alone, for other calls to what has the same roots.
    pub fn client(&self) -> reqwest::Client {
        self.http.clone()
    }

    /// The same client for another token endpoint.
    ///
    /// # Errors
    /// When the URL is none.
    pub fn at(&self, url: &str) -> Result<Self, Box<str>> {
        reqwest::Url::parse(url).map_err(|error| error.to_string())?;
        Ok(Self { http: self.http.clone(), url: url.into() })
    }

    /// A server with TLS may close a connection on which it reads plain HTTP.
    async fn unsent(&self, error: reqwest::Error) -> Fault {
        match (fault(error), reqwest::Url::parse(&self.url)) {
            (Fault::Unreachable(why), Ok(url)) if *why == *RESET && url.scheme() == "http" => {
                Fault::Unreachable(RESET_IN_PLAIN.into())
            }
            (Fault::Unreachable(why), Ok(url)) => {
                Fault::Unreachable(look_closer(why.to_string(), &url).await.into())
            }
            (fault, _) => fault,
        }
    }

    async fn send(&self, request: GrantRequest) -> Result<Answer, Fault> {
        let mut call = self
            .http
            .post(&*self.url)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(request.form);
        if let Some(authorization) = request.authorization {
            call = call.header(header::AUTHORIZATION, authorization);
        }
        let mut response = match call.send().await {
            Ok(response) => response,
            Err(error) => return Err(self.unsent(error).await),
        };
        let status = response.status();
        let content_type = response.headers().get(header::CONTENT_TYPE).cloned();
        let retry_after = response.headers().get(header::RETRY_AFTER).cloned();
        // It never grows: what it grew out of would not be zeroed. No larger than it has to be, as zeroing is slow.
        let room = response.content_length().and_then(|length| usize::try_from(length).ok());
        let mut body = Zeroizing::new(Vec::with_capacity(room.unwrap_or(MAX_BODY).min(MAX_BODY)));
        while let Some(chunk) = response.chunk().await.map_err(fault)? {
            if body.len() + chunk.len() > MAX_BODY {
                // An error page may be long; its status says enough.
                return Err(if status.is_success() {
                    Fault::Invalid(Flaw::TooLarge)
                } else {
                    Fault::Status(status.as_u16())
                });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, content_type, retry_after, body })
    }
}

impl Issuer for HttpIssuer {
    fn request(
        &self,
        request: GrantRequest,
    ) -> Pin<Box<dyn Future<Output = Result<Answer, Fault>> + Send + '_>> {
        Box::pin(self.send(request))
    }
}

fn fault(error: reqwest::Error) -> Fault {
    if error.is_timeout() && !error.is_connect() {
        return Fault::Timeout;
    }
    Fault::Unreachable(crate::trust::describe(error).into())
}
