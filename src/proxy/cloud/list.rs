//! What Claviger itself asks an account: which tenants it has, after a creation of unknown outcome, and other lists.

use std::{future::poll_fn, sync::Arc, time::Duration};

use bytes::Bytes;
use http::Request;
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    limit::Dispatch,
    observe::Apart,
    proxy::error::Failure,
    upstream::{self, FilteredBody, Outbound, Prepared, Tenant, UpstreamError},
    vault::{Record, Vault},
};

/// The tenants of the account.
const LIST: &str = "/api/tenants";
/// The most that is read of that list.
const MOST: usize = 8 * 1024 * 1024;
/// How long listing may take, after whatever happened to the creation.
const PATIENCE: Duration = Duration::from_secs(10);

/// Looks for a tenant among those of the account.
pub(super) struct List<'a> {
    pub(super) tenant: &'a Arc<Tenant>,
    pub(super) worker: usize,
    pub(super) idle: Duration,
    pub(super) name: Option<&'a str>,
    pub(super) vault: &'a Vault,
}

/// What a question of Claviger's own about an account is answered, where that is a success.
pub(super) async fn own_question(
    tenant: &Arc<Tenant>,
    (worker, idle): (usize, Duration),
    target: &'static str,
    apart: &mut Apart,
) -> Result<Value, Failure> {
    let deadline = Instant::now() + PATIENCE;
    let dispatch = Dispatch::probe(tenant.clone(), target).await?;
    let head = Request::get(target).body(()).map_err(|_| Failure::Panic)?.into_parts().0;
    let outbound = Outbound { head: &head, worker, deadline };
    let answer = upstream::send(dispatch, outbound, Prepared::Held(Bytes::new()), apart).await?;
    if !answer.status().is_success() {
        return Err(Failure::Upstream(UpstreamError::Invalid("no list where the account has one")));
    }
    let (_, mut body) = answer.filtered(&head, idle).await?;
    let whole = whole(&mut body, MOST).await?;
    serde_json::from_slice(&whole)
        .map_err(|_| Failure::Upstream(UpstreamError::Invalid("a list of the account that is not JSON")))
}

/// An answer's body, `most` bytes of it at the most.
pub(super) async fn whole(body: &mut FilteredBody, most: usize) -> Result<Vec<u8>, Failure> {
    let mut whole = Vec::new();
    while let Some(data) = poll_fn(|cx| body.poll_data(cx)).await.transpose()? {
        if whole.len() + data.len() > most {
            return Err(Failure::Upstream(UpstreamError::Invalid("an answer of the account without end")));
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole)
}

impl List<'_> {
    /// Logto's IDs of the tenants of this name that the vault does not have; `None`: there is no name to look for.
    pub(super) async fn found(&self, apart: &mut Apart) -> Result<Option<Vec<String>>, Failure> {
        self.not_among(apart, |_| true).await
    }

    /// The same, and those of which the vault has no more than a note.
    pub(super) async fn without_credential(&self, apart: &mut Apart) -> Result<Option<Vec<String>>, Failure> {
        self.not_among(apart, |record| record.creating.is_none()).await
    }

    async fn not_among(
        &self,
        apart: &mut Apart,
        counts: impl Fn(&Record) -> bool,
    ) -> Result<Option<Vec<String>>, Failure> {
        let Some(name) = self.name else { return Ok(None) };
        let listed = own_question(self.tenant, (self.worker, self.idle), LIST, apart).await?;
        let known = self.vault.list().await?;
        let known: Vec<_> = known.iter().map(|stored| &stored.record).filter(|it| counts(it)).collect();
        let is_known = |id: &str| known.iter().any(|record| record.tenant_id.as_deref() == Some(id));
        let named = listed.as_array().into_iter().flatten().filter(|tenant| tenant["name"] == name);
        let ids = named.filter_map(|tenant| tenant["id"].as_str()).filter(|id| !is_known(id));
        Ok(Some(ids.map(str::to_owned).collect()))
    }
}
