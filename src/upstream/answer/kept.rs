//! An answer that is kept for repeats of its request. It came through the response filter like any other: only
//! [`Answer::whole`] makes one, of what its caller may see. It is given out for a request that the policy permits now, whose body
//! meets the conditions, and in whose answer no more is masked than was.

use std::{future::poll_fn, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Response, StatusCode, request, response::Parts};

use super::{Answer, BodyError, FilteredBody};
use crate::{
    catalog::Secrets,
    policy::{PermittedOperation, Refusal},
};

/// An answer that is kept.
#[derive(Debug)]
pub struct KeptAnswer {
    head: Parts,
    body: Bytes,
    masking: Option<&'static Secrets>,
}

/// An answer that was read to its end, if that was near enough.
#[derive(Debug)]
pub enum Whole {
    /// All of it, to hand on and to keep.
    Kept(Parts, Bytes, Arc<KeptAnswer>),
    /// It is larger than what is kept: to hand on.
    TooLarge(Parts, Box<FilteredBody>),
}

impl Answer {
    /// Reads the answer to `request`, as its caller may see it, where head and body have no more bytes than `most`. Each piece is
    /// waited for, `idle` at most.
    ///
    /// # Errors
    /// [`BodyError`]: nothing of it may pass, or it broke off.
    pub async fn whole(
        self,
        request: &request::Parts,
        idle: Duration,
        most: usize,
    ) -> Result<Whole, BodyError> {
        let masking = self.masking;
        let (head, mut body) = self.filtered(request, idle).await?;
        let mut whole = BytesMut::new();
        while let Some(data) = poll_fn(|cx| body.poll_data(cx)).await.transpose()? {
            whole.extend_from_slice(&data);
            if whole.len() + size_of(&head) > most {
                body.first = Some(whole.freeze());
                return Ok(Whole::TooLarge(head, Box::new(body)));
            }
        }
        let body = whole.freeze();
        let kept = KeptAnswer { head: head.clone(), body: body.clone(), masking };
        Ok(Whole::Kept(head, body, Arc::new(kept)))
    }
}

impl KeptAnswer {
    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.head.status
    }

    /// About as many bytes as it takes.
    pub fn size(&self) -> usize {
        size_of(&self.head) + self.body.len()
    }

    /// The answer to a repeat with this head and body; `None` where more is masked now than was then.
    ///
    /// # Errors
    /// [`Refusal::Condition`]: the body does not meet the conditions of the grant, as it is now.
    pub fn again(
        &self,
        operation: &PermittedOperation,
        request: &request::Parts,
        body: &[u8],
    ) -> Result<Option<Response<Bytes>>, Refusal> {
        operation.check(&request.headers, body)?;
        if self.masking.is_none() && operation.masking().is_some() {
            return Ok(None);
        }
        Ok(Some(Response::from_parts(self.head.clone(), self.body.clone())))
    }
}

fn size_of(head: &Parts) -> usize {
    const FIELD: usize = 64;
    let field = |(name, value): (&HeaderName, &HeaderValue)| FIELD + name.as_str().len() + value.len();
    head.headers.iter().map(field).sum()
}

#[cfg(test)]
impl KeptAnswer {
    /// With this status and a body of so many bytes.
    pub fn of(status: StatusCode, length: usize) -> Arc<Self> {
        let (mut head, ()) = Response::new(()).into_parts();
        head.status = status;
        Arc::new(Self { head, body: vec![b'x'; length].into(), masking: None })
    }
}
