//! The answer to a question, in words and as JSON.

use serde_json::{Value, json};

use super::{
    facts::{Facts, places},
    suggestion::Advice,
    words,
};
use crate::{
    authn::{Found, Trial},
    proxy::Failure,
};

/// What came of it, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It would pass.
    Allowed,
    /// It would be refused.
    Denied,
    /// It would be refused because its credentials are nobody's.
    Unauthenticated,
}

/// The answer to a question.
#[derive(Debug)]
pub struct Explanation {
    /// In a word.
    pub outcome: Outcome,
    /// In words, with an end of line.
    pub text: String,
    json: Value,
}

impl Explanation {
    /// As JSON, the words included.
    pub fn to_json(&self) -> &Value {
        &self.json
    }
}

impl Outcome {
    /// The word, for a metric.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Unauthenticated => "unauthenticated",
        }
    }
}

/// What there is to tell.
pub(super) fn explanation(facts: &Facts<'_>) -> Explanation {
    let advice = Advice::of(facts);
    let text = format!("{}\n", words::lines(facts, advice.as_ref()).join("\n"));
    let outcome = match facts.outcome {
        Ok(_) => Outcome::Allowed,
        Err(Failure::Caller(_)) => Outcome::Unauthenticated,
        Err(_) => Outcome::Denied,
    };
    let operation = facts.operation();
    let risks = operation.filter(|operation| operation.is_sensitive()).map(|operation| &*operation.risks);
    let rules = facts.candidates.iter().map(|candidate| {
        let mut rule = candidate.rule.to_json();
        rule["not_met"] = json!(candidate.not_met);
        rule
    });
    let json = json!({
        "allowed": outcome == Outcome::Allowed,
        "status": facts.told.as_ref().map(|told| told.status.as_u16()),
        "code": facts.told.as_ref().map(|told| told.code),
        "caller": facts.caller().map(|caller| caller.name.as_str()),
        "tenant": facts.tenant(),
        "operation": operation.map(|operation| operation.id),
        "method": facts.meant.head.method.as_str(),
        "path": facts.path(),
        "rule": facts.rule().map(|rule| rule.to_string()),
        "reason": words::reason(facts),
        "allowed_on": facts.parts().into_iter().map(|(path, _)| path).collect::<Vec<_>>(),
        "rules": rules.collect::<Vec<_>>(),
        "depends_on_body": facts.depends_on_body(),
        "sensitive": risks.unwrap_or_default().iter().map(|risk| risk.describe()).collect::<Vec<_>>(),
        "masked": facts.masked().map(places),
        "revealed": facts.revealed().map(places),
        "rate": facts.rate().map(|(_, rate)| rate),
        "quota": facts.quota().map(|(_, quota)| quota),
        "cache": facts.cache(),
        "suggestion": advice.as_ref().map(Advice::to_json),
        "identified": identified(facts),
        "notes": facts.notes().collect::<Vec<_>>(),
        "text": text,
    });
    Explanation { outcome, text, json }
}

fn identified(facts: &Facts<'_>) -> Option<Value> {
    if facts.learned.trials.is_empty() {
        return None;
    }
    let tried = |trial: &Trial| {
        let (result, cause) = match &trial.found {
            Found::Caller(_) => ("matched", None),
            Found::Passed(cause) => ("passed", cause.as_deref()),
            Found::Rejected(cause) => ("rejected", Some(cause.as_str())),
        };
        json!({ "method": trial.method, "result": result, "cause": cause })
    };
    Some(json!({
        "caller": facts.learned.method.and(facts.caller()).map(|caller| caller.name.as_str()),
        "by": facts.learned.method,
        "tried": facts.learned.trials.iter().map(tried).collect::<Vec<_>>(),
        "certificate": facts.meant.peer.certificate.as_ref().map(|certificate| json!({
            "spiffe": certificate.spiffe(),
            "dns": certificate.dns(),
        })),
    }))
}
