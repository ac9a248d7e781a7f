//! Header names, and which headers may pass. Requests go by an allow-list: what a caller sends reaches the
//! upstream only when it is named here, so its `Authorization`, `Cookie`, `Host`, `Origin`, `X-Forwarded-*`
//! and `development-user-id` (facts 2.8, 2.9, 3.1) have no way through. Answers go by a deny-list.

mod codings;

use http::{HeaderMap, HeaderName, HeaderValue, header};

pub use codings::{Coding, prefers_gzip};

/// RFC 9218. Not forwarded: Logto knows nothing of it, and what it is for has been decided here.
pub const PRIORITY: HeaderName = HeaderName::from_static("priority");
/// Carries an API key; read before `Authorization`.
pub const CLAVIGER_KEY: HeaderName = HeaderName::from_static("claviger-key");
/// Selects the tenant.
pub const CLAVIGER_TENANT: HeaderName = HeaderName::from_static("claviger-tenant");
/// The id of a request, in both directions.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Logto's own id of a request, in its answer.
pub const LOGTO_REQUEST_ID: HeaderName = HeaderName::from_static("logto-core-request-id");
/// RFC 9209.
pub const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");
/// RFC 9211.
pub const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");
/// draft-ietf-httpapi-ratelimit-headers.
pub const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// draft-ietf-httpapi-ratelimit-headers.
pub const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// W3C Trace Context.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// draft-ietf-httpapi-idempotency-key-header. Not forwarded to a Management API, which knows nothing of it; without it Logto
/// Cloud charges no card.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// `only`: of a request with an `Idempotency-Key`, the answer of an earlier one is wanted, and nothing is to be sent.
pub const CLAVIGER_REPLAY: HeaderName = HeaderName::from_static("claviger-replay");
/// Of an answer that was given before, as several APIs mark it.
pub const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// `Server` of each answer of the admin listener: by it commands know that it is Claviger which they ask.
pub const CLAVIGER: HeaderValue = HeaderValue::from_static("claviger");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
const BAGGAGE: HeaderName = HeaderName::from_static("baggage");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// RFC 9110 section 7.6.3.
const VIA: HeaderValue = HeaderValue::from_static("1.1 claviger");

/// What may pass from a caller to the upstream. `Accept-Encoding` may not: the upstream is asked for what can be looked through for
/// secrets, and the caller gets what it takes. `Content-Length` and `Transfer-Encoding` are made anew from
/// the body itself; `If-Match` passes although Logto ignores it on writes (fact 5.6).
fn may_pass(name: &HeaderName) -> bool {
    matches!(
        *name,
        header::ACCEPT
            | header::ACCEPT_LANGUAGE
            | header::CACHE_CONTROL
            | header::CONTENT_ENCODING
            | header::CONTENT_LANGUAGE
            | header::CONTENT_TYPE
            | header::IF_MATCH
            | header::IF_MODIFIED_SINCE
            | header::IF_NONE_MATCH
            | header::IF_UNMODIFIED_SINCE
            | header::PRAGMA
            | header::USER_AGENT
            | header::VIA
    ) || *name == TRACEPARENT
        || *name == TRACESTATE
        || *name == BAGGAGE
}

/// The headers of a request that go on to the upstream, with room for those that Claviger adds; the answer is to be in `coding`, or as
/// it is. `Connection` takes out what
/// it lists, but not what says how to read the body (RFC 9110 section 7.6.1 has nobody list such): without `Content-Type`
/// Logto reads nothing and answers 200 (fact 5.2).
pub fn forwarded(from: &HeaderMap, coding: Coding) -> HeaderMap {
    let mut to = HeaderMap::with_capacity(from.keys().filter(|name| may_pass(name)).count() + 4);
    let listed: Vec<HeaderName> =
        from.get_all(header::CONNECTION).iter().flat_map(connection_listed).collect();
    for (name, value) in from {
        if may_pass(name) && (!listed.contains(name) || is_of_the_body(name)) {
            to.append(name, value.clone());
        }
    }
    to.insert(header::ACCEPT_ENCODING, coding.header());
    to.append(header::VIA, VIA);
    to
}

/// The trace that a request belongs to, where it is written as W3C Trace Context has it: for the log, which takes no text
/// of a caller's choice.
pub fn trace(headers: &HeaderMap) -> Option<HeaderValue> {
    const PARTS: [usize; 4] = [2, 32, 16, 2];
    let value = headers.get(TRACEPARENT)?;
    let mut parts = value.to_str().ok()?.split('-');
    let is_hex = |part: &str| part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let fits = PARTS.iter().all(|length| parts.next().is_some_and(|p| p.len() == *length && is_hex(p)));
    (fits && parts.next().is_none()).then(|| value.clone())
}

/// Asks for an answer in which secrets can be masked: whole, and not by a validator of its unmasked form.
pub fn ask_for_whole(headers: &mut HeaderMap) {
    headers.remove(header::IF_NONE_MATCH);
    headers.remove(header::IF_MODIFIED_SINCE);
}

/// Lets an answer say only once how its body ends: `Transfer-Encoding` overrides `Content-Length` (RFC 9112 section 6.3), which would
/// be false where it is handed on, and would tell the filter of a body that is not the one that comes.
///
/// # Errors
/// What is wrong with it: a body in a coding that nobody takes off could not be looked through.
pub fn settle_length(headers: &mut HeaderMap) -> Result<(), &'static str> {
    if !headers.contains_key(header::TRANSFER_ENCODING) {
        return Ok(());
    }
    headers.remove(header::CONTENT_LENGTH);
    let values = headers.get_all(header::TRANSFER_ENCODING).iter();
    let mut codings = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    match codings.all(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"chunked")) {
        true => Ok(()),
        false => Err("it has a Transfer-Encoding other than chunked"),
    }
}

/// What says how to read a body. RFC 9110 section 7.6.1 has nobody list it in `Connection`.
fn is_of_the_body(name: &HeaderName) -> bool {
    *name == header::CONTENT_TYPE || *name == header::CONTENT_ENCODING
}

/// Makes an answer one that is handed on: without what is between the upstream and us alone (RFC 9110 section 7.6.1), cookies, and
/// `Alt-Svc`, which would lead the caller past this proxy; and with our `Via`.
pub fn hand_on(headers: &mut HeaderMap) {
    if let header::Entry::Occupied(connection) = headers.entry(header::CONNECTION) {
        let (_, values) = connection.remove_entry_mult();
        let listed: Vec<HeaderName> = values.flat_map(|value| connection_listed(&value)).collect();
        for name in listed.iter().filter(|name| !is_of_the_body(name)) {
            headers.remove(name);
        }
    }
    // Hardly ever is one of them there, and looking for each would hash each.
    while let Some(name) = headers.keys().find(|name| is_stripped(name)).cloned() {
        headers.remove(name);
    }
    headers.append(header::VIA, VIA);
}

fn is_stripped(name: &HeaderName) -> bool {
    matches!(
        *name,
        header::TRANSFER_ENCODING
            | header::SET_COOKIE
            | header::ALT_SVC
            | header::UPGRADE
            | header::TRAILER
            | header::PROXY_AUTHENTICATE
            // Which pages may read an answer is decided here.
            | header::ACCESS_CONTROL_ALLOW_ORIGIN
            | header::ACCESS_CONTROL_ALLOW_CREDENTIALS
            | header::ACCESS_CONTROL_ALLOW_METHODS
            | header::ACCESS_CONTROL_ALLOW_HEADERS
            | header::ACCESS_CONTROL_EXPOSE_HEADERS
            | header::ACCESS_CONTROL_MAX_AGE
    ) || *name == KEEP_ALIVE
        || *name == PROXY_CONNECTION
}

/// The names in a `Connection` value; its usual words are no names.
fn connection_listed(value: &HeaderValue) -> Vec<HeaderName> {
    let is_usual =
        |word: &[u8]| word.eq_ignore_ascii_case(b"keep-alive") || word.eq_ignore_ascii_case(b"close");
    // Nearly always there is one of them and nothing else.
    if is_usual(value.as_bytes()) {
        return Vec::new();
    }
    let words = value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    words.filter(|word| !is_usual(word)).filter_map(|word| HeaderName::from_bytes(word).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn b15_only_named_headers_reach_upstream() {
        let mut from = map(&[
            ("accept", "application/json"),
            ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
            ("user-agent", "billing/1"),
            ("if-none-match", "\"x\""),
            ("connection", "close, If-None-Match"),
            ("cookie", "a=b"),
            ("origin", "https://evil.example"),
            ("host", "evil.example"),
            ("x-forwarded-host", "evil.example"),
            ("forwarded", "host=evil.example"),
            ("development-user-id", "root"),
            ("proxy-authorization", "Basic eA=="),
            ("claviger-key", "k"),
            ("te", "trailers"),
            ("expect", "100-continue"),
            ("content-length", "3"),
        ]);
        from.append(header::AUTHORIZATION, HeaderValue::from_static("Bearer a"));
        from.append(header::AUTHORIZATION, HeaderValue::from_static("bearer b"));
        let to = forwarded(&from, Coding::Identity);
        let mut names: Vec<&str> = to.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["accept", "accept-encoding", "traceparent", "user-agent", "via"]);
    }

    #[test]
    fn the_upstream_is_asked_for_nothing_that_could_not_be_looked_through() {
        let from = map(&[("accept-encoding", "gzip, br, zstd"), ("connection", "accept-encoding")]);
        for (coding, want) in [(Coding::Identity, "identity"), (Coding::Gzip, "gzip")] {
            let to = forwarded(&from, coding);
            assert_eq!(to.get_all(header::ACCEPT_ENCODING).iter().collect::<Vec<_>>(), [want]);
        }
    }

    #[test]
    fn connection_takes_nothing_out_that_says_how_to_read_the_body() {
        let to = forwarded(
            &map(&[
                ("content-type", "application/json"),
                ("content-encoding", "gzip"),
                ("content-language", "en"),
                ("connection", "Content-Type, content-encoding, content-language"),
            ]),
            Coding::Identity,
        );
        let has = |name| to.contains_key(name);
        assert!(has("content-type") && has("content-encoding") && !has("content-language"));
    }

    #[test]
    fn an_answer_has_one_length_and_no_coding_that_nobody_takes_off() {
        for (codings, good) in
            [("chunked", true), (" Chunked ", true), ("gzip, chunked", false), ("x", false)]
        {
            let mut headers = map(&[("content-length", "0")]);
            headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_str(codings).unwrap());
            assert_eq!(settle_length(&mut headers).is_ok(), good, "{codings}");
            assert!(!headers.contains_key(header::CONTENT_LENGTH), "{codings}");
        }
        let mut headers = map(&[("content-length", "0")]);
        assert_eq!(settle_length(&mut headers), Ok(()));
        assert!(headers.contains_key(header::CONTENT_LENGTH));
        let mut headers =
            map(&[("connection", "content-encoding, x-own"), ("content-encoding", "gzip"), ("x-own", "a")]);
        hand_on(&mut headers);
        assert!(headers.contains_key(header::CONTENT_ENCODING) && !headers.contains_key("x-own"));
    }

    #[test]
    fn a_trace_is_taken_where_it_is_written_as_one() {
        const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(trace(&map(&[("traceparent", GOOD)])), Some(HeaderValue::from_static(GOOD)));
        for bad in [
            "",
            "the-key-of-a-caller",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
        ] {
            assert_eq!(trace(&map(&[("traceparent", bad)])), None, "{bad:?}");
        }
        assert_eq!(trace(&HeaderMap::new()), None);
    }

    #[test]
    fn an_answer_loses_what_is_not_for_the_caller() {
        let mut headers = map(&[
            ("content-type", "application/json"),
            ("connection", "keep-alive, x-hop"),
            ("x-hop", "1"),
            ("keep-alive", "timeout=5"),
            ("set-cookie", "s=1"),
            ("alt-svc", "h3=\":443\""),
            ("etag", "\"x\""),
        ]);
        hand_on(&mut headers);
        let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["content-type", "etag", "via"]);
    }
}
