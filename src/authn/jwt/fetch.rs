//! How an issuer's keys are fetched: by OpenID Connect Discovery (1.0, section 4), or from a URL. As for token
//! requests, nothing is done that was not asked for: no redirects, no proxies from the environment, no retries.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use http::header;
use reqwest::Url;
use serde::Deserialize;

use super::key_set::{KeySet, KeySetError};
use crate::config::{Issuer, Jwks};

/// The most that is read of one document.
const MAX_BODY: usize = 256 * 1024;

/// As much as is shown of what an issuer says of itself.
const MAX_SHOWN: usize = 200;

/// Reads the documents of an issuer: over HTTP with [`HttpFetch`], from memory in tests.
pub(super) trait Fetch: Send + Sync {
    /// Reads one document, whole.
    fn get(&self, url: Url) -> Pin<Box<dyn Future<Output = Result<Vec<u8>, FetchError>> + Send + '_>>;
}

/// Why an issuer's keys could not be fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The configuration or the discovery document has something else in place of a URL.
    #[error("{0} is not a URL")]
    Url(String),
    /// No answer: the system's or the TLS library's reason.
    #[error("{0}")]
    Unreachable(String),
    /// An answer with another status than 200.
    #[error("the answer was {0} instead of 200")]
    Status(u16),
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
            Self::Unreachable(_) => {
                "Check the issuer's address, DNS, the network policy and `ca`; the fetch is repeated by itself."
            }
            Self::Status(_) => {
                "Check `issuer` and `jwks`: nothing with keys is at this address, or it asks for a credential."
            }
            Self::TooLarge | Self::Keys(_) | Self::Discovery(_) => {
                "Check `issuer` and `jwks`: what is at this address is not what an issuer publishes."
            }
            Self::OtherIssuer(_) => "Write `issuer` exactly as the discovery document has it.",
        }
    }
}

/// Fetches the keys of `issuer`.
pub(super) async fn fetch(from: &dyn Fetch, issuer: &Issuer) -> Result<KeySet, FetchError> {
    let url = match &issuer.jwks {
        // Never fetched; the file says it all.
        Jwks::File { json, .. } => return Ok(KeySet::parse(json)?),
        Jwks::Url(url) => parse(url)?,
        Jwks::Discovery => discover(from, &issuer.issuer).await?,
    };
    Ok(KeySet::parse(&from.get(url).await?)?)
}

async fn discover(from: &dyn Fetch, issuer: &str) -> Result<Url, FetchError> {
    #[derive(Deserialize)]
    struct Document {
        issuer: String,
        jwks_uri: String,
    }
    let own = parse(issuer)?;
    let at = parse(&format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/')))?;
    let document: Document = serde_json::from_slice(&from.get(at).await?)
        .map_err(|_| FetchError::Discovery("it is not a JSON object with issuer and jwks_uri"))?;
    // Section 4.3: else anybody's document would do.
    if document.issuer != issuer {
        return Err(FetchError::OtherIssuer(document.issuer.chars().take(MAX_SHOWN).collect()));
    }
    let keys = parse(&document.jwks_uri).map_err(|_| FetchError::Discovery("its jwks_uri is not a URL"))?;
    if keys.scheme() != "https" && keys.origin() != own.origin() {
        return Err(FetchError::Discovery("its jwks_uri is neither https nor of the issuer's own origin"));
    }
    Ok(keys)
}

fn parse(url: &str) -> Result<Url, FetchError> {
    Url::parse(url).map_err(|_| FetchError::Url(url.to_owned()))
}

/// Over HTTP/1.1.
#[derive(Clone)]
pub(super) struct HttpFetch {
    http: reqwest::Client,
}

impl HttpFetch {
    /// A client that trusts what `tls` trusts. `connect` bounds connection and TLS handshake, `whole` all of a
    /// request.
    ///
    /// # Errors
    /// When the client cannot be made with this TLS configuration.
    pub(super) fn new(
        tls: rustls::ClientConfig,
        connect: Duration,
        whole: Duration,
    ) -> Result<Arc<Self>, Box<str>> {
        let http = crate::trust::cold_client(tls, connect)
            .timeout(whole)
            .pool_max_idle_per_host(0)
            .user_agent(concat!("claviger/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| describe(error).into_boxed_str())?;
        Ok(Arc::new(Self { http }))
    }

    async fn read(&self, url: Url) -> Result<Vec<u8>, FetchError> {
        let unreachable = |error| FetchError::Unreachable(describe(error));
        let accept = "application/json, application/jwk-set+json";
        let request = self.http.get(url).header(header::ACCEPT, accept);
        let mut response = request.send().await.map_err(unreachable)?;
        if response.status() != http::StatusCode::OK {
            return Err(FetchError::Status(response.status().as_u16()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > MAX_BODY {
                return Err(FetchError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

impl Fetch for HttpFetch {
    fn get(&self, url: Url) -> Pin<Box<dyn Future<Output = Result<Vec<u8>, FetchError>> + Send + '_>> {
        Box::pin(self.read(url))
    }
}

/// The innermost cause: the rest only says that a request failed.
fn describe(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
