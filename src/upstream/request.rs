//! Builds the request for one try: the caller's headers by allow-list, the tenant's token, our own `Via` and
//! the request id. The path is the one that the policy matched, byte for byte.

use http::{HeaderValue, Method, Request, header, request::Parts};
use http_body::Body as _;
use tokio::time::Instant;

use super::replay::RequestBody;
use crate::{
    catalog::Secrets,
    headers::{self, Coding, IDEMPOTENCY_KEY},
    policy::conditions::ApprovedTarget,
};

/// A caller's request on its way out.
#[derive(Debug, Clone, Copy)]
pub struct Outbound<'a> {
    /// Its head.
    pub head: &'a Parts,
    /// The index of the worker that sends it.
    pub worker: usize,
    /// When it must have been answered.
    pub deadline: Instant,
}

/// What stays the same over all tries.
#[derive(Debug)]
pub(super) struct Outgoing<'a> {
    /// The caller's head.
    pub head: &'a Parts,
    /// The canonical path with the caller's query.
    pub target: &'a ApprovedTarget,
    /// The secrets that will be masked in the answer.
    pub masking: Option<&'static Secrets>,
    /// `tenants.NAME.compression`
    pub compression: bool,
    /// Whether the upstream is told the caller's `Idempotency-Key`.
    pub takes_key: bool,
    /// The request id, as header.
    pub id: HeaderValue,
}

impl Outgoing<'_> {
    /// The request with this token and body.
    pub(super) fn with(&self, token: &HeaderValue, body: RequestBody) -> Request<RequestBody> {
        let body_is_empty = body.is_end_stream();
        let mut request = Request::new(body);
        *request.method_mut() = self.head.method.clone();
        *request.uri_mut() = self.target.target().clone().into();
        // Of HEAD Logto compresses nothing (fact 5.5), and the length of what it is is worth more.
        let is_compressed = self.compression && self.head.method != Method::HEAD;
        let coding = if is_compressed { Coding::Gzip } else { Coding::Identity };
        let mut headers = headers::forwarded(&self.head.headers, coding);
        if self.takes_key
            && let Some(key) = self.head.headers.get(IDEMPOTENCY_KEY)
        {
            headers.insert(IDEMPOTENCY_KEY, key.clone());
        }
        headers.insert(header::AUTHORIZATION, token.clone());
        headers.insert(headers::X_REQUEST_ID, self.id.clone());
        // RFC 9110 section 8.6. hyper says it of no body by itself.
        if body_is_empty && matches!(self.head.method, Method::POST | Method::PUT | Method::PATCH) {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        if self.masking.is_some() {
            headers::ask_for_whole(&mut headers);
        }
        *request.headers_mut() = headers;
        request
    }
}
