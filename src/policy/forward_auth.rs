//! Whether another proxy may send a permitted operation with a token of ours: it sends the caller's own bytes, and
//! nobody masks the answer. Judges what is permitted already; never permits anything itself.

use super::{path::CanonicalPath, permit::PermittedOperation};

/// Why a question gets no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ForwardAuthError {
    /// It is not said what is asked about.
    #[error(
        "a request to /authz has one X-Original-URI and one X-Original-Method, or the original path behind /authz"
    )]
    Question,
    /// What the other proxy would send is not what was decided about.
    #[error("the path must be spelled as in the catalog, because another proxy will send it")]
    Spelling,
    /// With a token of the account another proxy could do anything there.
    #[error("the Logto Cloud API is reached through Claviger's own proxy alone")]
    Cloud,
    /// The answer would reach the caller with its secrets, past the masking.
    #[error(
        "the answer to {0} holds secrets that only Claviger's own proxy can mask, and the grant does not reveal them"
    )]
    Masked(&'static str),
}

/// Whether another proxy may send a permitted operation with the path and query that it has.
///
/// # Errors
/// [`ForwardAuthError::Spelling`], [`ForwardAuthError::Masked`].
pub fn check(
    path: &str,
    query: Option<&str>,
    operation: &PermittedOperation,
) -> Result<(), ForwardAuthError> {
    let decided = operation.target().as_str();
    let (decided_path, decided_query) = match decided.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (decided, None),
    };
    // A free name passes here because it is sent as it came. Many another proxy decodes before it sends.
    if (decided_path, decided_query) != (path, query) || CanonicalPath::parse(path).is_err() {
        return Err(ForwardAuthError::Spelling);
    }
    if operation.masking().is_some() { Err(ForwardAuthError::Masked(operation.name())) } else { Ok(()) }
}
