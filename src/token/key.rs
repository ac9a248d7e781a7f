//! What a token is for. Two keys are equal exactly when the same token would do for both; no secret is part of a
//! key, so a rotated secret keeps the token.

use std::{ops::Deref, sync::Arc};

use crate::{
    config::{ClientAuth, Endpoint, Tenant},
    ids::TenantName,
};

/// What a token is for. Each part is kept apart from the others: client `x` with scope `yz` is not client
/// `xy` with scope `z`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TokenKey {
    /// The tenant: tokens are never shared between two, whatever else is equal.
    pub tenant: TenantName,
    /// Where the issuer is.
    pub endpoint: Endpoint,
    /// The M2M application; empty where the secret is the token itself.
    pub client_id: Arc<str>,
    /// How its credentials are sent.
    pub client_auth: ClientAuth,
    /// The API resource indicator (RFC 8707). Logto refuses a grant without one (fact 1.5).
    pub resource: Arc<str>,
    /// One scope token (RFC 6749 section 3.3) each; a set, so that order and repetition do not matter.
    pub scopes: Set<String>,
    /// Logto's `organization_id`.
    pub organization_id: Option<String>,
    /// Further members of the request.
    pub parameters: Set<(String, String)>,
}

impl TokenKey {
    /// The key of a tenant's own token.
    pub fn of(tenant: &Tenant) -> Self {
        Self {
            tenant: tenant.name.clone(),
            endpoint: tenant.endpoint.clone(),
            client_id: tenant.client_id.clone(),
            client_auth: tenant.client_auth,
            resource: tenant.resource.clone(),
            scopes: tenant.scopes.iter().flat_map(|s| s.split_ascii_whitespace()).map(Into::into).collect(),
            organization_id: tenant.organization_id.clone(),
            parameters: tenant.parameters.iter().cloned().collect(),
        }
    }

    /// The same with other scopes, given as RFC 6749 writes them: separated by spaces.
    #[must_use]
    pub fn with_scopes(mut self, scopes: &str) -> Self {
        self.scopes = scopes.split_ascii_whitespace().map(Into::into).collect();
        self
    }

    /// All of it, each part with its length, so that no two keys have the same.
    pub(super) fn identity(&self) -> Vec<u8> {
        let mut all = Vec::new();
        let mut put = |part: &[u8]| {
            all.extend_from_slice(&(part.len() as u64).to_be_bytes());
            all.extend_from_slice(part);
        };
        put(self.tenant.as_str().as_bytes());
        put(self.endpoint.to_string().as_bytes());
        put(self.client_id.as_bytes());
        put(match self.client_auth {
            ClientAuth::Basic => b"basic",
            ClientAuth::Post => b"post",
        });
        put(self.resource.as_bytes());
        put(self
            .organization_id
            .as_deref()
            .map_or(b"-".to_vec(), |id| [b"+", id.as_bytes()].concat())
            .as_slice());
        put(&self.scopes.len().to_be_bytes());
        self.scopes.iter().for_each(|scope| put(scope.as_bytes()));
        for (name, value) in self.parameters.iter() {
            put(name.as_bytes());
            put(value.as_bytes());
        }
        all
    }

    /// Whether the secret is the token itself, as of an account at Logto Cloud, whose API takes a personal access token as it
    /// is: then nobody is asked for one.
    pub(super) fn is_the_secret(&self) -> bool {
        self.client_id.is_empty()
    }

    /// The token endpoint. Built from the endpoint, not discovered: Logto's discovery document follows the
    /// `Host` of the request (fact 1.3).
    pub fn token_url(&self) -> String {
        format!("{}/oidc/token", self.endpoint)
    }

    /// The `scope` member of the request; `None` when no scope is asked for.
    pub(super) fn scope(&self) -> Option<String> {
        (!self.scopes.is_empty())
            .then(|| self.scopes.iter().map(String::as_str).collect::<Vec<_>>().join(" "))
    }
}

/// A small set: no order and no repetition in what it is made of, and no more memory than it needs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Set<T>(Box<[T]>);

impl<T: Ord> FromIterator<T> for Set<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut items: Vec<T> = items.into_iter().collect();
        items.sort_unstable();
        items.dedup();
        Self(items.into())
    }
}

impl<T: Ord, const N: usize> From<[T; N]> for Set<T> {
    fn from(items: [T; N]) -> Self {
        items.into_iter().collect()
    }
}

impl<T> Deref for Set<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}
