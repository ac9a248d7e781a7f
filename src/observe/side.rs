//! On whose side a failure lies: what the caller is told as `side`, and what decides how loud the log is about it.

/// On whose side a failure lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The one that asks.
    Caller,
    /// This process, or its configuration.
    Claviger,
    /// The tenant's token endpoint.
    Issuer,
    /// The tenant's Management API.
    Upstream,
}

impl Side {
    /// One word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Claviger => "claviger",
            Self::Issuer => "issuer",
            Self::Upstream => "upstream",
        }
    }
}
