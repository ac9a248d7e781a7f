//! `rotate`: how often a client secret is replaced, of a template and of a tenant.

use std::time::Duration;

use serde::Serialize;

use super::show;

/// `rotate = { every = "30d", overlap = "1h" }`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Rotate {
    /// How old a secret becomes.
    #[serde(serialize_with = "show::duration")]
    pub every: Duration,
    /// How long the one before it works beside it.
    #[serde(serialize_with = "show::duration")]
    pub overlap: Duration,
}

impl Rotate {
    /// The default of `overlap`: as long as a token of Logto lives, so that whatever still asks with the old secret notices.
    pub const OVERLAP: Duration = Duration::from_hours(1);
}
