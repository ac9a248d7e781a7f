//! `/config`: the configuration in force, for those who may see `/status`, and the digest of what is shown. No secret is
//! in it, nor the digest of one.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::{config::Config, secret::Digest};

/// As much of a digest as is shown.
const DIGITS: usize = 16;

/// What `/config` shows, to the letter.
pub(super) fn shown(config: &Config) -> String {
    format!("{:#}\n", serde_json::to_value(config).unwrap_or_default())
}

/// The digest of the configuration in force, made when somebody asks.
#[derive(Debug, Default)]
pub(super) struct ConfigDigest(Mutex<(Weak<Config>, String)>);

impl ConfigDigest {
    /// The beginning of the SHA-256 of what is shown.
    pub(super) fn of(&self, config: &Arc<Config>) -> String {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !std::ptr::eq(made.0.as_ptr(), Arc::as_ptr(config)) {
            let hex = Digest::of(shown(config).as_bytes()).to_hex();
            *made = (Arc::downgrade(config), hex.chars().take(DIGITS).collect());
        }
        made.1.clone()
    }
}
