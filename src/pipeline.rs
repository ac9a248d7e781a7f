//! The way a request takes, top to bottom. This is the only file that knows the order of the stages. Each
//! hands on a value that only it can make, and the next demands it, so leaving one out does not compile.

pub mod build;

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, request::Parts};
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};

use crate::{
    authz,
    broker::{Broker, TokenRequest},
    caller::{Caller, Callers, Presented, jwt::Keyring},
    config::{Config, Issue},
    edge::{self, Connection, EdgeError, Hosts},
    error::Failure,
    headers,
    ids::TenantIndex,
    limit::{
        Peers,
        admit::{Admission, Admitted},
    },
    listen::tls::Tls,
    observe::{Audit, Issued, Metrics, OperationCells, Record, RequestId, Source, Trail, cells::CellTable},
    policy::{
        grants::{Action, Grants, ISSUE, Operation, Permit, Refusal},
        lend::{self, LendError},
        target::{self, Target},
    },
    reply::{
        Base, Body, Screen,
        guard::{Guard, Held},
        links,
    },
    secret::Digest,
    upstream::{Upstream, client::Sending, replay::Prepared},
};

/// Everything that a request needs, for one configuration. Immutable; a reload makes another.
#[derive(Debug)]
pub struct Pipeline {
    config: Arc<Config>,
    hosts: Hosts,
    callers: Callers,
    peers: Arc<Peers>,
    policy: Grants,
    limits: Admission,
    upstreams: Box<[Upstream]>,
    /// What no answer may repeat, in the order of the tenants.
    held: Box<[Held]>,
    broker: Broker,
    cells: CellTable,
    anonymous: Arc<OperationCells>,
    metrics: Arc<Metrics>,
    tls: Option<Arc<Tls>>,
    audit: Option<Arc<Audit>>,
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
        let (head, body) = request.into_parts();
        self.hosts.check(connection.peer.listener, &head.uri, &head.headers)?;
        if self.config.authz.enabled
            && let Some(asked) = authz::question(&head).transpose()
        {
            record.via = Some("authz");
            let asked = asked?;
            record.asked = Some(asked.method.clone());
            return self.authorize(connection, &asked, record).await;
        }
        match target::parse(&head.uri, head.version, &head.headers)? {
            target @ Target::Token { .. } => {
                record.asks_for_token = true;
                let form = TokenRequest::read(&head, body, self.config.timeouts.body).await?;
                record.client_in_form = form.client_in_form();
                let presented = Presented::by_client(&connection.peer, &head.headers, form.client());
                let caller = self.identify(connection, &presented, record).await?;
                let permit = self.permit(caller, &target, &head, record)?;
                let admitted = self.limits.admit(permit, record.started)?;
                self.issue(&admitted, self.callers.key_of(&presented), record).await
            }
            target @ Target::Api { .. } => {
                let presented = Presented::by_headers(&connection.peer, &head.headers);
                let caller = self.identify(connection, &presented, record).await?;
                let permit = self.permit(caller, &target, &head, record)?;
                let admitted = self.limits.admit(permit, record.started)?;
                let Action::Forward(operation) = admitted.action() else {
                    return self.issue(&admitted, None, record).await;
                };
                self.forward(connection, &admitted, operation, &head, body, record).await
            }
        }
    }

    /// The same stages for a request that another proxy will send.
    async fn authorize(
        &self,
        connection: &Connection,
        head: &Parts,
        record: &mut Record,
    ) -> Result<Response<Body>, Failure> {
        let target = target::parse(&head.uri, head.version, &head.headers)?;
        let presented = Presented::by_headers(&connection.peer, &head.headers);
        let caller = self.identify(connection, &presented, record).await?;
        let permit = self.permit(caller, &target, head, record)?;
        let admitted = self.limits.admit(permit, record.started)?;
        let Action::Forward(operation) = admitted.action() else { return Err(LendError::Question.into()) };
        let caller = &self.config.callers[caller.index().0];
        lend::check(&target, operation)?;
        // The body stays with the other proxy.
        let _ = operation.clear(&head.headers, None)?;
        let upstream = &self.upstreams[admitted.tenant().0];
        let deadline = record.started + self.config.timeouts.deadline;
        let token = upstream.lend(admitted.permit().token(), deadline).await?;
        record.issued(Issued::Authz);
        let mut answer = Response::new(Body::whole(Bytes::new()));
        *answer.headers_mut() = authz::answer(&token, caller, &upstream.tenant.name, operation.name);
        Ok(answer)
    }

    async fn identify(
        &self,
        connection: &Connection,
        presented: &Presented<'_>,
        record: &mut Record,
    ) -> Result<Caller, Failure> {
        let caller = self.callers.identify(presented).await.or_else(|nobody| {
            record.tried = Some(nobody.tried());
            self.metrics.identification_failed(nobody.tried(), nobody.reason());
            self.peers.failed(connection.peer.ip(), Instant::now())?;
            Err(Failure::from(nobody))
        })?;
        if let Some(trail) = &mut record.audit {
            trail.identified_by = Some(caller.way());
            trail.caller = Some(self.config.callers[caller.index().0].name.as_str().to_owned());
        }
        Ok(caller)
    }

    fn permit(
        &self,
        caller: Caller,
        target: &Target<'_>,
        head: &Parts,
        record: &mut Record,
    ) -> Result<Permit, Refusal> {
        let permit = self.policy.permit(caller, target, head);
        let (tenant, cells) = match &permit {
            Ok(permit) => (Some(permit.tenant()), self.cells.of(permit)),
            Err(refusal) => {
                let (Target::Api { tenant, .. } | Target::Token { tenant }) = *target;
                let tenant = self.policy.tenant_of(caller.index(), tenant).ok();
                (tenant, self.cells.refused(caller.index(), tenant, refusal.slot()))
            }
        };
        record.cells = cells;
        if let Some(trail) = &mut record.audit {
            self.note(trail, tenant, permit.as_ref().ok());
        }
        permit
    }

    /// What the audit log is to know of a decision; a refusal's rule comes with the failure.
    fn note(&self, trail: &mut Trail, tenant: Option<TenantIndex>, permit: Option<&Permit>) {
        trail.tenant = tenant.map(|tenant| self.config.tenants[tenant.0].name.as_str().to_owned());
        let Some(permit) = permit else { return };
        trail.rule = permit.rule().cloned();
        match permit.action() {
            Action::Issue(_) => trail.operation = Some(ISSUE),
            Action::Forward(operation) => {
                trail.operation = Some(operation.name);
                trail.path = operation.target.as_str().split('?').next().map(|path| self.written(path));
            }
        }
    }

    /// A path as it may be written down: without a credential that a caller put there.
    fn written(&self, path: &str) -> String {
        let segments = path.split('/').map(|it| if self.gives_away(it) { "[redacted]" } else { it });
        segments.collect::<Vec<_>>().join("/")
    }

    /// Whether `text` is a caller's credential, out of its place.
    pub fn gives_away(&self, text: &str) -> bool {
        self.callers.are_given_away_by(text)
    }

    async fn issue(
        &self,
        admitted: &Admitted,
        key: Option<Digest>,
        record: &mut Record,
    ) -> Result<Response<Body>, Failure> {
        let upstream = &self.upstreams[admitted.tenant().0];
        let ask = admitted.permit().token();
        let scopes = upstream.handle(ask).status().scopes;
        match admitted.action() {
            Action::Issue(Issue::Upstream) => {
                let token = upstream.hand_out(ask, record.started + self.config.timeouts.deadline).await?;
                record.issued(Issued::Upstream);
                Ok(self.broker.hand_out(&token, &scopes))
            }
            _ => {
                let caller = &self.config.callers[admitted.caller().index().0].name;
                let answer = self.broker.issue(caller, key.as_ref(), &scopes)?;
                record.issued(Issued::Claviger);
                Ok(answer)
            }
        }
    }

    async fn forward(
        &self,
        connection: &Connection,
        admitted: &Admitted,
        operation: &Operation,
        head: &Parts,
        body: Incoming,
        record: &mut Record,
    ) -> Result<Response<Body>, Failure> {
        let upstream = &self.upstreams[admitted.tenant().0];
        let timeouts = &self.config.timeouts;
        let deadline = record.started + timeouts.deadline;
        let (method, limits) = (&head.method, &self.config.limits);
        let reading = async {
            let body = Prepared::read(method, &head.headers, body, limits, timeouts.body).await?;
            if operation.target.looks_at_body() { body.hold(limits).await } else { Ok(body) }
        };
        let body =
            timeout_at(deadline, reading).await.map_err(|_| EdgeError::SlowBody(timeouts.deadline))??;
        let (target, rule) = operation.clear(&head.headers, body.held())?;
        if let (Some(trail), Some(rule)) = (&mut record.audit, rule) {
            trail.rule = Some(rule.clone());
        }
        let place = timeout_at(deadline, admitted.place()).await;
        let slot = place.map_err(|_| EdgeError::Deadline(timeouts.deadline))??;
        let (token, hidden) = (admitted.permit().token(), operation.hidden);
        let sending = Sending { head, target, token, hidden, worker: connection.worker, deadline };
        let answer = upstream.send(sending, body, record).await?;
        let (mut answered, body) = answer.response.into_parts();
        headers::strip_answer(&mut answered.headers);
        answered.headers.append(http::header::VIA, headers::VIA);
        links::rebuild(
            &mut answered.headers,
            self.base(connection, head),
            target.target().path(),
            target.target().query(),
            upstream.endpoint(),
        );
        let guard = Guard::new(answer.token, self.held[admitted.tenant().0].clone());
        let screen = Screen::new(&head.method, &mut answered, hidden, guard)?;
        let body = Body::upstream(body, screen, answer.lease, slot, timeouts.body).await?;
        record.source = Source::Upstream;
        Ok(Response::from_parts(answered, body))
    }

    /// How links to this proxy begin: as configured, else as the caller addressed us.
    fn base<'a>(&'a self, connection: &Connection, head: &'a Parts) -> Base<'a> {
        let tenant = head.uri.path().strip_prefix("/t/").and_then(|rest| rest.split('/').next());
        match (&self.config.listen.public_url, edge::host(&head.uri, &head.headers)) {
            (Some(url), _) => Base { scheme: "", authority: url.trim_end_matches('/'), tenant },
            (None, Some(host)) => Base { scheme: connection.scheme, authority: host, tenant },
            (None, None) => Base { scheme: "", authority: "", tenant },
        }
    }

    /// The record of a request that begins.
    pub fn record(&self, connection: &Connection, request: &Request<Incoming>, id: RequestId) -> Record {
        let method = request.method().clone();
        let mut record =
            Record::begin(id, method, self.anonymous.clone(), self.metrics.clone(), self.config.log.requests);
        let peer = &connection.peer;
        (record.peer, record.peer_uid) = (peer.address, peer.uid);
        record.audit = self.audit.as_ref().map(|log| {
            Box::new(Trail::begin(log.clone(), self.broker.clock.now().wall, peer.address, peer.uid))
        });
        record.trace = headers::trace(request.headers());
        record
    }

    /// What new connections to TCP listeners are secured with.
    pub fn tls(&self) -> Option<&Arc<Tls>> {
        self.tls.as_ref()
    }

    /// The names that loopback listeners answer to.
    pub fn hosts(&self) -> &Hosts {
        &self.hosts
    }

    /// The configuration that this is made of.
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// Requests under way to a tenant.
    pub fn in_flight(&self, tenant: TenantIndex) -> usize {
        self.limits.in_flight(tenant)
    }

    /// Begins to fetch what will be needed: tokens, and keys of callers' issuers. To be called in the runtime that
    /// outlives configurations, once this is to be the one in force.
    pub fn warm(&self) {
        for upstream in &self.upstreams {
            upstream.token.warm();
        }
        self.callers.start();
    }

    /// The keys of callers' issuers.
    pub fn keyrings(&self) -> &[Arc<Keyring>] {
        self.callers.keyrings()
    }

    /// The upstreams, in the order of the tenants.
    pub fn upstreams(&self) -> &[Upstream] {
        &self.upstreams
    }
}
