//! `[vault]`: where the credentials are stored that no configuration file has.

use std::path::PathBuf;

use serde::{Serialize, Serializer, ser::SerializeMap as _};

use super::show::Text;
use crate::secret::ClientSecret;

/// `[vault]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultOptions {
    /// `store = { file = … }`
    pub file: PathBuf,
    /// `key`: the master key, of 32 bytes or more.
    pub key: ClientSecret,
}

impl Serialize for VaultOptions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        members.serialize_entry(
            "store",
            &std::collections::BTreeMap::from([("file", Text(self.file.display()))]),
        )?;
        members.serialize_entry("key", &self.key)?;
        members.end()
    }
}
