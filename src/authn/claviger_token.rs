//! Claviger tokens: what the broker hands out instead of an upstream token. Opaque, bound to a caller,
//! short-lived, valid only here (`seal` says what they are made of). One that was issued for an API key ends with that key.
//! One that cannot be opened, or has expired, counts as any other bearer that is not for us; one that was opened and
//! whose caller or key is gone is refused.

use std::{collections::HashMap, sync::Arc};

use super::{
    authenticator::{Authenticator, Finding, Known, Outcome},
    cause::{Cause, Rounded},
    key::ApiKey,
    presented::{Credential, Presented},
    principal::Principal,
    seal::{KeyMark, NO_KEY, Seal, holds_token, is_token, mark},
};
use crate::{
    clock::Clock,
    config,
    ids::{CallerIndex, CallerName},
    secret::Digest,
};

/// A caller's API keys, each by its mark.
type Keys = Vec<(KeyMark, Arc<ApiKey>)>;

pub(super) struct ClavigerToken {
    seal: Seal,
    clock: Clock,
    callers: HashMap<CallerName, (CallerIndex, Keys)>,
}

impl ClavigerToken {
    pub(super) fn new(
        config: &[config::Caller],
        keys: &[(Digest, Arc<ApiKey>)],
        seal: Seal,
        clock: Clock,
    ) -> Self {
        let names = config.iter().map(|caller| caller.name.clone()).enumerate();
        let mut callers: HashMap<_, _> =
            names.map(|(index, name)| (name, (CallerIndex(index), Vec::new()))).collect();
        for (digest, key) in keys {
            if let Some((_, marks)) = callers.get_mut(&config[key.caller().0].name) {
                marks.push((mark(digest), key.clone()));
            }
        }
        Self { seal, clock, callers }
    }

    fn find(&self, token: &[u8]) -> Finding {
        let Some(opened) = self.seal.open(token) else { return Finding::Pass(Some(SEALED)) };
        if let Ok(ago) = self.clock.now().wall.duration_since(opened.expires) {
            let cause = format!("broker token: expired {} ago", Rounded(ago));
            return Finding::Pass(Some(Cause::of("expired", cause)));
        }
        let Some((caller, keys)) = self.callers.get(&opened.caller) else {
            return Finding::Rejected(CALLER_GONE);
        };
        let key = keys.iter().find(|(mark, _)| *mark == opened.key).map(|(_, key)| key);
        if opened.key != NO_KEY && key.is_none() {
            return Finding::Rejected(KEY_GONE);
        }
        Finding::Known(Known {
            tenant: opened.tenant().cloned(),
            principal: key.cloned().map(Principal::Key),
            ..Known::from(*caller)
        })
    }
}

impl Authenticator for ClavigerToken {
    fn name(&self) -> &'static str {
        "claviger_token"
    }

    fn authenticate<'a>(&'a self, presented: &'a Presented<'_>) -> Outcome<'a> {
        let finding = match presented.credential {
            Some(Credential::Bearer(token)) if is_token(token) => self.find(token),
            _ => Finding::Pass(None),
        };
        finding.into()
    }

    fn is_credential(&self, text: &[u8]) -> bool {
        holds_token(text)
    }
}

/// Sealed with another key, or changed.
const SEALED: Cause =
    Cause::new("sealed", "broker token: cannot be opened (another broker.key, or other client secrets?)");
const CALLER_GONE: Cause =
    Cause::new("no_caller", "broker token: its caller is no longer in the configuration");
const KEY_GONE: Cause = Cause::new(
    "key_gone",
    "broker token: the API key that it was issued for is no longer in the configuration",
);
