//! Rules with conditions: each names one operation, says something, and does not contradict itself.

use std::collections::BTreeMap;

use super::super::checker::{Checker, HOUR, SECOND};
use crate::config::{
    leaf::{Either, Forbidden, Leaf},
    path::KeyPath,
    policy::{Conditions, OtherParameters, QueryCondition, RuleList, RuleText},
    problem::{Mistake, quoted},
    raw::{RawQueryCondition, RawRule},
};

impl Checker<'_> {
    pub(super) fn conditional(&mut self, at: &KeyPath, raw: RawRule) -> Option<RuleText> {
        let given = raw.body.is_some()
            || raw.cache.is_some()
            || raw.query.as_ref().is_some_and(|query| !query.is_empty());
        let query = raw.query.map(|query| self.query(&at.key("query"), query));
        let body = raw.body.map(|body| self.list(at, "body", Some(body)));
        let cache = self.duration(at, "cache", raw.cache, SECOND..=HOUR);
        let Some(leaf) = raw.operation else {
            let remedy = "Write { operation = \"ListUsers\", query = { page_size = { max = 50 } } }.";
            self.missing(&at.key("operation"), "nothing says which operation the conditions are for", remedy);
            return None;
        };
        let key = at.key("operation");
        let leaf = match leaf {
            Leaf(Err(mistake)) if self.tree.has(&key.index(0)) => {
                let remedy = "Write a rule for each: { operation = \"ListUsers\", … }, { operation = \"GetUser\", … }.";
                Leaf(Err(Mistake::new(mistake.what, remedy)))
            }
            leaf => leaf,
        };
        let text = self.leaf(at, "operation", Some(leaf))?.trim().to_owned();
        let rule = self.one_operation(&key, text)?;
        let cache = cache.filter(|_| self.may_be_cached(&at.key("cache"), &rule));
        let ((query, others), body) = (query.unwrap_or_default(), body.flatten());
        if cache.is_some() && query.is_empty() && others == OtherParameters::Unrestricted && body.is_none() {
            return Some(RuleText { cache, ..rule });
        }
        if query.is_empty() && others == OtherParameters::Unrestricted && body.is_none() {
            // Of conditions that are wrong, it was said what is wrong with them.
            if !given && !self.is_reported(at) {
                let remedy = format!("Write {} alone, or add query or body.", quoted(&rule.text));
                self.problem(at, "the rule has no conditions", remedy);
            }
            return None;
        }
        let reads =
            rule.text.split_whitespace().next().is_some_and(|method| matches!(method, "GET" | "HEAD"));
        if body.is_some() && reads {
            self.problem(
                &at.key("body"),
                "a request that reads has no body",
                "Take it out; query is for parameters.",
            );
        }
        for (name, condition) in &query {
            if let Err(why) = self.settings.rule_check.parameter(&self.catalog, &rule.text, name, condition) {
                self.objection(&at.key("query").key(name), &why);
            }
        }
        let body = body.map(|members| self.body(&rule, members));
        Some(RuleText { conditions: Some(Conditions { query, others, body }), cache, ..rule })
    }

    fn may_be_cached(&mut self, at: &KeyPath, rule: &RuleText) -> bool {
        let may_be = self.settings.rule_check.cache(&self.catalog, &rule.text);
        if let Err(why) = &may_be {
            self.objection(at, why);
        }
        may_be.is_ok()
    }

    /// A rule that is about one operation, so that everybody knows what its conditions are for.
    fn one_operation(&mut self, key: &KeyPath, text: String) -> Option<RuleText> {
        let template = text.contains([' ', '/']);
        if text == "*" || text.contains("**") || (!template && text.contains(':')) {
            let what = format!("{} is more than one operation", quoted(&text));
            let remedy = "Write an operationId, or METHOD /api/template/{id}; a rule for each operation.";
            self.problem(key, what, remedy);
            return None;
        }
        self.accepted(RuleList::Allow, key, text)
    }

    fn query(
        &mut self,
        at: &KeyPath,
        raw: BTreeMap<String, Either<Forbidden, RawQueryCondition>>,
    ) -> (Vec<(String, QueryCondition)>, OtherParameters) {
        let mut conditions = Vec::with_capacity(raw.len());
        let mut others = OtherParameters::Unrestricted;
        for (name, raw) in raw {
            let key = at.key(&name);
            if name == "*" {
                let asked = self.query_condition(&key, raw);
                if asked.as_ref().is_some_and(|asked| !asked.forbidden) {
                    let what = "all other parameters together can be forbidden, and nothing else";
                    self.problem(&key, what, "Write \"*\" = \"forbidden\", or take it out.");
                }
                others = OtherParameters::Forbidden;
                continue;
            }
            if name.is_empty() || name.chars().any(char::is_control) {
                self.problem(&key, "this is not the name of a parameter", "Rename it, or take it out.");
            }
            if let Some(condition) = self.query_condition(&key, raw) {
                conditions.push((name, condition));
            }
        }
        (conditions, others)
    }

    fn query_condition(
        &mut self,
        at: &KeyPath,
        raw: Either<Forbidden, RawQueryCondition>,
    ) -> Option<QueryCondition> {
        const FORM: &str =
            "Write { max = 50 }, { one_of = [\"a\", \"b\"] }, { required = true } or { forbidden = true }.";
        let raw = match raw {
            Either::Table(raw) => raw,
            Either::Text(Leaf(Ok(Forbidden))) => {
                return Some(QueryCondition { forbidden: true, ..QueryCondition::default() });
            }
            Either::Text(Leaf(Err(mistake))) => {
                self.mistake(at, mistake);
                return None;
            }
        };
        let required = self.leaf(at, "required", raw.required).unwrap_or_default();
        let forbidden = self.leaf(at, "forbidden", raw.forbidden).unwrap_or_default();
        let max = self.leaf(at, "max", raw.max);
        let min = self.leaf(at, "min", raw.min);
        let one_of = raw.one_of.map(|list| {
            let key = at.key("one_of");
            let given = self.list(at, "one_of", Some(list)).unwrap_or_default();
            if given.is_empty() {
                let remedy = "Write the values that are allowed; or { forbidden = true }.";
                self.missing(&key, "there is no value in the list, so none would do", remedy);
            }
            distinct(given)
        });
        let condition = QueryCondition { required, forbidden, max, min, one_of };
        if condition == QueryCondition::default() {
            self.missing(at, "nothing is asked of the parameter", FORM);
            return None;
        }
        let number = max.is_some() || min.is_some();
        let contradiction = if forbidden && (required || number || condition.one_of.is_some()) {
            Some("a parameter that is forbidden cannot be anything else")
        } else if min.zip(max).is_some_and(|(min, max)| min > max) {
            Some("min is above max, so no number would do")
        } else if number && condition.one_of.is_some() {
            Some("one_of says all that is allowed; max and min say it once more")
        } else {
            None
        };
        if let Some(what) = contradiction {
            self.problem(at, what, FORM);
            return None;
        }
        Some(condition)
    }

    fn body(&mut self, rule: &RuleText, given: Vec<(KeyPath, String)>) -> Vec<String> {
        for (path, member) in &given {
            if member.is_empty() {
                self.problem(path, "the name of a member is empty", "Take it out.");
            } else if let Err(why) = self.settings.rule_check.member(&self.catalog, &rule.text, member) {
                self.objection(path, &why);
            } else if member.contains('.') {
                let what =
                    format!("{} looks like a path, and would be the name of one member", quoted(member));
                self.warn(path, what, "Write the member at the top; what is in it is not looked at.");
            }
        }
        distinct(given)
    }
}

fn distinct(given: Vec<(KeyPath, String)>) -> Vec<String> {
    let mut values = Vec::with_capacity(given.len());
    for (_, value) in given {
        if !values.contains(&value) {
            values.push(value);
        }
    }
    values
}
