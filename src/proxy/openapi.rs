//! How a cut of the OpenAPI document is answered: with the address by which this caller reached Claviger, an entity tag, and
//! not at all where the caller has it already.

use std::{
    collections::VecDeque,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header, request::Parts};
use http_body::SizeHint;
use tokio::time::timeout_at;

use super::{error::Failure, pipeline::Pipeline};
use crate::{
    limit::Admitted,
    listen::Connection,
    observe::Record,
    openapi::{Cut, CutError},
    policy::{Tenant as _, target::Target},
    reply::{Base, Body, BodySource},
    upstream::{BodyError, Tenant},
};

impl Pipeline {
    /// Answers with the OpenAPI document, cut down to what the caller may do.
    pub(super) async fn describe(
        &self,
        connection: &Connection,
        admitted: Admitted<Tenant>,
        target: &Target<'_>,
        head: &Parts,
        record: &Record,
    ) -> Result<Response<Body>, Failure> {
        let (caller, tenant) = (admitted.caller().index(), admitted.tenant());
        let source = self.library.source(tenant.shelf(), &self.config.openapi, || tenant.openapi());
        let class = (self.policy.class(caller), || self.policy.rights(caller));
        let cut = timeout_at(
            record.started + self.config.timeouts.deadline,
            self.library.cut(&self.cuts, class, source),
        );
        let cut = cut.await.map_err(|_| CutError::Busy)??;
        // Whoever named the tenant will have to, with every request.
        let mount = target.tenant().map(|_| format!("/t/{}", tenant.name())).unwrap_or_default();
        Ok(answer(&cut, Base { mount: &mount, ..self.base(connection.scheme, head) }, &head.headers))
    }
}

/// The answer to a caller that reached us at `base`.
fn answer(cut: &Cut, base: Base<'_>, asked: &HeaderMap) -> Response<Body> {
    let base = base.to_string();
    let tag = cut.tag(&base);
    let known = is_known(&tag, asked);
    let body = if known {
        Body::whole(Bytes::new())
    } else {
        Body::streamed(Box::new(Pieces(cut.at(&base).into())))
    };
    let mut response = Response::new(body);
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    // Each caller has another one, and it changes with the rules.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if let Ok(tag) = HeaderValue::try_from(tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

/// Whether the caller has it already (RFC 9110 section 13.1.2).
fn is_known(tag: &str, asked: &HeaderMap) -> bool {
    let lists = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = lists.flat_map(|list| list.split(',')).map(str::trim);
    tags.any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

/// A document in pieces that others have too: none is copied.
struct Pieces(VecDeque<Bytes>);

impl BodySource for Pieces {
    fn poll_data(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }

    fn has_ended(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.iter().map(|piece| piece.len() as u64).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_known_in_any_list() {
        let known = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::IF_NONE_MATCH, HeaderValue::from_str(value).unwrap());
            }
            is_known("\"abc\"", &headers)
        };
        for values in [&["\"abc\""][..], &["W/\"abc\""], &["\"x\", \"abc\""], &["\"x\"", "\"abc\""], &["*"]] {
            assert!(known(values), "{values:?}");
        }
        for values in [&[][..], &["\"ab\""], &["abc"], &["\"ABC\""], &["W/W/\"abc\""]] {
            assert!(!known(values), "{values:?}");
        }
    }
}
