//! Why nobody was identified: for the operator, in the log, the audit log and a metric. The one who asks never learns
//! of it. Everything in here is from closed sets and our own configuration: no word of a credential, and no number
//! of one but how long ago it ended, roundly.

use std::{fmt, time::Duration};

use super::{Reach, jwt::JwtError};
use crate::ids::IssuerName;

/// What is wrong with what a request shows, or missing in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Nothing was shown, and by this listener nobody is known without.
    NoneSent(Reach),
    /// The same header twice, or `Claviger-Key` beside the client of a token request.
    Several,
    /// `Authorization` of a kind that does not count.
    Scheme,
    /// `Claviger-Key`.
    Key,
    /// A bearer that is no JWT and no token of the broker.
    Bearer,
    /// `client_id` and `client_secret`.
    Client,
    /// A token of the broker.
    Token(TokenCause),
    /// A JWT.
    Jwt {
        /// The place of the issuer in the configuration, where the token is one of its.
        issuer: Option<usize>,
        /// What is wrong with it.
        wrong: JwtError,
    },
    /// A client certificate.
    Certificate(CertificateCause),
}

/// Why a token of the broker is not good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenCause {
    /// Sealed by somebody else, or changed.
    Sealed,
    /// It was good until then.
    Expired(Duration),
    /// It names a caller that the configuration does not have.
    CallerGone,
    /// The API key that it was got with is no longer its caller's.
    KeyGone,
}

/// Why a client certificate identifies nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateCause {
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYetValid,
    /// It is on a revocation list.
    Revoked,
    /// The revocation list that would say so is over.
    ListExpired,
    /// Anything else that the verifier finds.
    Untrusted,
    /// None of its names is a caller's.
    NoCaller,
    /// Its names are those of two callers.
    TwoCallers,
}

impl Cause {
    /// The metric label: a closed set.
    pub fn reason(self) -> &'static str {
        match self {
            Self::NoneSent(_) => "none_sent",
            Self::Several => "several",
            Self::Scheme => "scheme",
            Self::Key | Self::Bearer | Self::Client => "unknown",
            Self::Token(TokenCause::Sealed) => "sealed",
            Self::Token(TokenCause::Expired(_)) => "expired",
            Self::Token(TokenCause::CallerGone) => "no_caller",
            Self::Token(TokenCause::KeyGone) => "key_gone",
            Self::Jwt { wrong, .. } => wrong.reason(),
            Self::Certificate(cause) => match cause {
                CertificateCause::Expired => "expired",
                CertificateCause::NotYetValid => "not_yet_valid",
                CertificateCause::Revoked => "revoked",
                CertificateCause::ListExpired => "revocation_list",
                CertificateCause::Untrusted => "untrusted",
                CertificateCause::NoCaller => "no_caller",
                CertificateCause::TwoCallers => "two_callers",
            },
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoneSent(Reach::Unix) => f.write_str(
                "no credential was sent, and no caller has the peer's user or group or is known by locality",
            ),
            Self::NoneSent(_) => {
                f.write_str("no credential was sent, and this listener knows nobody by locality")
            }
            Self::Several => f.write_str("more than one credential was sent where one counts"),
            Self::Scheme => f.write_str("Authorization is of a scheme that does not count here"),
            Self::Key => f.write_str("Claviger-Key is no caller's key"),
            Self::Bearer => f.write_str("bearer is no caller's key and no token that is known here"),
            Self::Client => f.write_str("client_id and client_secret are no caller's name and key"),
            Self::Token(cause) => write!(f, "broker token: {cause}"),
            Self::Jwt { wrong, .. } => write!(f, "{wrong}"),
            Self::Certificate(cause) => write!(f, "certificate: {cause}"),
        }
    }
}

impl fmt::Display for TokenCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sealed => f.write_str("does not open (another broker.key, or a restart without one?)"),
            Self::Expired(ago) => write!(f, "ended {} ago", Rounded(*ago)),
            Self::CallerGone => f.write_str("its caller is gone from the configuration"),
            Self::KeyGone => f.write_str("the API key that it was got with is gone from the configuration"),
        }
    }
}

impl fmt::Display for CertificateCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expired => "expired",
            Self::NotYetValid => "not yet valid",
            Self::Revoked => "revoked",
            Self::ListExpired => "its revocation list is over",
            Self::Untrusted => "no longer trusted",
            Self::NoCaller => "names no caller",
            Self::TwoCallers => "names two callers",
        })
    }
}

/// A length of time in so few forms that nobody writes with it.
pub(super) struct Rounded(pub(super) Duration);

impl fmt::Display for Rounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MINUTE: u64 = 60;
        const HOUR: u64 = 60 * MINUTE;
        match self.0.as_secs() {
            seconds if seconds < 10 * MINUTE => write!(f, "{seconds} s"),
            seconds if seconds < 2 * HOUR => write!(f, "{} min", seconds / MINUTE),
            seconds if seconds < 48 * HOUR => write!(f, "{} h", seconds / HOUR),
            _ => f.write_str("more than two days"),
        }
    }
}

/// Unauthenticated we know. What it says as an error is for the one who asks, and never which part was wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthnError {
    pub(super) tried: &'static str,
    pub(super) cause: Cause,
    /// That of a JWT.
    pub(super) issuer: Option<IssuerName>,
    /// What is to be said of a certificate beside it.
    pub(super) certificate: Option<CertificateCause>,
}

impl AuthnError {
    /// The way that had the last word, by its name; `none` where nothing was shown that one of them could judge.
    pub fn tried(&self) -> &'static str {
        self.tried
    }

    /// One word of a closed set.
    pub fn reason(&self) -> &'static str {
        self.cause.reason()
    }

    /// For the operator.
    pub fn cause(&self) -> String {
        let mut text = match &self.issuer {
            Some(issuer) => format!("issuer {issuer}: {}", self.cause),
            None => self.cause.to_string(),
        };
        if let Some(certificate) = self.certificate {
            text.push_str("; ");
            text.push_str(&Cause::Certificate(certificate).to_string());
        }
        text
    }

    /// Where it is not the caller's fault: the token's issuer is one of ours, and none of its keys is to be had.
    /// When it is asked again.
    pub fn retry_after(&self) -> Option<Duration> {
        match self.cause {
            Cause::Jwt { wrong: JwtError::NoKeys { again_in }, .. } => Some(again_in),
            _ => None,
        }
    }
}

impl fmt::Display for AuthnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.retry_after() {
            None => "the caller could not be identified",
            Some(_) => "the token cannot be judged, because the keys of its issuer are not to be had",
        })
    }
}

impl std::error::Error for AuthnError {}
