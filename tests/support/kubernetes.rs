//! A double of a Kubernetes API server, for Secrets of one namespace: versions that grow with each write and are compared,
//! lists in pages, watches with bookmarks, places in the history that are forgotten (410). It is a double, written by what
//! Kubernetes documents of its API; docs/tenants.md says what was tried against a real one.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::BoxBody};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Frame, Incoming},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

pub(crate) const NAMESPACE: &str = "shop";
pub(crate) const TOKEN: &str = "a-service-account-token";

type Body = BoxBody<Bytes, Infallible>;

/// An API server.
pub(crate) struct ApiServer {
    address: std::net::SocketAddr,
    world: Arc<World>,
    task: JoinHandle<()>,
}

struct World {
    state: Mutex<State>,
    changed: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    version: u64,
    secrets: BTreeMap<String, Value>,
    /// Version, kind and object of each event.
    history: Vec<(u64, &'static str, Value)>,
    /// What is older is forgotten.
    oldest: u64,
    /// Watches are broken off by a change of it.
    breaks: u64,
    is_away: bool,
    requests: Vec<String>,
    expire_next_page: bool,
}

impl ApiServer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it has one");
        let world = Arc::new(World { state: Mutex::default(), changed: watch::Sender::new(0) });
        let serving = world.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let world = serving.clone();
                let service = service_fn(move |request| answer(world.clone(), request));
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service);
                tokio::spawn(async move { drop(connection.await) });
            }
        });
        Self { address, world, task }
    }

    pub(crate) fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Forgets all that was, and breaks watches off with 410.
    pub(crate) fn forget(&self) {
        let mut state = self.world.state();
        state.oldest = state.version + 1;
        state.version += 1;
        state.breaks += 1;
        drop(state);
        self.world.changed.send_modify(|n| *n += 1);
    }

    /// Does not answer any more, or does again. Watches end.
    pub(crate) fn away(&self, is_away: bool) {
        let mut state = self.world.state();
        (state.is_away, state.breaks) = (is_away, state.breaks + 1);
        drop(state);
        self.world.changed.send_modify(|n| *n += 1);
    }

    /// The next list that goes on has expired.
    pub(crate) fn expire_next_page(&self) {
        self.world.state().expire_next_page = true;
    }

    /// Method, path and query of each request.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.world.state().requests.clone()
    }

    /// All Secrets are deleted, as with their namespace.
    pub(crate) fn lose_all(&self) {
        let mut state = self.world.state();
        for secret in std::mem::take(&mut state.secrets).into_values() {
            state.note("DELETED", secret);
        }
        drop(state);
        self.world.changed.send_modify(|n| *n += 1);
    }

    pub(crate) fn secrets(&self) -> Vec<Value> {
        self.world.state().secrets.values().cloned().collect()
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl World {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn note(&mut self, kind: &'static str, mut secret: Value) -> Value {
        self.version += 1;
        secret["metadata"]["resourceVersion"] = self.version.to_string().into();
        self.history.push((self.version, kind, secret.clone()));
        secret
    }
}

fn whole(status: StatusCode, value: &Value) -> Response<Body> {
    let body = Full::new(Bytes::from(value.to_string())).boxed();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

fn refusal(status: StatusCode, reason: &str) -> Response<Body> {
    whole(
        status,
        &json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": status.as_u16() }),
    )
}

fn is_selected(secret: &Value, selector: &str) -> bool {
    selector.split(',').all(|one| {
        let (name, value) = one.split_once('=').expect("a selector of equalities");
        secret["metadata"]["labels"][name] == *value
    })
}

async fn answer(world: Arc<World>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let text = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    world.state().requests.push(format!("{} {text}", parts.method));
    if world.state().is_away {
        return Ok(refusal(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable"));
    }
    let bearer = parts.headers.get("authorization").map(|value| value.as_bytes().to_vec());
    if bearer != Some(format!("Bearer {TOKEN}").into_bytes()) {
        return Ok(refusal(StatusCode::UNAUTHORIZED, "Unauthorized"));
    }
    let root = format!("/api/v1/namespaces/{NAMESPACE}/secrets");
    let Some(name) = parts.uri.path().strip_prefix(&root) else {
        return Ok(refusal(StatusCode::FORBIDDEN, "Forbidden"));
    };
    let name = name.trim_start_matches('/').to_owned();
    let query: BTreeMap<String, String> =
        form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let sent: Value = serde_json::from_slice(&body).unwrap_or_default();
    Ok(match (&parts.method, name.is_empty()) {
        (&Method::GET, true) if query.contains_key("watch") => watched(&world, &query),
        (&Method::GET, true) => listed(&mut world.state(), &query),
        (&Method::GET, false) => match world.state().secrets.get(&name) {
            Some(secret) => whole(StatusCode::OK, secret),
            None => refusal(StatusCode::NOT_FOUND, "NotFound"),
        },
        (method, _) => {
            let response = written(&mut world.state(), method, name, sent);
            world.changed.send_modify(|n| *n += 1);
            response
        }
    })
}

fn written(state: &mut State, method: &Method, name: String, sent: Value) -> Response<Body> {
    let conflict = |state: &State, name: &str, wanted: &Value| {
        let there = &state.secrets[name]["metadata"]["resourceVersion"];
        !wanted.is_null() && wanted != there
    };
    match *method {
        Method::POST => {
            let name = sent["metadata"]["name"].as_str().expect("a name").to_owned();
            if state.secrets.contains_key(&name) {
                return refusal(StatusCode::CONFLICT, "AlreadyExists");
            }
            let made = state.note("ADDED", sent);
            state.secrets.insert(name, made.clone());
            whole(StatusCode::CREATED, &made)
        }
        Method::PUT | Method::DELETE if !state.secrets.contains_key(&name) => {
            refusal(StatusCode::NOT_FOUND, "NotFound")
        }
        Method::PUT if conflict(state, &name, &sent["metadata"]["resourceVersion"]) => {
            refusal(StatusCode::CONFLICT, "Conflict")
        }
        Method::PUT => {
            let put = state.note("MODIFIED", sent);
            state.secrets.insert(name, put.clone());
            whole(StatusCode::OK, &put)
        }
        Method::DELETE if conflict(state, &name, &sent["preconditions"]["resourceVersion"]) => {
            refusal(StatusCode::CONFLICT, "Conflict")
        }
        Method::DELETE => {
            let gone = state.secrets.remove(&name).expect("it is there");
            state.note("DELETED", gone);
            whole(StatusCode::OK, &json!({ "kind": "Status", "status": "Success" }))
        }
        _ => refusal(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed"),
    }
}

fn listed(state: &mut State, query: &BTreeMap<String, String>) -> Response<Body> {
    let selector = query.get("labelSelector").expect("a selector");
    let limit: usize = query.get("limit").map_or(usize::MAX, |limit| limit.parse().expect("a number"));
    let after = query.get("continue").map(String::as_str).unwrap_or_default();
    if !after.is_empty() && std::mem::take(&mut state.expire_next_page) {
        return refusal(StatusCode::GONE, "Expired");
    }
    let selected =
        state.secrets.iter().filter(|(name, it)| name.as_str() > after && is_selected(it, selector));
    let mut items: Vec<_> =
        selected.map(|(name, it)| (name.clone(), it.clone())).take(limit.saturating_add(1)).collect();
    let mut metadata = json!({ "resourceVersion": state.version.to_string() });
    if items.len() > limit {
        items.truncate(limit);
        metadata["continue"] = items.last().map(|(name, _)| name.clone()).unwrap_or_default().into();
    }
    let items: Vec<_> = items.into_iter().map(|(_, it)| it).collect();
    whole(
        StatusCode::OK,
        &json!({ "kind": "SecretList", "apiVersion": "v1", "metadata": metadata, "items": items }),
    )
}

/// Events after a version, a bookmark, and those to come.
fn watched(world: &Arc<World>, query: &BTreeMap<String, String>) -> Response<Body> {
    let selector = query.get("labelSelector").expect("a selector").clone();
    let from: u64 = query.get("resourceVersion").map_or(0, |version| version.parse().expect("a number"));
    let (begun, is_forgotten) = {
        let state = world.state();
        (state.breaks, from < state.oldest)
    };
    if is_forgotten {
        // A real one says so in the stream as well as here, by when it notices.
        return refusal(StatusCode::GONE, "Expired");
    }
    let (sender, receiver) = tokio::sync::mpsc::channel(16);
    let (world, mut changed) = (world.clone(), world.changed.subscribe());
    tokio::spawn(async move {
        let mut last = from;
        loop {
            let (events, is_over, is_away) = {
                let state = world.state();
                let new = state
                    .history
                    .iter()
                    .filter(|(version, _, it)| *version > last && is_selected(it, &selector));
                let events: Vec<_> = new.map(|(_, kind, it)| json!({ "type": kind, "object": it })).collect();
                last = state.version;
                (events, state.breaks != begun, state.is_away)
            };
            let bookmark = json!({ "type": "BOOKMARK", "object": { "kind": "Secret", "metadata": { "resourceVersion": last.to_string() } } });
            let gone =
                json!({ "type": "ERROR", "object": { "kind": "Status", "code": 410, "reason": "Expired" } });
            let end = if is_over { Some(gone).filter(|_| !is_away) } else { Some(bookmark) };
            for event in events.into_iter().chain(end) {
                let line = Bytes::from(format!("{event}\n"));
                if sender.send(Ok::<_, Infallible>(Frame::data(line))).await.is_err() {
                    return;
                }
            }
            if is_over || changed.changed().await.is_err() {
                return;
            }
        }
    });
    let stream = futures_util::stream::unfold(receiver, |mut receiver| async {
        let item = receiver.recv().await?;
        Some((item, receiver))
    });
    Response::new(StreamBody::new(stream).boxed())
}
