//! What the issuer's answer means: a token with a bounded life, or a fault. A pure function of the answer,
//! so that it can be fed with anything. Never panics, never believes a life outside (0, 24 h], never lets a
//! text of the issuer through unbounded or uncleaned.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use http::{HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::{
    secret::Secret,
    token::error::{Fault, Flaw, GrantFailure, OTHER_CLAVIGER},
    trust::{PROXY_LOGIN, of_page},
};

/// The largest body that is read, in bytes. A Logto token answer has about 700, 1200 with RS256 (fact 1.2).
pub const MAX_BODY: usize = 64 * 1024;
/// The longest life that is believed.
pub const MAX_LIFE: Duration = Duration::from_hours(24);
/// The life of a token whose answer does not say (`expires_in` is only RECOMMENDED, RFC 6749 section 5.1),
/// or says it in a way that is not a number.
pub const UNSTATED_LIFE: Duration = Duration::from_mins(1);
/// More than any proxy on the way would let through in a header.
const MAX_TOKEN: usize = 16 * 1024;
const MAX_ERROR: usize = 64;
const MAX_DESCRIPTION: usize = 200;

/// An answer as it came, its body already bounded by [`MAX_BODY`].
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// `Content-Type`
    pub content_type: Option<HeaderValue>,
    /// `Retry-After`
    pub retry_after: Option<HeaderValue>,
    /// Holds a token: zeroed on drop.
    pub body: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("status", &self.status).finish_non_exhaustive()
    }
}

/// A token that can be used.
#[derive(Debug)]
pub struct Grant {
    /// `Bearer …`, marked sensitive.
    pub header: HeaderValue,
    /// From one second to [`MAX_LIFE`].
    pub life: Duration,
}

/// Reads an answer to a request for `scopes` that came at `now`.
///
/// # Errors
/// What is wrong with it, and when the issuer wants to be asked again.
pub fn parse(answer: &Answer, scopes: &[String], now: SystemTime) -> Result<Grant, GrantFailure> {
    if answer.status.is_success() {
        return Ok(grant(answer, scopes)?);
    }
    Err(GrantFailure {
        fault: refusal(answer),
        retry_after: answer.retry_after.as_ref().and_then(|value| retry_after(value, now)),
    })
}

#[derive(Deserialize)]
struct Success<'a> {
    #[serde(borrow)]
    access_token: Option<&'a RawValue>,
    #[serde(borrow)]
    token_type: Option<&'a RawValue>,
    #[serde(borrow)]
    expires_in: Option<&'a RawValue>,
    #[serde(borrow)]
    scope: Option<&'a RawValue>,
}

fn grant(answer: &Answer, scopes: &[String]) -> Result<Grant, Fault> {
    let body = answer.body.trim_ascii();
    if body.is_empty() {
        return Err(Fault::Invalid(Flaw::Empty));
    }
    if is_html(answer) {
        return Err(Fault::Invalid(Flaw::Html));
    }
    let success: Success<'_> = serde_json::from_slice(body).map_err(|_| Fault::Invalid(Flaw::Malformed))?;
    let header = success
        .access_token
        .ok_or(Flaw::NoToken)
        .and_then(|raw| text(raw).ok_or(Flaw::Malformed))
        .and_then(bearer)
        .map_err(Fault::Invalid)?;
    // RFC 6749 section 7.1: a token of a type that is not understood must not be used.
    let token_type = success.token_type.and_then(text).unwrap_or_default();
    if !token_type.eq_ignore_ascii_case("bearer") {
        return Err(Fault::Invalid(Flaw::TokenType));
    }
    let life = success.expires_in.map_or(Ok(UNSTATED_LIFE), life).map_err(Fault::Invalid)?;
    // RFC 6749 section 5.1 lets an issuer leave out `scope` when all was granted; Logto leaves it out when
    // nothing was (fact 1.4). A request with scopes therefore wants to see them in the answer.
    let granted = success.scope.and_then(text).unwrap_or_default();
    let missing: Vec<&str> = scopes
        .iter()
        .map(String::as_str)
        .filter(|scope| !granted.split_ascii_whitespace().any(|granted| granted == *scope))
        .collect();
    if !missing.is_empty() {
        return Err(Fault::ScopeMissing { missing: missing.join(" ").into() });
    }
    Ok(Grant { header, life })
}

/// The text of a JSON string; anything else is none.
fn text(raw: &RawValue) -> Option<Zeroizing<String>> {
    serde_json::from_str(raw.get()).ok().map(Zeroizing::new)
}

fn bearer(token: Zeroizing<String>) -> Result<HeaderValue, Flaw> {
    if token.is_empty() {
        return Err(Flaw::NoToken);
    }
    // RFC 6749 appendix A.12 allows VSCHAR, minus the space, which would end the token in a header.
    if token.len() > MAX_TOKEN || !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Flaw::OddToken);
    }
    Secret::new(token.as_bytes().to_vec()).header("Bearer ").map_err(|_| Flaw::OddToken)
}

/// `expires_in`: a number, or one in quotes. Fractions are cut off.
fn life(raw: &RawValue) -> Result<Duration, Flaw> {
    let number = raw.get().trim_matches('"');
    let is_number = number.starts_with(|c: char| c.is_ascii_digit() || c == '-');
    let Some(seconds) = number.parse::<f64>().ok().filter(|_| is_number) else {
        return Ok(UNSTATED_LIFE);
    };
    if seconds < 1.0 {
        return Err(Flaw::Expired);
    }
    Ok(Duration::from_secs_f64(seconds.trunc().min(MAX_LIFE.as_secs_f64())))
}

#[derive(Deserialize)]
struct Refusal<'a> {
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    error_description: Option<&'a RawValue>,
    #[serde(borrow)]
    code: Option<&'a RawValue>,
}

fn refusal(answer: &Answer) -> Fault {
    let status = answer.status;
    let refusal = serde_json::from_slice::<Refusal<'_>>(&answer.body).ok();
    let refusal = refusal.as_ref();
    let error = refusal.and_then(|r| text(r.error?));
    if status == StatusCode::TOO_MANY_REQUESTS {
        let code = refusal.and_then(|r| text(r.code?)).unwrap_or_default();
        let capped = code.as_str() == "auth.exceed_token_limit";
        return if capped { Fault::TokenCap } else { Fault::RateLimited };
    }
    if status == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
        return Fault::Unreachable(PROXY_LOGIN.into());
    }
    // 404 and 405 say `invalid_request` as well, but the fault is in the path (fact 1.5).
    let elsewhere = matches!(status.as_u16(), 404 | 405 | 408 | 425);
    if error.is_none()
        && let Some(says) = of_page(status, &answer.body)
    {
        return Fault::Unreachable(says.into());
    }
    match error {
        Some(error) if *error == "invalid_client" && is_of_claviger(refusal) => {
            Fault::Rejected { error: error.as_str().into(), description: OTHER_CLAVIGER.into() }
        }
        Some(error) if status.is_client_error() && !elsewhere && !is_passing(&error) => Fault::Rejected {
            error: clean(&error, MAX_ERROR, |b| b.is_ascii_alphanumeric() || b"_.-".contains(&b)),
            description: description(&refusal.and_then(|r| text(r.error_description?)).unwrap_or_default()),
        },
        // Logto's own are OAuth's.
        None if matches!(status.as_u16(), 401 | 403) => Fault::Gateway(status.as_u16()),
        _ if status.is_server_error() && is_html(answer) => Fault::Gateway(status.as_u16()),
        _ => Fault::Status(status.as_u16()),
    }
}

fn is_of_claviger(refusal: Option<&Refusal<'_>>) -> bool {
    refusal.and_then(|r| text(r.code?)).is_some_and(|code| code.starts_with("claviger."))
}

/// `error` and `error_description` as the issuer wrote them, neither cleaned nor cut: for whoever has to know
/// whether a secret is in them.
pub(super) fn told(body: &[u8]) -> [Zeroizing<String>; 2] {
    let refusal = serde_json::from_slice::<Refusal<'_>>(body).ok();
    let refusal = refusal.as_ref();
    let error = refusal.and_then(|r| text(r.error?));
    let description = refusal.and_then(|r| text(r.error_description?));
    [error, description].map(Option::unwrap_or_default)
}

/// As much of a description as is shown, cleaned.
pub(super) fn description(text: &str) -> Box<str> {
    clean(text, MAX_DESCRIPTION, |b| matches!(b, b' '..=b'~'))
}

/// OAuth errors that pass by themselves, whatever the status.
fn is_passing(error: &str) -> bool {
    matches!(error, "server_error" | "temporarily_unavailable" | "slow_down")
}

fn clean(text: &str, most: usize, allowed: impl Fn(u8) -> bool) -> Box<str> {
    text.bytes().take(most).map(|b| if allowed(b) { char::from(b) } else { '?' }).collect()
}

fn is_html(answer: &Answer) -> bool {
    let said = answer.content_type.as_ref().map_or(&b""[..], HeaderValue::as_bytes);
    said.get(..9).is_some_and(|s| s.eq_ignore_ascii_case(b"text/html"))
        || answer.body.trim_ascii().starts_with(b"<")
}

/// Seconds or a date (RFC 9110 section 10.2.3), as time from now; a date in the past is no wait.
fn retry_after(value: &HeaderValue, now: SystemTime) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    if text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty() {
        // More digits than fit are a long time.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    httpdate::parse_http_date(text).ok().map(|date| date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
#[path = "tests/answer.rs"]
mod tests;
