//! Claviger tokens: what the broker hands out instead of an upstream token. Opaque, bound to a caller,
//! short-lived, valid only here. Sealed with AES-256-GCM-SIV (RFC 8452), so that nothing need be stored and
//! replicas with the same `broker.key` accept each other's. One that was issued for an API key ends with that key.
//!
//! `cvt_` + base64url(nonce ‖ seal(expiry ‖ mark of the key ‖ caller name)).

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{
    aead::{AES_256_GCM_SIV, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    hkdf,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use moka::sync::Cache;

use super::{
    authenticator::{Authenticator, Finding, Outcome},
    cause::{Cause, Rounded},
    presented::{Credential, Presented},
};
use crate::{
    clock::Clock,
    config,
    ids::{CallerIndex, CallerName},
    secret::{Digest, Secret},
};

/// Marks a token as ours, for people, for secret scanners, and to tell it from an API key.
const PREFIX: &str = "cvt_";
const AAD: &[u8] = b"claviger token 2";
/// Opened tokens that are remembered, so that each is opened once.
const REMEMBERED: u64 = 10_000;
/// The longest possible token: prefix, nonce, expiry, name and tag in base64.
const MAX_LEN: usize = 256;

/// Seals and opens tokens. Cheap to clone.
#[derive(Clone)]
pub struct Seal {
    key: Arc<RandomizedNonceKey>,
    opened: Cache<Digest, Opened>,
}

#[derive(Clone)]
struct Opened {
    caller: CallerName,
    key: KeyMark,
    expires: SystemTime,
}

/// What a token knows its API key by: the start of the key's digest, or zeros where it was issued without one.
type KeyMark = [u8; 8];
const NO_KEY: KeyMark = [0; 8];

fn mark(key: &Digest) -> KeyMark {
    let mut mark = NO_KEY;
    mark.copy_from_slice(&key.as_bytes()[..NO_KEY.len()]);
    mark
}

/// The key could not be made: the machine has no randomness to give.
#[derive(Debug, thiserror::Error)]
#[error("no key for the broker's tokens could be made")]
pub struct SealError;

impl Seal {
    /// A seal with a key derived from `broker.key` (HKDF-SHA256, RFC 5869), or with a random one.
    ///
    /// # Errors
    /// [`SealError`] when the system gives no random bytes.
    pub fn new(key: Option<&Secret>) -> Result<Self, SealError> {
        let mut bytes = zeroize::Zeroizing::new([0; 32]);
        match key {
            Some(secret) => hkdf::Salt::new(hkdf::HKDF_SHA256, b"claviger")
                .extract(secret.expose())
                .expand(&[AAD], hkdf::HKDF_SHA256)
                .and_then(|okm| okm.fill(&mut *bytes))
                .map_err(|_| SealError)?,
            None => aws_lc_rs::rand::fill(&mut *bytes).map_err(|_| SealError)?,
        }
        let key = RandomizedNonceKey::new(&AES_256_GCM_SIV, &*bytes).map_err(|_| SealError)?;
        Ok(Self { key: Arc::new(key), opened: Cache::new(REMEMBERED) })
    }

    /// A token for `caller`, authenticated by `key` if it was by an API key, that expires `ttl` after `now`.
    ///
    /// # Errors
    /// [`SealError`] when the system gives no random bytes.
    pub fn issue(
        &self,
        caller: &CallerName,
        key: Option<&Digest>,
        now: SystemTime,
        ttl: Duration,
    ) -> Result<Secret, SealError> {
        let expires = now.duration_since(UNIX_EPOCH).unwrap_or_default().saturating_add(ttl).as_secs();
        let mut text = expires.to_be_bytes().to_vec();
        text.extend_from_slice(&key.map_or(NO_KEY, mark));
        text.extend_from_slice(caller.as_str().as_bytes());
        let nonce = self.key.seal_in_place_append_tag(Aad::from(AAD), &mut text).map_err(|_| SealError)?;
        let mut sealed = nonce.as_ref().to_vec();
        sealed.append(&mut text);
        Ok(Secret::new(format!("{PREFIX}{}", BASE64.encode(sealed)).into_bytes()))
    }

    fn open(&self, token: &[u8]) -> Option<Opened> {
        let digest = Digest::of(token);
        if let Some(opened) = self.opened.get(&digest) {
            return Some(opened);
        }
        let mut sealed = BASE64.decode(token.get(PREFIX.len()..)?).ok()?;
        let (nonce, text) = sealed.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let text = self.key.open_in_place(nonce, Aad::from(AAD), text).ok()?;
        let (expires, text) = text.split_first_chunk()?;
        let (key, caller) = text.split_first_chunk()?;
        let opened = Opened {
            key: *key,
            caller: CallerName::parse(std::str::from_utf8(caller).ok()?).ok()?,
            expires: UNIX_EPOCH.checked_add(Duration::from_secs(u64::from_be_bytes(*expires)))?,
        };
        self.opened.insert(digest, opened.clone());
        Some(opened)
    }
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal(..)")
    }
}

pub(super) struct ClavigerToken {
    seal: Seal,
    clock: Clock,
    callers: HashMap<CallerName, (CallerIndex, Vec<KeyMark>)>,
}

impl ClavigerToken {
    pub(super) fn new(config: &[config::Caller], seal: Seal, clock: Clock) -> Self {
        let callers = config
            .iter()
            .enumerate()
            .map(|(index, caller)| {
                let keys = caller.identify.iter().flat_map(|identity| match identity {
                    config::Identity::ApiKey(digests) => digests.iter().map(mark).collect(),
                    _ => Vec::new(),
                });
                (caller.name.clone(), (CallerIndex(index), keys.collect()))
            })
            .collect();
        Self { seal, clock, callers }
    }

    fn find(&self, token: &[u8]) -> Result<CallerIndex, Cause> {
        let opened = self.seal.open(token).ok_or(SEALED)?;
        if let Ok(ago) = self.clock.now().wall.duration_since(opened.expires) {
            return Err(expired(ago));
        }
        let (caller, keys) = self.callers.get(&opened.caller).ok_or(CALLER_GONE)?;
        let has_key = opened.key == NO_KEY || keys.contains(&opened.key);
        has_key.then_some(*caller).ok_or(KEY_GONE)
    }
}

impl Authenticator for ClavigerToken {
    fn name(&self) -> &'static str {
        "claviger_token"
    }

    fn authenticate<'a>(&'a self, presented: &'a Presented<'_>) -> Outcome<'a> {
        let finding = match presented.credential {
            Some(Credential::Bearer(token))
                if token.starts_with(PREFIX.as_bytes()) && token.len() <= MAX_LEN =>
            {
                self.find(token).map_or_else(Finding::Rejected, Finding::Known)
            }
            _ => Finding::Pass(None),
        };
        finding.into()
    }

    fn is_credential(&self, text: &[u8]) -> bool {
        text.starts_with(PREFIX.as_bytes())
    }
}

/// Sealed with another key, or changed.
const SEALED: Cause =
    Cause::new("sealed", "broker token: cannot be opened (another broker.key, or a restart without one?)");
const CALLER_GONE: Cause =
    Cause::new("no_caller", "broker token: its caller is no longer in the configuration");
const KEY_GONE: Cause = Cause::new(
    "key_gone",
    "broker token: the API key that it was issued for is no longer in the configuration",
);

fn expired(ago: Duration) -> Cause {
    Cause::of("expired", format!("broker token: expired {} ago", Rounded(ago)))
}
