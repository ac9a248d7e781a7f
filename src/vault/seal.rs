//! How a record is sealed: by `sealer`, under its alias, as its version. A record that is moved to another alias or put back as
//! another version does not open.

use zeroize::Zeroizing;

use super::{
    encoding,
    store::{Stored, Version},
};
pub(super) use crate::sealer::Sealer;
use crate::secret::Secret;

/// Under this name the proof of a key is sealed, as version 0, which no record has.
const PROOF: &str = "key";
const PROVES: &[u8] = b"this is the key";
/// What keys are made for.
const PURPOSE: &[u8] = b"claviger vault 1";

/// Seals and opens with one master key.
pub(super) fn sealer(master: &Secret) -> Sealer {
    Sealer::new(master, PURPOSE)
}

/// `version ‖ sealed record`: what stands in a store under the alias.
pub(super) fn sealed(
    sealer: &Sealer,
    alias: &str,
    version: Version,
    text: Zeroizing<Vec<u8>>,
) -> Option<Vec<u8>> {
    let sealed = sealer.seal(alias.as_bytes(), version.0, text).ok()?;
    Some([&version.0.to_be_bytes()[..], &sealed].concat())
}

/// The version of what stands in a store.
pub(super) fn version(found: &[u8]) -> Option<Version> {
    found.first_chunk().map(|version| Version(u64::from_be_bytes(*version)))
}

/// The record of what stands in a store under the alias; `None` where it does not open.
pub(super) fn opened(sealer: &Sealer, alias: &str, found: &[u8]) -> Option<Stored> {
    let version = version(found)?;
    let text = sealer.open(alias.as_bytes(), version.0, found.get(size_of::<u64>()..)?)?;
    let record = encoding::read(&text).filter(|record| record.alias.as_str() == alias)?;
    Some(Stored { record, version })
}

/// What opens by the key that everything is sealed with.
pub(super) fn proof(sealer: &Sealer) -> Option<Vec<u8>> {
    sealer.seal(PROOF.as_bytes(), 0, Zeroizing::new(PROVES.to_vec())).ok()
}

/// Whether this is the proof of the sealer's key.
pub(super) fn proves(sealer: &Sealer, proof: &[u8]) -> bool {
    sealer.open(PROOF.as_bytes(), 0, proof).is_some()
}
