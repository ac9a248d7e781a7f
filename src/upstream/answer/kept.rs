//! An answer that is kept for repeats of its request. It came through the response filter like any other: only
//! [`Answer::whole`] makes one, of what its caller may see, and `resting` reads again what it wrote of one. It is given out for a
//! request that the policy permits now, whose body meets the conditions, and in whose answer no more is masked than was.

mod resting;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, request, response::Parts};
use tokio::time::Instant;

use super::{Answer, BodyError, FilteredBody, Gathered, WholeAnswer};
use crate::policy::{PermittedOperation, Refusal};

/// An answer that is kept.
#[derive(Debug)]
pub struct KeptAnswer {
    answer: WholeAnswer,
    is_masked: bool,
}

/// An answer that was read to its end, if that was near enough.
#[derive(Debug)]
pub enum Whole {
    /// All of it, to hand on and to keep.
    Kept(WholeAnswer, Arc<KeptAnswer>),
    /// It is larger than what is kept, or slower than it is waited for: to hand on.
    Streamed(Parts, Box<FilteredBody>),
}

impl Answer {
    /// Reads the answer to `request`, as its caller may see it, where head and body have no more bytes than `most`. Each piece is
    /// waited for, `idle` at most, and all of it until `deadline`.
    ///
    /// # Errors
    /// [`BodyError`]: nothing of it may pass, or it broke off.
    pub async fn whole(
        self,
        request: &request::Parts,
        idle: Duration,
        most: usize,
        deadline: Instant,
    ) -> Result<Whole, BodyError> {
        let is_masked = self.masking.is_some();
        let (head, body) = self.filtered(request, idle).await?;
        let Some(room) = most.checked_sub(size_of(&head.headers)) else {
            return Ok(Whole::Streamed(head, body));
        };
        Ok(match body.gathered(head, room, deadline - Instant::now()).await? {
            Gathered::Whole(answer) => {
                let kept = KeptAnswer { answer: answer.to_keep(None), is_masked };
                Whole::Kept(answer, Arc::new(kept))
            }
            Gathered::Streamed(head, body) => Whole::Streamed(head, body),
        })
    }
}

impl KeptAnswer {
    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.answer.status()
    }

    /// About as many bytes as it takes.
    pub fn size(&self) -> usize {
        size_of(self.answer.headers()) + self.answer.size()
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
        let masks_more = !self.is_masked && operation.masking().is_some();
        Ok((!masks_more).then(|| self.answer.clone().into()))
    }
}

fn size_of(headers: &HeaderMap) -> usize {
    const FIELD: usize = 64;
    let field = |(name, value): (&HeaderName, &HeaderValue)| FIELD + name.as_str().len() + value.len();
    headers.iter().map(field).sum()
}

#[cfg(test)]
impl KeptAnswer {
    /// With this status and a body of so many bytes.
    pub fn of(status: StatusCode, length: usize) -> Arc<Self> {
        let answer = WholeAnswer::of(status, HeaderMap::new(), vec![b'x'; length].into());
        Arc::new(Self { answer, is_masked: false })
    }
}
