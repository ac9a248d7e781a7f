//! A configuration, key by key, written as TOML with dotted keys, so that a test can change one line of it.

use std::{collections::BTreeMap, path::Path};

use super::{Logto, quoted};

/// A configuration file to be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings(BTreeMap<String, String>);

impl Settings {
    /// Free ports, two workers, reload when asked, a caller `local` by locality that may do everything that a
    /// wildcard may allow, and a little of what it may not.
    pub(crate) fn usual() -> Self {
        Self::default()
            .set("listen.proxy", "['127.0.0.1:0']")
            .set("listen.admin", "'127.0.0.1:0'")
            .set("workers", "2")
            .set("reload.interval", "'0s'")
            // Tests count what arrives: many at once are to be many. Those of sharing have it on.
            .set("limits.coalesce", "false")
            .set("policies.all.allow", "['*', 'CreateRole', 'ListApplications']")
            .set("callers.local.identify", "{ loopback = true }")
            .set("callers.local.policies", "['all']")
    }

    /// Sets a key to a TOML value.
    #[must_use]
    pub(crate) fn set(mut self, key: &str, value: impl std::fmt::Display) -> Self {
        self.0.insert(key.to_owned(), value.to_string());
        self
    }

    /// Takes out a key and what is below it.
    #[must_use]
    pub(crate) fn without(mut self, key: &str) -> Self {
        self.0.retain(|other, _| other != key && !other.starts_with(&format!("{key}.")));
        self
    }

    /// A tenant at `logto`, with its client and its secret, written out.
    #[must_use]
    pub(crate) fn tenant(self, name: &str, logto: &Logto) -> Self {
        self.set(&format!("tenants.{name}.endpoint"), quoted(logto.base_url()))
            .set(&format!("tenants.{name}.client_id"), quoted(logto.client()))
            .set(&format!("tenants.{name}.client_secret"), quoted(logto.secret()))
    }

    /// Writes the file whole or not at all.
    pub(crate) fn write(&self, path: &Path) {
        let text: String = self.0.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
        let partial = path.with_extension("partial");
        std::fs::write(&partial, text).expect("a temporary directory can be written to");
        std::fs::rename(&partial, path).expect("it is the same directory");
    }
}
