//! API keys. Only their SHA-256 is kept, and looked up: how long that takes says nothing about a key that is
//! not known already, and the last comparison takes the same time wherever two digests differ.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};

use super::{
    authenticator::{Authenticator, Finding, Outcome},
    cause::Cause,
    key::ApiKey,
    presented::{Client, Credential, Presented, bearer},
    seal::is_token,
};
use crate::{
    catalog::nearest,
    config,
    ids::{CallerIndex, CallerName},
    secret::Digest,
};

const KEY: Cause = Cause::new("unknown", "Claviger-Key is not a caller's key");
/// Where the header's value begins as one of `Authorization` does.
const KEY_WITH_SCHEME: Cause =
    Cause::new("scheme", "Claviger-Key begins with Bearer, where it has to be the key alone");
const BEARER: Cause =
    Cause::new("unknown", "the bearer token is neither a caller's key nor a token that is accepted here");
const BEARER_TWICE: Cause = Cause::new("unknown", "Authorization has Bearer twice");
/// In the two places of each other.
const SWAPPED: Cause = Cause::new(
    "unknown",
    "client_id is a caller's key, which goes into client_secret, with the caller's name in client_id",
);
/// What a client sends that has no value for it.
const UNSET: [&str; 4] = ["undefined", "null", "None", "nil"];
/// A place.
const CLIENT_SECRET: &str = "client_secret";
const CLIENT: Cause = Cause::new("unknown", "client_id and client_secret are not a caller's name and key");

/// Whether a cause leaves open what is wrong with what was sent.
pub(super) fn is_any_other(cause: &str) -> bool {
    [KEY, BEARER, CLIENT].iter().any(|it| cause.starts_with(&*it.text))
}

pub(super) struct ApiKeys {
    keys: HashMap<Digest, Arc<ApiKey>>,
    names: BTreeMap<CallerName, CallerIndex>,
}

impl ApiKeys {
    pub(super) fn new(config: &[config::Caller], keys: &[(Digest, Arc<ApiKey>)]) -> Self {
        Self {
            keys: keys.iter().cloned().collect(),
            names: (0..)
                .map(CallerIndex)
                .zip(config)
                .map(|(index, caller)| (caller.name.clone(), index))
                .collect(),
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

    /// With the caller whose name was likely meant. The name that was sent is not repeated: it may be anything.
    fn of_client(&self, id: &str, secret: &[u8]) -> Cause {
        if self.find(id.as_bytes()).is_some() {
            return SWAPPED;
        }
        // As a client secret it would be something else.
        if let Some(cause) = self.instead(CLIENT_SECRET, secret).filter(|_| !is_token(secret)) {
            return cause;
        }
        let is_name = self.names.contains_key(id);
        let near = if is_name { None } else { nearest(id, self.names.keys().map(CallerName::as_str)) };
        near.map_or(CLIENT, |near| {
            Cause::of("unknown", format!("{}: client_id is no caller's (did you mean {near}?)", CLIENT.text))
        })
    }

    /// What stands at `place` instead of a key, where that can be told. Nothing of it is repeated.
    fn instead(&self, place: &str, sent: &[u8]) -> Option<Cause> {
        let text = std::str::from_utf8(sent).ok()?;
        let digest = || Digest::from_hex(text.strip_prefix("sha256:").unwrap_or(text));
        let what = if sent.is_empty() {
            "empty: was a variable unset?"
        } else if matches!(sent, [first @ (b'"' | b'\''), .., last] if first == last) {
            "in quotes, which do not belong to it"
        } else if UNSET.contains(&text) {
            "what becomes of an unset variable"
        } else if text.starts_with(['$', '{', '<', '%', '[']) {
            "a variable or a template that nobody replaced"
        } else if digest().is_some_and(|digest| self.keys.contains_key(&digest)) {
            "the SHA-256 of a caller's key, and has to be the key itself"
        } else if self.names.contains_key(text) {
            "a caller's name, and has to be its key"
        } else if text.split_once([':', '=']).is_some_and(|(name, _)| self.names.contains_key(name)) {
            "a caller's name with something behind it, and has to be the key alone"
        } else if self.is_encoded(text) {
            "the base64 of a caller's key, and has to be the key itself"
        } else if is_path(text) {
            "a path, and has to be what the file has in it"
        } else if is_jwt(sent) && place == CLIENT_SECRET {
            "a JWT, which goes as client_assertion"
        } else if is_jwt(sent) {
            "a JWT, which is accepted as Authorization: Bearer alone, and of configured issuers"
        } else if is_token(sent) {
            "a token of the broker, which goes as Authorization: Bearer"
        } else {
            return None;
        };
        Some(Cause::of("unknown", format!("{place} is {what}")))
    }

    /// Whether it is the base64 of a key, mostly with the end of a line.
    fn is_encoded(&self, text: &str) -> bool {
        BASE64.decode(text).is_ok_and(|bytes| self.find(bytes.trim_ascii()).is_some())
    }

    /// The key that is presented, if it is one.
    fn presented(&self, presented: &Presented<'_>) -> Option<(Digest, &Arc<ApiKey>)> {
        match presented.credential {
            Some(Credential::Key(key) | Credential::Bearer(key)) => self.find(key),
            Some(Credential::Client(Client::Secret { id, secret, raw })) => {
                let found = self.find(secret).or_else(|| self.find(raw));
                found.filter(|(_, key)| self.names.get(id) == Some(&key.caller()))
            }
            _ => None,
        }
    }

    /// What is to be said where there is none.
    fn otherwise(&self, presented: &Presented<'_>) -> Finding {
        match presented.credential {
            Some(Credential::Key(key)) => Finding::Rejected(match key.trim_ascii() {
                it if bearer(it).is_some() => KEY_WITH_SCHEME,
                it => self.instead("Claviger-Key", it).unwrap_or(KEY),
            }),
            Some(Credential::Bearer(key)) => Finding::Pass(match key {
                // There is a better cause already.
                _ if is_token(key) => None,
                // Mostly a good one, of an issuer that is asked next; else that method says what is wrong with it.
                _ if is_jwt(key) => Some(BEARER),
                _ if bearer(key).is_some() => Some(BEARER_TWICE),
                _ => Some(self.instead("the bearer token", key).unwrap_or(BEARER)),
            }),
            Some(Credential::Client(Client::Secret { id, secret, .. })) => {
                Finding::Pass(Some(self.of_client(id, secret)))
            }
            _ => Finding::Pass(None),
        }
    }
}

/// Whether it names a file. A key may begin with a slash as well, as one in base64 does now and then.
fn is_path(text: &str) -> bool {
    let first = text.strip_prefix('/').and_then(|rest| rest.split_once('/')).map(|(first, _)| first);
    text.starts_with("file:/")
        || first.is_some_and(|it| it.len() > 1 && it.bytes().all(|c| c.is_ascii_lowercase()))
}

/// Whether it has the form of a JWT.
fn is_jwt(sent: &[u8]) -> bool {
    sent.starts_with(b"eyJ") && sent.iter().filter(|byte| **byte == b'.').count() == 2
}

impl Authenticator for ApiKeys {
    fn name(&self) -> &'static str {
        "api_key"
    }

    fn authenticate<'a>(&'a self, presented: &'a Presented<'_>) -> Outcome<'a> {
        let found = self.presented(presented);
        found.map_or_else(|| self.otherwise(presented), |(_, key)| Finding::Known(key.into())).into()
    }

    fn key(&self, presented: &Presented<'_>) -> Option<Digest> {
        self.presented(presented).map(|(digest, _)| digest)
    }

    fn is_credential(&self, text: &[u8]) -> bool {
        self.find(text).is_some()
    }
}
