//! Admitted → what the upstream takes. Each of the three values holds the tenant, the token's spec and what may be done
//! together, in private fields, and is made here alone: nobody can send to one tenant what was permitted at another,
//! leave out the conditions, the place in flight or the masking, or have a token without a permit.

use std::{sync::Arc, time::Duration};

use http::HeaderMap;
use tokio::time::{Instant, timeout_at};

use super::{
    admit::{Admitted, Limited},
    circuit::Probe,
    error::LimitError,
    in_flight::{InFlightGuard, LatePlace, Who},
    memory::CallerMemory,
    quota::Permit,
    shares::Held,
    turn::Turn,
};
use crate::{
    catalog::{CREATE_TENANT, Catalog, Secrets},
    config::Issue,
    ids::OperationId,
    policy::{
        Action, ForwardAuthError, NoDocument, Refusal, TokenSpec, conditions::ApprovedTarget,
        decide::RuleSource, forward_auth, target::Target,
    },
};

/// How long a request of Claviger's own waits for its turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// A request that may be sent to its tenant, as often as the rules of retrying say. Keeps a place among the tenant's
/// requests until it is dropped.
#[derive(Debug)]
pub struct Dispatch<T> {
    tenant: Arc<T>,
    token: TokenSpec,
    operation: OperationId,
    target: ApprovedTarget,
    masking: Option<&'static Secrets>,
    turn: Turn,
    permit: Option<Permit>,
    /// Where it is the one request that finds out whether the tenant answers again.
    probe: Option<Probe>,
    place: LatePlace,
    /// From now on until the answer has been taken; a probe, of which there is one at a time, does without.
    exchange: Option<Held>,
    /// While it waits for the answer to begin.
    _waiting: Option<Held>,
}

/// A token that another proxy may send a permitted request with.
#[derive(Debug)]
pub struct Loan<T> {
    tenant: Arc<T>,
    token: TokenSpec,
    operation: OperationId,
    turn: Turn,
}

/// The upstream's own token, for a caller whose grant says that it gets it.
#[derive(Debug)]
pub struct Handout<T> {
    tenant: Arc<T>,
    token: TokenSpec,
}

/// Why an admitted request may not be sent after all.
#[derive(Debug, thiserror::Error)]
pub enum NotSent {
    /// The body does not meet the conditions of the grant, or the request is not for what was asked here.
    #[error(transparent)]
    Policy(#[from] Refusal),
    /// Too many wait already.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// Another proxy may not send it.
    #[error(transparent)]
    ForwardAuth(#[from] ForwardAuthError),
    /// The deadline passed while it waited for a place among the tenant's requests.
    #[error("timed out waiting for the tenant's in-flight limit")]
    Deadline,
}

/// What decided by the body: the rule, for the audit record.
pub type DecidedBy = Option<Arc<RuleSource>>;

impl<T: Limited> Admitted<T> {
    /// Judges the request's body by the grant's conditions, and waits until `deadline` for its turn in the tenant's quota, for a place
    /// among the tenant's requests and for the memory that the answer takes. `body` is `None` where it is not in memory.
    ///
    /// # Errors
    /// [`NotSent`]: nothing may be sent.
    pub async fn dispatch(
        self,
        headers: &HeaderMap,
        body: Option<&[u8]>,
        deadline: Instant,
    ) -> Result<(Dispatch<T>, DecidedBy), NotSent> {
        let (memory, waiting, turn) = (self.memory, self.held, self.turn.lowered(headers));
        let (tenant, token, action) = self.permit.into_parts();
        let Action::Forward(operation) = action else { return Err(Refusal::OperationUnknown(None).into()) };
        let (masking, id, is_safe) = (operation.masking(), operation.id(), operation.is_safe());
        let (target, rule) = operation.approve(headers, body)?;
        let who = Who { caller: turn.caller, operation: id, class: turn.class };
        // Before anything is waited for, and again when it has been.
        tenant.circuit().check(who, is_safe)?;
        let (permit, place, exchange) = enter(&*tenant, (turn, who), &memory, deadline).await?;
        let probe = tenant.circuit().pass(who, is_safe)?;
        // What is not in memory is still coming.
        let place = if body.is_some() { LatePlace::held(place) } else { LatePlace::later(place) };
        let (permit, exchange, _waiting) = (Some(permit), Some(exchange), waiting);
        let operation = id;
        Ok((
            Dispatch {
                tenant,
                token,
                operation,
                target,
                masking,
                turn,
                permit,
                probe,
                place,
                exchange,
                _waiting,
            },
            rule,
        ))
    }

    /// For another proxy, which has the body and will send what its question was about.
    ///
    /// # Errors
    /// [`NotSent`]: it may not.
    pub fn lend(self, headers: &HeaderMap, target: &Target<'_>) -> Result<Loan<T>, NotSent> {
        let turn = self.turn.lowered(headers);
        let (tenant, token, action) = self.permit.into_parts();
        let (operation, path, query) = match (action, *target) {
            (Action::Forward(operation), Target::Api { path, query, .. }) => (operation, path, query),
            (Action::Forward(_), Target::Cloud { .. }) => return Err(ForwardAuthError::Cloud.into()),
            // Upstream would answer it, whole.
            (Action::Describe, _) => return Err(Refusal::from(NoDocument::Lent).into()),
            _ => return Err(ForwardAuthError::Question.into()),
        };
        forward_auth::check(path, query, &operation)?;
        let id = operation.id();
        let _: (ApprovedTarget, DecidedBy) = operation.approve(headers, None)?;
        Ok(Loan { tenant, token, operation: id, turn })
    }

    /// The upstream's token, where the request is for a token and the caller's grant says `issue = "upstream"`.
    pub fn hand_out(self) -> Option<Handout<T>> {
        let (tenant, token, action) = self.permit.into_parts();
        matches!(action, Action::Issue(Issue::Upstream)).then_some(Handout { tenant, token })
    }
}

/// Waits for the request's turn in the tenant's quota, for a place among the tenant's requests, and for an exchange. Nothing of them is
/// kept while another is waited for: who waits for its turn keeps nobody from a place, what was drawn does not pile up before
/// an upstream that stands still, and who does not take its answers keeps nobody from anything.
async fn enter(
    tenant: &impl Limited,
    (turn, who): (Turn, Who),
    memory: &CallerMemory,
    deadline: Instant,
) -> Result<(Permit, InFlightGuard, Held), NotSent> {
    let quota = tenant.quota();
    loop {
        let permit = quota.pace(turn, who.operation, deadline).await?;
        if let Some(place) = tenant.in_flight().enter_now(who)
            && let Some(exchange) = memory.exchange()
        {
            return Ok((permit, place, exchange));
        }
        drop(permit);
        let waited = wait_for_place(tenant, who, memory, deadline).await;
        let (place, exchange) = waited.map_err(|error| honest(error, tenant, turn, deadline))?;
        // Else the place is for somebody who has a turn, and this one gets in line.
        if let Some(permit) = quota.at_once(turn, who.operation).await {
            return Ok((permit, place, exchange));
        }
    }
}

/// Whoever finds no room among those that wait for a place comes back after their turns in the quota as well: they all draw on it. By the
/// deadline of one that came now they are gone.
fn honest(error: NotSent, tenant: &impl Limited, turn: Turn, deadline: Instant) -> NotSent {
    let NotSent::Limit(error) = error else { return error };
    let wait = tenant.quota().expected(turn, tenant.in_flight().before(turn.class));
    let gone = deadline.saturating_duration_since(Instant::now());
    error.not_before(wait.min(gone)).into()
}

async fn wait_for_place(
    tenant: &impl Limited,
    who: Who,
    memory: &CallerMemory,
    deadline: Instant,
) -> Result<(InFlightGuard, Held), NotSent> {
    let place = || async {
        let entered = timeout_at(deadline, tenant.in_flight().enter(who)).await;
        Ok::<_, NotSent>(entered.map_err(|_| NotSent::Deadline)??)
    };
    let first = place().await?;
    if let Some(exchange) = memory.exchange() {
        return Ok((first, exchange));
    }
    drop(first);
    let exchange = memory.wait_for_exchange(deadline).await?;
    Ok((place().await?, exchange))
}

impl<T: Limited> Dispatch<T> {
    /// A request of Claviger's own, on nobody's behalf, with the tenant's own token: to see whether the Management API
    /// takes it. Its target is written in the program.
    ///
    /// # Errors
    /// [`LimitError::Overloaded`], [`LimitError::Quota`].
    pub async fn probe(tenant: Arc<T>, target: &'static str) -> Result<Self, LimitError> {
        Self::own(tenant, target, None).await
    }

    /// The creation of a tenant at Logto Cloud that the operator asks for, with the account's own token. The secret in its
    /// answer is masked as for everybody.
    ///
    /// # Errors
    /// [`LimitError::Overloaded`], [`LimitError::Quota`].
    pub async fn creation(account: Arc<T>) -> Result<Self, LimitError> {
        let cloud = Catalog::cloud();
        let masking = cloud.by_id(CREATE_TENANT).and_then(|operation| cloud.secrets(operation));
        Self::own(account, "/api/tenants", masking).await
    }

    async fn own(
        tenant: Arc<T>,
        target: &'static str,
        masking: Option<&'static Secrets>,
    ) -> Result<Self, LimitError> {
        let deadline = Instant::now() + PATIENCE;
        let permit = tenant.quota().pace(Turn::OURSELVES, Who::OURSELVES.operation, deadline).await?;
        let place = LatePlace::held(tenant.in_flight().enter_for_ourselves().await?);
        let target = ApprovedTarget::own(target);
        Ok(Self {
            tenant,
            token: TokenSpec::Own,
            operation: Who::OURSELVES.operation,
            target,
            masking,
            turn: Turn::OURSELVES,
            permit: Some(permit),
            // What Claviger does on its own is sent however the tenant fares.
            probe: None,
            place,
            exchange: None,
            _waiting: None,
        })
    }
}

impl<T> Dispatch<T> {
    /// Where.
    pub fn tenant(&self) -> &Arc<T> {
        &self.tenant
    }

    /// With which of the tenant's tokens.
    pub fn token(&self) -> &TokenSpec {
        &self.token
    }

    /// For which operation.
    pub fn operation(&self) -> OperationId {
        self.operation
    }

    /// What.
    pub fn target(&self) -> &ApprovedTarget {
        &self.target
    }

    /// Whose turn it is where the quota is short.
    pub fn turn(&self) -> Turn {
        self.turn
    }

    /// What was drawn on the quota for it: for the first try.
    pub fn take_permit(&mut self) -> Option<Permit> {
        self.permit.take()
    }

    /// The probe, where it is one: for the first try.
    pub fn take_probe(&mut self) -> Option<Probe> {
        self.probe.take()
    }

    /// The secrets to mask in the answer.
    pub fn masking(&self) -> Option<&'static Secrets> {
        self.masking
    }

    /// The place among the tenant's requests, which the answer keeps until it begins, and the memory that it takes until it has been
    /// taken.
    pub fn into_place(self) -> (LatePlace, Option<Held>) {
        (self.place, self.exchange)
    }

    /// The same, for a body that is coming.
    pub fn place(&self) -> &LatePlace {
        &self.place
    }
}

impl<T> Loan<T> {
    /// Whose turn it is where the quota is short.
    pub fn turn(&self) -> Turn {
        self.turn
    }

    /// For which operation.
    pub fn operation(&self) -> OperationId {
        self.operation
    }

    /// Whose token.
    pub fn tenant(&self) -> &Arc<T> {
        &self.tenant
    }

    /// Which.
    pub fn token(&self) -> &TokenSpec {
        &self.token
    }
}

impl<T> Handout<T> {
    /// Whose token.
    pub fn tenant(&self) -> &Arc<T> {
        &self.tenant
    }

    /// Which.
    pub fn token(&self) -> &TokenSpec {
        &self.token
    }
}
