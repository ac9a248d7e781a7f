//! Whether a tenant works, end to end: a token, and one harmless call; of an account at Logto Cloud, whether its personal access
//! token is taken. For `check --online` and `serve --strict`.

use std::{fmt, sync::Arc, time::Duration};

use http::{HeaderMap, Request, StatusCode, header};
use tokio::time::Instant;

use crate::{
    config::{LogRequests, RedisOptions},
    headers::PROXY_STATUS,
    limit::Dispatch,
    observe::{OperationMetrics, Record, Recorder, RequestId},
    proxy::{Failure, REMEDY_OF_ACCOUNT, Shared},
    redis::{Redis, RedisError, Uses},
    upstream::{self, Outbound, Prepared, Tenant, UpstreamError},
};

/// Harmless, small, and refused without the scope `all`.
const PROBE: &str = "/api/roles?page=1&page_size=1";
/// The same of an account: public, but for the token that it takes.
const ACCOUNT_PROBE: &str = "/api/me/regions";
const PATIENCE: Duration = Duration::from_secs(20);

/// Why a tenant does not work.
#[derive(Debug)]
pub enum ProbeError {
    /// Logto refuses the credential, or what it may do: only a person can mend it.
    Refused(String),
    /// There was no answer to tell by; it may work in a moment.
    Unknown(String),
}

impl fmt::Display for ProbeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Refused(why) | Self::Unknown(why)) = self;
        f.write_str(why)
    }
}

/// Tries a tenant, or an account at Logto Cloud.
///
/// # Errors
/// [`ProbeError`], in the user's terms.
pub async fn probe(tenant: &Arc<Tenant>, shared: &Shared) -> Result<(), ProbeError> {
    let deadline = Instant::now() + PATIENCE;
    let unknown = |error: &dyn fmt::Display| ProbeError::Unknown(error.to_string());
    let is_account = tenant.config().is_account();
    let (target, operation) =
        if is_account { (ACCOUNT_PROBE, "cloud:ListRegions") } else { (PROBE, "ListRoles") };
    let (head, ()) = Request::get(target).body(()).map_err(|error| unknown(&error))?.into_parts();
    let name = tenant.config().name.as_str();
    let operation = Arc::new(OperationMetrics::new(shared.metrics.clone(), "", name, operation));
    let id = RequestId::of(&head.headers, |_| false, || fastrand::u64(..));
    let recorder = Recorder::new(shared.events.clone(), LogRequests::Off, |_| false);
    let mut record = Record::begin(id, head.method.clone(), operation, Arc::new(recorder), Instant::now());
    let dispatch = Dispatch::probe(tenant.clone(), target).await.map_err(|error| unknown(&error))?;
    let outbound = Outbound { head: &head, worker: 0, deadline };
    let body = Prepared::Held(bytes::Bytes::new());
    let (status, is_json, is_claviger) = match upstream::send(dispatch, outbound, body, &mut record).await {
        Ok(mut answer) => (answer.status(), is_json(answer.headers_mut()), is_claviger(answer.headers_mut())),
        Err(UpstreamError::Token(error)) => {
            let what = format!("no token from {}/oidc/token: {error}", tenant.endpoint());
            let why = sentences(&what, error.remedy());
            return Err(if error.is_terminal() {
                ProbeError::Refused(why)
            } else {
                ProbeError::Unknown(why)
            });
        }
        Err(UpstreamError::AccountRefused(_)) => {
            return Err(ProbeError::Refused(format!(
                "{} refuses the personal access token. {REMEDY_OF_ACCOUNT}",
                tenant.endpoint()
            )));
        }
        Err(error) => return Err(ProbeError::Unknown(explain(&error.into()))),
    };
    if is_account {
        return of_account(tenant, status, is_json);
    }
    match status {
        status if status.is_success() && is_json => Ok(()),
        status if status.is_success() => Err(ProbeError::Refused(format!(
            "a token was granted, but the server at {} is not Logto's Management API: its answer is not JSON. \
             Set `endpoint` to the tenant's own address.",
            tenant.endpoint()
        ))),
        status if status.is_client_error() && is_claviger => Err(ProbeError::Refused(format!(
            "another Claviger is at {}, and answers {status}. Set `endpoint` to Logto's own address; or, to go through that Claviger, look at its \
             log, and have the policies of its caller allow ListRoles.",
            tenant.endpoint()
        ))),
        StatusCode::FORBIDDEN if tenant.config().scopes.iter().any(|scope| scope == "all") => {
            Err(ProbeError::Refused(format!(
                "a token with the scope all was granted, so it is not the role, but the Management API answers {status}. A firewall in front of Logto \
             may answer so, or `resource` is another tenant's."
            )))
        }
        StatusCode::FORBIDDEN => Err(ProbeError::Refused(format!(
            "a token was granted, but the Management API answers {status}. Assign a role with the permission `all` of the \
             Logto Management API to this machine-to-machine application; tokens issued before that do not have it until they expire, within an hour."
        ))),
        StatusCode::NOT_FOUND => Err(ProbeError::Refused(format!(
            "a token was granted, but there is no Management API at {}. Set `endpoint` to the tenant's own address.",
            tenant.endpoint()
        ))),
        status if status.is_server_error() => Err(ProbeError::Unknown(format!(
            "a token was granted, but the Management API answers {status}: an error of Logto's own. Look at its log and at its database."
        ))),
        status => {
            Err(ProbeError::Unknown(format!("a token was granted, but the Management API answers {status}.")))
        }
    }
}

fn of_account(account: &Tenant, status: StatusCode, is_json: bool) -> Result<(), ProbeError> {
    let endpoint = account.endpoint();
    match status {
        status if status.is_success() && is_json => Ok(()),
        StatusCode::FORBIDDEN => Err(ProbeError::Refused(format!(
            "{endpoint} answers 403 Forbidden: the personal access token may not use the account. {REMEDY_OF_ACCOUNT}"
        ))),
        status if status.is_success() || status == StatusCode::NOT_FOUND => {
            Err(ProbeError::Refused(format!(
                "the server at {endpoint} is not the Logto Cloud API. Leave `endpoint` of the account out, or set it to https://cloud.logto.io."
            )))
        }
        status => Err(ProbeError::Unknown(format!("{endpoint} answers {status}."))),
    }
}

/// Connects to the Redis that is configured, and says which server that came to.
///
/// # Errors
/// Why there is no connection, in the user's terms.
pub async fn probe_redis(options: &RedisOptions, has_vault: bool) -> Result<String, String> {
    let uses = Uses {
        vault: has_vault,
        limits: options.share_limits,
        tokens: options.token_key.is_some(),
        keys: options.share_idempotency,
    };
    let redis = Redis::on_trial(options, uses).map_err(|error| error.to_string())?;
    let all = options.connect_timeout.saturating_mul(u32::try_from(options.url.len()).unwrap_or(u32::MAX));
    // A little longer than the attempt takes, which says at its end why it failed.
    let connected = redis.connected(all + Duration::from_secs(1)).await;
    let said = |error: RedisError| {
        let remedy = match error {
            // All that is lacking was named.
            RedisError::Permission(_) => "Give the user what docs/tenants.md lists, with ACL SETUSER.",
            _ => error.remedy(),
        };
        sentences(&error.to_string(), remedy)
    };
    connected.map_err(said)?;
    redis.tried(uses).await.map_err(said)?;
    Ok(redis.server().map(|server| server.to_string()).unwrap_or_default())
}

fn explain(failure: &Failure) -> String {
    let description = failure.describe();
    let what = match failure {
        Failure::Upstream(error) => error.to_string(),
        other => other.cause().unwrap_or_else(|| other.to_string()),
    };
    sentences(&what, &failure.remedy(&description).unwrap_or_default())
}

fn sentences(what: &str, remedy: &str) -> String {
    let end = if what.ends_with('?') { "" } else { "." };
    if remedy.is_empty() { format!("{what}{end}") } else { format!("{what}{end} {remedy}") }
}

fn is_claviger(headers: &HeaderMap) -> bool {
    headers.get(PROXY_STATUS).is_some_and(|value| value.as_bytes().starts_with(b"claviger;"))
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    kind.starts_with(b"application/json")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RedisAddress;

    #[test]
    fn what_ends_with_a_question_has_no_full_stop_behind_it() {
        assert_eq!(
            sentences("no address for x: is it spelt right?", ""),
            "no address for x: is it spelt right?"
        );
        assert_eq!(sentences("refused", "Look."), "refused. Look.");
    }

    /// The attempt ends at the same time as the wait for it would.
    #[tokio::test(start_paused = true)]
    async fn a_redis_that_says_nothing_is_waited_for_until_its_attempt_has_ended() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        for (scheme, addresses, says) in [
            ("redis", 1, "no answer within 3s."),
            (
                "rediss",
                1,
                "no answer within 3s, to TLS: is it a port without TLS? That is redis://, not rediss://.",
            ),
            ("redis", 8, "no answer within 3s."),
        ] {
            let url = RedisAddress::parse(&format!("{scheme}://127.0.0.1:{port}")).unwrap();
            let why = probe_redis(&RedisOptions::at(vec![url; addresses]), true).await.unwrap_err();
            assert!(why.contains(says), "{scheme}: {why}");
        }
    }
}
