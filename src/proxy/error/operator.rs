//! What the operator is told of a failure beside its code: what is wrong, and what to write or do instead. For the log, the
//! audit log and the page: it may name rules, keys of the configuration and addresses, which a caller never learns.

use std::borrow::Cow;

use super::{
    Description, Failure,
    table::{self, SEE_LOG},
};
use crate::{
    config::Class,
    filter::Blocked,
    idempotency::IdempotencyError,
    ids::TenantName,
    limit::LimitError,
    policy::{Refusal, conditions::Broken},
    proxy::HostError,
    trust,
    upstream::{SendError, TryFailure, UpstreamError},
};

impl Failure {
    /// What is wrong.
    pub fn cause(&self) -> Option<String> {
        Some(match self {
            Self::Upstream(UpstreamError::Unreachable(error, _)) => error.cause(),
            Self::Caller(unauthenticated) => unauthenticated.cause(),
            Self::Policy(Refusal::NotPermitted { operation, reason, rule, .. }) => match (*reason, rule) {
                ("denied", Some(rule)) => format!("{operation} is denied by {rule}"),
                ("sensitive_not_named", Some(rule)) => {
                    format!(
                        "{operation} is sensitive, so it takes a rule with its name: {rule} is not enough"
                    )
                }
                ("sensitive_not_named", None) => {
                    format!("{operation} is sensitive, and no rule has its name")
                }
                _ => format!("no rule allows {operation}"),
            },
            Self::Policy(Refusal::Condition { operation, unmet, .. }) => {
                format!("{operation}: {} ({})", unmet.broken, unmet.rule)
            }
            Self::Policy(Refusal::OperationUnknown(None)) => {
                "no operation of the catalog has this method and path, and no rule names them".to_owned()
            }
            Self::Idempotency(IdempotencyError::Unavailable(error)) => format!("{self}: {error}"),
            // Said alike to callers and operators.
            other => other.to_string(),
        })
    }

    /// What to do about it, where there is something.
    pub fn remedy(&self, description: &Description) -> Option<Cow<'static, str>> {
        let remedy: Cow<'static, str> = match self {
            Self::Policy(refusal) if let Some(what) = refusal.to_allow() => {
                format!("To allow it, {what}.").into()
            }
            Self::Policy(Refusal::TenantNotGranted { named, known }) => {
                format!("To allow it, add \"{named}\" to callers.{}.tenants.", known.caller()).into()
            }
            Self::Policy(Refusal::NoAccount(caller)) => {
                format!("No account at Logto Cloud is configured: write [cloud.NAME], and add its name to callers.{caller}.cloud.").into()
            }
            Self::Policy(Refusal::AccountNotGranted(caller, account)) => {
                let account = account.as_ref().map_or("…", TenantName::as_str);
                format!(
                    "To allow it, add \"{account}\" to callers.{caller}.cloud, if [cloud.{account}] is there."
                )
                .into()
            }
            Self::Policy(Refusal::Condition { operation, unmet, .. }) if matches!(unmet.broken, Broken::Unseen) => {
                let origin = &unmet.rule.rule.origin;
                format!(
                    "Nothing that is sent can meet it: grant {operation} without conditions on the body ({origin}), or let the request pass through Claviger's own proxy."
                )
                .into()
            }
            Self::Policy(Refusal::Condition { unmet, .. }) if !matches!(unmet.broken, Broken::Json(_)) => {
                let origin = &unmet.rule.rule.origin;
                format!("Send what the condition asks for, or change the rule ({origin}).").into()
            }
            Self::Host(HostError::Host(Some(_))) => {
                "If that is a name of this machine, add it to listen.allowed_hosts, without the port.".into()
            }
            Self::Host(HostError::Origin(Some(origin))) => {
                format!("If this page may call Claviger, add {origin:?} to listen.allowed_origins.").into()
            }
            Self::Vault(error) => error.remedy().to_owned().into(),
            Self::Idempotency(IdempotencyError::Unavailable(error)) => error.remedy().into(),
            Self::Token(error) => error.remedy().into(),
            Self::Caller(unauthenticated) => unauthenticated
                .operators_remedy()
                .map_or_else(|| of_the_log(self.remedy_of_caller(description)), Cow::Borrowed),
            Self::Limit(LimitError::Quota { tenant, class, .. }) => {
                let first = match class {
                    // There is none below, and it has only what more urgent ones leave.
                    Class::Batch => "Let it send more slowly, or let requests wait longer (timeouts.quota).",
                    _ => {
                        "Give callers that can wait a lower class (callers.NAME.priority), or let requests wait longer (timeouts.quota)."
                    }
                };
                format!("{first} Raise tenants.{tenant}.quota only if Logto allows more; several replicas count together only through [redis].").into()
            }
            Self::Upstream(UpstreamError::AccountRefused(_)) => table::REMEDY_OF_ACCOUNT.into(),
            Self::Upstream(_) if self.cause().is_some_and(|why| trust::says_what_to_do(&why)) => "".into(),
            Self::Reply(Blocked::Echo) => remedy_of_try(TryFailure::Echo).into(),
            Self::Reply(_) => remedy_of_try(TryFailure::Invalid).into(),
            Self::Upstream(error) => {
                let of_operator = try_of(error).map(remedy_of_try);
                of_operator.map_or_else(|| self.remedy_of_caller(description), Cow::Borrowed)
            }
            _ => self.remedy_of_caller(description),
        };
        (!remedy.is_empty()).then_some(remedy)
    }
}

/// As which kind of failed try its operator sees it; `None` where the request was at fault.
fn try_of(error: &UpstreamError) -> Option<TryFailure> {
    match error {
        UpstreamError::Unreachable(SendError::Broken(_), _) | UpstreamError::BrokeOff => {
            Some(TryFailure::Broken)
        }
        UpstreamError::Unreachable(..) => Some(TryFailure::Unreachable),
        UpstreamError::Timeout(_) | UpstreamError::Deadline(_) => Some(TryFailure::Timeout),
        UpstreamError::TokenRejected(..) => Some(TryFailure::TokenRejected),
        UpstreamError::Foreign(foreign, _) if foreign.is_of_gateway() => Some(TryFailure::Gateway),
        UpstreamError::Invalid(_) | UpstreamError::Foreign(..) => Some(TryFailure::Invalid),
        _ => None,
    }
}

/// What the operator does about tries that fail in this way.
pub fn remedy_of_try(failure: TryFailure) -> &'static str {
    match failure {
        TryFailure::Unreachable => table::OPERATOR_UNREACHABLE,
        TryFailure::Broken => table::OPERATOR_BROKEN,
        TryFailure::Timeout => table::OPERATOR_TIMEOUT,
        TryFailure::ServerError => table::OPERATOR_SERVER_ERROR,
        TryFailure::Gateway => table::OPERATOR_GATEWAY,
        TryFailure::TokenRejected => table::OPERATOR_TOKEN_REJECTED,
        TryFailure::Invalid => table::OPERATOR_INVALID,
        TryFailure::Echo => table::OPERATOR_ECHO,
    }
}

/// A remedy without the sentence that sends its reader to the log.
fn of_the_log(remedy: Cow<'static, str>) -> Cow<'static, str> {
    match remedy.strip_suffix(SEE_LOG) {
        Some(rest) => rest.to_owned().into(),
        None => remedy,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// It stands in the log already.
    #[test]
    fn nobody_who_reads_the_log_is_sent_to_it() {
        let told = super::super::table::CALLER_UNKNOWN.remedy;
        let logged = of_the_log(told.into());
        assert_eq!(format!("{logged}{SEE_LOG}"), told);
        assert!(logged.ends_with("if a caller there has `loopback = true`."), "{logged}");
    }

    #[test]
    fn nobody_is_advised_to_take_a_lower_class_who_has_the_lowest() {
        let remedy = |class| {
            let (rate, wait) =
                (crate::config::Rate { requests: 1, per: Duration::from_secs(1), burst: 1 }, Duration::ZERO);
            let tenant = TenantName::parse("acme").unwrap();
            let failure = Failure::Limit(LimitError::Quota { tenant, rate, wait, class });
            failure.remedy(&failure.describe()).unwrap().into_owned()
        };
        assert!(remedy(Class::Normal).starts_with("Give callers that can wait a lower class"));
        let batch = remedy(Class::Batch);
        assert!(batch.starts_with("Let it send more slowly") && !batch.contains("class"), "{batch}");
    }
}
