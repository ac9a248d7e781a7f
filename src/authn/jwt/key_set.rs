//! A JSON Web Key Set (RFC 7517): public keys for signatures, of a kind and size that is safe. Any other key in it is
//! ignored, so that an issuer may publish what it likes.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use jsonwebtoken::{Algorithm as Jose, DecodingKey, Validation};
use serde::{Deserialize, de::IgnoredAny};

use crate::{config::Algorithm, secret::Digest};

/// How many keys with the same id a token is verified with at most.
const TRIED: usize = 4;
/// NIST SP 800-131A, RFC 7518 section 3.3; and the most that the library verifies.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Why a document is not a usable key set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// Not a JSON object with an array `keys`.
    #[error("this is not a JSON Web Key Set")]
    Form,
    /// A file without a usable key; how many others it has.
    #[error("{} a public key for RS, PS, ES256, ES384 or EdDSA signatures", if *.0 == 1 { "its one key is not".to_owned() } else { format!("none of its {} keys is", .0) })]
    Useless(usize),
}

/// The keys of an issuer.
#[derive(Debug, Default)]
pub(super) struct KeySet {
    keys: Vec<Arc<Key>>,
    ignored: usize,
}

/// One key.
#[derive(Debug)]
pub(super) struct Key {
    kid: Option<String>,
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
    digest: Digest,
}

impl KeySet {
    pub(super) fn parse(json: &[u8]) -> Result<Self, KeySetError> {
        #[derive(Deserialize)]
        struct Document {
            keys: Vec<serde_json::Value>,
        }
        let document: Document = serde_json::from_slice(json).map_err(|_| KeySetError::Form)?;
        let all = document.keys.len();
        let keys: Vec<_> = document.keys.into_iter().filter_map(Key::read).map(Arc::new).collect();
        Ok(Self { ignored: all - keys.len(), keys })
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The ids of its keys, for those that have one.
    pub(super) fn kids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().filter_map(|key| key.kid.as_deref())
    }

    pub(super) fn ignored(&self) -> usize {
        self.ignored
    }

    /// The keys that a token with this header may be signed with. One without a key id is for issuers with a
    /// single key (of a kind).
    pub(super) fn candidates(&self, kid: Option<&str>, alg: Algorithm) -> Vec<Arc<Key>> {
        let fits = |key: &&Arc<Key>| key.algorithms.contains(&alg);
        let fitting = self.keys.iter().filter(fits);
        match kid {
            Some(kid) => fitting.filter(|key| key.kid.as_deref() == Some(kid)).take(TRIED).cloned().collect(),
            None => {
                let all: Vec<_> = fitting.take(2).cloned().collect();
                if all.len() == 1 { all } else { Vec::new() }
            }
        }
    }

    pub(super) fn holds(&self, digest: &Digest) -> bool {
        self.keys.iter().any(|key| key.digest == *digest)
    }
}

/// The members of a JWK that matter (RFC 7517 section 4, RFC 7518 section 6, RFC 8037 section 2).
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    d: Option<IgnoredAny>,
}

impl Key {
    fn read(jwk: serde_json::Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(jwk).ok()?;
        let verifies = jwk.key_ops.as_ref().is_none_or(|all| all.iter().any(|one| one == "verify"));
        // Whoever can read the key set could sign with a key whose private part is in it.
        if jwk.purpose.as_deref().is_some_and(|purpose| purpose != "sig") || !verifies || jwk.d.is_some() {
            return None;
        }
        let bytes = |member: &Option<String>| BASE64.decode(member.as_deref()?).ok();
        let (algorithms, material, key): (&[Algorithm], _, _) = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("RSA", _) => {
                let (n, e) = (bytes(&jwk.n)?, bytes(&jwk.e)?);
                // Some put the zero byte of a signed number in front; the library does not take it.
                let (n, e) = (significant(&n), significant(&e));
                if !RSA_BITS.contains(&bits(n)) || bits(e) < 2 || e.last().is_none_or(|last| last % 2 == 0) {
                    return None;
                }
                let material = [&n.len().to_be_bytes(), n, e].concat();
                (&RSA, material, DecodingKey::from_rsa_raw_components(n, e))
            }
            ("EC", Some("P-256")) => point(&[Algorithm::Es256], &bytes(&jwk.x)?, &bytes(&jwk.y)?, 32)?,
            ("EC", Some("P-384")) => point(&[Algorithm::Es384], &bytes(&jwk.x)?, &bytes(&jwk.y)?, 48)?,
            ("OKP", Some("Ed25519")) => {
                let x = bytes(&jwk.x).filter(|x| x.len() == 32)?;
                (&[Algorithm::EdDsa], x.clone(), DecodingKey::from_ed_der(&x))
            }
            _ => return None,
        };
        let algorithms: Vec<_> = match &jwk.alg {
            None => algorithms.to_vec(),
            Some(only) => algorithms.iter().copied().filter(|alg| alg.as_str() == only).collect(),
        };
        let digest = Digest::of(&[jwk.kty.as_bytes(), &material].concat());
        (!algorithms.is_empty()).then_some(Self { kid: jwk.kid, algorithms, key, digest })
    }

    /// Identifies the key by its kind and material, whatever its id.
    pub(super) fn digest(&self) -> Digest {
        self.digest
    }

    /// Whether the signature of `token` is this key's, and the library finds nothing else wrong.
    pub(super) fn verifies(&self, token: &str, validation: &Validation) -> bool {
        #[cfg(test)]
        VERIFICATIONS.set(VERIFICATIONS.get() + 1);
        jsonwebtoken::decode::<IgnoredAny>(token, &self.key, validation).is_ok()
    }
}

#[cfg(test)]
thread_local! {
    /// How often a signature was verified.
    pub(super) static VERIFICATIONS: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

const RSA: [Algorithm; 6] = [
    Algorithm::Rs256,
    Algorithm::Rs384,
    Algorithm::Rs512,
    Algorithm::Ps256,
    Algorithm::Ps384,
    Algorithm::Ps512,
];

/// A point in uncompressed form (SEC 1 section 2.3.3). That it is on the curve is seen when it is used.
fn point<'a>(
    algorithms: &'a [Algorithm],
    x: &[u8],
    y: &[u8],
    len: usize,
) -> Option<(&'a [Algorithm], Vec<u8>, DecodingKey)> {
    if x.len() != len || y.len() != len {
        return None;
    }
    let point = [&[4], x, y].concat();
    let key = DecodingKey::from_ec_der(&point);
    Some((algorithms, point, key))
}

fn significant(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}

fn bits(significant: &[u8]) -> usize {
    significant.first().map_or(0, |first| significant.len() * 8 - first.leading_zeros() as usize)
}

/// The library's name for an algorithm.
pub(super) fn jose(alg: Algorithm) -> Jose {
    match alg {
        Algorithm::Rs256 => Jose::RS256,
        Algorithm::Rs384 => Jose::RS384,
        Algorithm::Rs512 => Jose::RS512,
        Algorithm::Ps256 => Jose::PS256,
        Algorithm::Ps384 => Jose::PS384,
        Algorithm::Ps512 => Jose::PS512,
        Algorithm::Es256 => Jose::ES256,
        Algorithm::Es384 => Jose::ES384,
        Algorithm::EdDsa => Jose::EdDSA,
    }
}
