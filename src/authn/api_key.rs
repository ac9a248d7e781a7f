//! API keys. Only their SHA-256 is kept, and looked up: how long that takes says nothing about a key that is
//! not known already, and the last comparison takes the same time wherever two digests differ.

use std::{collections::HashMap, sync::Arc};

use super::{
    authenticator::{Authenticator, Finding, Outcome},
    cause::Cause,
    key::ApiKey,
    presented::{Client, Credential, Presented, bearer},
    seal::is_token,
};
use crate::{catalog::nearest, config, ids::CallerName, secret::Digest};

const HEADER: &str = "Claviger-Key";
const KEY: Cause = Cause::new("unknown", "Claviger-Key is not a caller's key");
/// Where the header's value begins as one of `Authorization` does.
const KEY_WITH_SCHEME: Cause =
    Cause::new("scheme", "Claviger-Key begins with Bearer, where it has to be the key alone");
const BEARER: Cause =
    Cause::new("unknown", "the bearer token is neither a caller's key nor a token that is accepted here");
const BEARER_TWICE: Cause = Cause::new("unknown", "Authorization has Bearer twice");
const CLIENT: Cause = Cause::new("unknown", "client_id and client_secret are not a caller's name and key");

/// Whether a cause leaves open what is wrong with what was sent.
pub(super) fn is_any_other(cause: &str) -> bool {
    [KEY, BEARER, CLIENT].iter().any(|it| cause.starts_with(&*it.text))
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

    /// With the caller whose name was likely meant. The name that was sent is not repeated: it may be anything.
    fn of_client(&self, id: &str) -> Cause {
        let names = || self.names.iter().map(CallerName::as_str);
        let near = if names().any(|name| name == id) { None } else { nearest(id, names()) };
        near.map_or(CLIENT, |near| {
            Cause::of("unknown", format!("{}: client_id is no caller's (did you mean {near}?)", CLIENT.text))
        })
    }

    /// What stands at `place` instead of a key, where that can be told. Nothing of it is repeated.
    fn instead(&self, place: &str, sent: &[u8]) -> Option<Cause> {
        let text = std::str::from_utf8(sent).ok()?;
        let digest = || Digest::from_hex(text.strip_prefix("sha256:").unwrap_or(text));
        let name = text.split_once(':').map_or("", |(name, _)| name);
        let what = if sent.is_empty() {
            "empty: was a variable unset?"
        } else if matches!(sent, [first @ (b'"' | b'\''), .., last] if first == last) {
            "in quotes, which do not belong to it"
        } else if text.starts_with(['$', '{']) {
            "a variable or a template that nobody replaced"
        } else if digest().is_some_and(|digest| self.keys.contains_key(&digest)) {
            "the SHA-256 of a caller's key, and has to be the key itself"
        } else if self.names.iter().any(|known| known.as_str() == name) {
            "a caller's name with something behind it, and has to be the key alone"
        } else if place == HEADER && text.starts_with("eyJ") && text.matches('.').count() == 2 {
            // Of a bearer token the method for JWTs says what is wrong.
            "a JWT, which is accepted as Authorization: Bearer alone, and of configured issuers"
        } else if is_token(sent) {
            "a token of the broker, which goes as Authorization: Bearer"
        } else {
            return None;
        };
        Some(Cause::of("unknown", format!("{place} is {what}")))
    }

    /// The key, and the finding where there is none.
    fn verify(&self, presented: &Presented<'_>) -> (Option<(Digest, &Arc<ApiKey>)>, Finding) {
        match presented.credential {
            Some(Credential::Key(key)) => {
                let wrong = match key.trim_ascii() {
                    it if bearer(it).is_some() => KEY_WITH_SCHEME,
                    it => self.instead(HEADER, it).unwrap_or(KEY),
                };
                (self.find(key), Finding::Rejected(wrong))
            }
            // Of a token of the broker there is a better cause already.
            Some(Credential::Bearer(key)) => {
                let wrong = match key {
                    _ if bearer(key).is_some() => BEARER_TWICE,
                    _ => self.instead("the bearer token", key).unwrap_or(BEARER),
                };
                (self.find(key), Finding::Pass((!is_token(key)).then_some(wrong)))
            }
            Some(Credential::Client(Client::Secret { id, secret, raw })) => {
                let found = self.find(secret).or_else(|| self.find(raw));
                (
                    found.filter(|(_, key)| self.names[key.caller().0].as_str() == id),
                    Finding::Pass(Some(self.of_client(id))),
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
