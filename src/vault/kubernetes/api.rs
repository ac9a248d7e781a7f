//! The calls that are made to an API server, over HTTP/1.1: get, list, watch, create, replace and delete Secrets of one
//! namespace. The token is read anew for each, since a kubelet replaces it within the hour. Bodies are bounded, and all waits.

use std::{sync::Arc, time::Duration};

use form_urlencoded::Serializer;
use http::{Method, StatusCode, header};
use serde::de::DeserializeOwned;

use super::object::{List, Secret, selector};
use crate::{
    secret::SecretProvider,
    trust,
    vault::{error::Unavailable, store::Version},
};

/// One call, whole.
const PATIENCE: Duration = Duration::from_secs(10);
/// Until a connection is there.
const CONNECT: Duration = Duration::from_secs(5);
/// The most that is read of an answer: a page of Secrets.
const MOST: usize = 16 << 20;

/// Where an API server is, and what it is shown.
#[derive(Debug)]
pub struct Server {
    /// Scheme and authority.
    pub base: String,
    /// The namespace.
    pub namespace: String,
    /// The token.
    pub bearer: Arc<dyn SecretProvider>,
    /// What it is trusted by.
    pub tls: rustls::ClientConfig,
}

/// What came of a write.
pub(super) enum Answer {
    /// It was done; this is the version now.
    Done(Version),
    /// Another version is there (409).
    Conflict,
    /// There is none (404).
    Nothing,
}

pub(super) struct Api {
    http: reqwest::Client,
    bearer: Arc<dyn SecretProvider>,
    secrets: String,
    namespace: String,
}

impl Api {
    pub(super) fn new(server: Server) -> Result<Self, Unavailable> {
        let Server { base, namespace, bearer, tls } = server;
        let http = trust::cold_client(tls, CONNECT)
            .tcp_keepalive(Duration::from_secs(15))
            .pool_max_idle_per_host(16)
            .pool_idle_timeout(Duration::from_secs(30))
            .user_agent(concat!("claviger/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(unreachable)?;
        let secrets = format!("{base}/api/v1/namespaces/{namespace}/secrets");
        Ok(Self { http, bearer, secrets, namespace })
    }

    pub(super) fn namespace(&self) -> &str {
        &self.namespace
    }

    pub(super) async fn get(&self, name: &str) -> Result<Option<Secret>, Unavailable> {
        match self.call(Method::GET, format!("{}/{name}", self.secrets), None).await? {
            (StatusCode::OK, body) => parsed(&body).map(Some),
            (StatusCode::NOT_FOUND, _) => Ok(None),
            (status, body) => Err(self.refused("get", status, &body)),
        }
    }

    /// A page; `None` where the list has expired meanwhile, and is to be begun anew.
    pub(super) async fn list(&self, limit: usize, rest: Option<&str>) -> Result<Option<List>, Unavailable> {
        let limit = limit.to_string();
        let rest = rest.map(|rest| ("continue", rest));
        let url = self.query([("limit", &*limit)].into_iter().chain(rest));
        match self.call(Method::GET, url, None).await? {
            (StatusCode::OK, body) => parsed(&body).map(Some),
            (StatusCode::GONE, _) => Ok(None),
            (status, body) => Err(self.refused("list", status, &body)),
        }
    }

    /// The events after `version`, for as long as `time` by the server's clock.
    pub(super) async fn watch(&self, version: &str, time: Duration) -> Result<Watch, Unavailable> {
        let time = time.as_secs().to_string();
        let url = self.query([
            ("watch", "1"),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", version),
            ("timeoutSeconds", &time),
        ]);
        let request = self.request(Method::GET, url).await?;
        let answer = tokio::time::timeout(PATIENCE, request.send()).await;
        let answer = answer.map_err(|_| slow())?.map_err(unreachable)?;
        match answer.status() {
            StatusCode::OK => Ok(Watch::Events(answer)),
            StatusCode::GONE => Ok(Watch::Expired),
            status => Err(self.refused("watch", status, b"")),
        }
    }

    /// All Secrets with our labels, in this way.
    fn query<'a>(&self, with: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
        let mut query = Serializer::for_suffix(format!("{}?", self.secrets), self.secrets.len() + 1);
        query.append_pair("labelSelector", &selector()).extend_pairs(with);
        query.finish()
    }

    /// [`Answer::Conflict`] where there is one of that name.
    pub(super) async fn create(&self, secret: &Secret) -> Result<Answer, Unavailable> {
        let answer = self.call(Method::POST, self.secrets.clone(), Some(json(secret)?)).await?;
        match answer {
            (StatusCode::NOT_FOUND, body) => Err(self.refused("create", StatusCode::NOT_FOUND, &body)),
            answer => self.answer("create", answer),
        }
    }

    /// In the place of the version that `secret` names.
    pub(super) async fn replace(&self, secret: &Secret) -> Result<Answer, Unavailable> {
        let url = format!("{}/{}", self.secrets, secret.name());
        let answer = self.call(Method::PUT, url, Some(json(secret)?)).await?;
        self.answer("update", answer)
    }

    pub(super) async fn delete(&self, name: &str, Version(known): Version) -> Result<Answer, Unavailable> {
        let options = serde_json::json!({
            "apiVersion": "v1", "kind": "DeleteOptions",
            "preconditions": { "resourceVersion": known.to_string() },
        });
        let url = format!("{}/{name}", self.secrets);
        match self.call(Method::DELETE, url, Some(options.to_string().into_bytes())).await? {
            (StatusCode::OK | StatusCode::ACCEPTED, _) => Ok(Answer::Done(Version(known))),
            answer => self.answer("delete", answer),
        }
    }

    fn answer(&self, verb: &str, (status, body): (StatusCode, Vec<u8>)) -> Result<Answer, Unavailable> {
        match status {
            StatusCode::OK | StatusCode::CREATED => {
                let secret: Secret = parsed(&body)?;
                secret.version().map(Answer::Done).ok_or_else(nonsense)
            }
            StatusCode::CONFLICT => Ok(Answer::Conflict),
            StatusCode::NOT_FOUND => Ok(Answer::Nothing),
            status => Err(self.refused(verb, status, &body)),
        }
    }

    async fn call(
        &self,
        method: Method,
        url: String,
        body: Option<Vec<u8>>,
    ) -> Result<(StatusCode, Vec<u8>), Unavailable> {
        let mut request = self.request(method, url).await?.timeout(PATIENCE);
        if let Some(body) = body {
            request = request.header(header::CONTENT_TYPE, "application/json").body(body);
        }
        let mut answer = request.send().await.map_err(unreachable)?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > MOST {
                return Err(nonsense());
            }
            body.extend_from_slice(&chunk);
        }
        Ok((answer.status(), body))
    }

    async fn request(&self, method: Method, url: String) -> Result<reqwest::RequestBuilder, Unavailable> {
        let bearer = self.bearer.read().await.map_err(|error| {
            Unavailable::new(
                format!("the token for the API server cannot be read: {error}"),
                "In a pod, let a ServiceAccount's token be mounted (automountServiceAccountToken); elsewhere write vault.store.kubernetes.bearer.",
            )
        })?;
        let value = bearer.secret.header("Bearer ").map_err(|_| {
            Unavailable::new("the token for the API server is no token", "Look at what is in its file.")
        })?;
        Ok(self
            .http
            .request(method, url)
            .header(header::AUTHORIZATION, value)
            .header(header::ACCEPT, "application/json"))
    }

    fn refused(&self, verb: &str, status: StatusCode, body: &[u8]) -> Unavailable {
        let namespace = &self.namespace;
        match status {
            StatusCode::UNAUTHORIZED => Unavailable::new(
                "the API server does not accept the token",
                "Check that the ServiceAccount exists and its token is current.",
            ),
            StatusCode::FORBIDDEN => Unavailable::new(
                format!("this ServiceAccount may not {verb} Secrets in namespace {namespace}"),
                "Apply deploy/kubernetes/vault-rbac.yaml, which gives what is needed and no more.",
            ),
            StatusCode::NOT_FOUND => Unavailable::new(
                format!("there is no namespace {namespace}"),
                "Create it, or correct vault.store.kubernetes.namespace.",
            ),
            status => Unavailable::new(
                format!("the API server answers {} to {verb}{}", status.as_u16(), message(body)),
                "Look at the API server, its quota and its admission webhooks; it is tried again by itself.",
            ),
        }
    }
}

/// A watch, if it began.
pub(super) enum Watch {
    Events(reqwest::Response),
    /// The server has forgotten that version (410).
    Expired,
}

/// What a Status says, on one line. It never holds what is in a Secret.
fn message(body: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Status {
        reason: String,
    }
    serde_json::from_slice::<Status>(body)
        .map(|status| format!(" ({})", status.reason.escape_debug()))
        .unwrap_or_default()
}

fn json(secret: &Secret) -> Result<Vec<u8>, Unavailable> {
    serde_json::to_vec(secret).map_err(|_| nonsense())
}

fn parsed<T: DeserializeOwned>(body: &[u8]) -> Result<T, Unavailable> {
    serde_json::from_slice(body).map_err(|_| nonsense())
}

fn nonsense() -> Unavailable {
    Unavailable::new(
        "the API server gave an answer that makes no sense",
        "Check that it is a Kubernetes API server.",
    )
}

fn slow() -> Unavailable {
    Unavailable::new("the API server does not answer", REACH)
}

const REACH: &str = "Look at the API server, DNS and network policies; it is tried again by itself.";

pub(super) fn unreachable(error: reqwest::Error) -> Unavailable {
    let unknown = trust::no_address(&error, error.url().and_then(reqwest::Url::host_str));
    let error = error.without_url();
    let known = unknown.map(Into::into).or_else(|| trust::plainly_of_answer(&error));
    let what = match known {
        Some(known) => known.into_owned(),
        None if error.is_timeout() => "no answer in time".to_owned(),
        None => error.to_string(),
    };
    Unavailable::new(format!("the API server cannot be reached: {what}"), REACH)
}
