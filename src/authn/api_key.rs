//! API keys. Only their SHA-256 is kept, and looked up: how long that takes says nothing about a key that is
//! not known already, and the last comparison takes the same time wherever two digests differ. Keys of one caller are
//! told apart by their labels, each with its last use, so that nobody has to guess which one may be taken out.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::time::Instant;

use super::{
    authenticator::{Authenticator, Finding, Outcome},
    cause::Cause,
    presented::{Client, Credential, Presented},
    seal::is_token,
};
use crate::{
    clock::Moment,
    config,
    ids::{CallerIndex, CallerName, KeyLabel},
    secret::Digest,
    usage::{Usage, Used},
};

const KEY: Cause = Cause::new("unknown", "Claviger-Key is not a caller's key");
const BEARER: Cause =
    Cause::new("unknown", "the bearer token is neither a caller's key nor a token that is accepted here");
const CLIENT: Cause = Cause::new("unknown", "client_id and client_secret are not a caller's name and key");

/// An API key of a caller, as far as anybody may know it.
#[derive(Debug)]
pub struct ApiKey {
    caller: CallerIndex,
    label: KeyLabel,
    usage: Arc<Usage>,
}

impl ApiKey {
    /// Whose it is.
    pub fn caller(&self) -> CallerIndex {
        self.caller
    }

    /// Its label; where it has none, its place among the caller's keys, from 1.
    pub fn label(&self) -> &KeyLabel {
        &self.label
    }

    /// Its uses, those of broker tokens that were got with it included; `None` where there was none since the start.
    pub fn used(&self, now: Moment) -> Option<Used> {
        self.usage.read(now)
    }

    pub(super) fn note_use(&self, now: Instant) {
        self.usage.note(now);
    }
}

/// The uses of API keys across reloads, by caller and key.
#[derive(Debug, Clone, Default)]
pub struct KeyUsage(Arc<Mutex<Uses>>);

type Uses = HashMap<(CallerName, Digest), Arc<Usage>>;

impl KeyUsage {
    /// The keys of these callers, in their order. What is known of others is forgotten.
    pub(super) fn keys(&self, callers: &[config::Caller]) -> Vec<(Digest, Arc<ApiKey>)> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut kept, mut keys) = (Uses::new(), Vec::new());
        for (index, caller) in callers.iter().enumerate() {
            for (digest, label) in caller.api_keys() {
                let of = (caller.name.clone(), digest);
                let usage = known.remove(&of).or_else(|| kept.get(&of).cloned()).unwrap_or_default();
                kept.insert(of, usage.clone());
                keys.push((digest, Arc::new(ApiKey { caller: CallerIndex(index), label, usage })));
            }
        }
        *known = kept;
        keys
    }
}

pub(super) struct ApiKeys {
    keys: HashMap<Digest, Arc<ApiKey>>,
    names: Vec<CallerName>,
}

impl ApiKeys {
    pub(super) fn new(config: &[config::Caller], keys: &[(Digest, Arc<ApiKey>)]) -> Self {
        Self {
            keys: keys.iter().cloned().collect(),
            names: config.iter().map(|caller| caller.name.clone()).collect(),
        }
    }

    fn find(&self, key: &[u8]) -> Option<(Digest, &Arc<ApiKey>)> {
        if self.keys.is_empty() {
            return None;
        }
        let presented = Digest::of(key);
        let (digest, known) = self.keys.get_key_value(&presented)?;
        digest.matches(&presented).then_some((presented, known))
    }

    /// The key, and the finding where there is none.
    fn verify(&self, presented: &Presented<'_>) -> (Option<(Digest, &Arc<ApiKey>)>, Finding) {
        match presented.credential {
            Some(Credential::Key(key)) => (self.find(key), Finding::Rejected(KEY)),
            // Of a token of the broker there is a better cause already.
            Some(Credential::Bearer(key)) => {
                (self.find(key), Finding::Pass((!is_token(key)).then_some(BEARER)))
            }
            Some(Credential::Client(Client::Secret { id, secret, raw })) => {
                let found = self.find(secret).or_else(|| self.find(raw));
                (
                    found.filter(|(_, key)| self.names[key.caller.0].as_str() == id),
                    Finding::Pass(Some(CLIENT)),
                )
            }
            _ => (None, Finding::Pass(None)),
        }
    }
}

impl Authenticator for ApiKeys {
    fn name(&self) -> &'static str {
        "api_key"
    }

    fn authenticate<'a>(&'a self, presented: &'a Presented<'_>) -> Outcome<'a> {
        let (found, otherwise) = self.verify(presented);
        found.map_or(otherwise, |(_, key)| Finding::Known(key.into())).into()
    }

    fn key(&self, presented: &Presented<'_>) -> Option<Digest> {
        self.verify(presented).0.map(|(digest, _)| digest)
    }

    fn is_credential(&self, text: &[u8]) -> bool {
        self.find(text).is_some()
    }
}
