//! How an issuer's keys are fetched: by OpenID Connect Discovery (1.0, section 4), or from a URL. As for token
//! requests, nothing is done that was not asked for: no redirects, no proxies from the environment, no retries. A bearer
//! token is shown to the server that the configuration names, and never to one that a document names.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use http::{HeaderMap, header};
use reqwest::Url;
use serde::Deserialize;

use super::key_set::{KeySet, KeySetError};
use crate::{
    config::{Issuer, Jwks},
    secret::{Bearer, Secret, SecretProvider, Unreadable},
    trust::{self, PROXY_LOGIN, look_closer, of_page},
};

/// The most that is read of one document.
const MAX_BODY: usize = 256 * 1024;

/// As much as is shown of what an issuer says of itself.
const MAX_SHOWN: usize = 200;

/// Reads the documents of an issuer: over HTTP with [`HttpFetch`], from memory in tests.
pub(super) trait Fetch: Send + Sync {
    /// Reads one document, whole.
    fn get(&self, url: Url, server: Server) -> Getting<'_>;
}

/// A document on its way.
pub(super) type Getting<'a> = Pin<Box<dyn Future<Output = Result<Document, FetchError>> + Send + 'a>>;

/// Whose server a document is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Server {
    /// The one that the configuration names: it is shown the bearer token.
    Configured,
    /// Another one, which the discovery document names.
    Discovered,
}

/// What was read.
pub(super) struct Document {
    pub(super) body: Vec<u8>,
    /// What its server was shown.
    pub(super) shown: Option<Secret>,
}

impl Document {
    /// As much of `text`, which stands in it, as an operator may see.
    fn quoted(&self, text: &str) -> String {
        quoted(text, self.shown.as_ref())
    }
}

/// As much of what a server says as an operator may see: it could repeat what it was shown.
fn quoted(text: &str, shown: Option<&Secret>) -> String {
    if repeats(text, shown) { "…".into() } else { text.chars().take(MAX_SHOWN).collect() }
}

fn repeats(text: &str, shown: Option<&Secret>) -> bool {
    let shown = shown.and_then(|shown| std::str::from_utf8(shown.expose()).ok());
    shown.is_some_and(|shown| text.contains(shown))
}

/// Why an issuer's keys could not be fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The configuration or the discovery document has something else in place of a URL.
    #[error("{0} is not a URL")]
    Url(String),
    /// No answer: the system's or the TLS library's reason; with the server, where it is not the one that the configuration names.
    #[error("{0}")]
    Unreachable(String),
    /// An answer with another status than 200.
    #[error("the answer was {0} instead of 200")]
    Status(u16),
    /// A redirect; where it leads, where that can be said.
    #[error("the answer was {0} instead of 200: a redirect{to}, which is not followed", to = .1.as_deref().map(|to| format!(" to {to}")).unwrap_or_default())]
    Redirect(u16, Option<String>),
    /// 401 or 403 with a web page, where issuers have JSON or nothing.
    #[error(
        "the answer was {0} instead of 200, with a web page: not the issuer, but what is in front of it refuses, such as a reverse proxy or a firewall"
    )]
    Page(u16),
    /// 401 or 403 without a bearer token.
    #[error("the answer was {0} instead of 200: its server wants a credential, which `bearer` can name")]
    CredentialWanted(u16),
    /// 401 or 403 with a bearer token.
    #[error("the answer was {0} instead of 200: its server does not accept the token of `bearer`")]
    BearerRefused(u16),
    /// 401 or 403 of a server that is not shown the bearer token.
    #[error(
        "the answer was {0} instead of 200: jwks_uri of its discovery document is on another server than `issuer`, which is not shown the token of `bearer`; write the URL of the keys into `jwks`"
    )]
    NotShown(u16),
    /// The bearer token could not be read.
    #[error("the token of `bearer` cannot be read: {0}")]
    BearerUnreadable(Unreadable),
    /// What was read is no bearer token.
    #[error(
        "what `bearer` names holds no bearer token (letters, digits and -._~+/ alone, with = at its end)"
    )]
    BearerForm,
    /// An answer that was not read to its end.
    #[error("the answer is longer than {MAX_BODY} bytes")]
    TooLarge,
    /// A discovery document that cannot be used.
    #[error("the discovery document is invalid: {0}")]
    Discovery(&'static str),
    /// A discovery document of another issuer (OpenID Connect Discovery 1.0, section 4.3).
    #[error("its discovery document says issuer {0:?}, which the configuration has to say to the letter")]
    OtherIssuer(String),
    /// The document is not a key set.
    #[error(transparent)]
    Keys(#[from] KeySetError),
}

impl FetchError {
    /// What the operator does about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Url(_) => "Correct `issuer` or `jwks`: a URL begins with https://.",
            Self::Unreachable(why)
                if ["set the clock", "`tls.roots`", "through without one"]
                    .iter()
                    .any(|it| why.contains(it)) =>
            {
                "The fetch is repeated by itself."
            }
            Self::Unreachable(why) if trust::says_what_to_do(why) => {
                "Correct `issuer` or `jwks`; the fetch is repeated by itself."
            }
            Self::Unreachable(_) => {
                "Check `issuer` and `jwks`, DNS, the network policy and `tls.roots`; the fetch is repeated by itself."
            }
            Self::Status(429) => {
                "The server there limits the rate of requests; the fetch is repeated by itself."
            }
            Self::Status(500..) => {
                "It is an error of the server there: look at its log. The fetch is repeated by itself."
            }
            Self::Status(_) => "Check `issuer` and `jwks`: nothing with keys is at this address.",
            Self::Redirect(..) => "Write the address of the keys to which it leads into `jwks`.",
            Self::Page(_) => {
                "Have it let Claviger fetch the keys; if it wants a token, `bearer` can name that."
            }
            Self::CredentialWanted(_) => {
                "Write `bearer = { file = \"…\" }`; in a cluster, the token of Claviger's own ServiceAccount."
            }
            Self::BearerRefused(_) => {
                "Check that the token of `bearer` is current, and that its account may read the keys."
            }
            Self::NotShown(_) => "Write the URL of the keys into `jwks`.",
            Self::BearerUnreadable(_) | Self::BearerForm => "Check the file or variable that `bearer` names.",
            Self::TooLarge | Self::Keys(_) | Self::Discovery(_) => {
                "Check `issuer` and `jwks`: what is at this address is not what an issuer publishes."
            }
            Self::OtherIssuer(_) => "Write `issuer` exactly as the discovery document has it.",
        }
    }
}

/// Fetches the keys of `issuer`.
pub(super) async fn fetch(from: &dyn Fetch, issuer: &Issuer) -> Result<KeySet, FetchError> {
    let (url, server) = match &issuer.jwks {
        // Never fetched; the file says it all.
        Jwks::File { json, .. } => return Ok(KeySet::parse(json)?),
        Jwks::Url(url) => (parse(url)?, Server::Configured),
        Jwks::Discovery => discover(from, &issuer.issuer).await?,
    };
    Ok(KeySet::parse(&from.get(url, server).await?.body)?)
}

async fn discover(from: &dyn Fetch, issuer: &str) -> Result<(Url, Server), FetchError> {
    #[derive(Deserialize)]
    struct Metadata {
        issuer: String,
        jwks_uri: String,
    }
    let own = parse(issuer)?;
    let at = parse(&format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/')))?;
    let document = from.get(at, Server::Configured).await?;
    let metadata: Metadata = serde_json::from_slice(&document.body)
        .map_err(|_| FetchError::Discovery("it is not a JSON object with issuer and jwks_uri"))?;
    // Section 4.3: else anybody's document would do.
    if metadata.issuer != issuer {
        return Err(FetchError::OtherIssuer(document.quoted(&metadata.issuer)));
    }
    let keys = parse(&metadata.jwks_uri).map_err(|_| FetchError::Discovery("its jwks_uri is not a URL"))?;
    // Scheme, host and port: what the configuration names is this one server.
    if keys.origin() == own.origin() {
        return Ok((keys, Server::Configured));
    }
    if keys.scheme() != "https" {
        return Err(FetchError::Discovery("its jwks_uri is neither https nor of the issuer's own origin"));
    }
    Ok((keys, Server::Discovered))
}

fn parse(url: &str) -> Result<Url, FetchError> {
    Url::parse(url).map_err(|_| FetchError::Url(url.to_owned()))
}

/// Over HTTP/1.1.
pub(super) struct HttpFetch {
    http: reqwest::Client,
    bearer: Option<Arc<dyn SecretProvider>>,
}

impl HttpFetch {
    /// A client that trusts what `tls` trusts. `connect` bounds connection and TLS handshake, `whole` all of a
    /// request, and before it the reading of `bearer` from a file.
    ///
    /// # Errors
    /// When the client cannot be made with this TLS configuration.
    pub(super) fn new(
        tls: rustls::ClientConfig,
        bearer: Option<&Bearer>,
        connect: Duration,
        whole: Duration,
    ) -> Result<Arc<Self>, Box<str>> {
        let http = trust::cold_client(tls, connect)
            .timeout(whole)
            .pool_max_idle_per_host(0)
            .user_agent(concat!("claviger/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| describe(error).into_boxed_str())?;
        Ok(Arc::new(Self { http, bearer: bearer.map(|bearer| bearer.provider(whole)) }))
    }

    async fn read(&self, url: Url, server: Server) -> Result<Document, FetchError> {
        let unreachable = |why: String| {
            FetchError::Unreachable(match server {
                // Whoever shows the error shows the URL beside it.
                Server::Configured => why,
                Server::Discovered => format!("{}: {why}", url.origin().ascii_serialization()),
            })
        };
        let shown = match server {
            Server::Configured => self.bearer().await?,
            Server::Discovered => None,
        };
        let accept = "application/json, application/jwk-set+json";
        let mut request = self.http.get(url.clone()).header(header::ACCEPT, accept);
        if let Some(token) = &shown {
            let value = token.header("Bearer ").map_err(|_| FetchError::BearerForm)?;
            request = request.header(header::AUTHORIZATION, value);
        }
        let mut response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Err(unreachable(look_closer(describe(error), &url).await)),
        };
        let status = response.status();
        let is_page = is_page(response.headers());
        if status == http::StatusCode::PROXY_AUTHENTICATION_REQUIRED {
            return Err(unreachable(PROXY_LOGIN.to_owned()));
        }
        if !matches!(status, http::StatusCode::OK | http::StatusCode::BAD_REQUEST) {
            return Err(match status.is_redirection() {
                true => {
                    let to = target(&url, response.headers(), shown.as_ref());
                    FetchError::Redirect(status.as_u16(), to)
                }
                false => match self.refusal(status, server, shown.as_ref()) {
                    error @ FetchError::Status(_) => error,
                    _ if is_page => FetchError::Page(status.as_u16()),
                    error => error,
                },
            });
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(describe(error)))? {
            if body.len() + chunk.len() > MAX_BODY {
                return Err(match status {
                    http::StatusCode::OK => FetchError::TooLarge,
                    _ => self.refusal(status, server, shown.as_ref()),
                });
            }
            body.extend_from_slice(&chunk);
        }
        if let Some(says) = of_page(status, &body) {
            return Err(unreachable(says.to_owned()));
        }
        if status != http::StatusCode::OK {
            return Err(self.refusal(status, server, shown.as_ref()));
        }
        Ok(Document { body, shown })
    }

    /// The token of now, where there is to be one.
    async fn bearer(&self) -> Result<Option<Secret>, FetchError> {
        let Some(bearer) = &self.bearer else { return Ok(None) };
        let token = bearer.read().await.map_err(FetchError::BearerUnreadable)?.secret;
        if Bearer::has_the_form(&token) { Ok(Some(token)) } else { Err(FetchError::BearerForm) }
    }

    fn refusal(&self, status: http::StatusCode, server: Server, shown: Option<&Secret>) -> FetchError {
        let number = status.as_u16();
        let is_about_who_asks = matches!(number, 401 | 403);
        match (server, shown) {
            _ if !is_about_who_asks => FetchError::Status(number),
            (_, Some(token)) => {
                if let Some(bearer) = &self.bearer {
                    bearer.refused(token);
                }
                FetchError::BearerRefused(number)
            }
            (Server::Discovered, None) if self.bearer.is_some() => FetchError::NotShown(number),
            (_, None) => FetchError::CredentialWanted(number),
        }
    }
}

fn is_page(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
}

/// Where a redirect leads: no more of it than says what to write.
fn target(url: &Url, headers: &HeaderMap, shown: Option<&Secret>) -> Option<String> {
    // As it came: a URL's host is in small letters afterwards.
    let location = headers.get(header::LOCATION)?.to_str().ok().filter(|it| !repeats(it, shown))?;
    let to = url.join(location).ok().filter(Url::has_host)?;
    Some(quoted(&format!("{}{}", to.origin().ascii_serialization(), to.path()), shown))
}

impl Fetch for HttpFetch {
    fn get(&self, url: Url, server: Server) -> Getting<'_> {
        Box::pin(self.read(url, server))
    }
}

/// The innermost cause: the rest only says that a request failed.
fn describe(error: reqwest::Error) -> String {
    if let Some(why) = trust::no_address(&error, error.url().and_then(Url::host_str)) {
        return why;
    }
    let unanswered = error.is_timeout().then_some("no answer in time");
    let unconnected = trust::unconnected(&error).or(unanswered);
    let error = error.without_url();
    if let Some(known) = trust::plainly_of_answer(&error).or(unconnected.map(Into::into)) {
        return known.into_owned();
    }
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
