//! Parsed names. Past this module a name is right by its type: lower-case, short, and safe in a path, a log
//! line, a metric label and a URL without quoting. Their sets are closed by the configuration, so they may
//! be metric labels; nothing that a caller sends ever becomes one.

use std::{borrow::Borrow, fmt, sync::Arc};

/// The longest name, in bytes: a DNS label, so that a tenant alias can be one.
const MAX_LEN: usize = 63;

/// Why a name was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a name is 1 to 63 of a-z, 0-9, '-', '_' and '.', and begins with a letter or a digit")]
pub struct InvalidName;

fn parse(text: &str) -> Result<Arc<str>, InvalidName> {
    let bytes = text.as_bytes();
    let first = *bytes.first().ok_or(InvalidName)?;
    let inner = |b: &u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.');
    if bytes.len() > MAX_LEN || !first.is_ascii_alphanumeric() || !bytes.iter().all(inner) {
        return Err(InvalidName);
    }
    Ok(text.into())
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $type(Arc<str>);

        impl $type {
            /// Parses a name.
            ///
            /// # Errors
            /// [`InvalidName`] when the text is not one.
            pub fn parse(text: &str) -> Result<Self, InvalidName> {
                parse(text).map(Self)
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// The alias of a Logto tenant, as in `[tenants.acme]` and `/t/acme/api/users`.
    TenantName
);
impl TenantName {
    /// What logs and metrics call an account at Logto Cloud: `cloud:NAME`, which no tenant is called.
    pub fn of_account(name: &Self) -> Self {
        Self(format!("cloud:{name}").into())
    }

    /// The name of the account that this one is for.
    pub fn as_account(&self) -> &str {
        self.as_str().trim_start_matches("cloud:")
    }
}

name!(
    /// A label of tenants, as in `labels = ["customer"]`.
    Label
);
name!(
    /// The name of a service that sends requests, as in `[callers.billing]`.
    CallerName
);
name!(
    /// The name of a set of rules, as in `[policies.user-reader]`.
    PolicyName
);
name!(
    /// The name of an issuer of caller tokens, as in `[issuers.kubernetes]`.
    IssuerName
);

name!(
    /// The name of settings for tenants of the vault, as in `[tenant_templates.customer]`.
    TemplateName
);
name!(
    /// What tells the API keys of one caller apart, as in `label = "2026-11"`.
    KeyLabel
);

/// What stands in the place of a caller's name where the operator had something done.
pub const OPERATOR: &str = "operator";

/// A caller's place in one configuration; the stages of that one keep what they know of it at this place. Nothing that outlives
/// it may: see [`CallerId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CallerIndex(pub usize);

/// Who a caller is, across reloads: for what outlives a configuration, in which the next one may have it at another
/// [`CallerIndex`]. A number that no other caller of the process has or had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallerId(u64);

impl CallerId {
    /// Claviger itself: no caller's.
    pub const OURSELVES: Self = Self(u64::MAX);

    /// The caller that was given this number. Only who gives them out knows which are given.
    pub const fn numbered(number: u64) -> Self {
        Self(number)
    }
}

/// What an operation is, across reloads: its operationId. Its index is another one when a catalog file has added others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperationId(&'static str);

impl OperationId {
    /// What Claviger does on its own: none that a catalog can have.
    pub const OURSELVES: Self = Self("");

    /// The operation of this name.
    pub const fn named(name: &'static str) -> Self {
        Self(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_closed_sets_of_harmless_bytes() {
        for good in ["acme", "0x", "user-reader", "a.b_c-d", &"a".repeat(63)] {
            assert_eq!(TenantName::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "-a", ".a", "A", "a b", "a/b", "é", "a\n", "..", &"a".repeat(64)] {
            assert_eq!(TenantName::parse(bad), Err(InvalidName), "{bad:?}");
        }
    }
}
