//! `[catalog]`: a file of operations that are newer than the embedded catalog.

use std::{path::Path, sync::Arc};

use super::checker::Checker;
use crate::{
    catalog::{Catalog, FileProblem},
    config::{catalog::CatalogOptions, origin::Origin, path::KeyPath, problem::Problem, raw::RawCatalog},
};

impl Checker<'_> {
    /// The operations that the rules of this configuration are about.
    pub(super) fn catalog(&mut self, raw: RawCatalog) -> CatalogOptions {
        let section = KeyPath::of(&["catalog"]);
        let Some(file) = self.leaf(&section, "file", raw.file) else { return CatalogOptions::default() };
        let key = section.key("file");
        let before = self.remarks.problems.len();
        let bytes = self.file(&key, &file);
        let catalog = bytes.and_then(|bytes| self.extended(&key, &file, bytes)).unwrap_or_else(|| {
            // Without it the rules would be about something else, wherever they are read.
            if self.remarks.problems.len() == before {
                let what = format!("there is no file {}", file.display());
                self.problem(&key, what, "Look at the path, and at what is mounted there.");
            }
            Catalog::embedded()
        });
        CatalogOptions { file: Some(file), catalog }
    }

    fn extended(&mut self, key: &KeyPath, file: &Path, bytes: Vec<u8>) -> Option<Arc<Catalog>> {
        let Ok(text) = String::from_utf8(bytes) else {
            let what = format!("the file {} is not UTF-8", file.display());
            self.problem(key, what, "Save the file as UTF-8; is it perhaps a binary file?");
            return None;
        };
        let problems = match Catalog::extended(text.strip_prefix('\u{feff}').unwrap_or(&text)) {
            Ok(catalog) => return Some(catalog),
            Err(problems) => problems,
        };
        if problems.len() > 1 && !text.contains('\t') {
            let what = format!("the file {} is no catalog: there is no tab in it", file.display());
            self.problem(
                key,
                what,
                "Name a file as docs/catalog.md describes it, or leave catalog.file out.",
            );
            return None;
        }
        let source: Arc<str> = file.display().to_string().into();
        self.remarks.problems.extend(problems.into_iter().map(|FileProblem { line, what, remedy }| {
            Problem { key: key.to_string(), origin: Some(Origin::in_file(&source, line)), what, remedy }
        }));
        None
    }
}
