//! The secrets of a tenant's own application at Logto (fact 11): listed, made and deleted with the tenant's own token, for a
//! rotation. Beside the probe these are the only calls to the Management API that no caller asked for, and each is written
//! here, so that nothing else can be sent in this way. Their answers hold secrets in clear: they are read into memory that is
//! zeroed, and go through no filter.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::{Method, StatusCode, header};
use serde::Deserialize;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::{foreign::Foreign, tenant::Tenant, writes::Writes};
use crate::{
    ids::OperationId,
    limit::Quota,
    secret::Secret,
    token::{TokenError, TokenHandle},
    trust,
};

/// How long one call may take, its token included.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of an answer; a secret takes about two hundred.
const MOST: usize = 256 * 1024;

/// The secrets of a tenant's own application.
pub struct ApplicationSecrets {
    http: reqwest::Client,
    url: String,
    token: TokenHandle,
    quota: Quota,
    writes: Arc<Writes>,
}

/// One of them.
#[derive(Debug, Clone)]
pub struct ApplicationSecret {
    /// Its name: unique within the application.
    pub name: String,
    /// Its value.
    pub value: Secret,
    /// When Logto ceases to take it.
    pub expires_at: Option<SystemTime>,
}

/// Why a call came to nothing. Where that is not known it may have been carried out.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SecretsError {
    /// No token to ask with.
    #[error("no token: {0}")]
    Token(#[from] TokenError),
    /// The tenant's quota leaves no room.
    #[error("the tenant's quota is used up")]
    Quota,
    /// No whole answer.
    #[error("no answer from the Management API{at}: {why}")]
    Unreachable {
        /// Where it should be, as far as that is known.
        at: String,
        /// What became of the connection.
        why: String,
    },
    /// An answer that says no.
    #[error("the Management API answers {0}")]
    Status(StatusCode),
    /// An answer of somebody else: what its status would say is not so.
    #[error("the answer is not from the Management API: {0}")]
    Foreign(Foreign),
    /// An answer that cannot be read.
    #[error("the answer of the Management API cannot be read")]
    Invalid,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    name: String,
    value: Zeroizing<String>,
    expires_at: Option<f64>,
}

impl Tenant {
    /// The secrets of its own application.
    pub fn application_secrets(&self) -> ApplicationSecrets {
        let (endpoint, id) = (self.endpoint(), &self.config().client_id);
        ApplicationSecrets {
            http: self.cold_client(),
            url: format!("{endpoint}/api/applications/{}/secrets", segment(id)),
            token: self.own_token(),
            quota: self.quota().clone(),
            writes: self.writes().clone(),
        }
    }
}

impl ApplicationSecrets {
    /// All of them.
    ///
    /// # Errors
    /// [`SecretsError`].
    pub async fn list(&self) -> Result<Vec<ApplicationSecret>, SecretsError> {
        let answer = self.call(Method::GET, &self.url, None).await?;
        let rows: Vec<Row> = serde_json::from_slice(&answer).map_err(|_| SecretsError::Invalid)?;
        Ok(rows.into_iter().map(ApplicationSecret::from).collect())
    }

    /// Makes one that does not expire.
    ///
    /// # Errors
    /// [`SecretsError::Status`] with 422 where there is one of this name.
    pub async fn create(&self, name: &str) -> Result<ApplicationSecret, SecretsError> {
        let body = serde_json::json!({ "name": name }).to_string();
        let answer = self.call(Method::POST, &self.url, Some(body)).await?;
        let row: Row = serde_json::from_slice(&answer).map_err(|_| SecretsError::Invalid)?;
        Ok(row.into())
    }

    /// Deletes one; one that is not there counts as deleted.
    ///
    /// # Errors
    /// [`SecretsError`].
    pub async fn delete(&self, name: &str) -> Result<(), SecretsError> {
        match self.call(Method::DELETE, &format!("{}/{}", self.url, segment(name)), None).await {
            Ok(_) | Err(SecretsError::Status(StatusCode::NOT_FOUND)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Sends it, and once more with another token where Logto does not know the first any more.
    async fn call(
        &self,
        method: Method,
        url: &str,
        body: Option<String>,
    ) -> Result<Zeroizing<Vec<u8>>, SecretsError> {
        let deadline = Instant::now() + PATIENCE;
        let token = self.token.get(deadline).await?;
        match self.send(&method, url, body.clone(), token.header(), deadline).await {
            Err(SecretsError::Status(StatusCode::UNAUTHORIZED)) => {
                self.token.reject(token.generation());
                let token = self.token.get(deadline).await?;
                self.send(&method, url, body, token.header(), deadline).await
            }
            settled => settled,
        }
    }

    async fn send(
        &self,
        method: &Method,
        url: &str,
        body: Option<String>,
        token: &http::HeaderValue,
        deadline: Instant,
    ) -> Result<Zeroizing<Vec<u8>>, SecretsError> {
        self.quota.draw().await.map_err(|_| SecretsError::Quota)?;
        let left = deadline.saturating_duration_since(Instant::now());
        let mut request =
            self.http.request(method.clone(), url).header(header::AUTHORIZATION, token).timeout(left);
        if let Some(body) = body {
            request = request.header(header::CONTENT_TYPE, "application/json").body(body);
        }
        let write = self.writes.begin_with(method);
        let unreachable = |error: reqwest::Error| {
            let at = error.url().map(|url| format!(" at {}", url.authority())).unwrap_or_default();
            SecretsError::Unreachable { at, why: trust::describe(error) }
        };
        let mut response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        if let Some(foreign) = Foreign::of(status, response.headers(), OperationId::OURSELVES) {
            return Err(SecretsError::Foreign(foreign));
        }
        if let Some(write) = write {
            write.answered(status);
        }
        let mut answer = Zeroizing::new(Vec::with_capacity(16 * 1024));
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if answer.len() + chunk.len() > MOST {
                return Err(SecretsError::Invalid);
            }
            answer.extend_from_slice(&chunk);
        }
        if status.is_success() { Ok(answer) } else { Err(SecretsError::Status(status)) }
    }
}

impl From<Row> for ApplicationSecret {
    fn from(row: Row) -> Self {
        let millis = row.expires_at.filter(|at| at.is_finite() && *at >= 0.0);
        let after = millis.and_then(|millis| Duration::try_from_secs_f64(millis / 1000.0).ok());
        Self {
            name: row.name,
            value: Secret::new(row.value.as_bytes().to_vec()),
            expires_at: after.and_then(|after| UNIX_EPOCH.checked_add(after)),
        }
    }
}

/// A segment of a path, all but unreserved characters escaped (RFC 3986 section 2.3).
fn segment(text: &str) -> String {
    let escaped = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(escaped).collect()
}

#[test]
fn a_name_is_one_segment_whatever_is_in_it() {
    assert_eq!(segment("Default secret"), "Default%20secret");
    assert_eq!(segment("../a?b#c/\u{e9}"), "..%2Fa%3Fb%23c%2F%C3%A9");
}
