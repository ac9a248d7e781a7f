//! Errors of the OIDC endpoints: OAuth's two members, wrapped by Logto (fact 1.5).
//!
//! Decides codes and texts; never which error applies.

use http::StatusCode;
use serde::Serialize;

use crate::answer::{Answer, Family};

/// An OAuth error (fact 1.5).
#[derive(Debug)]
pub(crate) struct OidcError {
    pub(crate) status: StatusCode,
    pub(crate) error: &'static str,
    pub(crate) description: String,
    /// Whether the answer comes from outside the CORS layer.
    pub(crate) family: Family,
}

impl OidcError {
    pub(crate) fn new(status: StatusCode, error: &'static str, description: &str) -> Self {
        Self { status, error, description: description.to_owned(), family: Family::Standard }
    }

    pub(crate) fn bad(error: &'static str, description: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error, description)
    }

    pub(crate) fn request(description: &str) -> Self {
        Self::bad("invalid_request", description)
    }

    /// The body; `parse_error=false` in the query leaves the two OAuth members only.
    pub(crate) fn into_answer(self, query: Option<&str>) -> Answer {
        let code = format!("oidc.{}", self.error);
        let plain = query.is_some_and(|query| query.split('&').any(|pair| pair == "parse_error=false"));
        let body = Body {
            message: (!plain).then(|| message(self.error)),
            code: (!plain).then_some(code),
            error: self.error,
            error_description: &self.description,
        };
        Answer::json(self.status, &body).family(self.family)
    }
}

#[derive(Debug, Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    error: &'a str,
    error_description: &'a str,
}

fn message(error: &str) -> String {
    let text = match error {
        "invalid_request" => "Request is invalid.",
        "invalid_target" => "Invalid resource indicator.",
        "access_denied" => "Access denied.",
        "unsupported_grant_type" => "Unsupported `grant_type` requested.",
        "invalid_redirect_uri" => {
            "`redirect_uri` did not match any of the client's registered `redirect_uris`."
        }
        _ => return format!("An OIDC error occurred: oidc.{error}."),
    };
    text.to_owned()
}
