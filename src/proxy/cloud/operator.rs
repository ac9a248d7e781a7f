//! A tenant that the operator has created at Logto Cloud, from the shell or through the admin listener: the same creation as a
//! caller's, with the account's token, told of step by step. What Logto refuses is explained in the operator's terms.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    creation::{Creation, Outcome},
    list::{own_question, whole},
    steps::Steps,
    unresolved::Asked,
};
use crate::{
    catalog::CREATE_TENANT,
    config::{Cloud, LogRequests},
    ids::{OPERATOR, TenantName},
    limit::Dispatch,
    observe::{AnsweredBy, Apart, Events, OperationMetrics, Record, Recorder, RequestId},
    proxy::{error::Failure, pipeline::Pipeline},
    upstream::{FilteredBody, Prepared, Tenant},
    vault::{Unavailable, VaultError},
};

const CREATE: &str = "/api/tenants";
const REGIONS: &str = "/api/me/regions";
/// The worker whose connections it uses: any.
const WORKER: usize = 0;
/// The most of a refusal that is looked at, and of it that is repeated.
const MOST: usize = 64 * 1024;
const MOST_SAID: usize = 200;

/// What is to be created, as it came.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewTenant {
    /// The account: `[cloud.NAME]`; left out: the only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud: Option<String>,
    /// The alias; left out: as the account makes it of Logto's ID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// Its name at Logto.
    pub name: String,
    /// The region, as Logto calls it; left out: Logto's own choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// "development" or "production"; left out: Logto's own choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
}

/// A tenant that is there, and known here.
#[derive(Debug)]
pub struct NewlyCreated {
    /// Its name here.
    pub alias: TenantName,
    /// Why its credential did not get a token yet.
    pub unproved: Option<String>,
}

/// Why there is no new tenant here.
#[derive(Debug, thiserror::Error)]
pub enum NewTenantError {
    /// It is not said rightly. Nothing was sent.
    #[error("{0}")]
    Said(String),
    /// Logto Cloud creates none.
    #[error("Logto Cloud refuses to create the tenant: {status}{said}")]
    Refused {
        /// With this status.
        status: StatusCode,
        /// What it says of that.
        said: String,
        /// What to do about it.
        remedy: String,
    },
    /// As a caller would be told.
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl From<VaultError> for NewTenantError {
    fn from(error: VaultError) -> Self {
        Self::Failure(error.into())
    }
}

impl Pipeline {
    /// Has a tenant created for the operator, and keeps its credential, whether whoever asked waits or not.
    ///
    /// # Errors
    /// [`NewTenantError`]
    pub async fn create_tenant(&self, new: NewTenant, steps: Steps) -> Result<NewlyCreated, NewTenantError> {
        if new.name.trim().is_empty() {
            return Err(said("the name is empty: say what the tenant is to be called at Logto"));
        }
        let account = self.account_named(new.cloud.as_deref())?;
        let tenant = self.accounts.get(TenantName::of_account(&account.name).as_str());
        let tenant = tenant.ok_or_else(|| said("the account is no longer in the configuration"))?;
        let vault = self.vault.as_ref().ok_or_else(|| VaultError::from(Unavailable::not_configured()))?;
        let alias = new.alias.as_deref().map(TenantName::parse).transpose();
        let alias = alias.map_err(|error| said(format!("this is not a valid alias: {error}")))?;
        let keep = self.keep(vault, account.clone(), alias.as_ref(), (OPERATOR.to_owned(), steps)).await?;
        let body = Bytes::from(new.body().to_string());
        let head = Request::post(CREATE).header(header::CONTENT_TYPE, "application/json").body(());
        let head = head.map_err(|_| Failure::Panic)?.into_parts().0;
        let mut record = self.own_record(&tenant);
        let creation = Creation {
            dispatch: Dispatch::creation(tenant.clone()).await.map_err(Failure::from)?,
            asked: Asked::new(tenant.config().name.clone(), alias, Some(&body)),
            tenant: tenant.clone(),
            body: Prepared::Held(body),
            head,
            worker: WORKER,
            deadline: Instant::now() + self.config.timeouts.deadline,
            idle: self.config.timeouts.body,
            keep,
            unresolved: self.unresolved.clone(),
            begun: None,
            underway: self.underway.clone(),
        };
        // As of a caller: who asked may leave, and with the answer the secret would be gone.
        let apart = record.apart();
        let outcome = tokio::spawn(creation.run(apart.clone())).await;
        record.attempts = apart.attempts();
        let outcome = outcome.map_err(|_| Failure::Panic)?;
        (record.answered_by, record.complete) = (AnsweredBy::Upstream, true);
        match outcome? {
            Outcome::Kept((answered, _), kept) => {
                record.status = answered.status;
                Ok(NewlyCreated { alias: kept.alias, unproved: kept.unproved })
            }
            Outcome::Refused(answered, body, found) => {
                record.status = answered.status;
                let explained = self.explained(&tenant, (answered.status, *body), &new).await;
                Err(explained.unless_made(&found, &new))
            }
        }
    }

    fn account_named(&self, named: Option<&str>) -> Result<Arc<Cloud>, NewTenantError> {
        let all = &self.config.cloud;
        let names = || all.iter().map(|account| account.name.as_str()).collect::<Vec<_>>().join(", ");
        let found = match (named, &**all) {
            (_, []) => return Err(said("there is no account: write [cloud.default] with its token")),
            (Some(name), all) => all.iter().find(|account| account.name.as_str() == name),
            (None, [only]) => Some(only),
            (None, _) => {
                return Err(said(format!("there are several accounts; name one of them: {}", names())));
            }
        };
        found.cloned().ok_or_else(|| said(format!("there is no such account; there are: {}", names())))
    }

    /// A request of Claviger's own is counted, and is none of anybody's in the log.
    fn own_record(&self, account: &Tenant) -> Record {
        let recorder = Recorder::new(Events::default(), LogRequests::Off, |_| false);
        let (id, operation) = self.own(account);
        Record::begin(id, Method::POST, operation, Arc::new(recorder), Instant::now())
    }

    /// For a question of Claviger's own, which is no request of anybody's.
    pub(super) fn apart(&self, account: &Tenant) -> Apart {
        let (id, operation) = self.own(account);
        Apart::new(id, operation)
    }

    fn own(&self, account: &Tenant) -> (RequestId, Arc<OperationMetrics>) {
        let (name, metrics) = (account.config().name.as_str(), self.metrics.clone());
        let id = RequestId::of(&http::HeaderMap::new(), |_| false, || fastrand::u64(..));
        (id, Arc::new(OperationMetrics::new(metrics, "", name, CREATE_TENANT)))
    }

    async fn explained(
        &self,
        account: &Arc<Tenant>,
        (status, mut body): (StatusCode, FilteredBody),
        new: &NewTenant,
    ) -> NewTenantError {
        let answer: Value = match whole(&mut body, MOST).await {
            Ok(whole) => serde_json::from_slice(&whole).unwrap_or_default(),
            Err(_) => Value::Null,
        };
        let text = |name: &str| answer[name].as_str().map(shown).filter(|text| !text.is_empty());
        let said = match (text("message"), text("code")) {
            (Some(message), Some(code)) => format!(": {message} ({code})"),
            (Some(one), None) | (None, Some(one)) => format!(": {one}"),
            (None, None) => String::new(),
        };
        let remedy = match status {
            StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY if new.region.is_some() => {
                match self.regions(account).await {
                    Some(regions) => format!("Look at region and tag. The account's regions are: {regions}."),
                    None => "Look at region and tag.".to_owned(),
                }
            }
            StatusCode::FORBIDDEN | StatusCode::PAYMENT_REQUIRED => {
                "The account, or its personal access token, may not create another: look at its plan and its limits in the Console."
                    .to_owned()
            }
            StatusCode::TOO_MANY_REQUESTS => "Wait, and ask again.".to_owned(),
            StatusCode::REQUEST_TIMEOUT => {
                "Somebody between stopped waiting for the answer. Whether a tenant was created is looked up when you ask again.".to_owned()
            }
            status if status.is_server_error() => {
                "An error of Logto's own. Whether a tenant was created is looked up when you ask again.".to_owned()
            }
            _ => String::new(),
        };
        NewTenantError::Refused { status, said, remedy }
    }

    /// Names of the account's regions.
    async fn regions(&self, account: &Arc<Tenant>) -> Option<String> {
        let mut apart = self.apart(account);
        let asked = own_question(account, (WORKER, self.config.timeouts.body), REGIONS, &mut apart).await;
        let regions = asked.ok()?;
        let names: Vec<_> =
            regions["regions"].as_array()?.iter().filter_map(|it| it["name"].as_str()).collect();
        (!names.is_empty()).then(|| shown(&names.join(", ")))
    }
}

impl NewTenantError {
    /// The same, with what to look at where the account has such a tenant.
    fn unless_made(self, found: &[String], new: &NewTenant) -> Self {
        match self {
            Self::Refused { status, said, remedy } if !found.is_empty() => {
                let (ids, alias) = (found.join(", "), new.alias.as_deref().unwrap_or("ALIAS"));
                let look = format!(
                    "The account has a tenant of this name whose credential is not here: {ids}. If it was created just now, look at it in the \
                     Logto Console, and adopt it (claviger tenant adopt {alias} --tenant-id ID --client-id …), or delete it."
                );
                let remedy = if remedy.is_empty() { look } else { format!("{remedy} {look}") };
                Self::Refused { status, said, remedy }
            }
            other => other,
        }
    }
}

impl NewTenant {
    /// What Logto Cloud is sent.
    fn body(&self) -> Value {
        let mut body = json!({ "name": self.name });
        for (member, value) in [("regionName", &self.region), ("tag", &self.tag)] {
            if let Some(value) = value {
                body[member] = json!(value);
            }
        }
        body
    }
}

fn said(what: impl Into<String>) -> NewTenantError {
    NewTenantError::Said(what.into())
}

/// What somebody else wrote, as it may be shown.
fn shown(text: &str) -> String {
    text.chars().filter(|one| !one.is_control()).take(MOST_SAID).collect()
}
