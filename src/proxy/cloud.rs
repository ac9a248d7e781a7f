//! What the operations of the Logto Cloud API mean that make a tenant or end one. A creation is one thing from its sending to
//! its storing: it goes on when its caller has left, its credential is kept before anybody sees the answer, and it is never
//! sent twice. What it must never do is lose a credential silently.

mod answer;
mod creation;
mod list;
mod note;
mod operator;
mod steps;
mod storing;
mod unresolved;

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, header, request::Parts};
use hyper::body::Incoming;

pub(super) use self::unresolved::Unresolved;
use self::{
    creation::{Creation, Keep},
    unresolved::Asked,
};
pub use self::{
    operator::{NewTenant, NewTenantError, NewlyCreated},
    steps::{CreationStep, Steps},
};
use super::{
    build::reserve,
    error::{CreationError, Failure},
    pipeline::Pipeline,
};
use crate::{
    catalog::{CREATE_TENANT, DELETE_TENANT},
    config::{Cloud, Indicator},
    ids::TenantName,
    limit::Admitted,
    listen::Connection,
    observe::{AnsweredBy, Record},
    policy::{Action, Tenant as _, target::Target},
    reply::{self, Base, Body},
    upstream::Tenant,
    vault::{Unavailable, Vault, VaultError},
};

impl Pipeline {
    /// Sends an operation of the Logto Cloud API.
    pub(super) async fn cloud(
        &self,
        connection: &Connection,
        admitted: Admitted<Tenant>,
        target: &Target<'_>,
        head: &Parts,
        body: Incoming,
        record: &mut Record,
    ) -> Result<Response<Body>, Failure> {
        let Action::Forward(operation) = admitted.action() else {
            return self.exchange(connection, admitted, head, body, record).await;
        };
        let (name, reveals) = (operation.name(), operation.reveals_secrets());
        match (name, &self.vault) {
            // Who sees the secret can keep it, where there is nothing to keep it in.
            (CREATE_TENANT, None) if reveals => self.exchange(connection, admitted, head, body, record).await,
            (CREATE_TENANT, None) => Err(VaultError::from(Unavailable::not_configured()).into()),
            (CREATE_TENANT, Some(vault)) => {
                self.create(connection, (admitted, vault), target, head, body, record).await
            }
            (DELETE_TENANT, Some(vault)) => {
                let id = operation.target().path().rsplit('/').next().unwrap_or_default().to_owned();
                let account = admitted.tenant().name().clone();
                let answer = self.exchange(connection, admitted, head, body, record).await?;
                if answer.status().is_success() {
                    forget(vault.clone(), account, id).await;
                }
                Ok(answer)
            }
            _ => self.exchange(connection, admitted, head, body, record).await,
        }
    }

    /// Has a tenant created, and keeps its credential.
    async fn create(
        &self,
        connection: &Connection,
        (admitted, vault): (Admitted<Tenant>, &Vault),
        target: &Target<'_>,
        head: &Parts,
        body: Incoming,
        record: &mut Record,
    ) -> Result<Response<Body>, Failure> {
        let (account, tenant) = (self.account(admitted.tenant()), admitted.tenant().clone());
        let account = account.ok_or(CreationError::NoAccount)?;
        let created_by = self.config.callers[admitted.caller().index().0].name.to_string();
        let alias = match *target {
            Target::Cloud { alias: Some(alias), .. } => {
                Some(TenantName::parse(alias).map_err(CreationError::Alias)?)
            }
            _ => None,
        };
        let keep = self.keep(vault, account.clone(), alias.as_ref(), (created_by, Steps::default())).await?;
        let deadline = record.started + self.config.timeouts.deadline;
        let (begun, dispatch, body) =
            self.prepare_creation(connection, admitted, head, body, deadline, record).await?;
        let sent_to = dispatch.target().target().clone();
        let asked = Asked::new(tenant.name().clone(), alias, body.held());
        let creation = Creation {
            tenant,
            dispatch,
            body,
            head: head.clone(),
            worker: connection.worker,
            deadline,
            idle: self.config.timeouts.body,
            asked,
            keep,
            unresolved: self.unresolved.clone(),
            begun,
            underway: self.underway.clone(),
        };
        // Whoever asked may leave before the answer is there, and with the answer the secret would be gone.
        let apart = record.apart();
        let outcome = tokio::spawn(creation.run(apart.clone())).await;
        record.attempts += apart.attempts();
        let outcome = outcome.map_err(|_| Failure::Panic)??;
        let mut answer = self.answer(connection, head, &account, outcome);
        reply::rebuild(
            answer.headers_mut(),
            || self.base(connection.scheme, head),
            &sent_to,
            &account.endpoint,
        );
        record.answered_by = AnsweredBy::Upstream;
        Ok(answer)
    }

    /// Reserves the alias, which has to be free, and gathers what it takes to keep the new tenant's credential.
    async fn keep(
        &self,
        vault: &Vault,
        account: Arc<Cloud>,
        alias: Option<&TenantName>,
        (created_by, steps): (String, Steps),
    ) -> Result<Keep, Failure> {
        let reservation = match alias {
            Some(alias) => {
                self.settle_alias(alias).await?;
                Some(reserve(Some(vault), &self.tenants, alias.clone()).await?)
            }
            None => None,
        };
        if let Some(alias) = alias {
            steps.tell(CreationStep::Reserved { alias: alias.clone() });
        }
        Ok(Keep {
            vault: vault.clone(),
            tokens: self.tokens.clone(),
            config: self.config(),
            account,
            taken: self.tenants.clone(),
            reservation,
            created_by,
            now: self.broker.clock.now().wall,
            steps,
            note: None,
        })
    }

    fn answer(
        &self,
        connection: &Connection,
        head: &Parts,
        account: &Cloud,
        outcome: creation::Outcome,
    ) -> Response<Body> {
        let (answered, kept) = match outcome {
            creation::Outcome::Refused(answered, body, _) => {
                return Response::from_parts(answered, Body::streamed(body));
            }
            creation::Outcome::Kept(answered, kept) => (answered, kept),
        };
        let (mut parts, body) = answered;
        let mount = format!("/t/{}", kept.alias);
        let base = Base { mount: &mount, ..self.base(connection.scheme, head) }.to_string();
        let leads_here = account.indicator == Indicator::Claviger;
        let body = answer::with_tenant(&body, &kept, &base, leads_here).map_or(body, Bytes::from);
        parts.headers.remove(header::CONTENT_LENGTH);
        parts.headers.remove(header::ETAG);
        Response::from_parts(parts, Body::whole(body))
    }

    /// The account as configured.
    fn account(&self, tenant: &Arc<Tenant>) -> Option<Arc<Cloud>> {
        let is_it = |account: &&Arc<Cloud>| TenantName::of_account(&account.name) == *tenant.name();
        self.config.cloud.iter().find(is_it).cloned()
    }
}

/// Takes a tenant that Logto has no more out of the vault, and its tokens with it, whether its caller waits or not.
async fn forget(vault: Vault, account: TenantName, id: String) {
    let forgetting = tokio::spawn(async move {
        let records = match vault.list().await {
            Ok(records) => records,
            Err(error) => {
                tracing::error!(%account, id, %error, "a tenant was deleted at Logto Cloud, and its record is still in the vault");
                return;
            }
        };
        for stored in records.into_iter().filter(|it| it.record.tenant_id.as_deref() == Some(&id)) {
            let (alias, mut version, mut left) = (stored.record.alias, stored.version, 5);
            let removed = loop {
                match vault.remove(&alias, version).await {
                    // A rotation stores its steps meanwhile.
                    Err(VaultError::Changed(_)) if left > 0 => left -= 1,
                    // Somebody else was faster.
                    Err(VaultError::Unknown(_)) => break Ok(()),
                    removed => break removed,
                }
                match vault.get(&alias).await {
                    Ok(Some(now)) if now.record.tenant_id.as_deref() == Some(&id) => version = now.version,
                    // It is another tenant's by now, or nobody's.
                    Ok(_) => break Ok(()),
                    Err(error) => break Err(error),
                }
            };
            match removed {
                Ok(()) => {
                    tracing::info!(tenant = %alias, id, "the tenant was deleted: its record and its tokens are gone")
                }
                Err(error) => {
                    tracing::error!(tenant = %alias, id, %error, "a tenant was deleted at Logto Cloud, and its record is still in the vault");
                }
            }
        }
    });
    // A panic in it was said already.
    let _ = forgetting.await;
}

#[cfg(test)]
mod tests;
