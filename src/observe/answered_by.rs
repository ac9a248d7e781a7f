//! Who made an answer: the label `source` of metrics and logs.

/// Who made an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnsweredBy {
    /// This process.
    Claviger = 0,
    /// The tenant's Management API.
    Upstream = 1,
    /// The tenant's Management API, to another request: it was kept, for the cache or by its `Idempotency-Key`, or shared while it was under
    /// way.
    Cache = 2,
}

impl AnsweredBy {
    /// The metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Claviger => "claviger",
            Self::Upstream => "upstream",
            Self::Cache => "cache",
        }
    }
}

/// How a request was answered whose answer could have been another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheUse {
    /// With an answer that was kept.
    Hit = 0,
    /// With one that was asked for because none was kept, or none that was good.
    Miss = 1,
    /// With one that was kept, and that the upstream says is still true.
    Revalidated = 2,
    /// With one that was on its way to another request.
    Collapsed = 3,
}

impl CacheUse {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Hit, Self::Miss, Self::Revalidated, Self::Collapsed];

    /// One word, for metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Revalidated => "revalidated",
            Self::Collapsed => "collapsed",
        }
    }
}
