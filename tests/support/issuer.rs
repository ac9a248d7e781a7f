//! An issuer of JWTs on a loopback port: signs, publishes its keys, and counts who asks for them.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
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
    keys: Arc<Mutex<String>>,
    asked: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Issuer {
    pub(crate) async fn start(keys: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let (keys, asked) = (Arc::new(Mutex::new(keys)), Arc::new(AtomicUsize::new(0)));
        let (published, counted) = (keys.clone(), asked.clone());
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = Vec::new();
                while memchr::memmem::find(&head, b"\r\n\r\n").is_none() {
                    if stream.read_buf(&mut head).await.is_ok_and(|read| read == 0) {
                        break;
                    }
                }
                counted.fetch_add(1, Relaxed);
                let issuer = format!("http://{address}");
                let body = if head.starts_with(b"GET /.well-known/openid-configuration ") {
                    json!({ "issuer": issuer, "jwks_uri": format!("{issuer}/keys") }).to_string()
                } else {
                    published.lock().expect("nobody panicked").clone()
                };
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
                // Whoever asked may be gone.
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self { address, keys, asked, task }
    }

    /// What its tokens call it.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Publishes other keys.
    pub(crate) fn publish(&self, keys: String) {
        *self.keys.lock().expect("nobody panicked") = keys;
    }

    /// How often it was asked for anything.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Relaxed)
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.task.abort();
    }
}
