//! A question that cannot be answered as it is asked.

/// Why a text is no request, with what to write instead. Never quotes the text: it may hold a credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unclear(pub String);
