//! Locality: everything that can reach a loopback or Unix listener is the caller with `loopback = true`, of which the
//! configuration has one at most.

use super::{
    authenticator::{Authenticator, Evidence, Finding, Outcome},
    identities::identities,
    peer::Reach,
    presented::Presented,
};
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

    fn authenticate<'a>(&'a self, presented: &'a Presented<'_>) -> Outcome<'a> {
        match (self.caller, presented.peer.listener) {
            (Some(index), Reach::Loopback | Reach::Unix) => Finding::Known(index.into()).into(),
            _ => Finding::Pass(None).into(),
        }
    }

    fn evidence(&self) -> Evidence {
        Evidence::Connection
    }
}
