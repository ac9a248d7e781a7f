//! The path of a request, top to bottom. This is the only file that knows the order of the stages. Each
//! hands on a value that only it can make, and the next demands it, so leaving one out does not compile.

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use http::{Request, Response, request::Parts};
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};

use super::{
    broker::Broker,
    cloud::Unresolved,
    error::Failure,
    forward_auth,
    hosts::{self, HostError, Hosts},
    reads::{Reads, Way},
    route::{self, Route},
    underway::Underway,
};
use crate::{
    authn::{Authenticators, Caller, Presented, Reach},
    catalog::Api,
    config::{Config, PolicyVersion},
    headers,
    idempotency::{self, Key},
    ids::CallerIndex,
    limit::{Admitted, Dispatch, LimitError, Peers, RateLimits, Unauthenticated},
    listen::Connection,
    observe::{AnsweredBy, Details, Metrics, OperationMetrics, Record, Recorder, RequestId},
    openapi::{Cuts, Library},
    policy::{Action, DESCRIBE, Grants, ISSUE, Permit, Refusal, target::Target},
    reply::{self, Base, Body},
    tenants::Directory,
    token::Tokens,
    upstream::{self, Extent, Outbound, Prepared, Tenant},
    vault::Vault,
};

/// Everything that a request needs, for one configuration. Its tenants may come, change and go; for the rest a reload
/// makes another.
#[derive(Debug)]
pub struct Pipeline {
    /// As it was when this was made: for all but its tenants.
    pub(super) config: Arc<Config>,
    /// With the tenants of now, to show.
    pub(super) current_config: ArcSwap<Config>,
    pub(super) hosts: Hosts,
    pub(super) authenticators: Arc<Authenticators>,
    pub(super) peers: Arc<Peers>,
    pub(super) unauthenticated: Arc<Unauthenticated>,
    pub(super) policy: Grants,
    pub(super) limits: RateLimits,
    pub(super) tenants: Arc<Directory<Tenant>>,
    /// Accounts at Logto Cloud.
    pub(super) accounts: Arc<Directory<Tenant>>,
    pub(super) broker: Broker,
    /// Where credentials rest of tenants that are created, and what proves them.
    pub(super) vault: Option<Vault>,
    pub(super) tokens: Tokens,
    /// What goes on when its caller has left.
    pub(super) underway: Underway,
    pub(super) unresolved: Arc<Unresolved>,
    /// Reads that need not be sent.
    pub(super) reads: Arc<Reads>,
    /// What became of requests that their callers may repeat, by `Idempotency-Key`.
    pub(super) idempotency: Arc<dyn idempotency::Store>,
    /// Tenants' OpenAPI documents, and what was cut of them.
    pub(super) library: Arc<Library>,
    pub(super) cuts: Cuts,
    /// Counters of what is refused before its tenant is known, by caller.
    pub(super) refused: Box<[OnceLock<Arc<OperationMetrics>>]>,
    /// Counters of what is refused before its caller is known.
    pub(super) anonymous: Arc<OperationMetrics>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) recorder: Arc<Recorder>,
    /// Of the policy and the tenants in force.
    pub(super) policy_version: ArcSwap<PolicyVersion>,
}

impl Pipeline {
    /// Takes a request from its head to the head of its answer.
    ///
    /// # Errors
    /// [`Failure`]: nothing was sent upstream, or nothing came back that may be handed on.
    pub async fn handle(
        &self,
        connection: &Connection,
        request: Request<Incoming>,
        record: &mut Record,
    ) -> Result<Response<Body>, Failure> {
        if request.headers().len() > self.config.limits.headers {
            return Err(Failure::Headers(self.config.limits.headers));
        }
        let (mut head, body) = request.into_parts();
        self.check_host(connection.peer.listener, &head)?;
        if let Some(answer) = self.hosts.origins().preflight(&head) {
            return Ok(answer.map(Body::whole));
        }
        match Route::of(&head, self.config.authz.enabled)? {
            Route::Cloud(target) => {
                let presented = Presented::by_headers(&connection.peer, &head.headers);
                let admitted = self.admit(connection, &presented, &target, &head, record).await?;
                // Seldom, and large: every connection of HTTP/1 has room for what its requests may need.
                Box::pin(self.cloud(connection, admitted, &target, &head, body, record)).await
            }
            Route::Api(target) => {
                let presented = Presented::by_headers(&connection.peer, &head.headers);
                let admitted = self.admit(connection, &presented, &target, &head, record).await?;
                match admitted.action() {
                    Action::Describe => self.describe(connection, admitted, &target, &head, record).await,
                    _ => self.forward(connection, admitted, &mut head, body, record).await,
                }
            }
            Route::Token => self.token(connection, head, body, record).await,
            Route::Discovery(issuer) => {
                Ok(issuer.answer(&head, self.base(connection.scheme, &head), &self.config)?)
            }
            Route::ForwardAuth => {
                record.via = Some("authz");
                let asked = forward_auth::question(&head)?;
                record.asked = Some(asked.method.clone());
                record.is_about(asked.uri.path_and_query());
                let target = route::target(&asked.uri, asked.version, &asked.headers)?;
                let presented = Presented::by_headers(&connection.peer, &asked.headers);
                let admitted = self.admit(connection, &presented, &target, &asked, record).await?;
                self.lend(admitted, &target, &asked, record).await
            }
        }
    }

    /// Authenticate → authorise → admit, for every route alike.
    pub(super) async fn admit(
        &self,
        connection: &Connection,
        presented: &Presented<'_>,
        target: &Target<'_>,
        head: &Parts,
        record: &mut Record,
    ) -> Result<Admitted<Tenant>, Failure> {
        let caller = self.authenticate(connection, presented, record).await?;
        let permit = self.authorise(caller, target, head, record)?;
        let mut admitted = self.limits.admit(permit, record.started).await?;
        admitted.hold_head(head)?;
        Ok(admitted)
    }

    async fn authenticate(
        &self,
        connection: &Connection,
        presented: &Presented<'_>,
        record: &mut Record,
    ) -> Result<Caller, Failure> {
        // It may wait for an issuer's keys.
        let authenticating = std::pin::pin!(self.authenticators.authenticate(presented));
        let authenticated = self.unauthenticated.wait(connection.peer.ip(), authenticating).await?;
        let mut caller = authenticated.or_else(|error| {
            record.auth_method = Some(error.method());
            self.metrics.authentication_failed.of([&error.method(), &error.reason()]).inc();
            // An issuer without keys is no guess of the caller's.
            if error.retry_after().is_none() {
                self.peers.failed(connection.peer.ip(), Instant::now())?;
            }
            Err(Failure::from(error))
        })?;
        connection.standing.authenticated(self.limits.memory(caller.index()));
        record.identified_by = Some(caller.method());
        record.principal = caller.take_principal();
        if let Some(principal) = &record.principal {
            principal.note_use(record.started);
        }
        Ok(caller)
    }

    fn authorise(
        &self,
        caller: Caller,
        target: &Target<'_>,
        head: &Parts,
        record: &mut Record,
    ) -> Result<Permit<Tenant>, Refusal> {
        let index = caller.index();
        let granted = self
            .policy
            .tenant(caller, target, self.directory(target))
            .inspect_err(|_| record.operation = self.refused(index))?;
        let granted = if record.details.is_some() { granted.explained() } else { granted };
        let tenant = granted.tenant().clone();
        let permit = self.policy.permit(granted, target, head);
        let operation = match &permit {
            Ok(permit) => Some(self.operation(permit.action())),
            Err(Refusal::Document(_)) => Some((self.policy.index_of(DESCRIBE), DESCRIBE)),
            Err(refusal) => refusal.index(),
        };
        let caller = &self.config.callers[index.0].name;
        record.operation = tenant.metrics().of(caller, operation);
        if let Ok(permit) = &permit {
            record.permitted(permit);
        }
        permit
    }

    /// Whom a request may be for.
    pub(super) fn directory(&self, target: &Target<'_>) -> &Directory<Tenant> {
        match target.api() {
            Api::Management => &self.tenants,
            Api::Cloud => &self.accounts,
        }
    }

    /// An operation's index among those that something is kept for, and its name.
    pub(super) fn operation(&self, action: &Action) -> (usize, &'static str) {
        match action {
            Action::Forward(operation) => (operation.index(), operation.name()),
            Action::Describe => (self.policy.index_of(DESCRIBE), DESCRIBE),
            Action::Issue(_) => (self.policy.index_of(ISSUE), ISSUE),
        }
    }

    /// Whether a listener that so many can reach answers to this request's `Host`, and to the web page that sends it.
    pub(super) fn check_host(&self, reach: Reach, head: &Parts) -> Result<(), HostError> {
        self.hosts.check(reach, &head.uri, &head.headers, |said| self.shown_path(said))
    }

    /// A path, or what else a request says of where it goes, as it may be shown.
    pub fn shown_path(&self, path: &str) -> String {
        self.recorder.shown(path)
    }

    /// Whether `text` is a caller's credential, out of its place.
    pub fn gives_away(&self, text: &str) -> bool {
        self.authenticators.are_given_away_by(text)
    }

    fn refused(&self, caller: CallerIndex) -> Arc<OperationMetrics> {
        let make = || {
            let name = self.config.callers[caller.0].name.as_str();
            Arc::new(OperationMetrics::new(self.metrics.clone(), name, "", ""))
        };
        self.refused[caller.0].get_or_init(make).clone()
    }

    /// Answers an operation: as others that ask the same are answered, or on its own.
    async fn forward(
        &self,
        connection: &Connection,
        admitted: Admitted<Tenant>,
        head: &mut Parts,
        body: Incoming,
        record: &mut Record,
    ) -> Result<Response<Body>, Failure> {
        match self.reads.way(&admitted, head, &body, &self.config.limits, record.started) {
            Way::Shared(read) => {
                Key::none(&head.headers)?;
                self.read(connection, admitted, read, (head, body), record).await
            }
            Way::Alone(status) => {
                let mut answer = self.exchange(connection, admitted, head, body, record).await?;
                answer.headers_mut().extend(status.map(|status| (headers::CACHE_STATUS, status)));
                Ok(answer)
            }
        }
    }

    /// Sends an operation, and hands on its answer as far as the caller may see it.
    pub(super) async fn exchange(
        &self,
        connection: &Connection,
        admitted: Admitted<Tenant>,
        head: &Parts,
        body: Incoming,
        record: &mut Record,
    ) -> Result<Response<Body>, Failure> {
        if let Some(key) = Self::key_of(&admitted, head)? {
            return self.once(&key, connection, admitted, head, body, record).await;
        }
        let deadline = record.started + self.config.timeouts.deadline;
        let tenant = admitted.tenant().clone();
        let (dispatch, body) = self.prepare(connection, admitted, head, body, deadline, record).await?;
        let sent_to = dispatch.target().target().clone();
        let outbound = Outbound { head, worker: connection.worker, deadline };
        let mut answer = upstream::send(dispatch, outbound, body, record).await?;
        let headers = answer.headers_mut();
        headers::hand_on(headers);
        reply::rebuild(headers, || self.base(connection.scheme, head), &sent_to, tenant.endpoint());
        let (answered, body) = answer.filtered(head, self.config.timeouts.body).await?;
        record.answered_by = AnsweredBy::Upstream;
        Ok(Response::from_parts(answered, Body::streamed(body)))
    }

    /// What may be sent, with its body, unless its connection has to make room before: refused while nothing is sent, the request may be
    /// sent again; cut off, its caller could not know.
    pub(super) async fn prepare(
        &self,
        connection: &Connection,
        admitted: Admitted<Tenant>,
        head: &Parts,
        body: Incoming,
        deadline: Instant,
        record: &mut Record,
    ) -> Result<(Dispatch<Tenant>, Prepared), Failure> {
        let prepared = std::pin::pin!(self.wait_to_send(admitted, head, body, deadline, record));
        connection.standing.in_time(prepared).await.unwrap_or(Err(LimitError::Connections.into()))
    }

    async fn wait_to_send(
        &self,
        mut admitted: Admitted<Tenant>,
        head: &Parts,
        body: Incoming,
        deadline: Instant,
        record: &mut Record,
    ) -> Result<(Dispatch<Tenant>, Prepared), Failure> {
        let extent = if admitted.looks_at_body() { Extent::Whole } else { Extent::Small };
        let body = self.read_body(&mut admitted, extent, head, body, deadline).await?;
        let dispatch = self.enter(admitted, head, body.held(), deadline, record).await?;
        Ok((dispatch, body))
    }

    /// Reads the body as far as it has to be.
    pub(super) async fn read_body(
        &self,
        admitted: &mut Admitted<Tenant>,
        extent: Extent,
        head: &Parts,
        body: Incoming,
        deadline: Instant,
    ) -> Result<Prepared, Failure> {
        let (timeouts, limits) = (&self.config.timeouts, &self.config.limits);
        admitted.hold(Prepared::held_of(&body, limits, extent))?;
        let operation = match admitted.action() {
            Action::Forward(operation) => operation.name(),
            _ => "",
        };
        let reading = async {
            let request = (&head.method, &head.headers, operation);
            let body = Prepared::read(request, body, limits, timeouts.body).await?;
            if extent == Extent::Whole { body.hold(limits).await } else { body.begin().await }
        };
        timeout_at(deadline, reading)
            .await
            .map_err(|_| Failure::SlowBody(timeouts.deadline))?
            .map_err(Failure::from)
    }

    /// Waits for what [`Admitted::dispatch`] waits for.
    pub(super) async fn enter(
        &self,
        admitted: Admitted<Tenant>,
        head: &Parts,
        body: Option<&[u8]>,
        deadline: Instant,
        record: &mut Record,
    ) -> Result<Dispatch<Tenant>, Failure> {
        let (dispatch, rule) = admitted
            .dispatch(&head.headers, body, deadline)
            .await
            .map_err(|reason| Failure::not_sent(reason, self.config.timeouts.deadline))?;
        if let (Some(details), Some(rule)) = (&mut record.details, rule) {
            details.rule = Some(rule);
        }
        Ok(dispatch)
    }

    /// How links to this proxy begin: as configured, else as the caller addressed us.
    pub(super) fn base<'a>(&'a self, scheme: &'a str, head: &'a Parts) -> Base<'a> {
        let mount = route::mount(head.uri.path());
        match (&self.config.listen.public_url, hosts::host(&head.uri, &head.headers)) {
            (Some(url), _) => Base { scheme: "", authority: url.trim_end_matches('/'), mount },
            (None, Some(host)) => Base { scheme, authority: host, mount },
            (None, None) => Base { scheme: "", authority: "", mount },
        }
    }

    /// The record of a request that begins.
    pub fn record(
        &self,
        connection: &Connection,
        request: &Request<Incoming>,
        id: RequestId,
        started: Instant,
    ) -> Record {
        let method = request.method().clone();
        let mut record = Record::begin(id, method, self.anonymous.clone(), self.recorder.clone(), started);
        record.is_about(request.uri().path_and_query());
        let peer = &connection.peer;
        (record.peer, record.peer_uid) = (peer.address, peer.uid);
        record.details = self.recorder.needs_details().then(|| {
            let mut details = Details::at(self.broker.clock.now().wall);
            details.policy = Some(self.policy_version.load_full());
            Box::new(details)
        });
        record.trace = headers::trace(request.headers());
        record
    }
}
