//! Who may see what. Probes and metrics are for everybody who can reach the listener; what names callers, tenants and requests
//! takes `admin.token`, or a listener that only this machine reaches.

use std::net::SocketAddr;

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use super::{
    Admin,
    reply::{Body, text},
};
use crate::{authn::Reach, observe::audit::AdminRecord, secret::Digest};

impl Admin {
    /// Why a request may not see what is more than a number: it is without the token, or, where there is none, from elsewhere.
    pub(super) fn refusal(
        &self,
        headers: &HeaderMap,
        reach: Reach,
        peer: Option<SocketAddr>,
    ) -> Option<Response<Body>> {
        let config = self.pipeline.load().config();
        let Some(token) = &config.admin.token else { return self.closed(reach) };
        let mut given = headers.get_all(header::AUTHORIZATION).iter().map(HeaderValue::as_bytes);
        let bearer = given.next().filter(|_| given.next().is_none()).and_then(bearer);
        let fits = |given: &[u8]| Digest::of(given).matches(&Digest::of(token.expose()));
        (!bearer.is_some_and(fits)).then(|| {
            let (reason, remedy) = match bearer {
                Some(_) => ("token_wrong", "that is not `admin.token`\n"),
                None => ("token_missing", "send `admin.token` as Authorization: Bearer\n"),
            };
            self.shared.metrics.admin_refused.of([&reason]).inc();
            if bearer.is_some() {
                self.tell_of_guess(peer);
            }
            let mut refused = text(StatusCode::UNAUTHORIZED, remedy);
            refused.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            refused
        })
    }

    /// Somebody may be guessing. Seldom, as whoever guesses must not push everything else out of the logs.
    fn tell_of_guess(&self, peer: Option<SocketAddr>) {
        const WHY: &str = "its token is not `admin.token`";
        let now = self.shared.clock.now();
        let Some(count) = self.guesses.add(now.instant) else { return };
        tracing::warn!(
            peer = peer.map(tracing::field::display),
            count,
            "a request to the admin listener was refused (401): {WHY}"
        );
        if let Some(audit) = &self.shared.audit {
            let record = AdminRecord::new(now.wall, "refused", peer, "denied", Some(WHY.to_owned()));
            audit.admin(AdminRecord { count, ..record });
        }
    }

    /// Why nothing is shown to anybody: the network reaches the listener, and there is no token to ask for.
    pub(super) fn closed(&self, reach: Reach) -> Option<Response<Body>> {
        let has_token = self.pipeline.load().config().admin.token.is_some();
        let remedy = "set `admin.token` and send it as Authorization: Bearer, or have `listen.admin` on a loopback address\n";
        (reach == Reach::Network && !has_token).then(|| text(StatusCode::FORBIDDEN, remedy))
    }

    /// By which it shows that another token is asked for now.
    pub(super) fn token_digest(&self) -> Option<Digest> {
        self.pipeline.load().config().admin.token.as_ref().map(|token| Digest::of(token.expose()))
    }
}

/// The token of an `Authorization` value.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}
