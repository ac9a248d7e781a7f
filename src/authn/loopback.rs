//! Locality: whoever can reach a loopback or Unix listener is the one caller that says so.

use super::{Authenticator, Finding, Presented, Reach, identities};
use crate::{config, ids::CallerIndex};

pub(super) struct Loopback {
    caller: Option<CallerIndex>,
}

impl Loopback {
    pub(super) fn new(config: &[config::Caller]) -> Self {
        let caller =
            identities(config).find(|(_, i)| matches!(i, config::Identity::Loopback)).map(|(index, _)| index);
        Self { caller }
    }
}

impl Authenticator for Loopback {
    fn name(&self) -> &'static str {
        "loopback"
    }

    fn authenticate(&self, presented: &Presented<'_>) -> Finding {
        match (self.caller, presented.peer.listener) {
            (Some(index), Reach::Loopback | Reach::Unix) => Finding::Known(index),
            _ => Finding::Nothing(None),
        }
    }
}
