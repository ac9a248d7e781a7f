//! The tenant's bucket, as Logto Cloud has it: all that reaches the tenant draws on it, the Management API, tokens, sign-in and keys
//! alike, and what is beyond is 429 without a `Retry-After`. The text of that answer is the emulator's own, as nobody has recorded Cloud's.

use std::{
    str::FromStr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use http::StatusCode;
use tokio::time::Instant;

use crate::{answer::Answer, errors::ApiError};

/// So many requests in so much time, and as many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Requests in each period; at least 1.
    pub requests: u32,
    /// The period.
    pub per: Duration,
}

/// Not such a text as `200/10s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write requests and seconds, such as 200/10s")]
pub struct InvalidQuota;

impl FromStr for Quota {
    type Err = InvalidQuota;

    fn from_str(text: &str) -> Result<Self, InvalidQuota> {
        let (requests, per) = text.split_once('/').ok_or(InvalidQuota)?;
        let seconds = per.strip_suffix('s').ok_or(InvalidQuota)?;
        let seconds: u64 = if seconds.is_empty() { 1 } else { seconds.parse().map_err(|_| InvalidQuota)? };
        let requests = requests.parse().map_err(|_| InvalidQuota)?;
        let valid = requests > 0 && (1..=86_400).contains(&seconds);
        valid.then_some(Self { requests, per: Duration::from_secs(seconds) }).ok_or(InvalidQuota)
    }
}

/// What is left of it.
#[derive(Debug)]
pub(crate) struct Bucket {
    quota: Quota,
    now: Mutex<Now>,
}

#[derive(Debug)]
struct Now {
    left: f64,
    at: Instant,
    refused: usize,
}

impl Bucket {
    pub(crate) fn new(quota: Quota) -> Self {
        let now = Now { left: f64::from(quota.requests), at: Instant::now(), refused: 0 };
        Self { quota, now: Mutex::new(now) }
    }

    /// One request more, where there is one.
    pub(crate) fn draw(&self) -> bool {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let at = Instant::now();
        let most = f64::from(self.quota.requests);
        let refilled = at.duration_since(now.at).as_secs_f64() / self.quota.per.as_secs_f64() * most;
        now.left = (now.left + refilled).min(most);
        now.at = at;
        let drawn = now.left >= 1.0;
        if drawn {
            now.left -= 1.0;
        } else {
            now.refused += 1;
        }
        drawn
    }

    pub(crate) fn refused(&self) -> usize {
        self.now.lock().unwrap_or_else(PoisonError::into_inner).refused
    }
}

/// To a request beyond the quota.
pub(crate) fn too_many() -> Answer {
    let message = "Too many requests. Please try again later.";
    ApiError::message(StatusCode::TOO_MANY_REQUESTS, message).into_answer()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_written_as_requests_and_seconds() {
        let quota = |requests, seconds| Ok(Quota { requests, per: Duration::from_secs(seconds) });
        assert_eq!("200/10s".parse(), quota(200, 10));
        assert_eq!("5/s".parse(), quota(5, 1));
        for text in ["", "200", "200/10", "0/10s", "200/0s", "x/10s", "200/ms", "-1/1s"] {
            assert_eq!(text.parse::<Quota>(), Err(InvalidQuota), "{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_bucket_then_the_rate() {
        let bucket = Bucket::new("200/10s".parse().unwrap());
        assert_eq!((0..300).filter(|_| bucket.draw()).count(), 200);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!((0..300).filter(|_| bucket.draw()).count(), 20);
        assert_eq!(bucket.refused(), 100 + 280);
        tokio::time::advance(Duration::from_secs(100)).await;
        assert_eq!((0..300).filter(|_| bucket.draw()).count(), 200, "never more than its size");
    }
}
