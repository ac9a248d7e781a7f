//! Which caller a verified token of one issuer is for. A token that two callers' rules match is for neither.

use serde_json::Value;

use super::{claims::Claims, error::JwtError};
use crate::{
    authn::identities::identities,
    config::{self, ClaimMatch, Identity},
    ids::{CallerIndex, IssuerName},
};

pub(super) struct Rules(Vec<(Rule, CallerIndex)>);

enum Rule {
    ServiceAccount { namespace: String, name: Option<String> },
    Claims(Vec<(String, ClaimMatch)>),
}

impl Rules {
    /// Those of `callers` that rest on `issuer`.
    pub(super) fn new(callers: &[config::Caller], issuer: &IssuerName) -> Self {
        let rule = |(index, identity): (CallerIndex, &Identity)| match identity {
            Identity::ServiceAccount { namespace, name, issuer: by } if by == issuer => {
                Some((Rule::ServiceAccount { namespace: namespace.clone(), name: name.clone() }, index))
            }
            Identity::Jwt { issuer: by, claims } if by == issuer => {
                Some((Rule::Claims(claims.clone()), index))
            }
            _ => None,
        };
        Self(identities(callers).filter_map(rule).collect())
    }

    pub(super) fn find(&self, claims: &Claims) -> Result<CallerIndex, JwtError> {
        let mut met = self.0.iter().filter(|(rule, _)| rule.is_met(claims)).map(|(_, index)| *index);
        let first = met.next().ok_or(JwtError::NoCaller)?;
        if met.all(|other| other == first) { Ok(first) } else { Err(JwtError::TwoCallers) }
    }
}

impl Rule {
    fn is_met(&self, claims: &Claims) -> bool {
        match self {
            Self::ServiceAccount { namespace, name } => {
                service_account(claims).is_some_and(|(in_namespace, called)| {
                    in_namespace == namespace && name.as_ref().is_none_or(|name| called == name)
                })
            }
            // An empty list would be met by everybody.
            Self::Claims(wanted) => {
                !wanted.is_empty()
                    && wanted.iter().all(|(path, wanted)| claims.at(path).is_some_and(|v| meets(v, wanted)))
            }
        }
    }
}

/// Namespace and name of a ServiceAccount, by the subject. What the claim `kubernetes.io` says
/// beside it, where it says something, must be the same.
fn service_account(claims: &Claims) -> Option<(&str, &str)> {
    let account = claims.subject()?.strip_prefix("system:serviceaccount:")?;
    let (namespace, name) = account.split_once(':')?;
    if namespace.is_empty() || name.is_empty() || name.contains(':') {
        return None;
    }
    let said = claims.0.value("kubernetes.io");
    let agrees = |value: Option<&Value>, with: &str| value.is_none_or(|value| value == with);
    let agree = said.is_none_or(|said| {
        said.is_object()
            && agrees(said.get("namespace"), namespace)
            && agrees(said.get("serviceaccount").map(|account| &account["name"]), name)
    });
    agree.then_some((namespace, name))
}

fn meets(value: &Value, wanted: &ClaimMatch) -> bool {
    let among = |text: &str| wanted.0.iter().any(|wanted| wanted == text);
    match value {
        Value::String(text) => among(text),
        Value::Bool(_) | Value::Number(_) => among(&value.to_string()),
        Value::Array(values) => values.iter().any(|value| value.as_str().is_some_and(among)),
        Value::Null | Value::Object(_) => false,
    }
}
