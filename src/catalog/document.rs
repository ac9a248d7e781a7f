//! Which paths are those of Logto's OpenAPI documents. None is ever forwarded: upstream rebuilds a document for seconds on
//! each request (fact 10.1).

/// An OpenAPI document of Logto, by what it describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApiDocument {
    /// The Management API: Claviger answers it with a copy of its own.
    Management,
    /// Another API, or one that is newer than the catalog.
    Other,
}

impl ApiDocument {
    /// The document at a canonical path, whatever the method and the case of letters.
    pub fn at(path: &str) -> Option<Self> {
        const MANAGEMENT: [&str; 2] = ["/api/swagger.json", "/api/.well-known/management.openapi.json"];
        if MANAGEMENT.iter().any(|known| path.eq_ignore_ascii_case(known)) {
            return Some(Self::Management);
        }
        let begins = |prefix: &str| path.get(..prefix.len()).is_some_and(|p| p.eq_ignore_ascii_case(prefix));
        let ends = |suffix: &str| {
            let start = path.len().checked_sub(suffix.len());
            start.and_then(|at| path.get(at..)).is_some_and(|p| p.eq_ignore_ascii_case(suffix))
        };
        let other = begins("/api/swagger.json") || begins("/api/.well-known/") && ends(".openapi.json");
        other.then_some(Self::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_known_by_its_path_in_any_case() {
        for (path, document) in [
            ("/api/swagger.json", Some(ApiDocument::Management)),
            ("/api/Swagger.JSON", Some(ApiDocument::Management)),
            ("/api/.well-known/management.openapi.json", Some(ApiDocument::Management)),
            ("/api/.well-known/user.openapi.json", Some(ApiDocument::Other)),
            ("/api/.Well-Known/newer.openapi.JSON", Some(ApiDocument::Other)),
            ("/api/swagger.json/x", Some(ApiDocument::Other)),
            ("/api/swagger.jsonx", Some(ApiDocument::Other)),
            ("/api/.well-known/sign-in-exp", None),
            ("/api/users/management.openapi.json", None),
            ("/api", None),
            ("/ap€", None),
        ] {
            assert_eq!(ApiDocument::at(path), document, "{path}");
        }
    }
}
