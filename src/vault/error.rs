//! What can go wrong with the vault, and what the operator does about it. No text holds a secret or what a file held.

use std::{fmt, sync::Arc};

use crate::ids::TenantName;

/// Tenants that are named of those that a vault lacks.
const MOST_NAMED: usize = 5;

/// What can go wrong with the vault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// Somebody has the alias.
    #[error("the alias {alias} is taken: {by}")]
    AliasTaken {
        /// The alias.
        alias: TenantName,
        /// Who has it.
        by: Holder,
    },
    /// There is no record under the alias.
    #[error("the vault has no tenant {0}")]
    Unknown(TenantName),
    /// Somebody else changed the record since it was read.
    #[error("the record of tenant {0} was changed by somebody else meanwhile")]
    Changed(TenantName),
    /// The record cannot be kept as it is.
    #[error("this credential cannot be stored: {0}")]
    Unfit(&'static str),
    /// A text is no export that can be taken in.
    #[error(transparent)]
    NoExport(#[from] ExportError),
    /// No answer from where the records are, or none that can be used.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Why a text is no export that can be taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// It is another text, or another key has sealed it.
    #[error("this is no export of a vault, or the key is not the one it is sealed with")]
    Strange,
    /// Lines of it are missing, or others than were written.
    #[error(
        "this export is not whole: it was cut off when it was written or copied, or lines of it were changed"
    )]
    NotWhole,
}

/// Who has an alias.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Holder {
    /// The configuration, which wins over the vault.
    #[error("the configuration has a tenant of this name")]
    Configuration,
    /// The vault.
    #[error("the vault has a tenant of this name")]
    Vault,
    /// Somebody who is creating or adopting a tenant just now.
    #[error("a tenant of this name is being created or adopted")]
    Underway,
}

/// Why the records cannot be read or written: sentences without a capital, for the operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the vault is unavailable: {what}")]
pub struct Unavailable {
    what: Arc<str>,
    remedy: Arc<str>,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It may be there in a moment, or from another machine.
    Away,
    /// Another process has it, which is no fault.
    InUse,
    /// Another vault is in its place.
    Replaced,
    /// It stays so until somebody corrects the configuration, or what is stored.
    Wrong,
}

impl Unavailable {
    /// For this reason, and what mends it; it may be there in a moment, or from another machine.
    pub fn new(what: impl Into<Arc<str>>, remedy: impl Into<Arc<str>>) -> Self {
        Self { what: what.into(), remedy: remedy.into(), kind: Kind::Away }
    }

    /// Another process has it.
    pub fn in_use(what: impl Into<Arc<str>>, remedy: impl Into<Arc<str>>) -> Self {
        Self { kind: Kind::InUse, ..Self::new(what, remedy) }
    }

    /// For a reason that stays until somebody corrects the configuration, or what is stored.
    pub fn wrong(what: impl Into<Arc<str>>, remedy: impl Into<Arc<str>>) -> Self {
        Self { kind: Kind::Wrong, ..Self::new(what, remedy) }
    }

    /// Whether another process has it, which is no fault.
    pub fn is_in_use(&self) -> bool {
        self.kind == Kind::InUse
    }

    /// Whether another vault is in the place of the one that was opened.
    pub(super) fn is_replaced(&self) -> bool {
        self.kind == Kind::Replaced
    }

    /// Whether it stays so until somebody corrects the configuration, or what is stored.
    pub fn is_wrong(&self) -> bool {
        self.kind == Kind::Wrong
    }

    /// The system's cryptography failed.
    pub(super) fn no_seal() -> Self {
        Self::new("a record cannot be sealed", "Please report this.")
    }

    /// What is in `place` is sealed with another master key.
    pub(super) fn other_key(place: impl fmt::Display) -> Self {
        Self::wrong(
            format!("vault.key is not the key that {place} is sealed with"),
            "Write the key of before, or that of the last `claviger vault rekey`. Nothing was changed.",
        )
    }

    /// `place` is there no more, which is not to say that its tenants were removed.
    pub(super) fn gone(place: impl fmt::Display) -> Self {
        Self::new(
            format!("{place} is gone: its data was lost, or another server answers"),
            "Bring the data back, or run `claviger vault import` with an export, before any Claviger is started: one that starts begins an empty vault. What is in force stays in force.",
        )
    }

    /// Another vault is in `place` than the one that was opened, and has no record of `missing`, which are in force.
    pub(super) fn replaced(place: impl fmt::Display, missing: &[&TenantName]) -> Self {
        let more = missing.len().saturating_sub(MOST_NAMED);
        let named: Vec<_> = missing.iter().take(MOST_NAMED).map(|alias| alias.as_str()).collect();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let lacks = if named.is_empty() {
            String::new()
        } else {
            format!(", and it lacks tenants that are in force: {}{more}", named.join(", "))
        };
        let what = format!(
            "another vault is in the place of {place}, begun by a Claviger that started after its data was lost{lacks}"
        );
        let remedy = "Bring the data back, or run `claviger vault import` with an export: this process takes up what has all its tenants. Do not restart it before: it would start with that vault as it is.";
        Self { kind: Kind::Replaced, ..Self::new(what, remedy) }
    }

    /// There is none.
    pub fn not_configured() -> Self {
        Self::new(
            "none is configured",
            "Write [vault] with store = { file = \"/var/lib/claviger/vault.redb\" } and key = { file = \"…\" }.",
        )
    }
}

impl VaultError {
    /// What the operator does about it: a sentence.
    pub fn remedy(&self) -> &str {
        match self {
            Self::AliasTaken { by: Holder::Underway, .. } => {
                "Choose another alias, or ask again when that has ended: one whose process died is settled by itself."
            }
            Self::AliasTaken { .. } => "Choose another alias, or remove the tenant that has it.",
            Self::Unknown(_) => "`claviger tenant list` shows which there are.",
            Self::Changed(_) => "Look at it again, and repeat what you meant to do if it still applies.",
            Self::Unfit(_) => "Copy the value from the Logto Console again.",
            Self::NoExport(ExportError::Strange) => {
                "Name a file of `claviger vault export`, and with --key the file with the key that it was given."
            }
            Self::NoExport(ExportError::NotWhole) => {
                "Nothing was taken in. Copy the file again, or make it anew with `claviger vault export`."
            }
            Self::Unavailable(unavailable) => &unavailable.remedy,
        }
    }
}
