//! `[issuers.NAME]`: whose JWTs identify callers, and what such tokens must look like.

use std::{fmt, path::PathBuf, time::Duration};

use serde::{Serialize, Serializer};

use super::{origin::Written, show, tenant::Roots};
use crate::{ids::IssuerName, secret::Bearer};

/// `[issuers.NAME]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Issuer {
    /// Its name, by which authentication methods refer to it.
    #[serde(skip)]
    pub name: IssuerName,
    /// `issuer`: what the claim `iss` must be, byte for byte; an https URL, or http on a loopback host. No two issuers share it.
    pub issuer: String,
    /// `jwks`
    pub jwks: Jwks,
    /// `audience`: one of these must be in the claim `aud`; at least one, none empty.
    pub audience: Vec<String>,
    /// `algorithms`: no other is accepted, whatever a token's header says; at least one.
    pub algorithms: Vec<Algorithm>,
    /// `leeway`: for `exp`, `nbf` and `iat`; at most five minutes.
    #[serde(serialize_with = "show::duration")]
    pub leeway: Duration,
    /// `bearer`: what is shown when keys are fetched, to the server that `issuer` or `jwks` names.
    pub bearer: Option<Bearer>,
    /// `tls.roots`: the trusted CAs of the server that has the keys.
    #[serde(rename = "tls", serialize_with = "show_roots")]
    pub ca: Roots,
    /// `refresh`: how long fetched keys are used before they are fetched again.
    #[serde(serialize_with = "show::duration")]
    pub refresh: Duration,
}

impl show::Named for Issuer {
    fn name(&self) -> &str {
        self.name.as_str()
    }
}

fn show_roots<S: Serializer>(roots: &Roots, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map([("roots", roots)])
}

impl Issuer {
    /// What is asked for its keys first; `None` where a file has them.
    pub fn asked(&self) -> Option<String> {
        match &self.jwks {
            Jwks::Url(url) => Some(url.clone()),
            Jwks::Discovery => {
                Some(format!("{}/.well-known/openid-configuration", self.issuer.trim_end_matches('/')))
            }
            Jwks::File { .. } => None,
        }
    }

    /// The default of `algorithms`.
    pub const ALGORITHMS: [Algorithm; 7] = [
        Algorithm::Rs256,
        Algorithm::Rs384,
        Algorithm::Rs512,
        Algorithm::Ps256,
        Algorithm::Es256,
        Algorithm::Es384,
        Algorithm::EdDsa,
    ];
    /// The default of `leeway`.
    pub const LEEWAY: Duration = Duration::from_secs(30);
    /// The default of `refresh`.
    pub const REFRESH: Duration = Duration::from_mins(10);
}

/// Where the keys of an issuer are.
#[derive(Clone, PartialEq, Eq)]
pub enum Jwks {
    /// Left out: at the `jwks_uri` of `ISSUER/.well-known/openid-configuration`.
    Discovery,
    /// `"https://…"`, or http on a loopback host.
    Url(String),
    /// `{ file = "jwks.json" }`
    File {
        /// The path, for messages.
        path: PathBuf,
        /// The file as read: a JSON object with an array `keys`. A changed file is a changed configuration.
        json: Vec<u8>,
        /// Where the configuration names it, for messages.
        origin: Written,
    },
}

impl Serialize for Jwks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Discovery => serializer.serialize_none(),
            Self::Url(url) => serializer.serialize_str(url),
            Self::File { path, json: _, origin: _ } => show::file(path, serializer),
        }
    }
}

impl fmt::Debug for Jwks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Of a file the path alone: somebody may have saved private keys in it.
        match self {
            Self::Discovery => f.write_str("Discovery"),
            Self::Url(url) => f.debug_tuple("Url").field(url).finish(),
            Self::File { path, json: _, origin: _ } => f.debug_tuple("File").field(path).finish(),
        }
    }
}

/// A signature algorithm (RFC 7518 section 3.1, RFC 8037). All are asymmetric: with a shared secret, whoever
/// can verify a token can make one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5, SHA-256
    Rs256,
    /// RSASSA-PKCS1-v1_5, SHA-384
    Rs384,
    /// RSASSA-PKCS1-v1_5, SHA-512
    Rs512,
    /// RSASSA-PSS, SHA-256
    Ps256,
    /// RSASSA-PSS, SHA-384
    Ps384,
    /// RSASSA-PSS, SHA-512
    Ps512,
    /// ECDSA, P-256, SHA-256
    Es256,
    /// ECDSA, P-384, SHA-384
    Es384,
    /// Ed25519
    EdDsa,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    /// Its name in a token's header (`alg`).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The algorithm of that name; the case counts.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == text)
    }
}

impl Serialize for Algorithm {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
