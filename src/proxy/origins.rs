//! Which web pages may call, and what their browsers are told (CORS, in the Fetch standard): the origins of
//! `listen.allowed_origins`, without credentials of the browser's own. A page authenticates like any other caller.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header, request::Parts};

/// Every method that an operation has.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
/// Those that reach the upstream, and those that Claviger reads itself.
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static(
    "Accept, Accept-Language, Authorization, Baggage, Cache-Control, Claviger-Key, Claviger-Replay, Claviger-Tenant, Content-Language, \
     Content-Type, Idempotency-Key, If-Match, If-Modified-Since, If-None-Match, If-Unmodified-Since, Pragma, Traceparent, Tracestate, \
     X-Request-Id",
);
/// What a script may read beside the body.
const ANSWER_HEADERS: HeaderValue = HeaderValue::from_static(
    "ETag, Idempotency-Replayed, Link, Location, Proxy-Status, RateLimit, RateLimit-Policy, Retry-After, Total-Number, \
     Total-Number-Is-Capped, WWW-Authenticate, X-Request-Id",
);
/// As long as any browser remembers it, in seconds; but a changed configuration should be noticed.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");
const ORIGIN: HeaderValue = HeaderValue::from_static("origin");
const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether a page sends the request that came from `host` itself, in plain HTTP.
pub(super) fn is_of(headers: &HeaderMap, host: &str) -> bool {
    let own = format!("http://{host}");
    let says = |name: HeaderName| headers.get_all(name).iter();
    says(SITE).all(|site| site == "same-origin") && says(header::ORIGIN).all(|origin| *origin == *own)
}

/// The origins that may call.
#[derive(Debug)]
pub(super) struct Origins(Vec<String>);

impl Origins {
    /// These, as browsers write them.
    pub(super) fn new(allowed: &[String]) -> Self {
        Self(allowed.to_vec())
    }

    /// The origin of a request, where it is listed.
    pub(super) fn listed<'a>(&self, headers: &'a HeaderMap) -> Option<&'a HeaderValue> {
        if self.0.is_empty() {
            return None;
        }
        let mut values = headers.get_all(header::ORIGIN).iter();
        let origin = values.next()?;
        (values.next().is_none() && self.0.iter().any(|it| it.as_bytes() == origin.as_bytes()))
            .then_some(origin)
    }

    /// Whether a page sends the request that is not listed; `host` is where it is sent to. A browser leaves `Origin` out of
    /// a GET for an image, a link or its own page, but says by `Sec-Fetch-Site` that it is a page's; what
    /// somebody typed is nobody's.
    pub(super) fn refuses(&self, headers: &HeaderMap, host: &str) -> bool {
        if headers.contains_key(header::ORIGIN) {
            return self.listed(headers).is_none();
        }
        let is_own =
            || ["http://", "https://"].iter().any(|scheme| self.0.contains(&format!("{scheme}{host}")));
        headers.get_all(&SITE).iter().any(|site| site != "none" && !(site == "same-origin" && is_own()))
    }

    /// The answer to a listed page's browser, which asks whether the page may send what it is about to send.
    pub(super) fn preflight(&self, head: &Parts) -> Option<Response<Bytes>> {
        let asks = head.method == Method::OPTIONS
            && head.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
            && self.listed(&head.headers).is_some();
        asks.then(|| {
            let mut answer = Response::new(Bytes::new());
            *answer.status_mut() = StatusCode::NO_CONTENT;
            let headers = answer.headers_mut();
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
            answer
        })
    }

    /// Tells the browser of `page`, and the caches on the way to any, who may read an answer.
    pub(super) fn mark(&self, page: Option<HeaderValue>, headers: &mut HeaderMap) {
        if self.0.is_empty() {
            return;
        }
        headers.append(header::VARY, ORIGIN);
        if let Some(page) = page {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, page);
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, ANSWER_HEADERS);
        }
    }
}
