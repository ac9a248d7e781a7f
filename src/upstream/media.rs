//! How Logto reads a body, by its Content-Type (fact 5.2; each type was tried on Logto 1.42.0).

use crate::{catalog::Catalog, config::Limits};

/// The operations that take files, as the OpenAPI document has them; Logto does not read a multipart body elsewhere.
const WITH_FILES: [&str; 2] = ["CreateUserAsset", "UploadCustomUiAssets"];

/// Whether an operation takes a multipart body; one that the catalog does not know (`other`), or has from a file, may.
fn takes_files(operation: &str) -> bool {
    WITH_FILES.contains(&operation) || Catalog::logto().by_id(operation).is_none()
}

/// What is usual without a body, and does no more than with one: an empty object is what is meant.
const OFTEN_BARE: [&str; 2] = ["RotateOidcKeys", "CreateOrganizationInvitationMessage"];

/// Whether an operation takes an object: each that Logto has says that it must be sent; one that the catalog has from a file may do
/// without.
pub(super) fn must_hold_object(operation: &str) -> bool {
    if OFTEN_BARE.contains(&operation) {
        return false;
    }
    let catalog = Catalog::logto();
    catalog.by_id(operation).is_some_and(|op| catalog.parameters(op).members().next().is_some())
}

/// What kind of body it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Media {
    Json,
    Form,
    Multipart,
    /// Logto refuses it where it wants JSON.
    Text,
    /// Logto does not look at it, and acts on an empty object.
    Unread,
}

impl Media {
    /// By the value of the header, in a request for this operation.
    pub(super) fn of(content_type: &[u8], operation: &str) -> Self {
        const JSON: [&[u8]; 5] = [
            b"application/json",
            b"application/json-patch+json",
            b"application/vnd.api+json",
            b"application/csp-report",
            b"application/reports+json",
        ];
        let essence = content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        let begins = |with: &[u8]| essence.get(..with.len()).is_some_and(|it| it.eq_ignore_ascii_case(with));
        if JSON.iter().any(|json| essence.eq_ignore_ascii_case(json)) {
            Self::Json
        } else if essence.eq_ignore_ascii_case(b"application/x-www-form-urlencoded") {
            Self::Form
        } else if begins(b"multipart/") {
            if takes_files(operation) { Self::Multipart } else { Self::Unread }
        } else if begins(b"text/") {
            Self::Text
        } else {
            Self::Unread
        }
    }

    /// Which limit counts: the larger kinds of body must say what they are.
    pub(super) fn limit(self, limits: &Limits) -> (u64, &'static str) {
        match self {
            Self::Multipart => (limits.multipart_body, "limits.multipart_body"),
            Self::Form | Self::Text => (limits.form_body, "limits.form_body"),
            Self::Json | Self::Unread => (limits.body, "limits.body"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_known_by_its_name_alone() {
        for (content_type, media) in [
            ("application/json", Media::Json),
            ("Application/JSON ; charset=utf-8", Media::Json),
            ("application/json-patch+json", Media::Json),
            ("application/x-www-form-urlencoded;charset=UTF-8", Media::Form),
            ("multipart/form-data; boundary=x", Media::Multipart),
            ("text/json", Media::Text),
            ("aplication/json", Media::Unread),
            ("application/jsonp", Media::Unread),
            ("application/scim+json", Media::Unread),
            ("application/octet-stream", Media::Unread),
            ("json", Media::Unread),
            ("", Media::Unread),
        ] {
            assert_eq!(Media::of(content_type.as_bytes(), "CreateUserAsset"), media, "{content_type}");
        }
        for (operation, media) in [("CreateUser", Media::Unread), ("other", Media::Multipart)] {
            assert_eq!(Media::of(b"multipart/form-data; boundary=x", operation), media, "{operation}");
        }
        assert!(WITH_FILES.iter().all(|id| Catalog::logto().by_id(id).is_some()));
    }
}
