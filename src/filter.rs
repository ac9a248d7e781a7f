//! Filters an upstream's answer for its caller: decompresses it, masks the secrets that are hidden from the caller, then looks
//! for what no caller may see. Decides by the answer's head whether its body can be read and masked, in which form it goes on,
//! and removes the headers that are not true of that form: lengths, validators, digests. Must never hand on what it has not
//! looked through, such as the upstream's own reason phrase.

mod blocked;
mod compressed;
mod crc32;
mod echo_guard;
mod errors;
pub mod gunzip;
mod mask_detector;
pub mod redact;
mod screen;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request, response::Parts};
use memchr::memmem::find;

pub use self::{
    blocked::Blocked,
    echo_guard::{Echo, EchoGuard, KnownSecrets},
    mask_detector::MaskDetector,
};
use self::{compressed::Compressed, errors::ErrorBody, gunzip::Gunzip, redact::Redactor, screen::Screen};
use crate::{
    catalog::Secrets,
    headers::{self, Coding},
};

/// Headers that are only true of the unmasked body.
const OF_UNMASKED: [HeaderName; 2] = [header::ETAG, header::LAST_MODIFIED];

/// Headers that are only true of the body as it came.
const OF_ORIGINAL: [HeaderName; 7] = [
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::ACCEPT_RANGES,
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
];

/// Filters one answer's body.
#[derive(Debug)]
pub struct ResponseFilter {
    screen: Screen,
    body: Body,
}

/// What came of the body, and is yet to be screened.
#[derive(Debug)]
enum Body {
    Nothing,
    Chunk(Bytes),
    Last(Bytes),
    Compressed(Box<Compressed>),
}

impl ResponseFilter {
    /// For the answer with this head to `request`, in which `hidden` are to be masked. `guard` is for what must not be in any
    /// answer; `expansion` is `limits.expansion`.
    ///
    /// # Errors
    /// [`Blocked`].
    pub fn new(
        request: &request::Parts,
        head: &mut Parts,
        hidden: Option<&'static Secrets>,
        guard: EchoGuard,
        expansion: u32,
    ) -> Result<Self, Blocked> {
        guard.check(&head.headers)?;
        // hyper keeps the upstream's reason phrase here, and would say it to the caller.
        head.extensions.clear();
        let is_empty = is_empty(head);
        let has_body = !is_empty && request.method != Method::HEAD;
        let coding = match Coding::of(&head.headers) {
            _ if !has_body => Coding::Identity,
            Some(Coding::Gzip) if head.status == StatusCode::PARTIAL_CONTENT => return Err(Blocked::Encoded),
            Some(coding) => coding,
            None => return Err(Blocked::Encoded),
        };
        let redactor = match hidden {
            Some(secrets) if !is_empty && is_masked(&request.method, head, secrets)? => {
                strip_of_unmasked(&mut head.headers);
                has_body.then(|| Box::new(Redactor::new(secrets)))
            }
            _ => None,
        };
        let is_error = head.status.is_client_error() || head.status.is_server_error();
        // Whatever it says that it is: some callers' libraries read JSON where they find it.
        let error = (is_error && has_body).then(ErrorBody::default);
        let body = match coding {
            Coding::Identity => Body::Nothing,
            Coding::Gzip => {
                let gunzip = Gunzip::new(expansion);
                let goes_on =
                    redactor.is_none() && error.is_none() && headers::prefers_gzip(&request.headers);
                vary(&mut head.headers);
                Body::Compressed(Box::new(if goes_on {
                    Compressed::as_it_came(gunzip)
                } else {
                    // An ETag stays: Logto has the same one for all codings (fact 5.5).
                    OF_ORIGINAL.iter().for_each(|name| _ = head.headers.remove(name));
                    Compressed::expanded(gunzip)
                }))
            }
        };
        Ok(Self { screen: Screen { error, redactor, guard }, body })
    }

    /// Whether what passes first is a whole error.
    pub fn reads_error(&self) -> bool {
        self.screen.error.is_some()
    }

    /// Has the error go on as it comes, masked whatever it is.
    pub fn give_up_error(&mut self) {
        if let Some(error) = &mut self.screen.error {
            error.give_up();
        }
    }

    /// Takes out of the head of an error, which has passed or was given up, what is not true of it any more.
    pub fn finish_error(&self, headers: &mut HeaderMap) {
        if self.screen.redactor.is_some() || self.screen.error.is_some() {
            strip_of_unmasked(headers);
        }
    }

    /// Takes what came; more will come. To be called when all that came before has been handed on.
    pub fn take(&mut self, chunk: Bytes) {
        match &mut self.body {
            Body::Compressed(compressed) => compressed.take(chunk),
            body => *body = Body::Chunk(chunk),
        }
    }

    /// Takes what came last.
    pub fn take_last(&mut self, chunk: Bytes) {
        match &mut self.body {
            Body::Compressed(compressed) => {
                compressed.take(chunk);
                compressed.end();
            }
            body => *body = Body::Last(chunk),
        }
    }

    /// What may pass of what came; may be nothing. `None` when there is no more of it.
    ///
    /// # Errors
    /// [`Blocked`]: nothing passes any more.
    pub fn pass_on(&mut self) -> Result<Option<Bytes>, Blocked> {
        let passed = match &mut self.body {
            Body::Compressed(compressed) => compressed.pass_on(&mut self.screen),
            body => match std::mem::replace(body, Body::Nothing) {
                Body::Chunk(chunk) => self.screen.pass(chunk).map(Some),
                Body::Last(chunk) => self.screen.last(chunk).map(Some),
                Body::Nothing | Body::Compressed(_) => Ok(None),
            },
        };
        if passed.is_err() {
            self.body = Body::Nothing;
        }
        passed
    }

    /// Whether all that came has been handed on, and, of a compressed body, its end has come.
    pub fn is_done(&self) -> bool {
        match &self.body {
            Body::Nothing => true,
            Body::Chunk(_) | Body::Last(_) => false,
            Body::Compressed(compressed) => compressed.is_done(),
        }
    }

    /// Bytes that came and have not passed yet; `None` where not as many will pass as came.
    pub fn kept(&self) -> Option<usize> {
        let is_as_it_came = self.screen.redactor.is_none() && self.screen.error.is_none();
        let as_many = is_as_it_came && !matches!(self.body, Body::Compressed(_));
        as_many.then(|| self.screen.guard.kept())
    }
}

/// The beginning of a body that is there whole, for Claviger alone.
pub fn beginning(headers: &HeaderMap, mut body: Bytes) -> Bytes {
    match Coding::of(headers) {
        Some(Coding::Gzip) => Gunzip::new(1).read(&mut body).ok().flatten().unwrap_or_default(),
        _ => body,
    }
}

/// Says that another caller may get the same answer in another form (RFC 9110 section 12.5.5).
fn vary(headers: &mut HeaderMap) {
    let says_so = |value: &HeaderValue| {
        let value = value.to_str().unwrap_or_default();
        value
            .split(',')
            .map(str::trim)
            .any(|name| name == "*" || name.eq_ignore_ascii_case("accept-encoding"))
    };
    if !headers.get_all(header::VARY).iter().any(says_so) {
        headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    }
}

fn strip_of_unmasked(headers: &mut HeaderMap) {
    OF_UNMASKED.iter().chain(&OF_ORIGINAL).for_each(|name| _ = headers.remove(name));
}

/// Whether there is nothing to read, by its head (RFC 9110 section 6.4).
fn is_empty(head: &Parts) -> bool {
    matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
        || head.headers.get(header::CONTENT_LENGTH).is_some_and(|length| length == "0")
}

/// Whether `secrets` are masked in the answer; not, where it tells of an error.
fn is_masked(method: &Method, head: &Parts, secrets: &'static Secrets) -> Result<bool, Blocked> {
    if !head.status.is_success() {
        return Ok(false);
    }
    if head.status == StatusCode::PARTIAL_CONTENT {
        return Err(Blocked::Partial);
    }
    if is_json(&head.headers) {
        return Ok(true);
    }
    // An operation that is not in the catalog may well answer with something else, if it says so.
    let names_json = |kind: &HeaderValue| find(&kind.as_bytes().to_ascii_lowercase(), b"json").is_some();
    let mut types = head.headers.get_all(header::CONTENT_TYPE).iter().peekable();
    let is_else = !secrets.are_known() && types.peek().is_some() && !types.any(names_json);
    if is_else || method == Method::HEAD { Ok(false) } else { Err(Blocked::NotJson) }
}

/// `application/json` or `…+json`, in UTF-8 as RFC 8259 section 8.1 has it. Another charset has other bytes for the
/// names of members.
fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(only), None) = (types.next().and_then(|value| value.to_str().ok()), types.next()) else {
        return false;
    };
    let mut parts = only.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    let is_utf8 = |parameter: &str| match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    };
    (essence == "application/json" || essence.ends_with("+json")) && parts.all(is_utf8)
}

#[cfg(test)]
mod tests;
