//! What a caller authenticated as, beside its name: which of its API keys, which subject of a token, which name in a
//! certificate. For log, audit log and status; nothing is decided by it, and it holds no credential.

use std::sync::Arc;

use tokio::time::Instant;

use super::key::ApiKey;
use crate::ids::IssuerName;

/// As much of a subject as is kept, in bytes.
const MAX_SUBJECT: usize = 256;

/// What a caller authenticated as. Cheap to clone.
#[derive(Debug, Clone)]
pub enum Principal {
    /// With this API key, or with a token of the broker that was got with it.
    Key(Arc<ApiKey>),
    /// With a token of this issuer, for this subject (`sub`).
    Token(Arc<Subject>),
    /// With a certificate that has this SPIFFE ID or DNS name.
    Certificate(Arc<str>),
}

/// Who a verified token is for.
#[derive(Debug, PartialEq, Eq)]
pub struct Subject {
    /// By its name in the configuration.
    pub issuer: IssuerName,
    /// The claim `sub`, bounded, and without what no terminal or log should be sent.
    pub name: Box<str>,
}

impl Principal {
    /// It was authenticated at `now`: the last use of an API key.
    pub fn note_use(&self, now: Instant) {
        if let Self::Key(key) = self {
            key.note_use(now);
        }
    }

    /// The label of the API key.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Key(key) => Some(key.label().as_str()),
            _ => None,
        }
    }

    /// The subject of the token.
    pub fn subject(&self) -> Option<&str> {
        match self {
            Self::Token(subject) => Some(&subject.name),
            _ => None,
        }
    }

    /// The issuer of the token, by its name in the configuration.
    pub fn issuer(&self) -> Option<&str> {
        match self {
            Self::Token(subject) => Some(subject.issuer.as_str()),
            _ => None,
        }
    }

    /// The name in the certificate.
    pub fn certificate(&self) -> Option<&str> {
        match self {
            Self::Certificate(name) => Some(name),
            _ => None,
        }
    }
}

impl Subject {
    /// Of a verified token. An issuer may let its users choose their own subject, so what could disturb a reader's screen is
    /// replaced.
    pub(super) fn of(issuer: &IssuerName, subject: &str) -> Self {
        let shown = &subject[..subject.floor_char_boundary(MAX_SUBJECT)];
        let harmless = |c: char| c == ' ' || c.is_ascii_graphic() || c.is_alphanumeric();
        let name = shown.chars().map(|c| if harmless(c) { c } else { char::REPLACEMENT_CHARACTER }).collect();
        Self { issuer: issuer.clone(), name }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_bounded_and_harmless_on_a_screen() {
        let issuer = IssuerName::parse("x").unwrap();
        let of = |text: &str| Subject::of(&issuer, text).name.into_string();
        assert_eq!(of("system:serviceaccount:shop:billing"), "system:serviceaccount:shop:billing");
        assert_eq!(of("Jürgen 李"), "Jürgen 李");
        assert_eq!(of("a\u{1b}[31m\u{202e}b\n\u{9b}"), "a\u{fffd}[31m\u{fffd}b\u{fffd}\u{fffd}");
        assert_eq!(of(&"ü".repeat(300)).len(), 256);
    }
}
