//! `[catalog]`: the operations of the Management API that rules are about.

use std::{path::PathBuf, sync::Arc};

use serde::{Serialize, Serializer, ser::SerializeMap as _};

use super::show;
use crate::catalog::Catalog;

/// `[catalog]`
#[derive(Debug, Clone)]
pub struct CatalogOptions {
    /// `file`: what was added to the embedded catalog.
    pub file: Option<PathBuf>,
    /// All operations.
    pub catalog: Arc<Catalog>,
}

impl Default for CatalogOptions {
    fn default() -> Self {
        Self { file: None, catalog: Catalog::embedded() }
    }
}

/// By what the file adds: a comment in it is no change.
impl PartialEq for CatalogOptions {
    fn eq(&self, other: &Self) -> bool {
        self.file == other.file && self.catalog == other.catalog
    }
}

impl Serialize for CatalogOptions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        members.serialize_entry("file", &self.file.as_deref().map(|path| show::Text(path.display())))?;
        members.end()
    }
}
