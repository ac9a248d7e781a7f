//! Which of the rules that would allow an operation under conditions does: judged in two steps, because the query
//! is there with the permit and the body only later. Hands on what is left for the body; never lets a rule count
//! of which a part was not judged.

use std::sync::Arc;

use http::HeaderMap;

use super::{
    body,
    broken::{Broken, Unmet},
    query,
};
use crate::policy::source::RuleSource;

/// What is left to check once the query has met its conditions.
#[derive(Debug, Clone)]
pub(in crate::policy) struct Pending(Box<[Arc<RuleSource>]>);

/// What came of the conditions on the query.
pub(in crate::policy) enum Met {
    /// All is well by this rule, whatever the body.
    By(Arc<RuleSource>),
    /// It depends on the body.
    Body(Pending),
}

impl Pending {
    /// Judges the rules that would allow an operation by the query: any of them will do.
    ///
    /// # Errors
    /// What the first rule asks for in vain.
    pub(in crate::policy) fn by_query<'r>(
        rules: impl Iterator<Item = &'r Arc<RuleSource>>,
        query: Option<&str>,
    ) -> Result<Met, Unmet> {
        let (mut first, mut left) = (None, Vec::new());
        for rule in rules {
            let conditions = rule.rule.conditions.as_ref();
            match conditions.map_or(Ok(()), |conditions| query::check(conditions, query)) {
                Ok(()) if conditions.is_none_or(|conditions| conditions.body.is_none()) => {
                    return Ok(Met::By(rule.clone()));
                }
                Ok(()) => left.push(rule.clone()),
                Err(broken) => first = first.or_else(|| Some(Unmet { rule: rule.clone(), broken })),
            }
        }
        match first {
            Some(refused) if left.is_empty() => Err(refused),
            _ => Ok(Met::Body(Self(left.into()))),
        }
    }

    pub(super) fn by_body(
        &self,
        headers: &HeaderMap,
        body: Option<&[u8]>,
    ) -> Result<&Arc<RuleSource>, Unmet> {
        let mut first = None;
        for rule in &self.0 {
            let members = rule.rule.conditions.as_ref().and_then(|conditions| conditions.body.as_deref());
            let judged = body.ok_or(Broken::Unseen).and_then(|body| match members {
                Some(members) => body::check(members, headers, body),
                None => Ok(()),
            });
            match judged {
                Ok(()) => return Ok(rule),
                // Whatever a rule asks for, this is to be mended first.
                Err(broken) if first.is_none() || matches!(broken, Broken::Json(_)) => {
                    first = Some(Unmet { rule: rule.clone(), broken });
                }
                Err(_) => {}
            }
        }
        Err(first.expect("there is at least one rule"))
    }
}
