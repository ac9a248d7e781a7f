//! Token requests: who asks is in their form, and the answer is a token of ours, or the upstream's where the grant says so.
//! Authenticated, authorised and admitted as any other, by [`Pipeline::admit`].

use http::{Response, request::Parts};
use hyper::body::Incoming;

use super::{
    broker::{self, BrokerRequest},
    error::Failure,
    pipeline::Pipeline,
    route,
};
use crate::{
    authn::Presented,
    limit::Admitted,
    listen::Connection,
    observe::{Issued, Record},
    policy::{Tenant as _, target::Target},
    reply::Body,
    secret::Digest,
    upstream::{self, Tenant},
};

impl Pipeline {
    /// Answers a token request. While its form is read the least possible is held.
    pub(super) async fn token(
        &self,
        connection: &Connection,
        head: Parts,
        body: Incoming,
        record: &mut Record,
    ) -> Result<Response<Body>, Failure> {
        record.asks_for_token = true;
        let head = broker::what_counts(head);
        let waiting = self.unauthenticated.enter(connection.peer.ip())?;
        let form = BrokerRequest::read(&head, body, self.config.timeouts.form).await?;
        drop(waiting);
        record.client_in_form = form.client_in_form();
        let presented = Presented::by_client(&connection.peer, &head.headers, form.client());
        let named = route::target(&head.uri, head.version, &head.headers)?;
        let target =
            Target::Token { tenant: named.tenant(), asked: form.asked(self.base(connection.scheme, &head)) };
        let admitted = self.admit(connection, &presented, &target, &head, record).await?;
        self.issue(admitted, self.authenticators.key_of(&presented), record).await
    }

    async fn issue(
        &self,
        admitted: Admitted<Tenant>,
        key: Option<Digest>,
        record: &mut Record,
    ) -> Result<Response<Body>, Failure> {
        let scopes = admitted.tenant().scopes(admitted.token());
        let caller = &self.config.callers[admitted.caller().index().0].name;
        let tenant = admitted.tenant().clone();
        let answer = match admitted.hand_out() {
            Some(handout) => {
                let deadline = record.started + self.config.timeouts.deadline;
                let token = upstream::hand_out(handout, deadline).await?;
                record.issued(Issued::Upstream);
                self.broker.hand_out(&token, &scopes)
            }
            None => {
                let answer = self.broker.issue(tenant.name(), caller, key.as_ref(), &scopes)?;
                record.issued(Issued::Claviger);
                answer
            }
        };
        Ok(answer.map(Body::whole))
    }
}
