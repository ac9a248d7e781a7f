//! `[audit]`: where the audit log goes. What a record holds is `observe`'s business.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Serialize, Serializer, ser::SerializeMap};

use super::show::Text;

/// `[audit]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// `output`, with what belongs to it.
    pub output: AuditOutput,
}

/// Where records go, one JSON object a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditOutput {
    /// `"off"`
    Off,
    /// `"stdout"`
    Stdout,
    /// `{ file = "/var/log/claviger/audit.jsonl" }`
    File {
        /// The file that is written.
        path: PathBuf,
        /// `max_size`: bytes; a record that would make the file longer begins a new one. At least 64 KiB.
        max_bytes: u64,
        /// `keep`: full files that are kept beside the one that is written; may be 0.
        keep: u32,
    },
}

impl AuditOutput {
    /// The default of `max_size`.
    pub const MAX_BYTES: u64 = 64 * 1024 * 1024;
    /// The default of `keep`.
    pub const KEEP: u32 = 5;
}

impl Serialize for Audit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut audit = serializer.serialize_map(None)?;
        match &self.output {
            AuditOutput::Off => audit.serialize_entry("output", "off")?,
            AuditOutput::Stdout => audit.serialize_entry("output", "stdout")?,
            AuditOutput::File { path, max_bytes, keep } => {
                audit.serialize_entry("output", &BTreeMap::from([("file", Text(path.display()))]))?;
                audit.serialize_entry("max_size", max_bytes)?;
                audit.serialize_entry("keep", keep)?;
            }
        }
        audit.end()
    }
}
