//! How another proxy's question is answered that was admitted: with the token that it sends the request with itself.

use bytes::Bytes;
use http::{Response, request::Parts};

use super::{error::Failure, forward_auth, pipeline::Pipeline};
use crate::{
    idempotency::Key,
    limit::Admitted,
    observe::{Issued, Record},
    policy::{Tenant as _, target::Target},
    reply::Body,
    upstream::{self, Tenant},
};

impl Pipeline {
    /// Answers another proxy: yes, and with this token.
    pub(super) async fn lend(
        &self,
        admitted: Admitted<Tenant>,
        target: &Target<'_>,
        asked: &Parts,
        record: &mut Record,
    ) -> Result<Response<Body>, Failure> {
        Key::none(&asked.headers)?;
        let deadline = self.config.timeouts.deadline;
        let caller = &self.config.callers[admitted.caller().index().0].name;
        let (tenant, (_, operation)) = (admitted.tenant().clone(), self.operation(admitted.action()));
        let loan =
            admitted.lend(&asked.headers, target).map_err(|reason| Failure::not_sent(reason, deadline))?;
        let token = upstream::lend(loan, record.started + deadline).await?;
        // Whoever is lent it sends it, and when is not seen.
        if !asked.method.is_safe() {
            tenant.writes().begin_elsewhere();
        }
        record.issued(Issued::Authz);
        let mut answer = Response::new(Body::whole(Bytes::new()));
        *answer.headers_mut() = forward_auth::answer(&token, caller, tenant.name(), operation);
        Ok(answer)
    }
}
