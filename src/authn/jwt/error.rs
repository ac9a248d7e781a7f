//! What can be wrong with a JWT, for the operator. Names members, never what a caller wrote into them.

use std::{fmt, time::Duration};

use crate::{
    authn::cause::{Cause, Rounded},
    ids::IssuerName,
};

/// Why a JWT identifies nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JwtError {
    /// An assertion that is no JWT at all, or where there are no issuers.
    NoJwt,
    /// Its form.
    Malformed,
    /// `iss` is not there.
    NoIssuer,
    /// A member of the header that brings a key or an extension.
    Header,
    /// `typ`.
    Type,
    /// `alg`.
    Algorithm,
    /// `kid` is no text of a sensible length.
    KeyIdForm,
    /// `exp` is not there, or a time is no number.
    Times,
    /// `exp`, leeway included.
    Expired(Duration),
    /// `nbf` or `iat`, leeway included.
    NotYetValid(Duration),
    /// `aud`.
    Audience,
    /// `sub`.
    Subject,
    /// `kid` names none of this many keys.
    KeyUnknown(usize),
    /// The key that `kid` names is of another kind than `alg`.
    KeyKind,
    /// Without a `kid`, not exactly one of this many keys fits.
    KeyNotNamed(usize),
    /// The issuer's keys are not to be had. Not the caller's fault.
    NoKeys {
        /// When they may be fetched again.
        again_in: Duration,
    },
    /// The signature.
    Signature,
    /// A good token of no caller.
    NoCaller,
    /// A good token of two.
    TwoCallers,
    /// A good assertion of another caller than `client_id` says.
    ClientId,
}

/// `iss` is somebody else's: the token may not be meant for Claviger.
pub(super) const FOREIGN: Cause = Cause::new("issuer_unknown", "iss is of no configured issuer");

impl JwtError {
    /// Of a token of `issuer`, where it names one of the configuration.
    pub(super) fn cause(self, issuer: Option<&IssuerName>) -> Cause {
        let text = issuer.map_or_else(|| self.to_string(), |issuer| format!("issuer {issuer}: {self}"));
        let retry_after = match self {
            Self::NoKeys { again_in } => Some(again_in),
            _ => None,
        };
        Cause { retry_after, ..Cause::of(self.reason(), text) }
    }

    fn reason(self) -> &'static str {
        match self {
            Self::NoJwt | Self::Malformed | Self::NoIssuer => "malformed",
            Self::Header | Self::Type | Self::KeyIdForm => "header",
            Self::Algorithm => "algorithm",
            Self::Times => "times",
            Self::Expired(_) => "expired",
            Self::NotYetValid(_) => "not_yet_valid",
            Self::Audience => "audience",
            Self::Subject => "subject",
            Self::KeyUnknown(_) | Self::KeyKind | Self::KeyNotNamed(_) => "key_unknown",
            Self::NoKeys { .. } => "issuer_unavailable",
            Self::Signature => "signature",
            Self::NoCaller => "no_caller",
            Self::TwoCallers => "two_callers",
            Self::ClientId => "client_id",
        }
    }
}

impl fmt::Display for JwtError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let held = |keys: usize| if keys == 1 { "1 key held".into() } else { format!("{keys} keys held") };
        match self {
            Self::NoJwt => f.write_str("client_assertion is no JWT of a configured issuer"),
            Self::Malformed => f.write_str("the JWT is not well-formed"),
            Self::NoIssuer => f.write_str("the JWT has no iss"),
            Self::Header => f.write_str("its header has a member that brings a key or an extension"),
            Self::Type => f.write_str("typ is not that of a JWT"),
            Self::Algorithm => f.write_str("alg is not allowed"),
            Self::KeyIdForm => f.write_str("kid is no text, empty or too long"),
            Self::Times => f.write_str("exp is missing, or a time in it is no number"),
            Self::Expired(ago) => write!(f, "expired {} ago", Rounded(*ago)),
            Self::NotYetValid(wait) => write!(f, "not yet valid, for {}", Rounded(*wait)),
            Self::Audience => f.write_str("aud is not among its audience"),
            Self::Subject => f.write_str("sub is missing or empty"),
            Self::KeyUnknown(keys) => write!(f, "kid is of no key ({})", held(*keys)),
            Self::KeyKind => f.write_str("the key that kid names does not sign with alg"),
            Self::KeyNotNamed(keys) => {
                write!(f, "without a kid, not exactly one key fits alg ({})", held(*keys))
            }
            Self::NoKeys { .. } => f.write_str("no key is held, so none of its tokens can be judged"),
            Self::Signature => f.write_str("signature false"),
            Self::NoCaller => f.write_str("verified, but its claims fit no caller"),
            Self::TwoCallers => f.write_str("verified, but its claims fit two callers"),
            Self::ClientId => f.write_str("verified, but client_id is not the name of its caller"),
        }
    }
}
