//! The user and group of a Unix socket's peer, as the kernel tells them (`SO_PEERCRED`): those that it had when
//! it connected, and of its groups the primary one alone. The user goes before the group.

use std::collections::HashMap;

use super::{
    authenticator::{Authenticator, Evidence, Finding, Outcome},
    identities::identities,
    presented::Presented,
};
use crate::{config, ids::CallerIndex};

pub(super) struct UnixUids(HashMap<u32, CallerIndex>);

pub(super) struct UnixGids(HashMap<u32, CallerIndex>);

impl UnixUids {
    pub(super) fn new(config: &[config::Caller]) -> Self {
        let uid = |(index, identity): (CallerIndex, &config::Identity)| match identity {
            config::Identity::UnixUid(uid) => Some((*uid, index)),
            _ => None,
        };
        Self(identities(config).filter_map(uid).collect())
    }
}

impl UnixGids {
    pub(super) fn new(config: &[config::Caller]) -> Self {
        let gid = |(index, identity): (CallerIndex, &config::Identity)| match identity {
            config::Identity::UnixGid(gid) => Some((*gid, index)),
            _ => None,
        };
        Self(identities(config).filter_map(gid).collect())
    }
}

impl Authenticator for UnixUids {
    fn name(&self) -> &'static str {
        "unix_uid"
    }

    fn authenticate<'a>(&'a self, presented: &'a Presented<'_>) -> Outcome<'a> {
        found(presented.peer.uid, &self.0).into()
    }

    fn evidence(&self) -> Evidence {
        Evidence::Connection
    }
}

impl Authenticator for UnixGids {
    fn name(&self) -> &'static str {
        "unix_gid"
    }

    fn authenticate<'a>(&'a self, presented: &'a Presented<'_>) -> Outcome<'a> {
        found(presented.peer.gid, &self.0).into()
    }

    fn evidence(&self) -> Evidence {
        Evidence::Connection
    }
}

fn found(id: Option<u32>, callers: &HashMap<u32, CallerIndex>) -> Finding {
    let known = id.and_then(|id| callers.get(&id));
    known.map_or(Finding::Pass(None), |index| Finding::Known((*index).into()))
}
