//! With what the records of a vault in Redis are sealed, and which vault that is.

use std::sync::Arc;

use crate::vault::{
    error::Unavailable,
    seal::{self, Sealer},
};

/// What errors call it.
pub(super) const PLACE: &str = "the vault in Redis";

/// With what records are sealed.
pub(super) struct Sealing {
    pub(super) sealer: Arc<Sealer>,
    /// As it stands in Redis. No two vaults have the same, as each is sealed with a nonce of its own: another one is another vault, or
    /// another key.
    pub(super) proof: Vec<u8>,
}

/// Whether the vault with this proof is the one that was opened.
pub(super) fn ours(sealing: &Sealing, proof: Option<Vec<u8>>) -> Result<(), Unavailable> {
    match proof {
        Some(proof) if proof == sealing.proof => Ok(()),
        Some(proof) if seal::proves(&sealing.sealer, &proof) => Err(Unavailable::replaced(PLACE, &[])),
        Some(_) => Err(Unavailable::other_key(PLACE)),
        None => Err(Unavailable::gone(PLACE)),
    }
}
