//! The configuration's callers as the authentication methods read them: identity by identity.

use crate::{config, ids::CallerIndex};

/// Every identity of every caller, with the caller's index.
pub(super) fn identities(
    config: &[config::Caller],
) -> impl Iterator<Item = (CallerIndex, &config::Identity)> {
    config.iter().enumerate().flat_map(|(index, caller)| {
        caller.identify.iter().map(move |identity| (CallerIndex(index), identity))
    })
}
