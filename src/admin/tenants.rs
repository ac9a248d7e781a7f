//! `/tenants`: the tenants of the vault, listed, adopted and removed, where `admin.tenants` says so. Whoever asks has
//! `admin.token`. No answer holds a secret.

use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::{
    Admin, PATIENCE, TENANTS,
    reply::{self, json as shown, text},
};
use crate::{
    ids::TenantName,
    observe::audit::TenantRecord,
    proxy::{AdoptError, Adoption, Failure, alias},
    rotation::RotationError,
    vault::{Stored, Unavailable, Vault, VaultError},
};

/// Bytes of what is said of a tenant.
const MOST: usize = 64 * 1024;

impl Admin {
    pub(super) async fn tenants(&self, request: Request<Incoming>) -> Response<reply::Body> {
        if !self.pipeline.load().config().admin.tenants {
            return text(StatusCode::NOT_FOUND, "this is off: set `admin.tenants = true`\n");
        }
        let path = request.uri().path();
        let name = path.strip_prefix(TENANTS).unwrap_or_default().trim_start_matches('/').to_owned();
        let done = match (request.method(), name.split_once('/').unwrap_or((&name, ""))) {
            (&Method::GET, ("", "")) => self.list().await,
            (&Method::POST, ("", "")) => self.adopt(request).await,
            (&Method::GET, (name, "")) => self.one(name).await,
            (&Method::POST, (name, "rotate")) => self.rotate(name).await,
            (&Method::DELETE, (name, "")) if !name.is_empty() => self.remove(name).await,
            _ => return text(StatusCode::METHOD_NOT_ALLOWED, "see docs/tenants.md\n"),
        };
        match done {
            Ok(value) => shown(&value),
            Err(Refused { status, code, message, remedy }) => {
                let mut response = shown(&json!({ "code": code, "message": message, "remedy": remedy }));
                *response.status_mut() = status;
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
        Ok(self.shown(&self.stored(name).await?))
    }

    async fn remove(&self, name: &str) -> Result<Value, Refused> {
        let stored = self.stored(name).await?;
        self.vault()?.remove(&stored.record.alias, stored.version).await?;
        self.audit(&stored.record.alias, "remove");
        Ok(json!({ "removed": stored.record.alias }))
    }

    async fn adopt(&self, request: Request<Incoming>) -> Result<Value, Refused> {
        const FORM: &str = "the body is JSON with alias, endpoint or tenant_id, client_id and client_secret; \
                            it may have resource, template and labels";
        let read = timeout(PATIENCE, Limited::new(request.into_body(), MOST).collect()).await;
        let said = || AdoptError::Said(FORM.into());
        let body = read.ok().and_then(Result::ok).ok_or_else(said)?.to_bytes();
        // What serde says of a value may repeat it.
        let body = Zeroizing::new(body.to_vec());
        let adoption: Adoption = serde_json::from_slice(&body).map_err(|_| said())?;
        let adopted = self.shared.adopt(&self.pipeline.load_full(), adoption).await?;
        self.audit(&adopted.record.alias, "adopt");
        Ok(self.shown(&adopted))
    }

    async fn rotate(&self, name: &str) -> Result<Value, Refused> {
        let rotated = self.rotator.rotate(&alias(name)?).await?;
        Ok(self.shown(&rotated))
    }

    fn audit(&self, alias: &TenantName, action: &'static str) {
        if let Some(audit) = &self.shared.audit {
            let now = self.shared.clock.now().wall;
            audit.tenant(TenantRecord::new(now, alias.clone(), action, "operator", "done", None));
        }
    }

    /// The record without its secrets, and whether its tenant is in force.
    fn shown(&self, stored: &Stored) -> Value {
        let mut value = serde_json::to_value(stored).unwrap_or_default();
        let in_force = self.pipeline.load().tenants().get(stored.record.alias.as_str());
        let is_ours = |config: &crate::config::Tenant| config.client_id == stored.record.client_id;
        value["in_force"] = in_force.is_some_and(|tenant| is_ours(tenant.config())).into();
        value
    }
}

/// Why not.
struct Refused {
    status: StatusCode,
    code: &'static str,
    message: String,
    remedy: String,
}

impl From<VaultError> for Refused {
    fn from(error: VaultError) -> Self {
        let failure = Failure::from(error.clone()).describe();
        // Whoever has the token may know which file it is about.
        let (message, remedy) = (error.to_string(), error.remedy().to_owned());
        Self { status: failure.status, code: failure.code, message, remedy }
    }
}

impl From<AdoptError> for Refused {
    fn from(error: AdoptError) -> Self {
        let (status, code) = match error {
            AdoptError::Vault(error) => return error.into(),
            AdoptError::Said(_) => (StatusCode::BAD_REQUEST, "claviger.bad_request"),
            AdoptError::Unproved(_) => (StatusCode::BAD_GATEWAY, "claviger.credential_rejected"),
        };
        Self { status, code, message: error.to_string(), remedy: error.remedy().to_owned() }
    }
}

impl From<RotationError> for Refused {
    fn from(error: RotationError) -> Self {
        let (status, code) = match error {
            RotationError::Vault(error) => return error.into(),
            RotationError::Logto(_) => (StatusCode::BAD_GATEWAY, "claviger.upstream_invalid"),
            RotationError::Unproved(_) => (StatusCode::BAD_GATEWAY, "claviger.credential_rejected"),
            RotationError::Configured(_) => (StatusCode::CONFLICT, "claviger.alias_taken"),
            RotationError::Underway(_) => (StatusCode::CONFLICT, "claviger.tenant_changed"),
        };
        Self { status, code, message: error.to_string(), remedy: error.remedy().to_owned() }
    }
}
