//! Why an answer cannot be masked: the error of the redactor, after which nothing more of the answer passes.

/// Why secrets could not be masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unmaskable {
    /// Not JSON, or JSON that two parsers could read differently.
    #[error("it is not valid JSON")]
    Malformed,
    /// Deeper than [`MAX_DEPTH`](super::MAX_DEPTH) on the way to a secret, or than is kept track of elsewhere.
    #[error("it is nested too deep")]
    TooDeep,
    /// It ended in the middle.
    #[error("it ended in the middle of a value")]
    Unfinished,
}
