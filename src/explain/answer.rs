//! What came of a request that was tried out, with all that belongs to it: the rules that had a say, what would be masked,
//! what to add. Gathers and shows; what was decided is decided.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{question::Meant, suggestion::Advice, words};
use crate::{
    authn::{Found, Trial},
    catalog::{Catalog, Op, Operation, Secrets},
    config::{Caller, Config},
    ids::CallerIndex,
    policy::{
        Tenant as _,
        conditions::{check_body, check_query},
        decide::{RuleSource, Verdict},
        matched::Matched,
        path::CanonicalPath,
        target::Target,
    },
    proxy::{Allowed, Description, Failure, Learned, Pipeline, route},
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

/// A rule that would allow the operation under its conditions, and the first of them that is not met.
pub(super) struct Candidate {
    pub(super) rule: Arc<RuleSource>,
    pub(super) not_met: Option<String>,
}

/// All that there is to tell.
pub(super) struct Facts<'f> {
    pub(super) pipeline: &'f Pipeline,
    pub(super) config: &'f Config,
    pub(super) meant: &'f Meant,
    pub(super) learned: &'f Learned,
    pub(super) outcome: &'f Result<Allowed, Failure>,
    /// What the caller is told where it is refused.
    pub(super) told: Option<Description>,
    pub(super) matched: Option<Matched<'f>>,
    pub(super) candidates: Vec<Candidate>,
    pub(super) advice: Option<Advice>,
}

impl<'f> Facts<'f> {
    pub(super) fn new(
        pipeline: &'f Pipeline,
        config: &'f Config,
        meant: &'f Meant,
        learned: &'f Learned,
        outcome: &'f Result<Allowed, Failure>,
    ) -> Self {
        let head = &meant.head;
        let matched = match route::target(&head.uri, head.version, &head.headers) {
            Ok(Target::Api { path, .. }) => CanonicalPath::of_request(Catalog::logto(), &head.method, path)
                .ok()
                .map(|path| Matched::find(Catalog::logto(), &head.method, path)),
            _ => None,
        };
        let told = outcome.as_ref().err().map(Failure::describe);
        let (candidates, advice) = (Vec::new(), None);
        let mut facts = Self { pipeline, config, meant, learned, outcome, told, matched, candidates, advice };
        facts.candidates = facts.find_candidates();
        facts.advice = Advice::of(&facts);
        facts
    }

    fn find_candidates(&self) -> Vec<Candidate> {
        let (Some(matched), Some(index), Some(_)) =
            (&self.matched, self.learned.caller, &self.learned.tenant)
        else {
            return Vec::new();
        };
        let Verdict::Conditional(candidates) = self.pipeline.policy().rules(index).decide(matched) else {
            return Vec::new();
        };
        let (headers, body) = (&self.meant.head.headers, self.meant.body.as_deref());
        let judge = |rule: &Arc<RuleSource>| {
            let broken = rule.rule.conditions.as_ref().and_then(|conditions| {
                let members = conditions.body.as_deref().zip(body);
                let by_query = check_query(conditions, self.query());
                by_query
                    .and_then(|()| members.map_or(Ok(()), |(it, body)| check_body(it, headers, body)))
                    .err()
            });
            Candidate { rule: rule.clone(), not_met: broken.map(|broken| broken.to_string()) }
        };
        candidates.rules().map(judge).collect()
    }

    pub(super) fn explanation(&self) -> Explanation {
        let text = format!("{}\n", words::lines(self).join("\n"));
        let outcome = match self.outcome {
            Ok(_) => Outcome::Allowed,
            Err(Failure::Caller(_)) => Outcome::Unauthenticated,
            Err(_) => Outcome::Denied,
        };
        let operation = self.operation();
        let risks = operation.filter(|operation| operation.is_sensitive()).map(|operation| &*operation.risks);
        let rules = self.candidates.iter().map(|candidate| {
            let mut rule = candidate.rule.to_json();
            rule["not_met"] = json!(candidate.not_met);
            rule
        });
        let json = json!({
            "allowed": outcome == Outcome::Allowed,
            "status": self.told.as_ref().map(|told| told.status.as_u16()),
            "code": self.told.as_ref().map(|told| told.code),
            "caller": self.caller().map(|caller| caller.name.as_str()),
            "tenant": self.tenant(),
            "operation": operation.map(|operation| operation.id),
            "method": self.meant.head.method.as_str(),
            "path": self.path(),
            "rule": self.rule().map(|rule| rule.to_string()),
            "reason": words::reason(self),
            "rules": rules.collect::<Vec<_>>(),
            "depends_on_body": self.depends_on_body(),
            "sensitive": risks.unwrap_or_default().iter().map(|risk| risk.describe()).collect::<Vec<_>>(),
            "masked": self.masked().map(places),
            "revealed": self.revealed().map(places),
            "suggestion": self.advice.as_ref().map(Advice::to_json),
            "identified": self.identified(),
            "notes": self.meant.notes,
            "text": text,
        });
        Explanation { outcome, text, json }
    }

    pub(super) fn caller(&self) -> Option<&'f Caller> {
        self.learned.caller.and_then(|CallerIndex(index)| self.config.callers.get(index))
    }

    pub(super) fn tenant(&self) -> Option<&str> {
        self.learned.tenant.as_ref().map(|tenant| tenant.name().as_str())
    }

    pub(super) fn op(&self) -> Option<Op> {
        self.matched.as_ref().and_then(Matched::op)
    }

    pub(super) fn operation(&self) -> Option<&'static Operation> {
        self.op().map(|op| Catalog::logto().operation(op))
    }

    /// As it would be forwarded; without a credential that somebody put there, and without the query.
    pub(super) fn path(&self) -> String {
        let path = self.matched.as_ref().map_or_else(|| self.meant.head.uri.path(), Matched::path);
        self.pipeline.written(path)
    }

    fn query(&self) -> Option<&str> {
        self.meant.head.uri.query()
    }

    /// The rule that decided.
    pub(super) fn rule(&self) -> Option<&Arc<RuleSource>> {
        match self.outcome {
            Ok(Allowed::Operation { rule, .. } | Allowed::Loan(rule)) => rule.as_ref(),
            Ok(_) => None,
            Err(failure) => failure.rule(),
        }
    }

    /// Whether it would pass with some bodies and not with others.
    pub(super) fn depends_on_body(&self) -> bool {
        matches!(self.outcome, Ok(Allowed::Operation { rule: None, .. }))
    }

    pub(super) fn masked(&self) -> Option<&'static Secrets> {
        match self.outcome {
            Ok(Allowed::Operation { masking, .. }) => *masking,
            _ => None,
        }
    }

    /// What the answer shows because the caller's `reveal` says so.
    pub(super) fn revealed(&self) -> Option<&'static Secrets> {
        let is_allowed = matches!(self.outcome, Ok(Allowed::Operation { masking: None, .. }));
        self.op().filter(|_| is_allowed).and_then(|op| Secrets::of_request(op, self.query()))
    }

    fn identified(&self) -> Option<Value> {
        if self.learned.trials.is_empty() {
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
            "caller": self.learned.method.and(self.caller()).map(|caller| caller.name.as_str()),
            "by": self.learned.method,
            "tried": self.learned.trials.iter().map(tried).collect::<Vec<_>>(),
            "certificate": self.meant.peer.certificate.as_ref().map(|certificate| json!({
                "spiffe": certificate.spiffe(),
                "dns": certificate.dns(),
            })),
        }))
    }
}

/// Where secrets stand in an answer, in words where that is a guess.
pub(super) fn places(secrets: &Secrets) -> Vec<String> {
    if secrets.are_known() { secrets.places() } else { vec!["every member with the name of a secret".into()] }
}
