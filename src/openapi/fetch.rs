//! How a document is fetched: one GET without a credential (fact 10: none is asked for), with the tenant's own roots, a bound on
//! its time and one on its size.

use std::time::Duration;

use http::{StatusCode, header};

use super::document::Unusable;
use crate::trust;

/// Why there is no document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// No answer: the system's or the TLS library's reason.
    #[error("{0}")]
    Unreachable(String),
    /// An answer with another status than 200.
    #[error("the answer was {0} instead of 200")]
    Status(u16),
    /// More than is taken.
    #[error("the answer is longer than {0} bytes")]
    TooLarge(usize),
    /// The tenant's quota is used up.
    #[error("the tenant's quota is used up")]
    Quota,
    /// All places among the tenant's requests are taken.
    #[error("too many requests to the tenant are under way")]
    InFlight,
    /// Not a document.
    #[error(transparent)]
    Unusable(#[from] Unusable),
    /// No room for another one.
    #[error("there is no room for it in openapi.memory")]
    Memory,
    /// The thread that reads documents has too much to do.
    #[error("too many documents wait to be read")]
    Busy,
}

/// Reads the document at `url`, at most `most` bytes of it, in `whole` at the longest.
///
/// # Errors
/// [`FetchError`].
pub async fn get(
    http: &reqwest::Client,
    url: &str,
    most: usize,
    whole: Duration,
) -> Result<Vec<u8>, FetchError> {
    let unreachable = |error| FetchError::Unreachable(trust::describe(error));
    let request = http.get(url).header(header::ACCEPT, "application/json").timeout(whole);
    let mut response = request.send().await.map_err(unreachable)?;
    if response.status() != StatusCode::OK {
        return Err(FetchError::Status(response.status().as_u16()));
    }
    let announced = response.content_length().and_then(|length| usize::try_from(length).ok());
    if announced.is_some_and(|length| length > most) {
        return Err(FetchError::TooLarge(most));
    }
    let mut body = Vec::with_capacity(announced.unwrap_or_default());
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        if body.len() + chunk.len() > most {
            return Err(FetchError::TooLarge(most));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
