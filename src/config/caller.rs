//! `[callers.NAME]`: who may call, how each proves who it is, and what it is granted.

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::json;

use super::{
    origin::Origin,
    policy::RuleText,
    rate::Rate,
    scope::TenantScope,
    show,
    words::{Class, Issue},
};
use crate::{
    ids::{CallerName, IssuerName, KeyLabel, PolicyName, TenantName},
    secret::Digest,
};

/// `[callers.NAME]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Caller {
    /// Its name.
    #[serde(skip)]
    pub name: CallerName,
    /// `identify`: any of these.
    pub identify: Vec<Identity>,
    /// `tenants`: which it may name; where that is a single one, it is the default.
    pub tenants: TenantScope,
    /// `cloud`: the accounts at Logto Cloud that it may use. Mostly none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cloud: Vec<TenantName>,
    /// `policies`: any of these allows; a deny in any of them wins.
    pub policies: Vec<PolicyName>,
    /// `reveal`: operationIds whose answers come with their secrets unmasked. No conditions.
    pub reveal: Vec<RuleText>,
    /// `issue`: what the token broker hands to it.
    pub issue: Issue,
    /// `scopes`: asked for instead of the tenant's, and among them in every tenant that it may name. `None`: the tenant's.
    pub scopes: Option<Vec<String>>,
    /// `organization_id`: instead of the tenant's. `None`: the tenant's.
    pub organization_id: Option<String>,
    /// `rate`
    #[serde(serialize_with = "show::or_off")]
    pub rate: Option<Rate>,
    /// `priority`: how urgent its requests are.
    pub priority: Class,
    /// `weight`: its share among the callers of its class.
    pub weight: u32,
    /// Where the caller is defined.
    #[serde(skip)]
    pub origin: Origin,
}

/// One authentication method of a caller. No two callers have the same one, or patterns that one name meets both
/// of. Two callers' claims may still be met by one token, where they are different claims or hold arrays: then the
/// token identifies nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// `{ loopback = true }`: everything that reaches a loopback or Unix listener.
    Loopback,
    /// `{ unix_uid = 1001 }`: peer of a Unix socket, by `SO_PEERCRED`.
    UnixUid(u32),
    /// `{ unix_gid = 1001 }`: peer of a Unix socket by its primary group, by `SO_PEERCRED`.
    UnixGid(u32),
    /// `{ api_key = … }` (the key itself) or `{ api_key_sha256 = "…" }` (its digest); up to two in overlap.
    ApiKey {
        /// The keys, the new one first.
        keys: Vec<Digest>,
        /// `label`: what the one key is called in log, audit log and status.
        label: Option<KeyLabel>,
    },
    /// `{ service_account = "shop/billing", issuer = "kubernetes" }`: a Kubernetes token with the subject
    /// `system:serviceaccount:shop:billing`.
    ServiceAccount {
        /// A namespace; never a pattern.
        namespace: String,
        /// The service account; `None` for `*`, any in the namespace.
        name: Option<String>,
        /// Who must have signed; one of [`super::Config::issuers`].
        issuer: IssuerName,
    },
    /// `{ jwt = { issuer = "x", claims = { sub = "…" } } }`
    Jwt {
        /// Who must have signed; one of [`super::Config::issuers`].
        issuer: IssuerName,
        /// The claim (a path with dots for a nested one) and what it must be; all of them. At least one, none
        /// of them `iss` or `aud` alone, in order of name.
        claims: Vec<(String, ClaimMatch)>,
    },
    /// `{ spiffe = "spiffe://prod/ns/*/sa/billing" }`: a client certificate with this URI; `*` stands for one whole
    /// segment of the path. A valid SPIFFE ID otherwise, the trust domain in lower case and literal.
    Spiffe(String),
    /// `{ dns = "billing.internal" }`: a client certificate with this DNS name, in lower case; `*.` in front stands
    /// for one label.
    Dns(String),
}

/// What a claim must be: a string among these, or an array that holds one of them. Not empty. A claim that is a
/// number, `true` or `false` counts as its JSON text, since a file's scalars are all text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClaimMatch(pub Vec<String>);

impl Identity {
    /// Its key in the configuration.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::UnixUid(_) => "unix_uid",
            Self::UnixGid(_) => "unix_gid",
            Self::ApiKey { .. } => "api_key",
            Self::ServiceAccount { .. } => "service_account",
            Self::Jwt { .. } => "jwt",
            Self::Spiffe(_) => "spiffe",
            Self::Dns(_) => "dns",
        }
    }

    /// The issuer whose tokens it rests on, if it does on one's.
    pub fn issuer(&self) -> Option<&IssuerName> {
        match self {
            Self::ServiceAccount { issuer, .. } | Self::Jwt { issuer, .. } => Some(issuer),
            _ => None,
        }
    }
}

impl Caller {
    /// Its API keys, each with its label; one without a label has its place among them, from 1.
    pub fn api_keys(&self) -> impl Iterator<Item = (Digest, KeyLabel)> + '_ {
        let keys = self.identify.iter().flat_map(|identity| match identity {
            Identity::ApiKey { keys, label } => keys.iter().map(move |key| (*key, label)).collect(),
            _ => Vec::new(),
        });
        keys.enumerate().filter_map(|(index, (key, label))| {
            let place = || KeyLabel::parse(&(index + 1).to_string()).ok();
            Some((key, label.clone().or_else(place)?))
        })
    }
}

impl fmt::Display for Identity {
    /// For a review: the key and what it must be, never a credential or its digest.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())?;
        match self {
            Self::Loopback | Self::ApiKey { label: None, .. } => Ok(()),
            Self::UnixUid(id) | Self::UnixGid(id) => write!(f, " {id}"),
            Self::ApiKey { label: Some(label), .. } => write!(f, " {}", label.as_str()),
            Self::ServiceAccount { namespace, name, issuer } => {
                write!(f, " {namespace}/{} of {issuer}", name.as_deref().unwrap_or("*"))
            }
            Self::Jwt { issuer, claims } => {
                let claims =
                    claims.iter().map(|(name, wanted)| format!("{name} = {}", wanted.0.join(" or ")));
                write!(f, " of {issuer} ({})", claims.collect::<Vec<_>>().join(", "))
            }
            Self::Spiffe(name) | Self::Dns(name) => write!(f, " {name}"),
        }
    }
}

impl show::Named for Caller {
    fn name(&self) -> &str {
        self.name.as_str()
    }
}

impl Serialize for Identity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let shown = match self {
            Self::Loopback => json!({ "loopback": true }),
            Self::UnixUid(uid) => json!({ "unix_uid": uid }),
            Self::UnixGid(gid) => json!({ "unix_gid": gid }),
            // Neither the key nor its digest, by which a guess could be tried.
            Self::ApiKey { label: None, .. } => json!({ "api_key": "(set)" }),
            Self::ApiKey { label: Some(label), .. } => json!({ "api_key": "(set)", "label": label }),
            Self::ServiceAccount { namespace, name, issuer } => json!({
                "service_account": format!("{namespace}/{}", name.as_deref().unwrap_or("*")),
                "issuer": issuer,
            }),
            Self::Jwt { issuer, claims } => json!({ "jwt": { "issuer": issuer, "claims": Claims(claims) } }),
            Self::Spiffe(id) => json!({ "spiffe": id }),
            Self::Dns(name) => json!({ "dns": name }),
        };
        shown.serialize(serializer)
    }
}

/// Claims as members of a table.
struct Claims<'c>(&'c [(String, ClaimMatch)]);

impl Serialize for Claims<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        show::pairs(self.0, serializer)
    }
}
