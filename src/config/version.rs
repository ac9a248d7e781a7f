//! Which policy decides: a digest of the part of the configuration that decisions rest on, made when it is loaded. The
//! same configuration has the same digest on every replica; where it is written, and in which order, is no part of it.

use std::io;

use aws_lc_rs::digest::{Context, SHA256};
use serde::Serialize;

use super::{caller::Caller, effective::Config, policy::Policy, show};
use crate::ids::{Label, TenantName};

/// Of the digest: enough that nobody makes two policies with the same.
const BYTES: usize = 16;

/// The digest: 32 hexadecimal digits, the first half of a SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct PolicyVersion(Box<str>);

/// What decisions rest on: rules, callers with their grants, and what grants name tenants by. As `/config` shows it, so
/// no secret is in it, nor the digest of one.
#[derive(Serialize)]
struct Part<'c> {
    #[serde(serialize_with = "show::by_name")]
    policies: &'c Vec<Policy>,
    #[serde(serialize_with = "show::by_name")]
    callers: &'c Vec<Caller>,
    tenants: Vec<(&'c TenantName, &'c [Label])>,
    /// What a file adds to the catalog, where one does.
    #[serde(skip_serializing_if = "str::is_empty")]
    operations: &'c str,
}

impl PolicyVersion {
    /// Of a configuration.
    pub fn of(config: &Config) -> Self {
        let tenants = config.tenants.iter().map(|tenant| (&tenant.name, tenant.labels.as_slice())).collect();
        let operations = config.catalog.catalog.added_text();
        let part = Part { policies: &config.policies, callers: &config.callers, tenants, operations };
        let mut hashing = Hashing(Context::new(&SHA256));
        // Hashing never fails, and what is shown on `/config` can be written.
        let _: Result<(), _> = serde_json::to_writer(io::BufWriter::new(&mut hashing), &part);
        let digest = hashing.0.finish();
        Self(digest.as_ref()[..BYTES].iter().map(|byte| format!("{byte:02x}")).collect::<String>().into())
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

struct Hashing(Context);

impl io::Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::{Bench, GOOD};

    fn version(text: &str, secret: &str) -> String {
        let config = Bench::new().with("c.toml", text).env("S", secret).config();
        PolicyVersion::of(&config).as_str().to_owned()
    }

    #[test]
    fn the_same_policy_has_the_same_version_and_another_one_another() {
        let first = version(GOOD, "secret");
        assert_eq!(first.len(), 32);
        let moved = format!("# moved down\n\n{GOOD}\n[timeouts]\nhead = \"3s\"\n");
        assert_eq!(version(&moved, "another-secret"), first, "neither lines, nor secrets, nor the rest");
        let others = [
            ("allow = [", "deny = [\"ListRoles\"]\nallow = ["),
            ("policies = [", "rate = { requests = 5, per = \"1s\" }\npolicies = ["),
            ("[tenants.acme]", "[tenants.acme]\nlabels = [\"customer\"]"),
        ];
        for (old, new) in others {
            assert!(GOOD.contains(old), "{old} is not in {GOOD}");
            assert_ne!(version(&GOOD.replacen(old, new, 1), "secret"), first, "{new}");
        }
    }
}
