//! Signing keys and tokens.
//!
//! Makes ES384 and RS256 keys, keeps Current and Previous (fact 2.7), signs, publishes and verifies. Decides the
//! `data.code` of a refused token; `auth` turns it into an answer. It must never accept an unsigned token.

use std::{
    collections::HashSet,
    io,
    sync::{Mutex, PoisonError},
};

use aws_lc_rs::{
    digest,
    rand::SystemRandom,
    rsa,
    signature::{
        ECDSA_P384_SHA384_FIXED, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
        RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, UnparsedPublicKey,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;
use serde_json::{Map, Value, json, value::RawValue};

/// Tokens per key whose signature need not be checked again.
const REMEMBERED: usize = 1024;

/// The algorithms that Logto signs with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSA on P-384, the default.
    Es384,
    /// RSA with PKCS#1 v1.5, after a rotation to RSA.
    Rs256,
}

impl Algorithm {
    fn name(self) -> &'static str {
        match self {
            Self::Es384 => "ES384",
            Self::Rs256 => "RS256",
        }
    }

    fn family(self) -> &'static str {
        match self {
            Self::Es384 => "EC",
            Self::Rs256 => "RSA",
        }
    }
}

/// The signing keys of a tenant.
pub(crate) struct Keys {
    current: Key,
    previous: Option<Key>,
}

struct Key {
    id: String,
    created_at: u64,
    kid: String,
    pair: Pair,
    /// Digests of tokens whose signature was right before: P-384 is slow, and a proxy sends one token for an hour.
    verified: Mutex<HashSet<[u8; 32]>>,
}

enum Pair {
    Ec(EcdsaKeyPair),
    Rsa(rsa::KeyPair),
}

/// What `GET /api/configs/oidc/private-keys` shows of a key.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeyInfo<'a> {
    id: &'a str,
    created_at: u64,
    signing_key_algorithm: &'static str,
    status: &'static str,
}

/// The claims of a token that Logto issues, in its order (fact 1.2).
#[derive(Debug, Serialize)]
pub(crate) struct Claims<'a> {
    pub(crate) jti: &'a str,
    pub(crate) sub: &'a str,
    pub(crate) iat: u64,
    pub(crate) exp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) scope: Option<&'a str>,
    pub(crate) client_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) organization_id: Option<&'a str>,
    pub(crate) iss: &'a str,
    pub(crate) aud: &'a str,
}

/// Why a token is refused, as the `data` member of the 401 (facts 2.1 and 2.2: it echoes the payload).
#[derive(Debug, Serialize)]
pub(crate) struct Refusal {
    code: &'static str,
    name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    claim: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Box<RawValue>>,
}

impl Refusal {
    fn plain(code: &'static str, name: &'static str) -> Self {
        Self { code, name, claim: None, reason: None, payload: None }
    }

    fn malformed() -> Self {
        Self::plain("ERR_JWS_INVALID", "JWSInvalid")
    }

    fn claim(claim: &'static str, reason: &'static str, payload: &[u8]) -> Self {
        let (code, name) = match claim {
            "exp" if reason == "check_failed" => ("ERR_JWT_EXPIRED", "JWTExpired"),
            _ => ("ERR_JWT_CLAIM_VALIDATION_FAILED", "JWTClaimValidationFailed"),
        };
        let payload = serde_json::from_slice(payload).ok();
        Self { code, name, claim: Some(claim), reason: Some(reason), payload }
    }
}

/// What a token has to satisfy.
#[derive(Debug)]
pub(crate) struct Expected<'a> {
    pub(crate) issuers: &'a [&'a str],
    pub(crate) audience: &'a str,
    /// Seconds since 1970; Logto allows no tolerance (fact 1.12).
    pub(crate) now: u64,
}

impl Keys {
    pub(crate) fn new(id: String, created_at: u64) -> io::Result<Self> {
        Ok(Self { current: Key::generate(Algorithm::Es384, id, created_at)?, previous: None })
    }

    pub(crate) fn rotate(&mut self, algorithm: Algorithm, id: String, created_at: u64) -> io::Result<()> {
        let fresh = Key::generate(algorithm, id, created_at)?;
        self.previous = Some(std::mem::replace(&mut self.current, fresh));
        Ok(())
    }

    /// Deletes the previous key; the current one cannot be deleted.
    pub(crate) fn forget(&mut self, id: &str) -> bool {
        let known = self.previous.as_ref().is_some_and(|key| key.id == id);
        if known {
            self.previous = None;
        }
        known
    }

    pub(crate) fn is_current(&self, id: &str) -> bool {
        self.current.id == id
    }

    pub(crate) fn list(&self) -> Vec<KeyInfo<'_>> {
        let mut keys = vec![self.current.info("Current")];
        keys.extend(self.previous.iter().map(|key| key.info("Previous")));
        keys
    }

    pub(crate) fn jwks(&self) -> Value {
        let keys: Vec<Value> = self.all().map(Key::jwk).collect();
        json!({ "keys": keys })
    }

    pub(crate) fn algorithm(&self) -> &'static str {
        self.current.algorithm().name()
    }

    pub(crate) fn issue(&self, claims: &Claims<'_>) -> io::Result<String> {
        let header = format!(
            r#"{{"alg":"{}","typ":"at+jwt","kid":"{}"}}"#,
            self.current.algorithm().name(),
            self.current.kid
        );
        self.current.sign(header.as_bytes(), &serde_json::to_vec(claims)?)
    }

    pub(crate) fn forge(&self, header: &Value, claims: &Value) -> io::Result<String> {
        let mut full = Map::new();
        full.insert("alg".to_owned(), json!(self.current.algorithm().name()));
        full.insert("typ".to_owned(), json!("at+jwt"));
        full.insert("kid".to_owned(), json!(self.current.kid));
        for (name, value) in header.as_object().into_iter().flatten() {
            if value.is_null() {
                full.remove(name);
            } else {
                full.insert(name.clone(), value.clone());
            }
        }
        self.current.sign(&serde_json::to_vec(&full)?, &serde_json::to_vec(claims)?)
    }

    fn all(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.current).chain(&self.previous)
    }
}

/// Checks signature and registered claims in the order of the `jose` library.
pub(crate) fn verify(
    trusted: &[&Keys],
    token: &str,
    expected: &Expected<'_>,
) -> Result<Map<String, Value>, Refusal> {
    let (signed, signature) = token.rsplit_once('.').ok_or_else(Refusal::malformed)?;
    let (header, payload) = signed.split_once('.').ok_or_else(Refusal::malformed)?;
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| Refusal::malformed());
    let header: Map<String, Value> =
        serde_json::from_slice(&decode(header)?).map_err(|_| Refusal::malformed())?;
    let signature = decode(signature)?;

    let algorithm = header.get("alg").and_then(Value::as_str).unwrap_or_default();
    let kid = header.get("kid").and_then(Value::as_str);
    let mut matching = trusted
        .iter()
        .flat_map(|keys| keys.all())
        .filter(|key| key.algorithm().name() == algorithm && kid.is_none_or(|kid| kid == key.kid));
    let key = match (matching.next(), matching.next()) {
        (Some(key), None) => key,
        (Some(_), Some(_)) => {
            return Err(Refusal::plain("ERR_JWKS_MULTIPLE_MATCHING_KEYS", "JWKSMultipleMatchingKeys"));
        }
        _ => return Err(Refusal::plain("ERR_JWKS_NO_MATCHING_KEY", "JWKSNoMatchingKey")),
    };
    if !key.verifies(signed.as_bytes(), &signature) {
        let name = "JWSSignatureVerificationFailed";
        return Err(Refusal::plain("ERR_JWS_SIGNATURE_VERIFICATION_FAILED", name));
    }
    let payload = decode(payload)?;
    let claims: Map<String, Value> =
        serde_json::from_slice(&payload).map_err(|_| Refusal::plain("ERR_JWT_INVALID", "JWTInvalid"))?;
    check_claims(&claims, expected).map_err(|(claim, reason)| Refusal::claim(claim, reason, &payload))?;
    Ok(claims)
}

fn check_claims(
    claims: &Map<String, Value>,
    expected: &Expected<'_>,
) -> Result<(), (&'static str, &'static str)> {
    for name in ["iss", "aud"] {
        if !claims.contains_key(name) {
            return Err((name, "missing"));
        }
    }
    let issuer = claims.get("iss").and_then(Value::as_str).unwrap_or_default();
    if !expected.issuers.contains(&issuer) {
        return Err(("iss", "check_failed"));
    }
    let audience = match claims.get("aud") {
        Some(Value::Array(values)) => values.iter().any(|value| value == expected.audience),
        Some(value) => value == expected.audience,
        None => false,
    };
    if !audience {
        return Err(("aud", "check_failed"));
    }
    let now = expected.now as f64;
    if claims.get("nbf").and_then(Value::as_f64).is_some_and(|nbf| nbf > now) {
        return Err(("nbf", "check_failed"));
    }
    match claims.get("exp").map(Value::as_f64) {
        Some(None) => Err(("exp", "invalid")),
        Some(Some(exp)) if exp <= now => Err(("exp", "check_failed")),
        _ => Ok(()),
    }
}

impl Key {
    fn generate(algorithm: Algorithm, id: String, created_at: u64) -> io::Result<Self> {
        let failed = |_| io::Error::other("no signing key could be made");
        let pair = match algorithm {
            Algorithm::Es384 => {
                Pair::Ec(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).map_err(failed)?)
            }
            Algorithm::Rs256 => Pair::Rsa(rsa::KeyPair::generate(rsa::KeySize::Rsa2048).map_err(failed)?),
        };
        let digest = digest::digest(&digest::SHA256, pair.public().as_slice());
        let verified = Mutex::default();
        Ok(Self { id, created_at, kid: URL_SAFE_NO_PAD.encode(digest), pair, verified })
    }

    fn algorithm(&self) -> Algorithm {
        match self.pair {
            Pair::Ec(_) => Algorithm::Es384,
            Pair::Rsa(_) => Algorithm::Rs256,
        }
    }

    fn info(&self, status: &'static str) -> KeyInfo<'_> {
        let signing_key_algorithm = self.algorithm().family();
        KeyInfo { id: &self.id, created_at: self.created_at, signing_key_algorithm, status }
    }

    fn sign(&self, header: &[u8], payload: &[u8]) -> io::Result<String> {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let failed = |_| io::Error::other("a token could not be signed");
        let random = SystemRandom::new();
        let signature = match &self.pair {
            Pair::Ec(pair) => pair.sign(&random, signed.as_bytes()).map_err(failed)?.as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature).map_err(failed)?;
                signature
            }
        };
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    fn verifies(&self, signed: &[u8], signature: &[u8]) -> bool {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&signed.len().to_be_bytes());
        context.update(signed);
        context.update(signature);
        let Ok(token) = <[u8; 32]>::try_from(context.finish().as_ref()) else { return false };
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if verified.contains(&token) {
            return true;
        }
        let right = self.signed(signed, signature);
        if right {
            if verified.len() >= REMEMBERED {
                verified.clear();
            }
            verified.insert(token);
        }
        right
    }

    fn signed(&self, signed: &[u8], signature: &[u8]) -> bool {
        let public = self.pair.public();
        match self.pair {
            Pair::Ec(_) => {
                UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, public).verify(signed, signature).is_ok()
            }
            Pair::Rsa(_) => {
                UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public).verify(signed, signature).is_ok()
            }
        }
    }

    fn jwk(&self) -> Value {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match &self.pair {
            Pair::Ec(pair) => {
                // Uncompressed point: 04, then x and y of 48 bytes each.
                let point = pair.public_key().as_ref();
                let (x, y) = point.get(1..).unwrap_or_default().split_at(48);
                json!({
                    "kty": "EC", "use": "sig", "kid": self.kid, "alg": "ES384",
                    "crv": "P-384", "x": encode(x), "y": encode(y),
                })
            }
            Pair::Rsa(pair) => {
                let (n, e) = rsa_integers(pair.public_key().as_ref()).unwrap_or_default();
                json!({
                    "kty": "RSA", "use": "sig", "kid": self.kid, "e": encode(e), "n": encode(n),
                })
            }
        }
    }
}

impl Pair {
    fn public(&self) -> Vec<u8> {
        match self {
            Self::Ec(pair) => pair.public_key().as_ref().to_vec(),
            Self::Rsa(pair) => pair.public_key().as_ref().to_vec(),
        }
    }
}

/// Modulus and exponent of a DER `RSAPublicKey` (RFC 8017 appendix A.1.1), without leading zeros.
fn rsa_integers(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (sequence, _) = der_value(der)?;
    let (modulus, rest) = der_value(sequence)?;
    let (exponent, _) = der_value(rest)?;
    let trim = |bytes: &'_ [u8]| bytes.iter().position(|byte| *byte != 0).unwrap_or(0);
    Some((modulus.get(trim(modulus)..)?, exponent.get(trim(exponent)..)?))
}

/// The content of the first DER element, and what follows it.
fn der_value(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let first = usize::from(*der.get(1)?);
    let long = first.saturating_sub(0x80);
    let len = match long {
        0 => first,
        _ => der.get(2..2 + long)?.iter().fold(0_usize, |len, byte| (len << 8) | usize::from(*byte)),
    };
    let start = 2 + long;
    Some((der.get(start..start.checked_add(len)?)?, der.get(start + len..)?))
}
