//! `[audit]`: where the audit log goes.

use super::checker::Checker;
use crate::config::{
    audit::{Audit, AuditOutput},
    leaf::{Either, Leaf},
    path::KeyPath,
    path_or_url::of_file_url,
    raw::RawAudit,
    tree::Value,
    words::AuditWord,
};

const LEAST: u64 = 64 * 1024;
const MOST: u64 = 1 << 40;

impl Checker<'_> {
    pub(super) fn audit(&mut self, raw: RawAudit, defaults: Audit) -> Audit {
        let at = KeyPath::of(&["audit"]);
        let of_files = [("max_size", raw.max_size.is_some()), ("keep", raw.keep.is_some())];
        let max_bytes =
            self.size(&at, "max_size", raw.max_size, LEAST..=MOST).unwrap_or(AuditOutput::MAX_BYTES);
        let keep = self.count(&at, "keep", raw.keep, 0..=1000).unwrap_or(AuditOutput::KEEP);
        let output = match raw.output {
            None => defaults.output,
            Some(Either::Text(Leaf(Err(mut mistake)))) if !mistake.remedy.starts_with("Did you") => {
                let written = self.tree.member("audit").and_then(|audit| audit.member("output"));
                let path = match written.map(|node| &node.value) {
                    Some(Value::Text(text)) => of_file_url(text).unwrap_or(text),
                    _ => "",
                };
                let is_path = path.contains(['.', '/']) && !path.contains("://");
                let path = if is_path { path } else { "audit.jsonl" };
                let is_stdout = matches!(path, "/dev/stdout" | "/proc/self/fd/1");
                mistake.remedy = if is_stdout {
                    "Write \"stdout\".".to_owned()
                } else {
                    format!("Write {{ file = {path:?} }} for a file, or \"stdout\" or \"off\".")
                };
                self.leaf(&at, "output", Some(Leaf::<AuditWord>(Err(mistake))));
                return defaults;
            }
            Some(Either::Text(leaf)) => match self.leaf(&at, "output", Some(leaf)) {
                Some(AuditWord::Off) => AuditOutput::Off,
                Some(AuditWord::Stdout) => AuditOutput::Stdout,
                None => return defaults,
            },
            Some(Either::Table(table)) => {
                let key = at.key("output");
                if table.file.is_none() {
                    let remedy = "Write output = { file = \"/var/log/claviger/audit.jsonl\" }.";
                    self.missing(&key, "the file is missing", remedy);
                }
                match self.leaf(&key, "file", table.file) {
                    Some(path) => AuditOutput::File { path, max_bytes, keep },
                    None => return defaults,
                }
            }
        };
        if !matches!(output, AuditOutput::File { .. }) {
            for (key, _) in of_files.iter().filter(|(_, is_given)| *is_given) {
                let remedy = "Write output = { file = \"…\" }, or take the key out.";
                self.warn(&at.key(key), "it has no effect: the audit log goes to no file", remedy);
            }
        }
        Audit { output }
    }
}
