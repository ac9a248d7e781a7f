//! `claviger caller key NAME`: makes an API key. The key is for the caller, its digest for the configuration:
//! what Claviger keeps is of no use to whoever reads it.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;
use zeroize::Zeroizing;

use crate::{ids::CallerName, secret::Digest};

/// Marks a key as ours, for people and for secret scanners.
const PREFIX: &str = "cvk_";

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make an API key for a caller; during a rotation, add the new digest before the old one.
    Key {
        /// The caller, as in [callers.NAME].
        name: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(command: &Command) -> ExitCode {
    let Command::Key { name, json } = command;
    let name = match CallerName::parse(name) {
        Ok(name) => name,
        Err(error) => return super::fail(&error.to_string()),
    };
    let mut random = Zeroizing::new([0; 32]);
    if aws_lc_rs::rand::fill(&mut *random).is_err() {
        return super::fail("the system gives no random bytes");
    }
    let digits = random.iter().map(|byte| format!("{byte:02x}"));
    let key = Zeroizing::new(PREFIX.to_owned() + &digits.collect::<String>());
    let digest = Digest::of(key.as_bytes()).to_hex();
    if *json {
        return super::print(&format!(
            "{}\n",
            json!({ "caller": name.as_str(), "key": *key, "sha256": digest })
        ));
    }
    super::print(&format!(
        "# for the caller, as `Claviger-Key` or `Authorization: Bearer`; it is not kept anywhere\n{}\n\n\
         # for the configuration; during a rotation: api_key_sha256 = [\"<new>\", \"<old>\"]\n\
         [callers.{name}]\nidentify = {{ api_key_sha256 = \"{digest}\" }}\n",
        *key
    ))
}
