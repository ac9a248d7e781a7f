//! Who made an answer: the label `source` of metrics and logs.

/// Who made an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnsweredBy {
    /// This process.
    Claviger = 0,
    /// The tenant's Management API.
    Upstream = 1,
}

impl AnsweredBy {
    /// The metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Claviger => "claviger",
            Self::Upstream => "upstream",
        }
    }
}
