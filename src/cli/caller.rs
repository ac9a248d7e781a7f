//! `claviger caller key NAME`: makes an API key. The key is for the caller, its digest for the configuration:
//! nobody can authenticate with the digest. The key goes to a file or alone to standard output, never
//! among other text.

use std::{path::PathBuf, process::ExitCode};

use clap::Subcommand;
use serde_json::json;
use zeroize::Zeroizing;

use crate::{ids::CallerName, secret::Digest};

/// Marks a key as ours, for people and for secret scanners.
const PREFIX: &str = "cvk_";

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make an API key for a caller; during a rotation, add the new digest before the old one.
    ///
    /// The key alone goes to standard output and what to write in the configuration to standard error; with --out
    /// the key goes to the file, and what to write to standard output.
    Key {
        /// The caller, as in [callers.NAME].
        name: String,
        /// Write the key to this new file, which its owner alone may read.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Caller, key (or its file) and digest as JSON, without the excerpt.
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(command: &Command) -> ExitCode {
    let Command::Key { name, out, json } = command;
    let name = match CallerName::parse(name) {
        Ok(name) => name,
        Err(error) => return super::usage(&error.to_string()),
    };
    let mut random = Zeroizing::new([0; 32]);
    if aws_lc_rs::rand::fill(&mut *random).is_err() {
        return super::fail("the system gives no random bytes");
    }
    let mut key = Zeroizing::new(String::with_capacity(PREFIX.len() + 2 * random.len()));
    key.push_str(PREFIX);
    for byte in random.iter() {
        key.extend([byte >> 4, byte & 0xf].map(|digit| char::from_digit(digit.into(), 16).unwrap_or('0')));
    }
    let digest = Digest::of(key.as_bytes()).to_hex();
    if let Some(path) = out
        && let Err(error) = super::output::keep(path, &key)
    {
        return super::fail(&format!("--out {}: {error}", path.display()));
    }
    match (out, json) {
        (None, true) => {
            super::print(&format!("{}\n", json!({ "caller": name.as_str(), "key": *key, "sha256": digest })))
        }
        (Some(path), true) => {
            super::print(&format!("{}\n", json!({ "caller": name.as_str(), "file": path, "sha256": digest })))
        }
        (Some(_), false) => super::print(&excerpt(&name, &digest)),
        (None, false) => {
            tell!(
                "# The key is not kept anywhere. In the configuration:\n{}",
                excerpt(&name, &digest).trim_end()
            );
            super::print(&format!("{}\n", *key))
        }
    }
}

/// Loads beside a tenant, and allows nothing until somebody says what.
fn excerpt(name: &CallerName, digest: &str) -> String {
    // A dot would make a table within a table.
    let table = if name.as_str().contains('.') { format!("\"{name}\"") } else { name.to_string() };
    format!(
        "[callers.{table}]\n\
         identify = {{ api_key_sha256 = \"{digest}\" }}   # during a rotation: [\"NEW\", \"OLD\"]\n\
         policies = [\"{name}\"]\n\n\
         [policies.{table}]\n\
         allow = []   # what it may do, such as \"users:read\": see claviger operations\n"
    )
}
