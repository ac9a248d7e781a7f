//! `POST /tenants` that creates a tenant at Logto Cloud. Whoever takes `application/x-ndjson` is told step by step, a line of JSON
//! for each; the last one has `tenant`, or `code`, `message` and `remedy`. It goes on when they have left.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, header};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{
    super::{
        Admin,
        reply::{self, answer},
    },
    refused::Refused,
};
use crate::{
    config::{Address, Config},
    ids::TenantName,
    proxy::{Failure, NewTenant, NewTenantError, NewlyCreated, Steps},
};

const LINES: &str = "application/x-ndjson";

/// Whether the answer is to tell the steps.
pub(super) fn is_watched(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).is_some_and(|accepted| accepted.as_bytes() == LINES.as_bytes())
}

impl Admin {
    /// Creates a tenant; the answer is the whole.
    pub(super) async fn create(self: &Arc<Self>, new: NewTenant) -> Result<Value, Refused> {
        let this = self.clone();
        let creating = tokio::spawn(async move { this.created(new, Steps::default()).await });
        creating.await.unwrap_or_else(|_| Err(NewTenantError::from(Failure::Panic).into()))
    }

    /// The same, told step by step.
    pub(super) fn create_watched(self: &Arc<Self>, new: NewTenant) -> Response<reply::Body> {
        let (to, lines) = mpsc::channel(1);
        let (steps, mut told) = Steps::watched();
        let this = self.clone();
        let creating = tokio::spawn(async move { this.created(new, steps).await });
        tokio::spawn(async move {
            while let Some(step) = told.recv().await {
                // Whoever asked may have left.
                let _ = to.send(line(&json!(step))).await;
            }
            let last = match creating.await {
                Ok(Ok(value)) => json!({ "tenant": value }),
                Ok(Err(refused)) => refused.shown(),
                Err(_) => Refused::from(NewTenantError::from(Failure::Panic)).shown(),
            };
            let _ = to.send(line(&last)).await;
        });
        answer(StatusCode::OK, LINES, reply::Body::Stream(lines))
    }

    async fn created(&self, new: NewTenant, steps: Steps) -> Result<Value, Refused> {
        let pipeline = self.pipeline.load_full();
        let named = new.alias.as_deref().and_then(|alias| TenantName::parse(alias).ok());
        let done = pipeline.create_tenant(new, steps).await.map_err(Refused::from);
        let alias = done.as_ref().ok().map(|created| created.alias.clone()).or(named);
        let alias = alias.as_ref().map(TenantName::as_str).unwrap_or_default();
        self.shared.audit_of_operator(alias, "create", done.as_ref().err().map(Refused::message).as_ref());
        let NewlyCreated { alias, unproved } = done?;
        let mut value = self.shown(&self.stored(alias.as_str()).await?);
        value["usable"] = unproved.is_none().into();
        if let Some(why) = unproved {
            value["detail"] = why.into();
        }
        if let Some(base) = base_url(&pipeline.config(), &alias) {
            value["base_url"] = base.into();
        }
        Ok(value)
    }
}

fn line(value: &Value) -> Bytes {
    format!("{value}\n").into()
}

/// Where the proxy has the tenant, as far as the configuration says it.
fn base_url(config: &Config, alias: &TenantName) -> Option<String> {
    let base = match (&config.listen.public_url, config.listen.proxy.first()) {
        (Some(url), _) => url.trim_end_matches('/').to_owned(),
        (None, Some(Address::Tcp(address))) if address.port() != 0 => {
            let scheme = if config.listen.tls.is_some() { "https" } else { "http" };
            format!("{scheme}://{address}")
        }
        _ => return None,
    };
    Some(format!("{base}/t/{alias}"))
}
