//! Tokens that are signed here, by keys that are made here.

mod attacks;
mod causes;
mod keys;
mod sets;
mod valid;

use std::sync::{
    LazyLock,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeyPair, KeySize, PublicKeyComponents},
    signature::{
        self, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
        KeyPair as _,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderValue, header};
use serde_json::{Value, json};

use super::*;
use crate::{
    authn::{Authenticators, AuthnError, Deps, Peer, Reach, Seal},
    config::{ClaimMatch, Identity, Jwks, Roots},
    ids::IssuerName,
};

pub(super) const NOW: u64 = 1_800_000_000;
pub(super) const CLUSTER: &str = "https://kubernetes.default.svc";
pub(super) const CI: &str = "https://ci.example.com";

/// A key pair of an issuer.
pub(super) struct Signer {
    pub(super) kid: &'static str,
    pair: Pair,
}

enum Pair {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair, &'static str, &'static str),
    Ed(Ed25519KeyPair),
}

impl Signer {
    pub(super) fn rsa(kid: &'static str) -> Self {
        Self { kid, pair: Pair::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()) }
    }

    pub(super) fn p256(kid: &'static str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self { kid, pair: Pair::Ec(pair, "P-256", "ES256") }
    }

    pub(super) fn p384(kid: &'static str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
        Self { kid, pair: Pair::Ec(pair, "P-384", "ES384") }
    }

    pub(super) fn ed25519(kid: &'static str) -> Self {
        Self { kid, pair: Pair::Ed(Ed25519KeyPair::generate().unwrap()) }
    }

    /// What it signs with unless told otherwise.
    pub(super) fn alg(&self) -> &'static str {
        match &self.pair {
            Pair::Rsa(_) => "RS256",
            Pair::Ec(_, _, alg) => alg,
            Pair::Ed(_) => "EdDSA",
        }
    }

    pub(super) fn jwk(&self) -> Value {
        let encoded = |bytes: &[u8]| BASE64.encode(bytes);
        match &self.pair {
            Pair::Rsa(pair) => {
                let public = PublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                json!({ "kty": "RSA", "kid": self.kid, "n": encoded(&public.n), "e": encoded(&public.e) })
            }
            Pair::Ec(pair, crv, _) => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                json!({ "kty": "EC", "kid": self.kid, "crv": crv, "x": encoded(x), "y": encoded(y) })
            }
            Pair::Ed(pair) => {
                let x = encoded(pair.public_key().as_ref());
                json!({ "kty": "OKP", "kid": self.kid, "crv": "Ed25519", "x": x })
            }
        }
    }

    fn signature(&self, alg: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let encoding: &'static dyn signature::RsaEncoding = match alg {
                    "RS384" => &signature::RSA_PKCS1_SHA384,
                    "RS512" => &signature::RSA_PKCS1_SHA512,
                    "PS256" => &signature::RSA_PSS_SHA256,
                    "PS384" => &signature::RSA_PSS_SHA384,
                    "PS512" => &signature::RSA_PSS_SHA512,
                    _ => &signature::RSA_PKCS1_SHA256,
                };
                let mut out = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &random, message, &mut out).unwrap();
                out
            }
            Pair::Ec(pair, ..) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Pair::Ed(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    /// Header and claims as written, with a true signature.
    pub(super) fn sign_text(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", BASE64.encode(header), BASE64.encode(claims));
        self.sign_message(&message)
    }

    pub(super) fn sign_message(&self, message: &str) -> String {
        let header = message.split('.').next().and_then(|part| BASE64.decode(part).ok());
        let header: Value = header.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        let signature = self.signature(header["alg"].as_str().unwrap_or_default(), message.as_bytes());
        format!("{message}.{}", BASE64.encode(signature))
    }

    pub(super) fn header(&self) -> Value {
        json!({ "alg": self.alg(), "kid": self.kid, "typ": "JWT" })
    }

    /// A token with these claims.
    pub(super) fn sign(&self, claims: &Value) -> String {
        self.sign_text(&self.header().to_string(), &claims.to_string())
    }
}

pub(super) static RSA: LazyLock<Signer> = LazyLock::new(|| Signer::rsa("rsa-1"));
pub(super) static EC: LazyLock<Signer> = LazyLock::new(|| Signer::p256("ec-1"));
pub(super) static EC384: LazyLock<Signer> = LazyLock::new(|| Signer::p384("ec-384"));
pub(super) static ED: LazyLock<Signer> = LazyLock::new(|| Signer::ed25519("ed-1"));
/// Unauthenticated's.
pub(super) static STRANGER: LazyLock<Signer> = LazyLock::new(|| Signer::p256("ec-1"));

pub(super) fn set(signers: &[&Signer]) -> Vec<u8> {
    let keys: Vec<_> = signers.iter().map(|signer| signer.jwk()).collect();
    json!({ "keys": keys }).to_string().into_bytes()
}

/// A ServiceAccount's claims, as Kubernetes writes them.
pub(super) fn account(namespace: &str, name: &str) -> Value {
    json!({
        "aud": ["claviger"],
        "exp": NOW + 3607,
        "iat": NOW,
        "iss": CLUSTER,
        "jti": "0cda8d5e-7a9b-4e3b-a5f9-0d9c7a1f1a11",
        "kubernetes.io": {
            "namespace": namespace,
            "node": { "name": "node-1" },
            "pod": { "name": "billing-0" },
            "serviceaccount": { "name": name, "uid": "14ee3fa4-a7e2-420f-9f9a-dbc4507c3798" },
            "warnafter": NOW + 3600,
        },
        "nbf": NOW,
        "sub": format!("system:serviceaccount:{namespace}:{name}"),
    })
}

pub(super) fn ci(extra: Value) -> Value {
    with(json!({ "aud": "claviger", "exp": NOW + 300, "iss": CI, "sub": "repo:acme/app" }), extra)
}

/// `claims` with other members; `null` takes one out.
pub(super) fn with(mut claims: Value, changes: Value) -> Value {
    let members = claims.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    claims
}

pub(super) fn issuer(name: &str, issuer: &str, jwks: Jwks) -> Arc<config::Issuer> {
    Arc::new(config::Issuer {
        name: IssuerName::parse(name).unwrap(),
        issuer: issuer.into(),
        jwks,
        audience: vec!["claviger".into(), "https://claviger.example".into()],
        algorithms: config::Issuer::ALGORITHMS.to_vec(),
        leeway: Duration::from_secs(30),
        bearer: None,
        ca: Roots::Bundled,
        refresh: Duration::from_secs(600),
    })
}

pub(super) fn file(json: Vec<u8>) -> Jwks {
    Jwks::File { path: "jwks.json".into(), json, origin: Default::default() }
}

fn caller(name: &str, identity: Identity) -> config::Caller {
    crate::authn::tests::caller(name, vec![identity])
}

fn by_claims(name: &str, claims: &[(&str, &[&str])]) -> config::Caller {
    let one = |(path, values): &(&str, &[&str])| {
        ((*path).to_owned(), ClaimMatch(values.iter().map(|value| (*value).to_owned()).collect()))
    };
    let issuer = IssuerName::parse("ci").unwrap();
    caller(name, Identity::Jwt { issuer, claims: claims.iter().map(one).collect() })
}

/// What the one who asks is told.
#[derive(Debug, PartialEq)]
pub(super) struct Unauthenticated;

/// Authenticators of two issuers, with a clock of one's own.
pub(super) struct World {
    config: Vec<config::Caller>,
    callers: Authenticators,
    seconds: Arc<AtomicU64>,
}

impl World {
    /// The usual callers with these keys.
    pub(super) fn new(cluster: Arc<Keyring>, cluster_config: Arc<config::Issuer>) -> Self {
        let kubernetes = || IssuerName::parse("kubernetes").unwrap();
        let account = |namespace: &str, name: Option<&str>| Identity::ServiceAccount {
            namespace: namespace.into(),
            name: name.map(Into::into),
            issuer: kubernetes(),
        };
        let config = vec![
            caller("billing", account("shop", Some("billing"))),
            caller("jobs", account("jobs", None)),
            by_claims(
                "main",
                &[("ref", &["refs/heads/main", "refs/heads/release"]), ("build.stage", &["3"])],
            ),
            by_claims("admins", &[("groups", &["admins"])]),
            by_claims("operators", &[("groups", &["operators"])]),
            by_claims("dotted", &[("example.com/roles.kind", &["robot"])]),
            caller("local", Identity::Loopback),
        ];
        let ci = issuer("ci", CI, file(set(&[&EC])));
        let ci_keys = Keyring::of_file(ci.clone(), &set(&[&EC])).unwrap();
        let seconds = Arc::new(AtomicU64::new(NOW));
        let wall = seconds.clone();
        let clock = Clock::with_wall(move || UNIX_EPOCH + Duration::from_secs(wall.load(Relaxed)));
        let deps = Deps {
            seal: Seal::new(None).unwrap(),
            clock,
            clients: None,
            issuers: vec![(cluster_config, cluster), (ci, ci_keys)],
            usage: Default::default(),
        };
        let callers = Authenticators::new(&config, deps);
        Self { config, callers, seconds }
    }

    /// With keys of all kinds from a file.
    pub(super) fn offline() -> Self {
        let keys = set(&[&RSA, &EC, &EC384, &ED]);
        let cluster = issuer("kubernetes", CLUSTER, file(keys.clone()));
        Self::new(Keyring::of_file(cluster.clone(), &keys).unwrap(), cluster)
    }

    pub(super) fn pass(&self, seconds: u64) {
        self.seconds.fetch_add(seconds, Relaxed);
    }

    pub(super) fn start(&self) {
        self.callers.start();
    }

    pub(super) async fn ask(&self, peer: &Peer, token: &str) -> Result<&str, Unauthenticated> {
        self.verify(peer, token).await.map_err(|_| Unauthenticated)
    }

    /// Why it does not authenticate, over the network.
    pub(super) async fn why(&self, token: &str) -> AuthnError {
        self.verify(&Peer::at(Reach::Network), token).await.expect_err("it is to be refused")
    }

    async fn verify(&self, peer: &Peer, token: &str) -> Result<&str, AuthnError> {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
        headers.insert(header::AUTHORIZATION, value);
        let caller = self.callers.authenticate(&Presented::by_headers(peer, &headers)).await?;
        let name = self.config[caller.index().0].name.as_str();
        assert_eq!(caller.method(), if name == "local" { "loopback" } else { "jwt" });
        Ok(name)
    }

    /// Over the network, at once.
    pub(super) fn who(&self, token: &str) -> Result<&str, Unauthenticated> {
        self.ask(&Peer::at(Reach::Network), token).now_or_never().expect("nothing to wait for")
    }

    /// Where locality is enough for those who show nothing false.
    pub(super) fn who_locally(&self, token: &str) -> Result<&str, Unauthenticated> {
        self.ask(&Peer::at(Reach::Loopback), token).now_or_never().expect("nothing to wait for")
    }
}
