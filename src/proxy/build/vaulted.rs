//! What is asked of tenants that are not in force yet: whether their alias is free, and whether their credential works.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::{error::BuildError, shared::Shared, tenants};
use crate::{
    config::{self, Config},
    ids::TenantName,
    proxy::pipeline::Pipeline,
    tenants::Directory,
    token::{Issuer, TokenError, TokenSource, Tokens},
    upstream::Tenant,
    vault::{Holder, Reservation, Unavailable, Vault, VaultError},
};

/// Why a credential is not proved.
#[derive(Debug, thiserror::Error)]
pub enum Unproved {
    /// The tenant's TLS cannot be set up.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// No token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// No thread to read certificates with.
    #[error("the system gives no thread")]
    Thread,
}

impl Unproved {
    /// What to do about it: a sentence.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Token(error) => error.remedy(),
            Self::Build(_) => "Look at the tenant's `tls.roots`.",
            Self::Thread => "Try again; look at the limits of the process.",
        }
    }
}

impl Shared {
    /// Takes an alias that neither the configuration nor the vault has, for a tenant that exists.
    ///
    /// # Errors
    /// [`VaultError`]: nothing may be stored.
    pub(in crate::proxy) async fn reserve_to_adopt(
        &self,
        pipeline: &Pipeline,
        alias: TenantName,
    ) -> Result<Reservation, VaultError> {
        let vault = self.vault.as_ref().ok_or_else(Unavailable::not_configured)?;
        let reservation = vault.reserve_to_adopt(alias).await?;
        free_in(pipeline.tenants(), reservation)
    }

    /// Proves each of a tenant's secrets by a grant of its own, whose token nobody uses.
    ///
    /// # Errors
    /// [`Unproved`].
    pub async fn prove(&self, config: &Arc<Config>, tenant: &config::Tenant) -> Result<(), Unproved> {
        prove(&self.tokens, config, tenant).await
    }
}

/// Takes an alias that neither the vault nor any of `tenants` has.
///
/// # Errors
/// [`VaultError`]: nothing may be done at Logto.
pub(in crate::proxy) async fn reserve(
    vault: Option<&Vault>,
    tenants: &Directory<Tenant>,
    alias: TenantName,
) -> Result<Reservation, VaultError> {
    let vault = vault.ok_or_else(Unavailable::not_configured)?;
    free_in(tenants, vault.reserve(alias).await?)
}

fn free_in(tenants: &Directory<Tenant>, reservation: Reservation) -> Result<Reservation, VaultError> {
    match tenants.get(reservation.alias().as_str()) {
        Some(_) => {
            Err(VaultError::AliasTaken { alias: reservation.alias().clone(), by: Holder::Configuration })
        }
        None => Ok(reservation),
    }
}

/// Proves each of a tenant's secrets by a grant of its own, whose token nobody uses.
///
/// # Errors
/// [`Unproved`].
pub(in crate::proxy) async fn prove(
    tokens: &Tokens,
    config: &Arc<Config>,
    tenant: &config::Tenant,
) -> Result<(), Unproved> {
    let issuer = issuer(config.clone(), tenant.clone()).await?;
    for secret in &tenant.client_secrets {
        let secrets = [secret.clone().into()].into();
        let (options, timeout) = (config.token.clone().into(), config.timeouts.token);
        tokens.prove(TokenSource::of(tenant, secrets, issuer.clone(), options, timeout)).await?;
    }
    Ok(())
}

/// The tenant's token endpoint. Its roots are read from files, so on a thread that serves nobody.
async fn issuer(config: Arc<Config>, tenant: config::Tenant) -> Result<Arc<dyn Issuer>, Unproved> {
    let (tell, told) = oneshot::channel();
    let making = move || {
        // Whoever asked may have left.
        let _ = tell.send(tenants::issuer(&tenant, &config));
    };
    std::thread::Builder::new().name("prove".into()).spawn(making).map_err(|_| Unproved::Thread)?;
    Ok(told.await.map_err(|_| Unproved::Thread)??)
}
