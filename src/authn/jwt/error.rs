//! What can be wrong with a JWT, for the operator. Names members, never what a caller wrote into them.

use std::{fmt, time::Duration};

use crate::{
    authn::cause::{Cause, Rounded},
    ids::IssuerName,
};

/// Why a JWT does not authenticate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JwtError {
    /// An assertion that is not a JWT at all, or where there are no issuers.
    NoJwt,
    /// Not a JWS in compact form (RFC 7515 section 7.1), or too long.
    Malformed,
    /// It begins like one, and does not have its three parts, or a signature of a length that none has.
    Cut,
    /// `iss` is missing.
    NoIssuer,
    /// A member of the header that brings a key or an extension.
    Header,
    /// `typ` is neither `JWT` nor `at+jwt`.
    Type,
    /// `alg` is not among the issuer's `algorithms`.
    Algorithm,
    /// `kid` is not a string, is empty or longer than 256 bytes.
    KeyIdForm,
    /// `exp` is missing, or a time is not a number.
    Times,
    /// This one of `exp`, `nbf` and `iat` is in milliseconds, where seconds are wanted (RFC 7519 section 2).
    Milliseconds(&'static str),
    /// `exp` has passed, leeway included; how long ago.
    Expired(Duration),
    /// `nbf` or `iat` is in the future, leeway included; for how long.
    NotYetValid(Duration),
    /// `aud` names none of the issuer's `audience`.
    Audience,
    /// `sub` is missing or empty.
    Subject,
    /// `kid` names none of this many keys.
    KeyUnknown(usize),
    /// The key that `kid` names is of another kind than `alg`.
    KeyKind,
    /// Without a `kid`, not exactly one of this many keys fits.
    KeyNotNamed(usize),
    /// The issuer's signing keys are unavailable. Not the caller's fault.
    NoKeys {
        /// When they may be fetched again.
        again_in: Duration,
    },
    /// None of the keys held fits, and the issuer may publish others by now. Not the caller's fault.
    KeysNotRenewed {
        /// How many.
        held: usize,
        /// When they may be fetched again.
        again_in: Duration,
    },
    /// The signature is invalid.
    Signature,
    /// Verified, but of no caller.
    NoCaller,
    /// Verified, but of two callers.
    TwoCallers,
    /// A verified assertion of another caller than `client_id` says.
    ClientId,
}

/// `iss` is another issuer's: the token may not be meant for Claviger.
pub(super) const FOREIGN: Cause = Cause::new("issuer_unknown", "iss names no configured issuer");
/// The same of every JWT.
pub(in crate::authn) const NO_ISSUERS: Cause =
    Cause::new("issuer_unknown", "a JWT was sent, and no issuer is configured ([issuers])");

impl JwtError {
    /// Of a token of `issuer`, where it names one of the configuration.
    pub(super) fn cause(self, issuer: Option<&IssuerName>) -> Cause {
        let text = issuer.map_or_else(|| self.to_string(), |issuer| format!("issuer {issuer}: {self}"));
        let retry_after = match self {
            Self::NoKeys { again_in } | Self::KeysNotRenewed { again_in, .. } => Some(again_in),
            _ => None,
        };
        Cause { retry_after, ..Cause::of(self.reason(), text) }
    }

    fn reason(self) -> &'static str {
        match self {
            Self::NoJwt | Self::Malformed | Self::NoIssuer => "malformed",
            Self::Cut => "cut",
            Self::Header | Self::Type | Self::KeyIdForm => "header",
            Self::Algorithm => "algorithm",
            Self::Times | Self::Milliseconds(_) => "times",
            Self::Expired(_) => "expired",
            Self::NotYetValid(_) => "not_yet_valid",
            Self::Audience => "audience",
            Self::Subject => "subject",
            Self::KeyUnknown(_) | Self::KeyKind | Self::KeyNotNamed(_) => "key_unknown",
            Self::NoKeys { .. } | Self::KeysNotRenewed { .. } => "issuer_unavailable",
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
            Self::NoJwt => f.write_str("client_assertion is not a JWT of a configured issuer"),
            Self::Malformed => f.write_str("the JWT is not well-formed"),
            Self::Cut => f.write_str(
                "the JWT is incomplete: one of its three parts, or the end of its signature, is missing",
            ),
            Self::NoIssuer => f.write_str("the JWT has no iss"),
            Self::Header => f.write_str("the header has a member that carries a key or an extension"),
            Self::Type => f.write_str("typ is neither JWT nor at+jwt"),
            Self::Algorithm => f.write_str("alg is not allowed"),
            Self::KeyIdForm => f.write_str("kid is not a string, or is empty or too long"),
            Self::Times => f.write_str("exp is missing, or exp, nbf or iat is not a number"),
            Self::Milliseconds(name) => {
                write!(f, "{name} is in milliseconds, and is to be in seconds (RFC 7519, NumericDate)")
            }
            Self::Expired(ago) => write!(f, "expired {} ago", Rounded(*ago)),
            Self::NotYetValid(wait) => write!(f, "not valid for another {}", Rounded(*wait)),
            Self::Audience => f.write_str("aud names none of the configured audiences"),
            Self::Subject => f.write_str("sub is missing or empty"),
            Self::KeyUnknown(keys) => write!(f, "kid names no key of the issuer ({})", held(*keys)),
            Self::KeyKind => f.write_str("the key that kid names is not for alg"),
            Self::KeyNotNamed(keys) => {
                write!(f, "there is no kid, and not exactly one key fits alg ({})", held(*keys))
            }
            Self::NoKeys { .. } => f.write_str("the issuer's signing keys are unavailable"),
            Self::KeysNotRenewed { held: keys, .. } => {
                write!(
                    f,
                    "no key of the issuer fits ({}), and its keys could not be fetched again",
                    held(*keys)
                )
            }
            Self::Signature => f.write_str("the signature is invalid"),
            Self::NoCaller => f.write_str("verified, but its claims match no caller"),
            Self::TwoCallers => f.write_str("verified, but its claims match two callers"),
            Self::ClientId => f.write_str("verified, but client_id is not the name of its caller"),
        }
    }
}
