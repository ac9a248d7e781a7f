//! Which answers may be given to others than the one whose request they came for, and for how long (RFC 9111 section 3). Decides by the
//! answer's head alone; what the caller may see of it was decided before.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::headers;

/// What an answer may be used for beside its own request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fitness {
    /// Nothing.
    Alone,
    /// For those who asked the same while it was under way.
    Shared,
    /// And for those who ask later, for as long at the most.
    Kept(Duration),
}

impl Fitness {
    /// By the head. Whether it sets a cookie is asked before those are taken out.
    pub(super) fn of(status: StatusCode, headers: &HeaderMap) -> Self {
        if varies(headers) || is_about_its_request(status) {
            return Self::Alone;
        }
        let (mut longest, mut fitness) = (Duration::MAX, None);
        for directive in words(headers, &header::CACHE_CONTROL) {
            let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
            match &*name.trim().to_ascii_lowercase() {
                "no-store" | "private" => return Self::Alone,
                "no-cache" => fitness = Some(Self::Shared),
                "max-age" | "s-maxage" => {
                    // What is no number is taken for none (section 4.2.1).
                    let seconds = value.trim().trim_matches('"').parse().unwrap_or_default();
                    longest = longest.min(Duration::from_secs(seconds));
                }
                _ => {}
            }
        }
        match fitness {
            Some(fitness) => fitness,
            None if status == StatusCode::OK && !longest.is_zero() => Self::Kept(longest),
            None => Self::Shared,
        }
    }
}

/// Whether it may be about the one request it came for: about headers that are forwarded and are none of a key's, such as `traceparent`,
/// of which a caller can send so much that Logto refuses the head.
fn is_about_its_request(status: StatusCode) -> bool {
    matches!(status.as_u16(), 400 | 403 | 406 | 408 | 413..=417 | 421 | 431)
}

/// Whether it depends on headers of a request other than those that keys hold, and those that are never forwarded.
fn varies(headers: &HeaderMap) -> bool {
    const KNOWN: [&str; 5] = ["accept", "accept-language", "accept-encoding", "content-type", "origin"];
    words(headers, &header::VARY).any(|name| !KNOWN.iter().any(|known| name.eq_ignore_ascii_case(known)))
}

fn words<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    // What cannot be read says the worst.
    let lines = headers.get_all(name).iter().map(|value| value.to_str().unwrap_or("private"));
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|word| !word.is_empty())
}

/// Takes out what is about the request alone that it came for. Its date stays: it is the answer's.
pub(super) fn strip_own(headers: &mut HeaderMap) {
    const OWN: [HeaderName; 6] = [
        headers::X_REQUEST_ID,
        headers::RATELIMIT,
        headers::RATELIMIT_POLICY,
        headers::LOGTO_REQUEST_ID,
        HeaderName::from_static("server-timing"),
        HeaderName::from_static("x-response-time"),
    ];
    for name in &OWN {
        headers.remove(name);
    }
}

/// Takes over what a 304 says of an answer that is kept (RFC 9111 section 4.3.4).
pub(super) fn freshen(kept: &mut HeaderMap, not_modified: &HeaderMap) {
    const SAID_AGAIN: [HeaderName; 6] = [
        header::CACHE_CONTROL,
        header::DATE,
        header::ETAG,
        header::EXPIRES,
        header::LAST_MODIFIED,
        header::VARY,
    ];
    kept.remove(header::AGE);
    for name in SAID_AGAIN.iter().chain([&header::AGE]) {
        let mut values = not_modified.get_all(name).iter();
        if let Some(first) = values.next() {
            kept.insert(name, first.clone());
            values.for_each(|value| _ = kept.append(name, value.clone()));
        }
    }
}

/// How old it was when it came (RFC 9111 section 5.1).
pub(super) fn age(headers: &HeaderMap) -> Duration {
    let seconds = headers.get(header::AGE).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    Duration::from_secs(seconds.unwrap_or_default())
}

/// The validator to ask with whether it is still true.
pub(super) fn validator(headers: &HeaderMap) -> Option<HeaderValue> {
    headers.get(header::ETAG).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_for_one_is_given_to_nobody_else() {
        let fitness = |status: u16, pairs: &[(&'static str, &'static str)]| {
            let pairs = pairs
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            Fitness::of(StatusCode::from_u16(status).unwrap(), &pairs.collect())
        };
        let long = Fitness::Kept(Duration::MAX);
        for (status, pairs, want) in [
            (200, &[][..], long),
            (200, &[("vary", "Origin, accept-encoding"), ("cache-control", "public")], long),
            (
                200,
                &[("cache-control", "public, max-age=7, s-maxage=9")],
                Fitness::Kept(Duration::from_secs(7)),
            ),
            (200, &[("cache-control", "max-age=0")], Fitness::Shared),
            (200, &[("cache-control", "max-age=soon")], Fitness::Shared),
            (200, &[("cache-control", "No-Cache")], Fitness::Shared),
            (200, &[("cache-control", "max-age=9, private=\"x\"")], Fitness::Alone),
            (200, &[("cache-control", "no-cache"), ("cache-control", "NO-STORE")], Fitness::Alone),
            (200, &[("vary", "Cookie")], Fitness::Alone),
            (200, &[("vary", "*")], Fitness::Alone),
            (404, &[], Fitness::Shared),
            (429, &[], Fitness::Shared),
            (400, &[], Fitness::Alone),
            (403, &[], Fitness::Alone),
            (414, &[], Fitness::Alone),
            (431, &[], Fitness::Alone),
            (206, &[], Fitness::Shared),
            (500, &[], Fitness::Shared),
        ] {
            let mut got = fitness(status, pairs);
            if pairs.len() == 2 && pairs[0].0 == pairs[1].0 {
                // A map of pairs keeps the last of a name.
                let mut headers = HeaderMap::new();
                for (name, value) in pairs {
                    headers.append(*name, HeaderValue::from_static(value));
                }
                got = Fitness::of(StatusCode::OK, &headers);
            }
            assert_eq!(got, want, "{status} {pairs:?}");
        }
    }
}
