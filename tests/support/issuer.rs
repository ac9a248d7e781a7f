//! An issuer of JWTs on a loopback port: signs, publishes its keys to all or to whoever shows a bearer token, as the API
//! server of a cluster does, and remembers who asked.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::UNIX_EPOCH,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use claviger::clock::Clock;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{KeyPair, PublicKeyData as _};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinHandle,
};

/// A key pair for ES256.
pub(crate) struct Signer {
    kid: String,
    pair: KeyPair,
}

impl Signer {
    pub(crate) fn new(kid: &str) -> Self {
        Self { kid: kid.into(), pair: KeyPair::generate().expect("the system has randomness") }
    }

    /// The public half.
    pub(crate) fn jwk(&self) -> Value {
        let (x, y) = self.pair.der_bytes()[1..].split_at(32);
        json!({
            "kty": "EC", "crv": "P-256", "kid": self.kid, "use": "sig", "alg": "ES256",
            "x": BASE64.encode(x), "y": BASE64.encode(y),
        })
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        let header = Header { kid: Some(self.kid.clone()), ..Header::new(Algorithm::ES256) };
        encode(&header, claims, &EncodingKey::from_ec_der(self.pair.serialized_der()))
            .expect("it can be signed")
    }
}

/// A key set.
pub(crate) fn key_set(signers: &[&Signer]) -> String {
    json!({ "keys": signers.iter().map(|signer| signer.jwk()).collect::<Vec<_>>() }).to_string()
}

/// Seconds since 1970, from now.
pub(crate) fn in_seconds(seconds: i64) -> i64 {
    let now = Clock::system().now().wall.duration_since(UNIX_EPOCH).expect("it is later than 1970");
    i64::try_from(now.as_secs()).expect("not in our time") + seconds
}

/// The claims of a ServiceAccount's token.
pub(crate) fn account(issuer: &str, namespace: &str, name: &str) -> Value {
    json!({
        "iss": issuer,
        "aud": ["claviger"],
        "exp": in_seconds(600),
        "iat": in_seconds(0),
        "sub": format!("system:serviceaccount:{namespace}:{name}"),
        "kubernetes.io": { "namespace": namespace, "serviceaccount": { "name": name, "uid": "1" } },
    })
}

/// An issuer that can be asked for its keys.
pub(crate) struct Issuer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

struct State {
    keys: String,
    /// What its discovery document says instead of what it should.
    issuer: Option<String>,
    jwks_uri: Option<String>,
    /// The bearer token without which it answers 401.
    wanted: Option<String>,
    /// Whether what is in front of it refuses everybody.
    is_behind_a_page: bool,
    /// Where it sends everybody instead of answering.
    elsewhere: Option<String>,
    /// Path and bearer token of each request.
    asked: Vec<(String, Option<String>)>,
}

impl State {
    /// Status, header and body of the answer to a request.
    fn answer(&mut self, own: &str, head: &str) -> (&'static str, String, String) {
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let bearer =
            head.lines().find_map(|line| line.strip_prefix("authorization: Bearer ")).map(str::to_owned);
        self.asked.push((path.clone(), bearer.clone()));
        if self.is_behind_a_page {
            return ("403 Forbidden", "Content-Type: text/html\r\n".into(), "<html>nginx".into());
        }
        if let Some(elsewhere) = &self.elsewhere {
            return ("302 Found", format!("Location: {elsewhere}{path}\r\n"), String::new());
        }
        if self.wanted.is_some() && self.wanted != bearer {
            return ("401 Unauthorized", String::new(), r#"{"kind":"Status","code":401}"#.into());
        }
        let body = if path == "/.well-known/openid-configuration" {
            let jwks_uri = self.jwks_uri.clone().unwrap_or_else(|| format!("{own}/keys"));
            json!({ "issuer": self.issuer.as_deref().unwrap_or(own), "jwks_uri": jwks_uri }).to_string()
        } else {
            self.keys.clone()
        };
        ("200 OK", "Content-Type: application/json\r\n".into(), body)
    }
}

impl Issuer {
    pub(crate) async fn start(keys: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let state = State {
            keys,
            issuer: None,
            jwks_uri: None,
            wanted: None,
            is_behind_a_page: false,
            elsewhere: None,
            asked: Vec::new(),
        };
        let state = Arc::new(Mutex::new(state));
        let shared = state.clone();
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = Vec::new();
                while memchr::memmem::find(&head, b"\r\n\r\n").is_none() {
                    if stream.read_buf(&mut head).await.is_ok_and(|read| read == 0) {
                        break;
                    }
                }
                let head = String::from_utf8_lossy(&head);
                let (status, header, body) =
                    shared.lock().expect("nobody panicked").answer(&format!("http://{address}"), &head);
                let answer = format!(
                    "HTTP/1.1 {status}\r\n{header}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
                // Whoever asked may be gone.
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self { address, state, task }
    }

    /// What its tokens call it.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Publishes other keys.
    pub(crate) fn publish(&self, keys: String) {
        self.state().keys = keys;
    }

    /// Answers from now on to this bearer token alone.
    pub(crate) fn want(&self, bearer: &str) {
        self.state().wanted = Some(bearer.into());
    }

    /// Says of itself what is not so.
    pub(crate) fn pose_as(&self, issuer: &str) {
        self.state().issuer = Some(issuer.into());
    }

    /// Names another place for its keys.
    pub(crate) fn keys_are_at(&self, url: &str) {
        self.state().jwks_uri = Some(url.into());
    }

    /// Sends everybody to another server.
    pub(crate) fn redirect_to(&self, url: &str) {
        self.state().elsewhere = Some(url.into());
    }

    /// From now on what is in front of it refuses everybody, as nginx does.
    pub(crate) fn refuse_with_a_page(&self) {
        self.state().is_behind_a_page = true;
    }

    /// How often it was asked for anything.
    pub(crate) fn asked(&self) -> usize {
        self.state().asked.len()
    }

    /// What it was asked for since the last time, and the bearer token that it was shown.
    pub(crate) fn seen(&self) -> Vec<(String, Option<String>)> {
        std::mem::take(&mut self.state().asked)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panicked")
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.task.abort();
    }
}
