//! Which answers come to a caller with their secrets: those of the operations that its `reveal` names, and no others.
//! Says for an operation which secrets of its answers the caller must not see.

use super::{rules::RuleError, source::RuleProblem};
use crate::{
    catalog::{Api, Catalog, Op, Secrets, nearest},
    config::RuleText,
};

/// The operations that a caller sees the secrets of. Mostly none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Reveals(Box<[Op]>);

impl Reveals {
    /// Reads the operationIds of a `reveal` list that are about the catalog's API.
    ///
    /// # Errors
    /// Every one that is none.
    pub fn new(catalog: &Catalog, list: &[RuleText]) -> Result<Self, Vec<RuleProblem>> {
        let mut ops: Vec<Op> = Vec::with_capacity(list.len());
        let mut problems = Vec::new();
        for RuleText { text, origin, .. } in list.iter().filter(|it| Api::of_rule(&it.text) == catalog.api())
        {
            match catalog.by_id(text) {
                Some(op) => ops.push(op),
                None => {
                    let error = RuleError::UnknownOperation {
                        id: text.as_str().into(),
                        nearest: nearest(text, catalog.ids()),
                    };
                    problems.push(RuleProblem { origin: origin.clone(), error });
                }
            }
        }
        ops.sort_unstable();
        ops.dedup();
        if problems.is_empty() { Ok(Self(ops.into())) } else { Err(problems) }
    }

    /// The secrets to mask in the answer to a request with this query; in those of one that the catalog does not know, where
    /// nothing can be revealed, whatever has the name of a secret.
    pub fn hidden(&self, catalog: &Catalog, op: Option<Op>, query: Option<&str>) -> Option<&'static Secrets> {
        self.of(catalog, op, query).hidden()
    }

    /// What becomes of the secrets in the answer to a request with this query.
    pub(super) fn of(&self, catalog: &Catalog, op: Option<Op>, query: Option<&str>) -> Masking {
        let Some(op) = op else { return Masking::Masked(Secrets::of_unknown()) };
        match catalog.secrets_of_request(op, query) {
            None => Masking::None,
            Some(_) if self.0.contains(&op) => Masking::Revealed,
            Some(secrets) => Masking::Masked(secrets),
        }
    }
}

/// What becomes of the secrets in an answer.
#[derive(Debug, Clone, Copy)]
pub(super) enum Masking {
    /// There are none.
    None,
    /// These are masked.
    Masked(&'static Secrets),
    /// The caller sees them.
    Revealed,
}

impl Masking {
    pub(super) fn hidden(self) -> Option<&'static Secrets> {
        match self {
            Self::Masked(secrets) => Some(secrets),
            Self::None | Self::Revealed => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Origin;

    fn list(texts: &[&str]) -> Vec<RuleText> {
        let rule = |text: &&str| RuleText {
            text: (*text).to_owned(),
            conditions: None,
            cache: None,
            origin: Origin::from("c.toml:1"),
        };
        texts.iter().map(rule).collect()
    }

    #[test]
    fn only_what_is_named_is_revealed() {
        let catalog = Catalog::logto();
        let reveals = Reveals::new(catalog, &list(&["GetHook", "ListUsers"])).unwrap();
        let hidden = |id| reveals.hidden(catalog, catalog.by_id(id), None).is_some();
        assert!(!hidden("GetHook") && hidden("ListHooks") && hidden("ListApplicationSecrets"));
        assert!(!hidden("ListUsers"), "there is nothing to hide");
        assert!(
            reveals
                .hidden(catalog, None, None)
                .is_some_and(|secrets| std::ptr::eq(secrets, Secrets::of_unknown()))
        );
        assert!(Reveals::default().hidden(catalog, catalog.by_id("GetHook"), None).is_some());
    }

    #[test]
    fn what_is_no_operation_is_refused() {
        for text in ["GetHok", "*", "hooks:read", "GET /api/hooks/{id}", ""] {
            assert_eq!(
                Reveals::new(Catalog::logto(), &list(&[text, "GetHook"])).unwrap_err().len(),
                1,
                "{text}"
            );
        }
    }
}
