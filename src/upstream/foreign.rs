//! What shows that an answer is not the Management API's, although the upstream's address gave it: of another server, of a firewall, of
//! a gateway in front of Logto, or of a forward proxy. What becomes of it is decided where requests are sent, in `client`.

use std::fmt;

use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::{ids::OperationId, trust::PROXY_LOGIN};

/// The operations that answer browsers, by a redirect where all goes well (Logto's OpenAPI document has no other 3xx).
const REDIRECTING: [OperationId; 4] = [
    OperationId::named("AssertSaml"),
    OperationId::named("AssertSingleSignOnSaml"),
    OperationId::named("GetSamlAuthn"),
    OperationId::named("CreateSamlAuthn"),
];

/// What web pages are made of.
const PAGES: [&str; 2] = ["text/html", "application/xhtml+xml"];

/// An answer that cannot be a Management API's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Foreign {
    status: StatusCode,
    page: Option<&'static str>,
}

/// What a forward proxy says that wants a login.
const LOGIN: StatusCode = StatusCode::PROXY_AUTHENTICATION_REQUIRED;

impl Foreign {
    /// What is wrong with an answer, if anything is. Logto's errors are JSON or plain text, and outside `/api` it answers 200 with
    /// a web page (fact 3.4); a 304 is an answer to a condition.
    pub(super) fn of(status: StatusCode, headers: &HeaderMap, operation: OperationId) -> Option<Self> {
        let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
        let is_of =
            |page: &&&str| kind.get(..page.len()).is_some_and(|it| it.eq_ignore_ascii_case(page.as_bytes()));
        let page = PAGES.iter().find(is_of).copied();
        let is_redirect = status.is_redirection() && status != StatusCode::NOT_MODIFIED;
        let is_foreign =
            page.is_some() || status == LOGIN || (is_redirect && !REDIRECTING.contains(&operation));
        is_foreign.then_some(Self { status, page })
    }

    /// Whether its status says that another try may fare better, whoever answers: then it is treated by that.
    pub(super) fn may_pass(self) -> bool {
        self.is_of_gateway() || self.status == StatusCode::TOO_MANY_REQUESTS
    }

    /// Whether it is most likely what a gateway in front of Logto says of it.
    pub fn is_of_gateway(self) -> bool {
        self.status.is_server_error()
    }

    /// The status for the caller: its own where callers act by that.
    pub fn status(self) -> StatusCode {
        match self.status {
            passing @ (StatusCode::TOO_MANY_REQUESTS
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT) => passing,
            _ => StatusCode::BAD_GATEWAY,
        }
    }

    /// Whether it says that the request was not carried out.
    pub(super) fn was_kept_out(self) -> bool {
        matches!(self.status, StatusCode::TOO_MANY_REQUESTS | LOGIN)
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.page {
            _ if self.status == LOGIN => f.write_str(PROXY_LOGIN),
            Some(page) => write!(f, "a web page ({page}) with status {}", self.status),
            None => write!(f, "a redirect with status {}", self.status),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, kind: &str, operation: &'static str) -> Option<Foreign> {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, kind.parse().unwrap())]);
        Foreign::of(StatusCode::from_u16(status).unwrap(), &headers, OperationId::named(operation))
    }

    #[test]
    fn b21_pages_and_redirects_are_not_a_management_apis() {
        for status in [200, 201, 400, 401, 403, 404, 422, 429, 500, 503] {
            for kind in ["application/json; charset=utf-8", "text/plain", "text/xml", "", "text"] {
                assert_eq!(of(status, kind, "ListRoles"), None, "{status} {kind}");
            }
            for kind in ["Text/HTML; charset=utf-8", "application/xhtml+xml"] {
                assert!(of(status, kind, "ListRoles").is_some(), "{status} {kind}");
            }
        }
        for status in [300, 301, 302, 303, 307, 308] {
            assert!(of(status, "", "ListRoles").is_some(), "{status}");
            assert!(of(status, "text/plain", "").is_some(), "{status}");
        }
        assert_eq!(of(304, "", "ListRoles"), None);
    }

    #[test]
    fn b21_what_redirects_browsers_may() {
        let catalog = include_str!("../catalog/operations.tsv");
        for operation in ["AssertSaml", "AssertSingleSignOnSaml", "GetSamlAuthn", "CreateSamlAuthn"] {
            assert!(catalog.contains(&format!("\t{operation}\t")), "{operation}");
            assert_eq!(of(302, "text/plain", operation), None, "{operation}");
            assert!(of(302, "text/html", operation).is_some(), "{operation}");
        }
    }
}
