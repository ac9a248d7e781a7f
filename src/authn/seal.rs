//! The broker's tokens as bytes: sealed with AES-256-GCM-SIV (RFC 8452), so that nothing need be stored. By the key of
//! `broker.key`; without one by a key made of a client secret of the tenant that the token is for (HKDF-SHA256, RFC 5869),
//! so that restarts and replicas with the same secrets agree; where there is neither, by one that ends with the process.
//!
//! `cvt_` + base64url(nonce ‖ length of the tenant's name ‖ tenant ‖ seal(expiry ‖ mark of the key ‖ caller name)).
//!
//! Whoever has the secret of a tenant could make such a token for any caller. So one that names a tenant is good at
//! that tenant alone, where the secret is worth as much without us. It never opens by another tenant's.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{
    aead::{AES_256_GCM_SIV, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    hkdf,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use moka::sync::Cache;
use zeroize::Zeroizing;

use super::sealing_secrets::SealingSecrets;
use crate::{
    ids::{CallerName, TenantName},
    secret::{Digest, Secret},
};

/// Marks a token as ours, for people, for secret scanners, and to tell it from an API key.
const PREFIX: &str = "cvt_";
/// Likewise of the API keys that `claviger caller key` makes.
const KEY_PREFIX: &str = "cvk_";
/// What keys are made for, and what is sealed along with the tenant's name.
const PURPOSE: &[u8] = b"claviger token 3";
/// Opened tokens that are remembered, so that each is opened once.
const REMEMBERED: u64 = 10_000;
/// The longest possible token: prefix, nonce, expiry, names and tag in base64.
const MAX_LEN: usize = 256;

/// Where the tenants' secrets are found.
pub trait TenantSecrets: Send + Sync {
    /// Those of a tenant, if there is one of that name.
    fn sealing(&self, tenant: &str) -> Option<SealingSecrets>;
}

/// Seals and opens tokens. Cheap to clone.
#[derive(Clone)]
pub struct Seal {
    key: Arc<RandomizedNonceKey>,
    opened: Cache<Digest, Opened>,
    /// `None` where `broker.key` says how tokens are sealed.
    tenants: Option<Arc<dyn TenantSecrets>>,
}

/// What is in a token.
#[derive(Clone)]
pub(super) struct Opened {
    pub(super) caller: CallerName,
    /// The API key that it was got with.
    pub(super) key: KeyMark,
    pub(super) expires: SystemTime,
    by: Option<(TenantName, Secret)>,
}

/// What a token knows its API key by: the start of the key's digest, or zeros where it was issued without one.
pub(super) type KeyMark = [u8; 8];
pub(super) const NO_KEY: KeyMark = [0; 8];

pub(super) fn mark(key: &Digest) -> KeyMark {
    let mut mark = NO_KEY;
    mark.copy_from_slice(&key.as_bytes()[..NO_KEY.len()]);
    mark
}

/// Whether `text` is a token of the broker, to look at.
pub(super) fn is_token(text: &[u8]) -> bool {
    text.starts_with(PREFIX.as_bytes())
}

/// Whether a token of the broker, or a key that Claviger made, whoever has it now, is, or may be, somewhere in `text`.
pub(super) fn holds_token(text: &[u8]) -> bool {
    [PREFIX, KEY_PREFIX].iter().any(|it| memchr::memmem::find(text, it.as_bytes()).is_some())
}

/// The key could not be made: the machine has no randomness to give.
#[derive(Debug, thiserror::Error)]
#[error("no key for the broker's tokens could be made")]
pub struct SealError;

impl Seal {
    /// A seal with a key derived from `broker.key`, or with a random one.
    ///
    /// # Errors
    /// [`SealError`] when the system gives no random bytes.
    pub fn new(key: Option<&Secret>) -> Result<Self, SealError> {
        let key = match key {
            Some(secret) => derived(secret, &[PURPOSE])?,
            None => {
                let mut bytes = Zeroizing::new([0; 32]);
                aws_lc_rs::rand::fill(&mut *bytes).map_err(|_| SealError)?;
                RandomizedNonceKey::new(&AES_256_GCM_SIV, &*bytes).map_err(|_| SealError)?
            }
        };
        Ok(Self { key: Arc::new(key), opened: Cache::new(REMEMBERED), tenants: None })
    }

    /// The same, which seals by the secrets of tenants that have any.
    #[must_use]
    pub fn by_tenants(self, tenants: Arc<dyn TenantSecrets>) -> Self {
        Self { tenants: Some(tenants), ..self }
    }

    /// A token for `caller`, authenticated by `key` if it was by an API key, that expires `ttl` after `now`. It was asked for
    /// at `tenant`, and is good there alone if that tenant's secret seals it.
    ///
    /// # Errors
    /// [`SealError`] when the system gives no random bytes.
    pub fn issue_at(
        &self,
        tenant: &TenantName,
        caller: &CallerName,
        key: Option<&Digest>,
        now: SystemTime,
        ttl: Duration,
    ) -> Result<Secret, SealError> {
        let secrets = self.tenants.as_ref().and_then(|tenants| tenants.sealing(tenant.as_str()));
        let Some(newest) = secrets.as_ref().and_then(SealingSecrets::newest) else {
            return self.issue(caller, key, now, ttl);
        };
        seal(&of_tenant(newest, tenant)?, tenant.as_str(), text(caller, key, now, ttl))
    }

    /// The same for every tenant of the caller.
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
        seal(&self.key, "", text(caller, key, now, ttl))
    }

    /// What is in a token, if it is one that a key of now opens.
    pub(super) fn open(&self, token: &[u8]) -> Option<Opened> {
        let digest = Digest::of(token);
        let opened = match self.opened.get(&digest) {
            Some(opened) => opened,
            None => {
                let opened = self.unsealed(token)?;
                self.opened.insert(digest, opened.clone());
                opened
            }
        };
        // Secrets come and go while an opened token is remembered.
        let is_good = match &opened.by {
            None => true,
            Some((tenant, secret)) => self.secrets_of(tenant.as_str())?.vouch_for(secret, opened.expires),
        };
        is_good.then_some(opened)
    }

    fn unsealed(&self, token: &[u8]) -> Option<Opened> {
        if token.len() > MAX_LEN {
            return None;
        }
        let bytes = BASE64.decode(token.strip_prefix(PREFIX.as_bytes())?).ok()?;
        let (nonce, rest) = bytes.split_first_chunk::<NONCE_LEN>()?;
        let (length, rest) = rest.split_first()?;
        let (tenant, sealed) = rest.split_at_checked(usize::from(*length))?;
        if tenant.is_empty() {
            return Opened::of(&opened(&self.key, nonce, "", sealed)?, None);
        }
        let tenant = TenantName::parse(std::str::from_utf8(tenant).ok()?).ok()?;
        self.secrets_of(tenant.as_str())?.all().find_map(|secret| {
            let text = opened(&of_tenant(secret, &tenant).ok()?, nonce, tenant.as_str(), sealed)?;
            Opened::of(&text, Some((tenant.clone(), secret.clone())))
        })
    }

    fn secrets_of(&self, tenant: &str) -> Option<SealingSecrets> {
        self.tenants.as_ref()?.sealing(tenant)
    }
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal(..)")
    }
}

impl Opened {
    fn of(text: &[u8], by: Option<(TenantName, Secret)>) -> Option<Self> {
        let (expires, text) = text.split_first_chunk()?;
        let (key, caller) = text.split_first_chunk()?;
        Some(Self {
            key: *key,
            caller: CallerName::parse(std::str::from_utf8(caller).ok()?).ok()?,
            expires: UNIX_EPOCH.checked_add(Duration::from_secs(u64::from_be_bytes(*expires)))?,
            by,
        })
    }

    /// The only tenant that it is good at, if there is just one.
    pub(super) fn tenant(&self) -> Option<&TenantName> {
        self.by.as_ref().map(|(tenant, _)| tenant)
    }
}

fn text(caller: &CallerName, key: Option<&Digest>, now: SystemTime, ttl: Duration) -> Vec<u8> {
    let expires = now.duration_since(UNIX_EPOCH).unwrap_or_default().saturating_add(ttl).as_secs();
    [&expires.to_be_bytes()[..], &key.map_or(NO_KEY, mark), caller.as_str().as_bytes()].concat()
}

/// The key of one tenant's secret. The name is part of it: two tenants with the same secret have different keys.
fn of_tenant(secret: &Secret, tenant: &TenantName) -> Result<RandomizedNonceKey, SealError> {
    derived(secret, &[PURPOSE, b" of tenant ", tenant.as_str().as_bytes()])
}

fn derived(secret: &Secret, info: &[&[u8]]) -> Result<RandomizedNonceKey, SealError> {
    let mut bytes = Zeroizing::new([0; 32]);
    hkdf::Salt::new(hkdf::HKDF_SHA256, b"claviger")
        .extract(secret.expose())
        .expand(info, hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut *bytes))
        .and_then(|()| RandomizedNonceKey::new(&AES_256_GCM_SIV, &*bytes))
        .map_err(|_| SealError)
}

fn seal(key: &RandomizedNonceKey, tenant: &str, mut text: Vec<u8>) -> Result<Secret, SealError> {
    let nonce = key.seal_in_place_append_tag(bound_to(tenant), &mut text).map_err(|_| SealError)?;
    let length = u8::try_from(tenant.len()).map_err(|_| SealError)?;
    let token = [&nonce.as_ref()[..], &[length], tenant.as_bytes(), &text].concat();
    Ok(Secret::new(format!("{PREFIX}{}", BASE64.encode(token)).into_bytes()))
}

fn opened(
    key: &RandomizedNonceKey,
    nonce: &[u8; NONCE_LEN],
    tenant: &str,
    sealed: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let mut text = Zeroizing::new(sealed.to_vec());
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let length = key.open_in_place(nonce, bound_to(tenant), &mut text).ok()?.len();
    text.truncate(length);
    Some(text)
}

/// The name cannot be exchanged for another.
fn bound_to(tenant: &str) -> Aad<Vec<u8>> {
    Aad::from([PURPOSE, tenant.as_bytes()].concat())
}
