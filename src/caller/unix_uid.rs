//! The user id of a Unix socket's peer, as the kernel tells it.

use std::collections::HashMap;

use super::{Finding, Presented, Way, identities};
use crate::{config, ids::CallerIndex};

pub(super) struct UnixUids {
    callers: HashMap<u32, CallerIndex>,
}

impl UnixUids {
    pub(super) fn new(config: &[config::Caller]) -> Self {
        let uid = |(index, identity): (CallerIndex, &config::Identity)| match identity {
            config::Identity::UnixUid(uid) => Some((*uid, index)),
            _ => None,
        };
        Self { callers: identities(config).filter_map(uid).collect() }
    }
}

impl Way for UnixUids {
    fn name(&self) -> &'static str {
        "unix_uid"
    }

    fn identify(&self, presented: &Presented<'_>) -> Finding {
        let known = presented.peer.uid.and_then(|uid| self.callers.get(&uid));
        known.map_or(Finding::Nothing, |index| Finding::Known(*index))
    }
}
