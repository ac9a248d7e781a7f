//! What a rule about many operations brings: how many, which of them with the secrets in their answers masked, and which
//! it leaves out. For authors of policies; no request is decided by it.

use std::{fmt, sync::Arc};

use super::{Effect, Rule};
use crate::{
    catalog::{Api, Catalog, Operation},
    config::{Policy, RuleText},
};

/// What `*` or a tag brings to an `allow` list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brings {
    /// The rule as written.
    pub rule: String,
    /// How many operations it allows.
    pub operations: usize,
    /// Those of them whose answers hold secrets, which come masked.
    pub masked: Vec<&'static str>,
    /// Those that it leaves to rules that name them.
    pub by_name: Vec<&'static str>,
    /// Those that `deny` takes of it.
    pub denied: Vec<&'static str>,
}

impl Brings {
    /// What a rule of an `allow` list brings; `None`: it is about one operation or one template, or is no rule.
    pub fn of(catalog: &Catalog, text: &str) -> Option<Self> {
        Self::beside(catalog, text, &[])
    }

    /// The same, where such rules of `deny` lists stand beside it.
    fn beside(catalog: &Catalog, text: &str, denying: &[&str]) -> Option<Self> {
        let catalog = catalog.about(text);
        let rule = Rule::parse(catalog, Effect::Allow, text).ok()?;
        if !matches!(rule, Rule::All | Rule::Tag { .. }) {
            return None;
        }
        let covered = rule.coverage(Effect::Allow, catalog).whole - catalog.withheld();
        let denying = denying.iter().filter(|deny| Api::of_rule(deny) == catalog.api());
        let denying = denying.filter_map(|deny| Rule::parse(catalog, Effect::Deny, deny).ok());
        let left = denying.fold(covered, |left, deny| left - deny.coverage(Effect::Deny, catalog).whole);
        let taken = covered - left;
        let denied = taken.iter().map(|op| catalog.operation(op));
        let denied = denied.filter(|operation| !operation.is_sensitive()).map(|operation| operation.id);
        let operations = || left.iter().map(|op| catalog.operation(op));
        let ids = |is: fn(&Operation) -> bool| -> Vec<_> {
            operations().filter(|operation| is(operation)).map(|operation| operation.id).collect()
        };
        let by_name = ids(Operation::is_sensitive);
        Some(Self {
            rule: text.trim().to_owned(),
            operations: operations().count() - by_name.len(),
            masked: ids(Operation::is_safe_when_masked),
            by_name,
            denied: denied.collect(),
        })
    }

    /// What the `allow` lists of a caller's policies bring beside their `deny` lists, each rule once, in their order.
    pub fn of_all<'p>(catalog: &Catalog, policies: impl Iterator<Item = &'p Policy>) -> Vec<Self> {
        let policies: Vec<_> = policies.collect();
        let rules = |list: fn(&Policy) -> &[Arc<RuleText>]| {
            policies.iter().flat_map(move |policy| list(policy)).map(|rule| rule.text.as_str())
        };
        let denying: Vec<_> = rules(|policy| &policy.deny).collect();
        let mut all = Vec::<Self>::new();
        for brings in rules(|policy| &policy.allow).filter_map(|text| Self::beside(catalog, text, &denying)) {
            if !all.contains(&brings) {
                all.push(brings);
            }
        }
        all
    }
}

impl fmt::Display for Brings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count =
            |number: usize| if number == 1 { "1 operation".into() } else { format!("{number} operations") };
        write!(f, "{:?} brings {}", self.rule, count(self.operations))?;
        if !self.masked.is_empty() {
            let (number, verb) = (self.masked.len(), if self.masked.len() == 1 { "comes" } else { "come" });
            write!(f, ", of which {number} {verb} with secrets masked")?;
            if self.rule != "*" {
                write!(f, ": {}", self.masked.join(", "))?;
            }
        }
        match self.by_name.len() {
            0 => {}
            _ if self.rule == "*" => write!(f, "; {} only by their names", self.by_name.len())?,
            _ => write!(f, "; only by name: {}", self.by_name.join(", "))?,
        }
        match self.denied.len() {
            0 => Ok(()),
            _ if self.rule == "*" => write!(f, "; {} denied", self.denied.len()),
            _ => write!(f, "; denied: {}", self.denied.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        Brings::of(Catalog::logto(), text).map(|brings| brings.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_tag_says_what_it_brings() {
        assert_eq!(
            said("hooks:*"),
            "\"hooks:*\" brings 3 operations, of which 2 come with secrets masked: ListHooks, GetHook; \
             only by name: CreateHook, UpdateHook, DeleteHook, UpdateHookSigningKey, CreateHookTest"
        );
        assert_eq!(said("dashboard:read"), "\"dashboard:read\" brings 3 operations");
        assert_eq!(
            said("captcha-provider:read"),
            "\"captcha-provider:read\" brings 1 operation, of which 1 comes with secrets masked: GetCaptchaProvider"
        );
        let all = Brings::of(Catalog::logto(), "*").unwrap();
        assert_eq!(all.masked.len(), 18);
        assert!(
            all.to_string().contains(", of which 18 come with secrets masked; "),
            "the list is too long: {all}"
        );
        assert_eq!(all.operations + all.by_name.len() + Catalog::logto().withheld().iter().count(), 275);
        assert!(said("*").ends_with(" only by their names"), "{}", said("*"));
        for text in ["ListHooks", "GET /api/hooks", "GET /api/**", "nonsense", "subject-tokens:*"] {
            assert_eq!(Brings::of(Catalog::logto(), text), None, "{text}");
        }
    }

    #[test]
    fn what_deny_takes_is_told() {
        let said = |text, denying: &[&str]| {
            Brings::beside(Catalog::logto(), text, denying)
                .map(|brings| brings.to_string())
                .unwrap_or_default()
        };
        let whole = Brings::of(Catalog::logto(), "users:read").unwrap().operations;
        let left = format!("\"users:read\" brings {} operations", whole - 1);
        let one = said("users:read", &["GetUser", "cloud:*", "roles:*", "nonsense"]);
        assert!(one.starts_with(&left) && one.ends_with("; denied: GetUser"), "{one}");
        let none = said("dashboard:read", &["GET /api/**"]);
        assert!(none.starts_with("\"dashboard:read\" brings 0 operations; denied: "), "{none}");
        assert!(said("*", &["users:*"]).ends_with(" denied"));
    }
}
