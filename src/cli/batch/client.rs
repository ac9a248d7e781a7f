//! One request, and its answer. Never again by itself: what to do about a failure is decided above.

use std::{path::Path, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;

use super::{answer::Answer, base_url};
use crate::{
    app::InProcess,
    config::Roots,
    headers,
    ids::CallerName,
    trust::{self, cold_client},
};

/// Longer than the proxy's own deadline.
const PATIENCE: Duration = Duration::from_secs(100);
const CONNECT: Duration = Duration::from_secs(5);
/// Bytes of an answer.
const MOST: usize = 8 * 1024 * 1024;

/// What requests are sent with.
pub(super) struct Client {
    to: To,
    /// Whom it asks.
    name: String,
    /// Of every request.
    fields: HeaderMap,
}

enum To {
    Url(reqwest::Client),
    InProcess(Box<InProcess>),
}

/// No answer.
#[derive(Debug)]
pub(super) struct Lost {
    /// Whether it had gone out for all one knows.
    pub(super) was_sent: bool,
    /// Whether the command asks for what there is not: repeated as it is, it would fare the same.
    pub(super) refuses_command: bool,
    pub(super) why: String,
}

impl Client {
    /// Asks a running Claviger.
    pub(super) fn of_url(url: &str, roots: Option<&Path>, mut fields: HeaderMap) -> Result<Self, String> {
        base_url::check(url)?;
        let roots = match roots {
            None => Roots::System,
            Some(path) => {
                let pem = std::fs::read(path)
                    .map_err(|error| crate::cli::output::unopened("--roots ", path, &error))?;
                Roots::File { path: path.into(), pem }
            }
        };
        let tls = trust::client(&roots).map_err(|error| format!("--roots: {error}"))?;
        let http = cold_client(tls, CONNECT).timeout(PATIENCE).pool_idle_timeout(Duration::from_secs(20));
        let http = http.build().map_err(|error| format!("cannot start: {error}"))?;
        fields.insert(headers::PRIORITY, BATCH);
        Ok(Self { to: To::Url(http), name: url.to_owned(), fields })
    }

    /// Asks this process, as a caller.
    pub(super) fn in_process(app: InProcess, caller: &CallerName) -> Self {
        let localhost = HeaderValue::from_static("localhost");
        let fields = HeaderMap::from_iter([(headers::PRIORITY, BATCH), (header::HOST, localhost)]);
        Self { to: To::InProcess(app.into()), name: format!("as caller {caller}"), fields }
    }

    /// Whom it asks.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether that is this process.
    pub(super) fn is_in_process(&self) -> bool {
        matches!(self.to, To::InProcess(_))
    }

    /// Nothing more will be asked.
    pub(super) async fn end(&self) {
        if let To::InProcess(app) = &self.to {
            app.end().await;
        }
    }

    /// Sends a request. With `key`, it is one that must not be carried out twice.
    pub(super) async fn send(
        &self,
        method: &Method,
        target: &str,
        body: Option<&str>,
        key: Option<(&str, Wanted)>,
    ) -> Result<Answer, Lost> {
        let mut fields = self.fields.clone();
        if let Some((key, wanted)) = key {
            let key = HeaderValue::from_str(key).map_err(|error| Lost::unsent(&error))?;
            fields.insert(headers::IDEMPOTENCY_KEY, key);
            if wanted == Wanted::Replay {
                fields.insert(headers::CLAVIGER_REPLAY, HeaderValue::from_static("only"));
            }
        }
        if body.is_some() {
            fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        match &self.to {
            To::Url(http) => {
                let request = http.request(method.clone(), format!("{}{target}", self.name)).headers(fields);
                let request = match body {
                    Some(body) => request.body(body.to_owned()),
                    None => request,
                };
                let answer = by_url(request).await.map_err(|lost| {
                    let hint = if lost.was_sent { String::new() } else { base_url::no_port(&self.name) };
                    Lost { why: format!("{}: {}{hint}", self.name, lost.why), ..lost }
                })?;
                Ok(read(&answer))
            }
            To::InProcess(app) => {
                let mut request = Request::new(Full::from(body.unwrap_or_default().to_owned()));
                *request.method_mut() = method.clone();
                *request.uri_mut() = target.parse().map_err(|error| Lost::unsent(&error))?;
                *request.headers_mut() = fields;
                let answer = tokio::time::timeout(PATIENCE, in_process(app, request)).await;
                let answer = answer.unwrap_or_else(|_| Err(Lost::sent(&"there was no answer in time")))?;
                Ok(Answer { is_own: true, ..read(&answer) })
            }
        }
    }
}

/// RFC 9218: what gives way to all else.
const BATCH: HeaderValue = HeaderValue::from_static("u=6");

/// What a request with a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// To be carried out.
    Effect,
    /// To learn what became of it.
    Replay,
}

impl Lost {
    fn unsent(why: &dyn std::fmt::Display) -> Self {
        Self { was_sent: false, refuses_command: false, why: why.to_string() }
    }

    fn sent(why: &dyn std::fmt::Display) -> Self {
        Self { was_sent: true, refuses_command: false, why: why.to_string() }
    }
}

/// Whether it is a failure of TLS that the next attempt would meet again.
fn is_tls_refusal(error: &rustls::Error) -> bool {
    use rustls::{Error::*, InvalidMessage::InvalidContentType};
    matches!(error, InvalidMessage(InvalidContentType) | InvalidCertificate(_))
}

/// What `trust` says of a connection, in words of this command's options.
const OPTIONS: [(&str, &str); 3] = [
    ("`tls.roots`", "--roots"),
    (" (`timeouts.connect`)", ""),
    ("write a name that it has", "write a name in --url that the certificate has"),
];

async fn by_url(request: reqwest::RequestBuilder) -> Result<Response<Vec<u8>>, Lost> {
    let lost = |error: reqwest::Error| {
        let was_sent = !error.is_connect() && !error.is_builder();
        let refuses_command = trust::tls_error(&error).is_some_and(is_tls_refusal) && !was_sent;
        let why = OPTIONS.iter().fold(trust::describe(error), |why, (key, ours)| why.replace(key, ours));
        Lost { was_sent, refuses_command, why }
    };
    let mut response = request.send().await.map_err(lost)?;
    let mut answer = Response::new(Vec::new());
    *answer.status_mut() = response.status();
    *answer.headers_mut() = std::mem::take(response.headers_mut());
    while let Some(chunk) = response.chunk().await.map_err(lost)? {
        answer.body_mut().extend_from_slice(&chunk);
        if answer.body().len() > MOST {
            break;
        }
    }
    Ok(answer)
}

/// On a connection of its own, which costs nothing worth keeping.
async fn in_process(
    app: &InProcess,
    request: Request<Full<bytes::Bytes>>,
) -> Result<Response<Vec<u8>>, Lost> {
    let connected = http1::handshake(TokioIo::new(app.connect())).await;
    let (mut sender, connection) = connected.map_err(|error| Lost::unsent(&error))?;
    tokio::spawn(connection);
    let response = sender.send_request(request).await.map_err(|error| Lost::sent(&error))?;
    let (head, mut body) = response.into_parts();
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Lost::sent(&error))?;
        bytes.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        if bytes.len() > MOST {
            break;
        }
    }
    Ok(Response::from_parts(head, bytes))
}

fn read(response: &Response<Vec<u8>>) -> Answer {
    let (fields, bytes) = (response.headers(), response.body());
    let text = |name: &HeaderName| Some(fields.get(name)?.to_str().ok()?.to_owned());
    let retry_after = text(&header::RETRY_AFTER).and_then(|it| it.parse().ok());
    let proxy_error = text(&headers::PROXY_STATUS)
        .and_then(|it| it.split(';').find_map(|part| part.trim().strip_prefix("error=").map(str::to_owned)));
    let says_so = |name| {
        let mut values = fields.get_all(name).iter();
        values.any(|value| value.to_str().is_ok_and(|value| value.contains("claviger")))
    };
    let is_claviger = says_so(&header::VIA) || says_so(&headers::PROXY_STATUS);
    let is_replayed = fields.contains_key(headers::IDEMPOTENCY_REPLAYED);
    let body = serde_json::from_slice(bytes).unwrap_or_else(|_| match bytes.is_empty() {
        true => Value::Null,
        false => String::from_utf8_lossy(bytes).into_owned().into(),
    });
    let status = response.status().as_u16();
    Answer { status, body, retry_after, proxy_error, is_replayed, is_claviger, is_own: false }
}
