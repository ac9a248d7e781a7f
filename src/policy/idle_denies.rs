//! Rules of `deny` lists that take nothing away, since no `allow` beside them reaches what they deny. They may be meant for an `allow`
//! that comes later, so each is worth a note in a review, and is no mistake.

use std::sync::Arc;

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

/// A rule with the operations that it is about, at least in part; an `allow` with those that it grants.
struct Reach {
    rule: Rule,
    ops: OpSet,
}

impl Reach {
    fn of(catalog: &Catalog, source: &RuleSource) -> Option<Self> {
        let rule = Rule::parse(catalog, source.effect, &source.rule.text).ok()?;
        let coverage = rule.coverage(source.effect, catalog);
        let mut ops = coverage.whole | coverage.in_part;
        if source.effect == Effect::Allow {
            if !matches!(rule, Rule::Operation(_)) {
                ops = ops - catalog.sensitive();
            }
            ops = ops - catalog.withheld();
        }
        Some(Self { rule, ops })
    }

    /// Whether this `deny` may take something away of what `allow` grants.
    fn touches(&self, allow: &Self) -> bool {
        match (&self.rule, &allow.rule) {
            // They may meet at a path that the catalog does not know.
            (Rule::Template { verb, template }, Rule::Template { verb: other, template: allowed }) => {
                verb == other && template.overlaps(allowed, Effect::Deny.case().same())
            }
            (Rule::All, _) => true,
            _ => self.ops.iter().any(|op| allow.ops.contains(op)),
        }
    }
}

impl RuleSet {
    /// Rules of `deny` lists, and whether they take nothing away at this API.
    fn denies(&self, catalog: &Catalog) -> Vec<(&Arc<RuleSource>, bool)> {
        let of = |effect| self.sources().filter(move |source| source.effect == effect);
        let allowed: Vec<_> = of(Effect::Allow).filter_map(|source| Reach::of(catalog, source)).collect();
        let is_idle = |source: &Arc<RuleSource>| {
            let reach = Reach::of(catalog, source);
            reach.is_some_and(|deny| !allowed.iter().any(|allow| deny.touches(allow)))
        };
        of(Effect::Deny).map(|source| (source, is_idle(source))).collect()
    }
}

/// Rules of `deny` lists that take nothing away from a caller: `"*"` is about both APIs, and idle where it is at neither of use.
pub(super) fn idle_denies_of(grants: &Grants, caller: CallerIndex) -> Vec<&Arc<RuleSource>> {
    let of = |api| grants.rules(caller, api).denies(grants.catalog(api));
    idle_in([Api::Management, Api::Cloud].map(of))
}

fn idle_in(apis: [Vec<(&Arc<RuleSource>, bool)>; 2]) -> Vec<&Arc<RuleSource>> {
    let all: Vec<_> = apis.into_iter().flatten().collect();
    let same = |one: &RuleSource, other: &RuleSource| Arc::ptr_eq(&one.rule, &other.rule);
    let mut idle: Vec<&Arc<RuleSource>> = Vec::new();
    for (source, _) in &all {
        let is_idle = all.iter().all(|(other, idle)| *idle || !same(source, other));
        if is_idle && !idle.iter().any(|other| same(source, other)) {
            idle.push(source);
        }
    }
    idle
}

/// A note for each policy with such rules, which take nothing away from any caller that has it.
pub fn idle_denies(grants: &Grants, config: &Config) -> Vec<String> {
    let mut notes = Vec::new();
    let idle: Vec<_> =
        (0..config.callers.len()).map(|index| idle_denies_of(grants, CallerIndex(index))).collect();
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

    fn idle(allow: &[&str], deny: &[&str]) -> Vec<String> {
        let text = |text: &&str| {
            let origin = Origin::from("test");
            Arc::new(RuleText { text: (*text).to_owned(), conditions: None, cache: None, origin })
        };
        let list = |rules: &[&str]| rules.iter().map(text).collect();
        let policy = Policy { name: PolicyName::parse("p").unwrap(), allow: list(allow), deny: list(deny) };
        let rules = [Catalog::logto(), Catalog::cloud()]
            .map(|catalog| (RuleSet::compile(catalog, &[&policy]).unwrap(), catalog));
        let apis = rules.each_ref().map(|(rules, catalog)| rules.denies(catalog));
        idle_in(apis).iter().map(|source| source.rule.text.clone()).collect()
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
