//! API keys. Only their SHA-256 is kept, and looked up: how long that takes says nothing about a key that is
//! not known already, and the last comparison takes the same time wherever two digests differ.

use std::collections::HashMap;

use super::{Cause, Client, Credential, Finding, Presented, Way, identities};
use crate::{
    config,
    ids::{CallerIndex, CallerName},
    secret::Digest,
};

pub(super) struct ApiKeys {
    keys: HashMap<Digest, CallerIndex>,
    names: Vec<CallerName>,
}

impl ApiKeys {
    pub(super) fn new(config: &[config::Caller]) -> Self {
        let mut keys = HashMap::new();
        for (index, identity) in identities(config) {
            if let config::Identity::ApiKey(digests) = identity {
                keys.extend(digests.iter().map(|digest| (*digest, index)));
            }
        }
        Self { keys, names: config.iter().map(|caller| caller.name.clone()).collect() }
    }

    fn find(&self, key: &[u8]) -> Option<CallerIndex> {
        if self.keys.is_empty() {
            return None;
        }
        let presented = Digest::of(key);
        self.keys
            .get_key_value(&presented)
            .filter(|(digest, _)| digest.matches(&presented))
            .map(|(_, index)| *index)
    }
}

impl Way for ApiKeys {
    fn name(&self) -> &'static str {
        "api_key"
    }

    fn identify(&self, presented: &Presented<'_>) -> Finding {
        let (found, otherwise) = match presented.credential {
            Some(Credential::Key(key)) => (self.find(key), Finding::False(Cause::Key)),
            Some(Credential::Bearer(key)) => (self.find(key), Finding::Nothing(Some(Cause::Bearer))),
            Some(Credential::Client(Client::Secret { id, secret, raw })) => {
                let found = self.find(secret).or_else(|| self.find(raw));
                let found = found.filter(|index| self.names[index.0].as_str() == id);
                (found, Finding::Nothing(Some(Cause::Client)))
            }
            _ => return Finding::Nothing(None),
        };
        found.map_or(otherwise, Finding::Known)
    }

    fn is_credential(&self, text: &[u8]) -> bool {
        self.find(text).is_some()
    }
}
