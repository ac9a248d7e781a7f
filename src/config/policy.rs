//! `[policies.NAME]`: named sets of rules, and the conditions that a rule may have.

use std::{sync::Arc, time::Duration};

use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{origin::Origin, show};
use crate::{catalog::Catalog, ids::PolicyName};

/// `[policies.NAME]`. Its rules are shared with explanations of decisions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Policy {
    /// Its name.
    #[serde(skip)]
    pub name: PolicyName,
    /// `allow`
    pub allow: Vec<Arc<RuleText>>,
    /// `deny`: wins.
    pub deny: Vec<Arc<RuleText>>,
}

impl show::Named for Policy {
    fn name(&self) -> &str {
        self.name.as_str()
    }
}

/// The list that a rule stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleList {
    /// `allow`, and what is granted by name elsewhere.
    Allow,
    /// `deny`: may say more, because denying too much harms nobody.
    Deny,
}

/// What is known elsewhere of rules about the operations of a catalog. An error says what is wrong, and in a second sentence what to write.
pub trait RuleCheck {
    /// Whether a text is a rule of a list.
    ///
    /// # Errors
    /// It is none.
    fn rule(&self, catalog: &Catalog, list: RuleList, text: &str) -> Result<(), String>;

    /// What is likely a slip in a text that is a rule. `None`: nothing.
    fn doubt(&self, _catalog: &Catalog, _list: RuleList, _text: &str) -> Option<String> {
        None
    }

    /// Whether `general` allows the operation of the rule `conditional` too, and without conditions where it stands without them.
    fn opens(&self, _catalog: &Catalog, _general: &str, _conditional: &str) -> bool {
        false
    }

    /// Whether the operation of a rule takes a query parameter, and whether the condition on it does what it says.
    ///
    /// # Errors
    /// The operation is known, and it does not.
    fn parameter(
        &self,
        _catalog: &Catalog,
        _rule: &str,
        _name: &str,
        _condition: &QueryCondition,
    ) -> Result<(), String> {
        Ok(())
    }

    /// Whether answers of a rule's operation may be given again.
    ///
    /// # Errors
    /// It is known not to read, it is sensitive, or it is not known.
    fn cache(&self, _catalog: &Catalog, _rule: &str) -> Result<(), String> {
        Ok(())
    }

    /// Whether the body of a rule's operation may have a member at its top.
    ///
    /// # Errors
    /// The operation is known, and it may not.
    fn member(&self, _catalog: &Catalog, _rule: &str, _name: &str) -> Result<(), String> {
        Ok(())
    }
}

/// One that knows no operations.
impl<F: Fn(RuleList, &str) -> Result<(), String>> RuleCheck for F {
    fn rule(&self, _catalog: &Catalog, list: RuleList, text: &str) -> Result<(), String> {
        self(list, text)
    }
}

/// A rule as written; its meaning is the business of `policy::rules`, which has already accepted it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleText {
    /// Such as `users:read` or `GET /api/roles/{id}`. With conditions: an operationId or `METHOD /template`, never
    /// with `/**`, and no other rule of the same list has this text.
    pub text: String,
    /// What a request must meet as well. `None` in every `deny`.
    pub conditions: Option<Conditions>,
    /// How old an answer may be that is given again. `None` in every `deny`.
    pub cache: Option<Duration>,
    /// Where it stands.
    pub origin: Origin,
}

impl Serialize for RuleText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.conditions.is_none() && self.cache.is_none() {
            return serializer.serialize_str(&self.text);
        }
        let mut rule = serializer.serialize_map(None)?;
        rule.serialize_entry("operation", &self.text)?;
        if let Some(conditions) = &self.conditions {
            if !conditions.query.is_empty() || conditions.others == OtherParameters::Forbidden {
                rule.serialize_entry("query", &Query(conditions))?;
            }
            if let Some(body) = &conditions.body {
                rule.serialize_entry("body", body)?;
            }
        }
        if let Some(cache) = self.cache {
            rule.serialize_entry("cache", &show::Text(humantime::format_duration(cache)))?;
        }
        rule.end()
    }
}

/// Conditions on the query, as members of a table.
struct Query<'c>(&'c Conditions);

impl Serialize for Query<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut query = serializer.serialize_map(None)?;
        if self.0.others == OtherParameters::Forbidden {
            query.serialize_entry("*", "forbidden")?;
        }
        for (name, condition) in &self.0.query {
            query.serialize_entry(name, condition)?;
        }
        query.end()
    }
}

/// What a request of an operation must meet: all of it. Never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conditions {
    /// `query`: by decoded name of the parameter, in order of name, each once.
    pub query: Vec<(String, QueryCondition)>,
    /// `query."*"`: what holds for parameters without a condition of their own.
    pub others: OtherParameters,
    /// `body`: the body, where there is one, is a JSON object with these top-level members and no others, each
    /// at most once. In order, without repetition; empty: only `{}`.
    pub body: Option<Vec<String>>,
}

/// What holds for the query parameters that a rule says nothing of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OtherParameters {
    /// They may be given, with any value.
    #[default]
    Unrestricted,
    /// None may be given.
    Forbidden,
}

/// What is asked of a query parameter. Whatever is asked, the parameter may be given only once; any of `max`,
/// `min` and `one_of` says what it is where it is given, not that it must be.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct QueryCondition {
    /// `required`: it must be given. Never together with `forbidden`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// `forbidden`: it must not be given. Then nothing else is asked.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub forbidden: bool,
    /// `max`: a plain decimal number, not above this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<u64>,
    /// `min`: a plain decimal number, not below this; never above `max`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<u64>,
    /// `one_of`: one of these texts, once decoded. Not empty; never together with `max` or `min`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub one_of: Option<Vec<String>>,
}
