//! What a rule about many operations brings: how many, which of them with the secrets in their answers masked, and which
//! it leaves out. For authors of policies; no request is decided by it.

use std::fmt;

use super::{Effect, Rule};
use crate::catalog::{Catalog, Operation};

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
}

impl Brings {
    /// What a rule of an `allow` list brings; `None`: it is about one operation or one template, or is no rule.
    pub fn of(catalog: &Catalog, text: &str) -> Option<Self> {
        let catalog = catalog.about(text);
        let rule = Rule::parse(catalog, Effect::Allow, text).ok()?;
        if !matches!(rule, Rule::All | Rule::Tag { .. }) {
            return None;
        }
        let covered = rule.coverage(Effect::Allow, catalog).whole - catalog.withheld();
        let operations = || covered.iter().map(|op| catalog.operation(op));
        let ids = |is: fn(&Operation) -> bool| -> Vec<_> {
            operations().filter(|operation| is(operation)).map(|operation| operation.id).collect()
        };
        let by_name = ids(Operation::is_sensitive);
        Some(Self {
            rule: text.trim().to_owned(),
            operations: operations().count() - by_name.len(),
            masked: ids(Operation::is_safe_when_masked),
            by_name,
        })
    }

    /// What the rules of some `allow` lists bring, each said once, in their order.
    pub fn of_all<'t>(catalog: &Catalog, texts: impl Iterator<Item = &'t str>) -> Vec<Self> {
        let mut all = Vec::<Self>::new();
        for brings in texts.filter_map(|text| Self::of(catalog, text)) {
            if !all.iter().any(|known| known.rule == brings.rule) {
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
            write!(f, ", of which {number} {verb} with secrets masked: {}", self.masked.join(", "))?;
        }
        match self.by_name.len() {
            0 => Ok(()),
            _ if self.rule == "*" => write!(f, "; {} only by their names", self.by_name.len()),
            _ => write!(f, "; only by name: {}", self.by_name.join(", ")),
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
        assert_eq!(all.operations + all.by_name.len() + Catalog::logto().withheld().iter().count(), 275);
        assert!(said("*").ends_with(" only by their names"), "{}", said("*"));
        for text in ["ListHooks", "GET /api/hooks", "GET /api/**", "nonsense", "subject-tokens:*"] {
            assert_eq!(Brings::of(Catalog::logto(), text), None, "{text}");
        }
        assert_eq!(Brings::of_all(Catalog::logto(), ["*", "hooks:*", "*", "ListHooks"].into_iter()).len(), 2);
    }
}
