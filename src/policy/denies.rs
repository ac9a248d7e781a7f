//! What rules of `deny` lists take away from a caller, for a review: of an operation that is denied as a whole nothing else is to be
//! seen there. Those that take nothing away, since no `allow` beside them reaches what they deny, may be meant for an `allow` that
//! comes later, so each is worth a note, and is no mistake.

use std::{fmt, sync::Arc};

use super::{
    decide::{RuleSet, RuleSource},
    grants::Grants,
    rules::{Effect, Rule},
};
use crate::{
    catalog::{Api, Catalog, ops::OpSet},
    config::Config,
    ids::CallerIndex,
};

/// As many names of operations as a line has, where there are more.
const SHOWN: usize = 3;

/// What one rule of a `deny` list takes away from a caller.
#[derive(Debug)]
pub struct Taken<'r> {
    /// The rule.
    pub source: &'r Arc<RuleSource>,
    /// Operations that it takes away as a whole.
    pub whole: Vec<&'static str>,
    /// Operations of which it takes some paths away.
    pub in_part: Vec<&'static str>,
    /// Whether it may take away paths that the catalog does not know.
    pub beyond: bool,
}

impl Taken<'_> {
    /// Whether it takes nothing away.
    pub fn is_nothing(&self) -> bool {
        self.whole.is_empty() && self.in_part.is_empty() && !self.beyond
    }
}

impl fmt::Display for Taken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_nothing() {
            return f.write_str("takes nothing away: no rule allows this caller what it denies");
        }
        let named = |ids: &[&str]| match ids.get(SHOWN + 1) {
            Some(_) => format!("{} operations ({}, …)", ids.len(), ids[..SHOWN].join(", ")),
            None => ids.join(", "),
        };
        let whole = (!self.whole.is_empty()).then(|| named(&self.whole));
        let in_part = (!self.in_part.is_empty()).then(|| format!("some paths of {}", named(&self.in_part)));
        let beyond = self.beyond.then(|| "paths that the catalog does not know".to_owned());
        let parts: Vec<_> = [whole, in_part, beyond].into_iter().flatten().collect();
        write!(f, "takes away: {}", parts.join("; "))
    }
}

/// A rule with the operations that it is about; an `allow` with those that it grants.
struct Reach {
    rule: Rule,
    whole: OpSet,
    in_part: OpSet,
    /// Whether it reaches paths that the catalog does not know.
    beyond: bool,
}

impl Reach {
    fn of(catalog: &Catalog, source: &RuleSource) -> Option<Self> {
        let rule = Rule::parse(catalog, source.effect, &source.rule.text).ok()?;
        let coverage = rule.coverage(source.effect, catalog);
        let (mut whole, mut in_part) = (coverage.whole, coverage.in_part);
        let beyond = match &rule {
            Rule::Template { template, .. } => {
                template.has_tail() || (whole.is_empty() && in_part.is_empty())
            }
            Rule::All => source.effect == Effect::Deny,
            _ => false,
        };
        if source.effect == Effect::Allow {
            if !matches!(rule, Rule::Operation(_)) {
                (whole, in_part) = (whole - catalog.sensitive(), in_part - catalog.sensitive());
            }
            (whole, in_part) = (whole - catalog.withheld(), in_part - catalog.withheld());
        }
        Some(Self { rule, whole, in_part, beyond })
    }

    /// The operations that it is about, at least in part.
    fn ops(&self) -> OpSet {
        self.whole | self.in_part
    }

    /// Whether this `deny` may take something away of what `allow` grants.
    fn touches(&self, allow: &Self) -> bool {
        match (&self.rule, &allow.rule) {
            // They may meet at a path that the catalog does not know.
            (Rule::Template { verb, template }, Rule::Template { verb: other, template: allowed }) => {
                verb == other && template.overlaps(allowed, Effect::Deny.case().same())
            }
            (Rule::All, _) => !allow.ops().is_empty() || allow.beyond,
            _ => self.ops().iter().any(|op| allow.ops().contains(op)),
        }
    }
}

impl RuleSet {
    /// What each rule of `deny` lists takes away at this API.
    fn denies(&self, catalog: &Catalog) -> Vec<Taken<'_>> {
        let of = |effect| self.sources().filter(move |source| source.effect == effect);
        let allowed: Vec<_> = of(Effect::Allow).filter_map(|source| Reach::of(catalog, source)).collect();
        of(Effect::Deny).map(|source| taken(catalog, source, &allowed)).collect()
    }
}

fn taken<'r>(catalog: &Catalog, source: &'r Arc<RuleSource>, allowed: &[Reach]) -> Taken<'r> {
    let mut taken = Taken { source, whole: Vec::new(), in_part: Vec::new(), beyond: false };
    let Some(deny) = Reach::of(catalog, source) else { return taken };
    let mut granted = OpSet::default();
    for allow in allowed.iter().filter(|allow| deny.touches(allow)) {
        granted |= allow.ops();
        taken.beyond |= deny.beyond && allow.beyond;
    }
    let ids = |ops: &OpSet| {
        let granted = ops.iter().filter(|op| granted.contains(*op));
        granted.map(|op| catalog.operation(op).id).collect()
    };
    (taken.whole, taken.in_part) = (ids(&deny.whole), ids(&deny.in_part));
    taken
}

/// What each rule of a caller's `deny` lists takes away from it: `"*"` is about both APIs, and may be of use at one.
pub(super) fn denies_of(grants: &Grants, caller: CallerIndex) -> Vec<Taken<'_>> {
    let of = |api| grants.rules(caller, api).denies(grants.catalog(api));
    of_both([Api::Management, Api::Cloud].map(of))
}

fn of_both(apis: [Vec<Taken<'_>>; 2]) -> Vec<Taken<'_>> {
    let mut all: Vec<Taken<'_>> = Vec::new();
    for taken in apis.into_iter().flatten() {
        match all.iter_mut().find(|other| Arc::ptr_eq(&other.source.rule, &taken.source.rule)) {
            Some(same) => {
                same.whole.extend(taken.whole);
                same.in_part.extend(taken.in_part);
                same.beyond |= taken.beyond;
            }
            None => all.push(taken),
        }
    }
    all
}

/// A note for each policy with such rules, which take nothing away from any caller that has it.
pub fn idle_denies(grants: &Grants, config: &Config) -> Vec<String> {
    let mut notes = Vec::new();
    let idle_of = |index| -> Vec<_> {
        let denies = denies_of(grants, CallerIndex(index)).into_iter();
        denies.filter(Taken::is_nothing).map(|taken| taken.source).collect()
    };
    let idle: Vec<_> = (0..config.callers.len()).map(idle_of).collect();
    for policy in config.policies.iter().filter(|policy| !policy.deny.is_empty()) {
        let callers = config.callers.iter().zip(&idle);
        let with: Vec<_> = callers.filter(|(caller, _)| caller.policies.contains(&policy.name)).collect();
        let is_idle = |rule: &&Arc<crate::config::RuleText>| {
            with.iter().all(|(_, idle)| idle.iter().any(|source| Arc::ptr_eq(&source.rule, rule)))
        };
        let rules: Vec<_> =
            policy.deny.iter().filter(is_idle).map(|rule| format!("{:?}", rule.text)).collect();
        if with.is_empty() || rules.is_empty() {
            continue;
        }
        let (verb, what) = if rules.len() == 1 { ("takes", "it denies") } else { ("take", "they deny") };
        notes.push(format!(
            "policies.{}.deny: {} {verb} nothing away now: nothing that {what} is allowed to a caller with this policy",
            policy.name,
            rules.join(", ")
        ));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{Origin, Policy, RuleText},
        ids::PolicyName,
    };

    /// What each `deny` takes away, with its text.
    fn said(allow: &[&str], deny: &[&str]) -> Vec<(String, String)> {
        let text = |text: &&str| {
            let origin = Origin::from("test");
            Arc::new(RuleText { text: (*text).to_owned(), conditions: None, cache: None, origin })
        };
        let list = |rules: &[&str]| rules.iter().map(text).collect();
        let policy = Policy { name: PolicyName::parse("p").unwrap(), allow: list(allow), deny: list(deny) };
        let rules = [Catalog::logto(), Catalog::cloud()]
            .map(|catalog| (RuleSet::compile(catalog, &[&policy]).unwrap(), catalog));
        let apis = rules.each_ref().map(|(rules, catalog)| rules.denies(catalog));
        let said = |taken: &Taken<'_>| (taken.source.rule.text.clone(), taken.to_string());
        of_both(apis).iter().map(said).collect()
    }

    fn idle(allow: &[&str], deny: &[&str]) -> Vec<String> {
        let all = said(allow, deny).into_iter();
        all.filter(|(_, said)| said.starts_with("takes nothing away")).map(|(text, _)| text).collect()
    }

    /// Of an operation that is denied as a whole nothing else is to be seen in a review.
    #[test]
    fn each_deny_says_what_it_takes_away() {
        for (allow, deny, expected) in [
            (&["users:read", "roles:read"][..], "ListUsers", "ListUsers"),
            (&["users:read"], "GET /api/users/admin", "some paths of GetUser"),
            (&["GET /api/users/u1"], "GetUser", "GetUser"),
            (&["GET /api/new/{x}"], "GET /api/new/n1", "paths that the catalog does not know"),
            (&["GetUser", "GET /api/new/{x}"], "*", "GetUser; paths that the catalog does not know"),
            (&["cloud:ListTenants", "GetUser"], "*", "GetUser, cloud:ListTenants"),
            (&["GET /api/**"], "GET /api/users/{id}", "GetUser"),
            (&["hooks:*", "DeleteHook"], "hooks:*", "ListHooks, GetHook, DeleteHook, ListHookRecentLogs"),
        ] {
            let said = said(allow, &[deny]);
            assert_eq!(said, [(deny.to_owned(), format!("takes away: {expected}"))], "{allow:?}");
        }
        let (_, many) = said(&["users:*"], &["*"]).remove(0);
        assert!(many.contains(" operations (") && many.ends_with(", …)"), "{many}");
    }

    #[test]
    fn a_deny_is_idle_where_no_allow_reaches_what_it_denies() {
        for (allow, deny) in [
            (&["users:read"][..], "hooks:write"),
            (&["users:read"], "DELETE /api/**"),
            (&["users:read"], "users:write"),
            (&["users:read", "GetRole"], "ListRoles"),
            (&["GET /api/users/u1"], "GET /api/users/u2"),
            (&["GET /api/new/**"], "GET /api/old/**"),
            (&["GET /api/new/**"], "POST /api/new/**"),
            // What is sensitive is granted by its name alone, so the tag does not grant it.
            (&["hooks:*"], "DeleteHook"),
            (&[], "*"),
        ] {
            assert_eq!(idle(allow, &[deny]), [deny], "{allow:?}");
        }
    }

    #[test]
    fn a_deny_that_takes_something_away_is_none() {
        for (allow, deny) in [
            (&["users:read"][..], "GetUser"),
            (&["users:read"], "GET /api/users/admin"),
            (&["users:read"], "GET /api/USERS/{x}"),
            (&["users:read"], "*"),
            (&["hooks:*", "DeleteHook"], "DELETE /api/**"),
            (&["GET /api/users/u1"], "GET /api/users/{x}"),
            (&["GET /api/users/u1"], "users:*"),
            (&["GET /api/new/{x}"], "GET /api/new/n1"),
            (&["GET /api/new/**"], "GET /api/new/x/y/**"),
            (&["GET /api/new/x/y/**"], "GET /api/**"),
            (&["GET /api/new/{x}"], "*"),
        ] {
            assert!(idle(allow, &[deny]).is_empty(), "{allow:?} {deny}");
        }
        assert_eq!(idle(&["users:*"], &["GetUser", "GetRole"]), ["GetRole"]);
    }
}
