//! What an answer says of the tenant's quota. A 429 can be about one recipient of messages (fact 6.6), which is nobody else's
//! business; about one operation, which asks for a pause of its own; or about the bucket that all of the tenant's clients draw on,
//! its sign-in included. The last two are told to the quota.

use std::time::Duration;

use http::{HeaderMap, Response, StatusCode};

use super::{foreign::Foreign, peeked::Peeked, retry::retry_after, tenant::Tenant};
use crate::{filter, headers, ids::OperationId, limit::Told};

/// The longest pause that an upstream may ask of other requests.
const MAX_PAUSE: Duration = Duration::from_mins(1);
/// How long the beginning of a 429's body is waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// Codes of the limits on messages to one recipient: Logto's own, and a connector's.
const OF_MESSAGES: [&[u8]; 2] = [b"message_rate_limited", b"rate_limit_exceeded"];

/// Tells the quota what the answer says of it. Whether the tenant's bucket is empty: then the request was not carried out.
/// A page of somebody in front of Logto says nothing of that.
pub(super) async fn heed(
    tenant: &Tenant,
    operation: OperationId,
    response: &mut Response<Peeked>,
    foreign: Option<Foreign>,
) -> bool {
    let quota = tenant.quota();
    if quota.has_rate() && response.headers().contains_key(headers::RATELIMIT) {
        quota.told(told(response.headers()));
    }
    if response.status() != StatusCode::TOO_MANY_REQUESTS {
        return false;
    }
    if let Some(wait) = retry_after(response.headers(), tenant.common().clock.now().wall) {
        quota.pause(operation, wait.min(MAX_PAUSE));
        return false;
    }
    if !quota.has_rate() || foreign.is_some() {
        return false;
    }
    let body = response.body_mut().beginning(PATIENCE).await;
    let body = filter::beginning(response.headers(), body);
    if OF_MESSAGES.iter().any(|code| memchr::memmem::find(&body, code).is_some()) {
        return false;
    }
    quota.ran_out();
    true
}

/// The first policy, and what is left of it (draft-ietf-httpapi-ratelimit-headers).
fn told(headers: &HeaderMap) -> Told {
    let parameter = |name, parameter: &str| {
        let value: &str = headers.get(&name)?.to_str().ok()?;
        let first = value.split(',').next()?;
        let mut parameters = first.split(';').skip(1).filter_map(|it| it.split_once('='));
        let (_, value) = parameters.find(|(key, _)| key.trim() == parameter)?;
        value.trim().parse::<u32>().ok()
    };
    let seconds = |value| Duration::from_secs(u64::from(value));
    let per = parameter(headers::RATELIMIT_POLICY, "w").filter(|w| *w > 0).map(seconds);
    let empty = parameter(headers::RATELIMIT, "r") == Some(0);
    let until = parameter(headers::RATELIMIT, "t").filter(|_| empty).map(seconds);
    Told {
        policy: parameter(headers::RATELIMIT_POLICY, "q").filter(|q| *q > 0).zip(per),
        empty_for: until.map(|wait| wait.min(MAX_PAUSE)),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of(limit: &'static str, policy: &'static str) -> Told {
        let mut headers = HeaderMap::new();
        headers.insert(headers::RATELIMIT, HeaderValue::from_static(limit));
        headers.insert(headers::RATELIMIT_POLICY, HeaderValue::from_static(policy));
        told(&headers)
    }

    #[test]
    fn the_fields_say_how_much_there_is_and_when_there_is_nothing() {
        let second = Duration::from_secs(1);
        let both = of("\"default\";r=0;t=5, \"daily\";r=9", "\"default\";q=100;w=10");
        assert_eq!(both, Told { policy: Some((100, 10 * second)), empty_for: Some(5 * second) });
        let full = of("\"default\";r=50;t=30", "\"default\";q=100;w=60;qu=\"requests\"");
        assert_eq!(full, Told { policy: Some((100, 60 * second)), empty_for: None });
        assert_eq!(of("\"default\";r=0;t=86400", "\"default\";q=100").empty_for, Some(MAX_PAUSE));
        for (limit, policy) in
            [("", ""), ("r=0", "q"), ("\"x\";r=-1;t=1", "\"x\";q=0;w=0"), (";;=;", "a;q=b;w=c")]
        {
            assert_eq!(of(limit, policy), Told::default(), "{limit} {policy}");
        }
    }
}
