//! What to write into the configuration so that a refused request passes, and what else that would allow.

use std::sync::Arc;

use serde_json::{Value, json};

use super::facts::Facts;
use crate::{
    catalog::{Catalog, Op},
    config::{Caller, Config},
    policy::{Refusal, suggest::Suggestion},
    proxy::Failure,
};

/// As many other operations as a line names.
const MOST: usize = 3;

/// Rules to choose from, and where they go.
pub(super) struct Advice {
    /// At least one; the first is the one to add, unless more is wanted.
    rules: Vec<Suggestion>,
    /// Such as `policies.billing.allow`.
    place: String,
    /// Other callers that would get it as well, by policy.
    shared: Vec<String>,
    /// Those of the rules' operations whose answers this caller gets masked.
    masked: Vec<Op>,
    /// The operations' names.
    catalog: Arc<Catalog>,
}

impl Advice {
    pub(super) fn of(facts: &Facts<'_>) -> Option<Self> {
        let is_missing = match facts.outcome {
            Err(Failure::Policy(Refusal::NotPermitted { reason, .. })) => {
                matches!(*reason, "no_rule" | "sensitive_not_named")
            }
            Err(Failure::Policy(Refusal::OperationUnknown(_))) => true,
            _ => false,
        };
        let (matched, index, caller) = (facts.matched.as_ref()?, facts.learned.caller?, facts.caller()?);
        if !is_missing {
            return None;
        }
        let policy = facts.pipeline.policy();
        let api = facts.api;
        let catalog = policy.catalog(api);
        let rules = {
            let template = facts.meant.any.is_some().then(|| facts.path());
            Suggestion::all(catalog, policy.rules(index, api), matched, template.as_deref())
        };
        let is_masked = |op: &Op| {
            let hidden = |query| policy.reveals(index, api).hidden(catalog, Some(*op), query).is_some();
            hidden(None) || (Some(*op) == facts.op() && hidden(facts.meant.head.uri.query()))
        };
        let masked = catalog.operations().map(|(op, _)| op).filter(is_masked).collect();
        (!rules.is_empty()).then(|| Self {
            rules,
            place: place_of_rules(facts.config, caller),
            shared: shared(facts.config, caller),
            masked,
            catalog: catalog.clone(),
        })
    }

    pub(super) fn to_json(&self) -> Value {
        let rule = |suggestion: &Suggestion| {
            let masked = suggestion.also_allows.iter().filter(|op| self.masked.contains(op));
            json!({
                "rule": suggestion.rule,
                "this_path_alone": suggestion.this_path_alone,
                "also_allows": self.ids(&suggestion.also_allows),
                "masked": masked.map(|op| self.id(*op)).collect::<Vec<_>>(),
            })
        };
        let (first, others) =
            self.rules.split_first().map_or((Value::Null, &[][..]), |(first, others)| (rule(first), others));
        let mut advice = first;
        advice["place"] = json!(self.place);
        advice["shared_with"] = json!(self.shared);
        advice["alternatives"] = others.iter().map(rule).collect();
        advice
    }

    /// Lines of an explanation; `op` is the operation that is asked for.
    pub(super) fn lines(&self, op: Option<Op>) -> Vec<String> {
        let one_of = if self.rules.len() == 1 { "" } else { " one of" };
        let mut lines = vec![format!("  to allow it, add to {}{one_of}:", self.place)];
        let width = self.rules.iter().map(|it| it.rule.chars().count()).max().unwrap_or_default().min(46) + 2;
        for it in &self.rules {
            let rule = format!("{:?}", it.rule);
            lines.push(format!("    {rule:<width$}  {}", self.reach(it, op)));
        }
        lines.extend(self.shared.iter().map(|shared| format!("  {shared}")));
        lines
    }

    /// What a rule allows.
    fn reach(&self, suggestion: &Suggestion, op: Option<Op>) -> String {
        let others = &suggestion.also_allows;
        if others.is_empty() {
            let what = if suggestion.this_path_alone { "path" } else { "operation" };
            let masked = op.filter(|op| self.masked.contains(op)).map_or("", |_| ", with secrets masked");
            return format!("this {what} alone{masked}");
        }
        let masked = match others.iter().filter(|op| self.masked.contains(op)).count() {
            0 => String::new(),
            number => format!(" ({number} with secrets masked)"),
        };
        let what = if others.len() == 1 { "operation" } else { "operations" };
        let more = if others.len() > MOST { ", …" } else { "" };
        let named = self.ids(&others[..others.len().min(MOST)]).join(", ");
        format!("would also allow {} {what}{masked}: {named}{more}", others.len())
    }

    fn id(&self, op: Op) -> &'static str {
        self.catalog.operation(op).id
    }

    fn ids(&self, ops: &[Op]) -> Vec<&'static str> {
        ops.iter().map(|op| self.id(*op)).collect()
    }
}

/// Where a rule for the caller is to be added.
fn place_of_rules(config: &Config, caller: &Caller) -> String {
    let list = |name: &crate::ids::PolicyName| {
        let policy = config.policies.iter().find(|policy| policy.name == *name);
        let first = policy.and_then(|policy| policy.allow.first());
        match first.map(|rule| rule.origin.to_string()) {
            Some(origin) if origin.contains("CLAVIGER_ALLOW") => "CLAVIGER_ALLOW".to_owned(),
            _ => format!("policies.{name}.allow"),
        }
    };
    match caller.policies.as_slice() {
        [] => format!("a policy, and that to callers.{}.policies", caller.name),
        policies => policies.iter().map(list).collect::<Vec<_>>().join(" or "),
    }
}

/// Who else has the caller's policies.
fn shared(config: &Config, caller: &Caller) -> Vec<String> {
    let by_policy = caller.policies.iter().filter_map(|policy| {
        let others =
            config.callers.iter().filter(|it| it.name != caller.name && it.policies.contains(policy));
        let others: Vec<_> = others.map(|it| it.name.to_string()).collect();
        (!others.is_empty())
            .then(|| format!("policy {policy} is also of: {}", super::question::listed(others.into_iter())))
    });
    by_policy.collect()
}
