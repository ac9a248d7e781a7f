//! How to get a token: for which key, with which secrets, from whom. Immutable, so that a grant under way is not
//! changed by a reload.

use std::{fmt, pin::Pin, sync::Arc, time::Duration};

use crate::{
    config::{Tenant, TokenOptions},
    secret::{Secret, SecretHandle},
    token::{key::TokenKey, mint::Issuer},
};

/// Draws one request on the tenant's quota, or says how long until there is room.
pub type QuotaDraw =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), Duration>> + Send>> + Send + Sync>;

/// Hears of each secret before it is sent.
pub type SecretHeard = Arc<dyn Fn(&Secret) + Send + Sync>;

/// How to get a token. Immutable: a changed secret makes a new `TokenSource` with the same key.
#[derive(Clone)]
pub struct TokenSource {
    /// What for.
    pub key: Arc<TokenKey>,
    /// One, or two in overlap, the new one first. With none, every grant is refused as `invalid_client`.
    pub secrets: Arc<[SecretHandle]>,
    /// Whom to ask.
    pub issuer: Arc<dyn Issuer>,
    /// When to renew and when to try again.
    pub options: Arc<TokenOptions>,
    /// How long one token request may take, whole.
    pub timeout: Duration,
    /// The tenant's quota, where it has one.
    pub quota: Option<QuotaDraw>,
    /// Who must know what is sent, where the configuration does not say it.
    pub heard: Option<SecretHeard>,
}

impl TokenSource {
    /// How to get the tenant's own token with these of its secrets.
    pub fn of(
        tenant: &Tenant,
        secrets: Arc<[SecretHandle]>,
        issuer: Arc<dyn Issuer>,
        options: Arc<TokenOptions>,
        timeout: Duration,
    ) -> Self {
        Self {
            key: Arc::new(TokenKey::of(tenant)),
            secrets,
            issuer,
            options,
            timeout,
            quota: None,
            heard: None,
        }
    }

    /// The same, telling somebody of each secret before it is sent.
    #[must_use]
    pub fn telling(mut self, heard: Option<SecretHeard>) -> Self {
        self.heard = heard;
        self
    }

    /// The same, drawing on a quota.
    #[must_use]
    pub fn drawing_on(mut self, quota: Option<QuotaDraw>) -> Self {
        self.quota = quota;
        self
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSource")
            .field("key", &self.key)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
