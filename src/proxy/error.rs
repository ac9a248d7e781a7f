//! Everything that can go wrong with a request, and the one table that says what its caller is told: status,
//! code, title, whose side it is on, when to come back. Each stage has its own error type; this module is
//! where they meet. An answer of the upstream, whatever its status, is not an error.

mod creation;
mod detail;
mod operator;
mod table;

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

pub use self::{
    creation::CreationError,
    operator::remedy_of_try,
    table::{Description, NO_ACCOUNT_NAMED, NO_TENANT_NAMED, REMEDY_OF_ACCOUNT},
};
use super::{broker::BrokerError, hosts::HostError};
use crate::{
    authn::AuthnError,
    catalog::Slip,
    filter::Blocked,
    idempotency::IdempotencyError,
    limit::{LimitError, NotSent},
    observe::Side,
    openapi::CutError,
    policy::{
        ForwardAuthError, NoDocument, Refusal, conditions::Broken, decide::RuleSource, target::TargetError,
    },
    token::{Fault, TokenError},
    upstream::{BodyError, RequestBodyError, SendError, UpstreamError},
    vault::{Unavailable, VaultError},
};

/// Why a request is not answered by the upstream.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A web page, or a foreign name, at a loopback listener.
    #[error(transparent)]
    Host(#[from] HostError),
    /// Nobody could be authenticated.
    #[error(transparent)]
    Caller(#[from] AuthnError),
    /// The policy refuses it.
    #[error(transparent)]
    Policy(#[from] Refusal),
    /// Over a limit.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// More header fields than `limits.headers`.
    #[error("the request has more than {0} header fields (`limits.headers`)")]
    Headers(usize),
    /// The deadline passed while the request's body was read.
    #[error("the request's body did not arrive within the deadline of {0:?}")]
    SlowBody(Duration),
    /// The deadline passed while the request waited for a place among the tenant's requests.
    #[error("timed out waiting for the tenant's in-flight limit (deadline {0:?})")]
    InFlightTimeout(Duration),
    /// No token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// No answer.
    #[error(transparent)]
    Upstream(UpstreamError),
    /// An answer that must not reach the caller.
    #[error(transparent)]
    Reply(#[from] Blocked),
    /// Another proxy is told no.
    #[error(transparent)]
    ForwardAuth(#[from] ForwardAuthError),
    /// The token broker refuses.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// No OpenAPI document could be made.
    #[error(transparent)]
    OpenApi(#[from] CutError),
    /// A tenant was not created, or is not known here though it was.
    #[error(transparent)]
    Creation(#[from] CreationError),
    /// The vault cannot do it.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// That of another request, whose answer this one waited for, or of this one, whose answer others waited for.
    #[error(transparent)]
    Shared(Arc<Failure>),
    /// A request with an `Idempotency-Key` is not sent.
    #[error(transparent)]
    Idempotency(#[from] IdempotencyError),
    /// A bug.
    #[error("Claviger failed on this request; this is a bug")]
    Panic,
}

impl Failure {
    /// Why an admitted request is not sent after all; `deadline` is the one that it had.
    pub fn not_sent(reason: NotSent, deadline: Duration) -> Self {
        match reason {
            NotSent::Policy(refusal) => refusal.into(),
            NotSent::Limit(limit) => limit.into(),
            NotSent::ForwardAuth(error) => error.into(),
            NotSent::Deadline => Self::InFlightTimeout(deadline),
        }
    }
}

impl From<UpstreamError> for Failure {
    fn from(error: UpstreamError) -> Self {
        match error {
            UpstreamError::Token(token) => token.into(),
            UpstreamError::Limit(limit) => limit.into(),
            other => Self::Upstream(other),
        }
    }
}

impl From<BodyError> for Failure {
    /// Of an answer whose head has not gone out yet.
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::Broken(_) => UpstreamError::BrokeOff.into(),
            BodyError::Idle(limit) => UpstreamError::Timeout(limit).into(),
            BodyError::TooLong(_) => UpstreamError::Invalid("more than such an answer can have").into(),
            BodyError::Blocked(blocked) => blocked.into(),
        }
    }
}

impl From<RequestBodyError> for Failure {
    fn from(error: RequestBodyError) -> Self {
        Self::Upstream(error.into())
    }
}

impl From<TargetError> for Failure {
    fn from(error: TargetError) -> Self {
        Self::Policy(error.into())
    }
}

impl Failure {
    /// The failure itself, whoever shares it.
    pub fn itself(&self) -> &Self {
        match self {
            Self::Shared(failure) => failure.itself(),
            failure => failure,
        }
    }

    /// The one place that decides what a caller is told.
    pub fn describe(&self) -> Description {
        let found = match self {
            Self::Shared(failure) => return failure.describe(),
            Self::Host(HostError::Host(_)) => table::HOST_NOT_ALLOWED,
            Self::Host(HostError::Origin(_)) => table::ORIGIN_NOT_ALLOWED,
            Self::InFlightTimeout(_) => table::DEADLINE_UNSENT,
            Self::SlowBody(_) => table::BODY_SILENT,
            Self::Headers(_) => table::TOO_MANY_HEADERS,
            Self::Caller(unauthenticated) if unauthenticated.retry_after().is_some() => {
                table::ISSUER_UNAVAILABLE
            }
            Self::Caller(unauthenticated) if unauthenticated.has_expired() => table::CREDENTIAL_EXPIRED,
            Self::Caller(_) => table::CALLER_UNKNOWN,
            Self::Policy(refusal) => match refusal {
                Refusal::Target(
                    TargetError::NotFound
                    | TargetError::NotFoundNorAuthz
                    | TargetError::Meant { .. }
                    | TargetError::TokenBelowApi { .. }
                    | TargetError::OfAdmin { .. }
                    | TargetError::Authz,
                ) => table::NOT_FOUND,
                Refusal::Target(TargetError::TwoSlashes) => table::TWO_SLASHES,
                Refusal::Target(TargetError::NotOriginForm) => table::PATH_ALONE,
                Refusal::Target(TargetError::Query) => table::QUERY_UNESCAPED,
                Refusal::Target(TargetError::TenantHeader) => table::BAD_REQUEST,
                Refusal::Target(TargetError::TenantConflict) => table::TWO_TENANTS,
                Refusal::TenantNotNamed(_) => table::TENANT_NOT_NAMED,
                Refusal::NoTenant(_) => table::NO_TENANT,
                Refusal::AccountNotNamed(..) => table::ACCOUNT_NOT_NAMED,
                Refusal::Path(_) => table::PATH_AMBIGUOUS,
                Refusal::TenantUnknown { .. } => table::TENANT_UNKNOWN,
                Refusal::Target(TargetError::TenantEmpty) => table::TENANT_UNKNOWN,
                Refusal::ResourceNotGranted(_) | Refusal::OrganizationNotGranted => {
                    Description { oauth: "invalid_target", ..table::TOKEN_NOT_GRANTED }
                }
                Refusal::ScopeNotGranted(_) => table::SCOPE_NOT_GRANTED,
                Refusal::TokenOfOtherTenant | Refusal::TokenOfTenant => table::TOKEN_ELSEWHERE,
                Refusal::Condition { unmet, .. } if matches!(unmet.broken, Broken::Json(_)) => {
                    table::BODY_NOT_JSON
                }
                Refusal::TenantNotGranted { .. }
                | Refusal::AccountNotGranted(..)
                | Refusal::NoAccount(_)
                | Refusal::NotPermitted { .. }
                | Refusal::Condition { .. } => table::NOT_PERMITTED,
                Refusal::Document(NoDocument::Off | NoDocument::Other | NoDocument::Lent) => table::NOT_FOUND,
                Refusal::Method(_) | Refusal::Target(TargetError::Read) => table::METHOD,
                Refusal::Document(NoDocument::Method) => table::METHOD,
                Refusal::OperationUnknown(None) => table::OPERATION_UNKNOWN,
                Refusal::OperationUnknown(Some(meant)) => match meant.slip {
                    Slip::PrefixTwice => table::PREFIX_TWICE,
                    Slip::PrefixMissing | Slip::Spelling | Slip::BaseAlone => table::OPERATION_MEANT,
                },
            },
            Self::Limit(LimitError::Rate { .. } | LimitError::Identifications { .. }) => table::RATE_LIMITED,
            Self::Limit(LimitError::Paused { .. }) => table::QUOTA_PAUSED,
            Self::Limit(LimitError::Unavailable { .. }) => table::UPSTREAM_UNAVAILABLE,
            Self::Limit(LimitError::Quota { .. }) => table::QUOTA_EXHAUSTED,
            Self::Limit(LimitError::Overloaded { .. }) => table::OVERLOADED,
            Self::Limit(LimitError::Connections) => table::OVERLOADED_BY_CONNECTIONS,
            Self::Limit(LimitError::Unauthenticated) => table::OVERLOADED_BY_STRANGERS,
            Self::Limit(LimitError::Memory { .. }) => table::OVERLOADED_BY_CALLER,
            Self::Token(error) => match error.fault() {
                Fault::ScopeMissing { .. } => table::SCOPE_MISSING,
                Fault::Rejected { .. } => table::CREDENTIAL_REJECTED,
                Fault::Deadline => Description { side: Side::Issuer, ..table::DEADLINE_UNSENT },
                Fault::Quota => table::QUOTA_EXHAUSTED,
                Fault::SecretUnreadable(_) => table::SECRET_UNREADABLE,
                Fault::Unreachable(_)
                | Fault::Timeout
                | Fault::Status(_)
                | Fault::Gateway(_)
                | Fault::RateLimited
                | Fault::TokenCap
                | Fault::Invalid(_)
                | Fault::Interrupted => table::TOKEN_UNAVAILABLE,
            },
            Self::Upstream(error) => match error {
                // Taken apart where an upstream's error becomes a failure.
                UpstreamError::Token(_) | UpstreamError::Limit(_) | UpstreamError::NoSuchToken => {
                    table::INTERNAL
                }
                UpstreamError::Unreachable(SendError::Broken(_), _) | UpstreamError::BrokeOff => {
                    table::UPSTREAM_BROKEN
                }
                UpstreamError::Unreachable(
                    SendError::Connect(_) | SendError::ConnectTimeout(_) | SendError::Closed(_),
                    _,
                ) => table::UPSTREAM_UNREACHABLE,
                UpstreamError::Timeout(_) => table::UPSTREAM_TIMEOUT,
                UpstreamError::Spent => table::UPSTREAM_BROKEN,
                UpstreamError::Deadline(_) => table::DEADLINE,
                UpstreamError::Invalid(_) => table::UPSTREAM_INVALID,
                UpstreamError::Foreign(foreign, _) => table::foreign(foreign.status()),
                UpstreamError::TokenRejected(..) => table::TOKEN_REJECTED,
                UpstreamError::AccountRefused(_) => table::ACCOUNT_REFUSED,
                UpstreamError::Body(body) => table::of_body(body),
            },
            Self::Reply(_) => table::ANSWER_WITHHELD,
            Self::ForwardAuth(ForwardAuthError::Question) => table::BAD_REQUEST,
            Self::ForwardAuth(ForwardAuthError::Spelling) => table::PATH_AMBIGUOUS,
            Self::ForwardAuth(ForwardAuthError::Masked(_) | ForwardAuthError::Cloud) => table::NOT_PERMITTED,
            Self::Broker(BrokerError::Method) => table::METHOD,
            Self::Broker(BrokerError::Resources) => table::RESOURCES,
            Self::Broker(BrokerError::GrantType) => table::GRANT_TYPE,
            Self::Broker(BrokerError::Form) => table::TOKEN_FORM,
            Self::Broker(BrokerError::Credentials) => table::CLIENT_TWICE,
            Self::Broker(BrokerError::Incomplete) => table::BODY_INCOMPLETE,
            Self::Broker(BrokerError::Twice("scope")) => table::SCOPE_TWICE,
            Self::Broker(BrokerError::Twice(_)) => table::ONCE,
            Self::Broker(BrokerError::Assertion) => table::ASSERTION,
            Self::Broker(BrokerError::TooLarge) => table::BODY_TOO_LARGE,
            Self::Creation(CreationError::Alias(_)) => table::BAD_REQUEST,
            Self::Creation(CreationError::NoAccount) => table::TENANT_UNKNOWN,
            Self::Creation(CreationError::NotStored { .. }) => table::TENANT_NOT_STORED,
            Self::Creation(CreationError::Unknown { told, .. }) => {
                Description { remedy: "", ..(**told).clone() }
            }
            Self::Vault(VaultError::AliasTaken { .. }) => table::ALIAS_TAKEN,
            Self::Vault(VaultError::Changed(_)) => table::TENANT_CHANGED,
            Self::Vault(VaultError::Unknown(_)) => table::TENANT_UNKNOWN,
            Self::Vault(VaultError::Unfit(_) | VaultError::NoExport(_)) => table::BAD_REQUEST,
            Self::Vault(VaultError::Unavailable(why)) if is_absent(why) => table::NO_VAULT,
            Self::Vault(VaultError::Unavailable(why)) if why.is_wrong() => table::VAULT_WRONG,
            Self::Vault(VaultError::Unavailable(_)) => table::VAULT_UNAVAILABLE,
            Self::Idempotency(error) => match error {
                IdempotencyError::Malformed(_) => table::KEY_MALFORMED,
                IdempotencyError::Missing => table::KEY_MISSING,
                IdempotencyError::Reused => table::KEY_REUSED,
                IdempotencyError::InProgress => table::KEY_IN_PROGRESS,
                IdempotencyError::Unknown => table::OUTCOME_UNKNOWN,
                IdempotencyError::NotKnown => table::KEY_NOT_KNOWN,
                IdempotencyError::NotKept { .. } => table::ANSWER_NOT_KEPT,
                IdempotencyError::Full => table::OVERLOADED_BY_KEYS,
                IdempotencyError::Unavailable(_) => table::KEYS_UNAVAILABLE,
            },
            Self::OpenApi(CutError::Busy) => table::OVERLOADED_BY_DOCUMENTS,
            Self::Broker(BrokerError::Seal(_)) | Self::OpenApi(CutError::Failed) | Self::Panic => {
                table::INTERNAL
            }
        };
        Description { retry_after: self.retry_after(), ..found }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            // Where nobody knows how long, a moment.
            Self::Limit(limit) | Self::Upstream(UpstreamError::Body(RequestBodyError::Limit(limit))) => {
                Some(limit.retry_after().unwrap_or(Duration::from_secs(1)))
            }
            Self::Upstream(UpstreamError::Unreachable(_, wait) | UpstreamError::Foreign(_, wait)) => *wait,
            Self::OpenApi(CutError::Busy) => Some(Duration::from_secs(1)),
            Self::Vault(VaultError::Unavailable(why)) => {
                (!why.is_wrong() && !is_absent(why)).then_some(Duration::from_secs(5))
            }
            Self::Idempotency(error) => error.retry_after(),
            Self::Token(error) => Some(error.retry_after(Instant::now())),
            Self::Caller(unauthenticated) => unauthenticated.retry_after(),
            _ => None,
        }
    }

    /// The rule that refused the request.
    pub fn rule(&self) -> Option<&Arc<RuleSource>> {
        match self {
            Self::Policy(refusal) => refusal.rule(),
            _ => None,
        }
    }
}

/// Whether there is no vault, and will be none before the configuration has one.
fn is_absent(why: &Unavailable) -> bool {
    *why == Unavailable::not_configured()
}
