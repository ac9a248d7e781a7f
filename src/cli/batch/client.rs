//! One request to the running Claviger, and its answer. Never again by itself: what to do about a failure is decided above.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    time::Duration,
};

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use serde_json::Value;
use zeroize::Zeroizing;

use super::answer::Answer;
use crate::{
    config::Roots,
    headers,
    secret::Secret,
    trust::{self, cold_client},
};

/// Longer than the proxy's own deadline.
const PATIENCE: Duration = Duration::from_secs(100);
const CONNECT: Duration = Duration::from_secs(5);
/// Bytes of an answer.
const MOST: usize = 8 * 1024 * 1024;
/// Bytes of a credential, with what is beside it.
const MOST_SHORT: usize = 64 * 1024;

/// Where the running Claviger is, and as whom it is asked.
#[derive(clap::Args)]
pub(super) struct Way {
    /// The running Claviger. Left out: the first TCP address of listen.proxy.
    #[arg(long, value_name = "URL")]
    pub(super) url: Option<String>,
    /// The file with the caller's API key.
    #[arg(long, value_name = "FILE", conflicts_with = "key_env")]
    key_file: Option<PathBuf>,
    /// The environment variable with the caller's API key.
    #[arg(long, value_name = "VARIABLE")]
    key_env: Option<String>,
    /// A file with further header fields, such as Authorization: Bearer …
    #[arg(long, value_name = "FILE")]
    header_file: Option<PathBuf>,
    /// Certificates that the TLS of --url is verified by, in PEM. Left out: the system's.
    #[arg(long, value_name = "FILE")]
    roots: Option<PathBuf>,
}

/// What requests are sent with.
pub(super) struct Client {
    http: reqwest::Client,
    url: String,
    headers: HeaderMap,
}

/// No answer.
#[derive(Debug)]
pub(super) struct Lost {
    /// Whether it had gone out for all one knows.
    pub(super) was_sent: bool,
    pub(super) why: String,
}

impl Client {
    pub(super) fn new(url: &str, way: &Way) -> Result<Self, String> {
        let is_http = url.starts_with("http://") || url.starts_with("https://");
        if !is_http || url.parse::<http::Uri>().is_err() {
            return Err(format!("--url {url:?}: write http://127.0.0.1:3600"));
        }
        let roots = match &way.roots {
            None => Roots::System,
            Some(path) => {
                let pem =
                    std::fs::read(path).map_err(|error| format!("--roots {}: {error}", path.display()))?;
                Roots::File { path: path.clone(), pem }
            }
        };
        let tls = trust::client(&roots).map_err(|error| format!("--roots: {error}"))?;
        let http = cold_client(tls, CONNECT).timeout(PATIENCE).pool_idle_timeout(Duration::from_secs(20));
        let http = http.build().map_err(|error| format!("cannot start: {error}"))?;
        Ok(Self { http, url: url.to_owned(), headers: fields(way)? })
    }

    /// Whom it asks.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Sends a request. With `key`, it is one that must not be carried out twice.
    pub(super) async fn send(
        &self,
        method: &Method,
        target: &str,
        body: Option<&str>,
        key: Option<(&str, Wanted)>,
    ) -> Result<Answer, Lost> {
        let mut request = self.http.request(method.clone(), format!("{}{target}", self.url));
        request = request.headers(self.headers.clone());
        if let Some((key, wanted)) = key {
            request = request.header(headers::IDEMPOTENCY_KEY, key);
            if wanted == Wanted::Replay {
                request = request.header(headers::CLAVIGER_REPLAY, "only");
            }
        }
        if let Some(body) = body {
            request = request.header(header::CONTENT_TYPE, "application/json").body(body.to_owned());
        }
        let lost = |error: reqwest::Error| {
            let was_sent = !error.is_connect() && !error.is_builder();
            let error = error.without_url();
            let why = trust::plainly(&error).map_or_else(|| error.to_string(), str::to_owned);
            Lost { was_sent, why: trust::explain(&error).map_or(why, str::to_owned) }
        };
        let mut response = request.send().await.map_err(lost)?;
        let text = |name: &HeaderName| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
        let retry_after = text(&header::RETRY_AFTER).and_then(|it| it.parse().ok());
        let proxy_error = text(&headers::PROXY_STATUS).and_then(|it| {
            it.split(';').find_map(|part| part.trim().strip_prefix("error=").map(str::to_owned))
        });
        let says_so = |name| {
            let mut values = response.headers().get_all(name).iter();
            values.any(|value| value.to_str().is_ok_and(|value| value.contains("claviger")))
        };
        let is_claviger = says_so(&header::VIA) || says_so(&headers::PROXY_STATUS);
        let is_replayed = response.headers().contains_key(headers::IDEMPOTENCY_REPLAYED);
        let status = response.status().as_u16();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(lost)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > MOST {
                break;
            }
        }
        let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| match bytes.is_empty() {
            true => Value::Null,
            false => String::from_utf8_lossy(&bytes).into_owned().into(),
        });
        Ok(Answer { status, body, retry_after, proxy_error, is_replayed, is_claviger })
    }
}

/// What a request with a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// To be carried out.
    Effect,
    /// To learn what became of it.
    Replay,
}

/// What is in a file that holds a credential, or a pipe.
fn short(path: &Path) -> io::Result<Zeroizing<String>> {
    // As large as it will be: growing would leave copies behind.
    let mut text = Zeroizing::new(String::with_capacity(MOST_SHORT));
    File::open(path)?.take(MOST_SHORT as u64).read_to_string(&mut text)?;
    Ok(text)
}

/// The fields of every request.
fn fields(way: &Way) -> Result<HeaderMap, String> {
    let mut fields = HeaderMap::new();
    fields.insert(headers::PRIORITY, HeaderValue::from_static("u=6"));
    let key = match (&way.key_file, &way.key_env) {
        (Some(path), _) => {
            let what = format!("--key-file {}", path.display());
            Some((short(path).map_err(|error| format!("{what}: {error}"))?, what))
        }
        (None, Some(name)) => {
            let what = format!("--key-env {name}");
            let value = std::env::var(name).map_err(|_| format!("{what}: there is no such variable"))?;
            Some((Zeroizing::new(value), what))
        }
        (None, None) => None,
    };
    if let Some((key, what)) = key {
        let key = Secret::new(key.trim().as_bytes().to_vec());
        let value = key.header("").map_err(|_| format!("{what}: what is there can be no key"))?;
        fields.insert(headers::CLAVIGER_KEY, value);
    }
    if let Some(path) = &way.header_file {
        let what = format!("--header-file {}", path.display());
        let text = short(path).map_err(|error| format!("{what}: {error}"))?;
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let field = line.split_once(':').and_then(|(name, value)| {
                let name = HeaderName::try_from(name.trim()).ok()?;
                let mut value = HeaderValue::from_str(value.trim()).ok()?;
                value.set_sensitive(true);
                Some((name, value))
            });
            let (name, value) = field.ok_or_else(|| format!("{what}: write NAME: VALUE in each line"))?;
            fields.append(name, value);
        }
    }
    Ok(fields)
}
