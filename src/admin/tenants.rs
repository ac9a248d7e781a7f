//! `/tenants`: the tenants of the vault, listed, created, adopted and removed, where `admin.tenants` says so. Whoever asks has
//! `admin.token`. No answer holds a secret.

mod create;
mod refused;

use std::sync::Arc;

use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::time::timeout;
use zeroize::Zeroizing;

use self::{create::is_watched, refused::Refused};
use super::{
    Admin, PATIENCE, TENANTS,
    reply::{self, json as shown, text},
};
use crate::{
    listen::tls::dates::date,
    proxy::{AdoptError, Adopted, Adoption, NewTenant, alias},
    vault::{Stored, Unavailable, Vault, VaultError},
};

/// Bytes of what is said of a tenant.
const MOST: usize = 64 * 1024;

impl Admin {
    /// What changes something is answered before the process ends.
    pub(super) async fn tenants(self: &Arc<Self>, request: Request<Incoming>) -> Response<reply::Body> {
        if request.method() == Method::GET {
            return self.answered(request).await;
        }
        let what = format!("a {} of {TENANTS} at the admin listener", request.method());
        let task = self.shared.underway.begin(what);
        self.answered(request).await.map(|body| reply::Body::Awaited { body: body.into(), _task: task })
    }

    async fn answered(self: &Arc<Self>, request: Request<Incoming>) -> Response<reply::Body> {
        if !self.pipeline.load().config().admin.tenants {
            return text(StatusCode::NOT_FOUND, "this is off: set `admin.tenants = true`\n");
        }
        let path = request.uri().path();
        let name = path.strip_prefix(TENANTS).unwrap_or_default().trim_start_matches('/').to_owned();
        let (alias, action) = name.split_once('/').unwrap_or((&name, ""));
        let mut about = alias.to_owned();
        let done = match (request.method(), (alias, action)) {
            (&Method::GET, ("", "")) => self.list().await,
            (&Method::POST, ("", "")) => {
                let watched = is_watched(request.headers());
                let posted = posted(request).await;
                match &posted {
                    Ok(Posted::Adoption(adoption)) => about.clone_from(&adoption.alias),
                    Ok(Posted::New(new)) => about = new.alias.clone().unwrap_or_default(),
                    Err(_) => {}
                }
                match posted {
                    Ok(Posted::Adoption(adoption)) => self.adopt(*adoption).await,
                    Ok(Posted::New(new)) if watched => return self.create_watched(new),
                    Ok(Posted::New(new)) => self.create(new).await,
                    Err(refused) => Err(refused),
                }
            }
            (&Method::PUT, (name, "")) if !name.is_empty() => match posted(request).await {
                Ok(Posted::Adoption(adoption)) => self.adopt_once(name, *adoption).await,
                Ok(Posted::New(_)) => Err(said(FORM_TO_ADOPT).into()),
                Err(refused) => Err(refused),
            },
            (&Method::GET, (name, "")) => self.one(name).await,
            (&Method::POST, (name, "rotate")) => self.rotate(name).await,
            (&Method::DELETE, (name, "")) if !name.is_empty() => self.remove(name).await,
            _ => return text(StatusCode::METHOD_NOT_ALLOWED, "see docs/tenants.md\n"),
        };
        match done {
            Ok(value) => shown(&value),
            Err(refused) => {
                if refused.status.is_server_error() {
                    // A list is about none of them.
                    let tenant = (!about.is_empty()).then(|| tracing::field::display(about.escape_debug()));
                    tracing::warn!(tenant, remedy = refused.remedy(), "{}", refused.message());
                }
                let mut response = shown(&refused.shown());
                *response.status_mut() = refused.status;
                response
            }
        }
    }

    fn vault(&self) -> Result<&Vault, Refused> {
        let vault = self.shared.vault.as_ref();
        Ok(vault.ok_or_else(|| VaultError::from(Unavailable::not_configured()))?)
    }

    async fn list(&self) -> Result<Value, Refused> {
        let all = self.vault()?.list().await?;
        Ok(json!({ "tenants": all.iter().map(|stored| self.shown(stored)).collect::<Vec<_>>() }))
    }

    async fn stored(&self, name: &str) -> Result<Stored, Refused> {
        let alias = alias(name)?;
        let stored = self.vault()?.get(&alias).await?;
        Ok(stored.ok_or(VaultError::Unknown(alias))?)
    }

    async fn one(&self, name: &str) -> Result<Value, Refused> {
        let stored = self.stored(name).await?;
        let mut value = self.shown(&stored);
        stored.show_callers(&self.pipeline.load().config(), &mut value);
        Ok(value)
    }

    async fn remove(&self, name: &str) -> Result<Value, Refused> {
        let alias = alias(name)?;
        self.shared.remove(&alias).await?;
        Ok(json!({ "removed": alias }))
    }

    async fn adopt(&self, adoption: Adoption) -> Result<Value, Refused> {
        let adopted = self.shared.adopt(&self.pipeline.load_full(), adoption).await?;
        Ok(self.shown_adopted(&adopted))
    }

    /// `unchanged` says that it was done before.
    async fn adopt_once(&self, name: &str, adoption: Adoption) -> Result<Value, Refused> {
        if adoption.alias != name {
            return Err(said("the path names another alias than the body").into());
        }
        let (stored, unchanged) = match self.shared.adopt_once(&self.pipeline.load_full(), adoption).await? {
            Adopted::Now(stored) => (stored, false),
            Adopted::Before(stored) => (stored, true),
        };
        let mut value = self.shown_adopted(&stored);
        value["unchanged"] = unchanged.into();
        Ok(value)
    }

    async fn rotate(&self, name: &str) -> Result<Value, Refused> {
        let rotated = self.rotator.rotate(&alias(name)?).await?;
        Ok(self.shown(&rotated))
    }

    /// With the tenants that are the same application: none of them is rotated.
    fn shown_adopted(&self, stored: &Stored) -> Value {
        let mut value = self.shown(stored);
        stored.show_callers(&self.pipeline.load().config(), &mut value);
        let all = self.pipeline.load().tenants().all();
        let sharing = stored.record.sharing(all.iter().map(|tenant| tenant.config()));
        if let Some(other) = sharing.first() {
            let tenant = &stored.record.alias;
            tracing::warn!(%tenant, %other, "both tenants are one application at Logto: neither is rotated");
            value["same_application_as"] = json!(sharing);
        }
        value
    }

    /// The record without its secrets, and whether its tenant is in force.
    fn shown(&self, stored: &Stored) -> Value {
        let mut value = stored.shown(&self.pipeline.load().config());
        let in_force = self.pipeline.load().tenants().get(stored.record.alias.as_str());
        let is_ours = |config: &crate::config::Tenant| config.client_id == stored.record.client_id;
        if let Some(failure) = self.rotator.failure(&stored.record.alias) {
            value["rotation"]["failure"] = json!({
                "message": failure.what,
                "remedy": failure.remedy,
                "at": date(failure.at),
                "next_try": date(failure.next_try),
            });
        }
        value["in_force"] = in_force.is_some_and(|tenant| is_ours(tenant.config())).into();
        value
    }
}

const FORM_TO_ADOPT: &str = "the body is JSON with alias, endpoint or tenant_id, client_id and client_secret, and perhaps \
                             resource, template and labels";

/// What a `POST` is for.
enum Posted {
    Adoption(Box<Adoption>),
    New(NewTenant),
}

async fn posted(request: Request<Incoming>) -> Result<Posted, Refused> {
    const FORM: &str = "the body is JSON: to adopt, with alias, endpoint or tenant_id, client_id and client_secret, and \
                        perhaps resource, template and labels; to create at Logto Cloud, with name, and perhaps cloud, alias, \
                        region and tag";
    let read = timeout(PATIENCE, Limited::new(request.into_body(), MOST).collect()).await;
    let body = read.ok().and_then(Result::ok).ok_or_else(|| said(FORM))?.to_bytes();
    // What serde says of a value may repeat it.
    let body = Zeroizing::new(body.to_vec());
    // Of a list, serde takes the members by their places.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(said(FORM).into());
    }
    if let Ok(adoption) = serde_json::from_slice(&body) {
        return Ok(Posted::Adoption(Box::new(adoption)));
    }
    Ok(serde_json::from_slice(&body).map(Posted::New).map_err(|_| said(FORM))?)
}

fn said(what: &str) -> AdoptError {
    AdoptError::Said(what.into())
}
