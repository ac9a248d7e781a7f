//! So many requests in so much time.

use std::{fmt, time::Duration};

use serde::Serialize;

use super::show;

/// `{ requests = 200, per = "10s" }`: a token bucket of `burst`, refilled at `requests` / `per`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Rate {
    /// Requests in each period; at least 1.
    pub requests: u32,
    /// The period; at least 1 ms.
    #[serde(serialize_with = "show::duration")]
    pub per: Duration,
    /// The most at once; left out: `requests`.
    pub burst: u32,
}

impl fmt::Display for Rate {
    /// `200 requests per 10s`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let requests = if self.requests == 1 { "request" } else { "requests" };
        write!(f, "{} {requests} per {}", self.requests, humantime::format_duration(self.per))
    }
}
