//! What the caller is told of a failure beside its code and title: what happened, and what to do. It names no rule and no address.

use std::borrow::Cow;

use super::{Description, Failure, is_absent, table::EXPLAIN};
use crate::{
    policy::Refusal,
    token::Fault,
    trust,
    upstream::{RequestBodyError, UpstreamError},
    vault::VaultError,
};

impl Failure {
    /// This occurrence, in a sentence or two: what happened, and what to do. For the caller, so it names no
    /// rule and no address.
    pub fn detail(&self, description: &Description) -> String {
        let what = match self {
            Self::Token(error) => match error.fault() {
                // What the issuer says may name the application or an address: that is for the log.
                Fault::Rejected { error, .. } => format!("Logto refused the token request ({error})"),
                Fault::Unreachable(_) => "Logto cannot be reached".to_owned(),
                Fault::SecretUnreadable(_) => "the client secret cannot be read".to_owned(),
                fault => fault.to_string(),
            },
            Self::Upstream(UpstreamError::Body(RequestBodyError::TooLarge { limit, key })) => {
                format!("the request's body is larger than {limit} bytes (`{key}`)")
            }
            Self::Vault(VaultError::Unavailable(why)) if is_absent(why) => {
                "no vault is configured".to_owned()
            }
            // Why may name a file: that is for the log.
            Self::Vault(VaultError::Unavailable(_)) => "the vault is unavailable".to_owned(),
            other => other.to_string(),
        };
        let what = sentence(&what);
        let end = if what.ends_with(['.', '?']) { "" } else { "." };
        match &*self.remedy_of_caller(description) {
            "" => format!("{what}{end}"),
            remedy => format!("{what}{end} {remedy}"),
        }
    }

    /// What the caller is told to do.
    pub(super) fn remedy_of_caller(&self, description: &Description) -> Cow<'static, str> {
        let fixed = match self {
            Self::Caller(unauthenticated) => unauthenticated.remedy().unwrap_or(description.remedy),
            Self::Upstream(UpstreamError::Body(RequestBodyError::TooLarge { key, .. })) => match *key {
                "limits.replay" => {
                    "This body is held in memory, for a rule that looks into it or for its Idempotency-Key: send less, or have the operator raise `limits.replay`."
                }
                "limits.multipart_body" => "Send less: Logto takes files of up to 20 MiB.",
                _ => "Send less: Logto answers JSON over 1 MiB and forms or text over 56 kB with 404.",
            },
            Self::Policy(Refusal::NotPermitted {
                operation,
                reason: "no_rule" | "sensitive_not_named",
                ..
            }) => return format!("Ask the operator to add {operation:?} to a policy; {EXPLAIN}").into(),
            Self::Policy(Refusal::Path(ambiguous)) => ambiguous.remedy(),
            Self::Upstream(error) if trust::says_what_to_do(&error.to_string()) => "",
            Self::Vault(error @ (VaultError::Unfit(_) | VaultError::NoExport(_))) => {
                return error.remedy().to_owned().into();
            }
            _ => description.remedy,
        };
        fixed.into()
    }
}

/// With a capital, unless it begins with a name such as `grant_type`.
fn sentence(text: &str) -> String {
    let word = text.split(' ').next().unwrap_or_default();
    let (first, rest) =
        text.split_at(usize::from(word.bytes().all(|b| b.is_ascii_alphabetic()) && !word.is_empty()));
    format!("{}{rest}", first.to_ascii_uppercase())
}
