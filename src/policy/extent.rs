//! How far the rules of a caller reach into an operation: all of its paths, some of them, or none, and under which
//! conditions. For descriptions of what a caller may do. It asks [`RuleSet::decide`] about paths that stand for many, and
//! so never says anything else than a request would be told.

use super::{
    decide::{RuleSet, Verdict},
    matched::Matched,
    rules::{Effect, Rule},
};
use crate::catalog::{
    Catalog, Verb,
    template::{Segment, Template},
};

/// Asked about one operation after the other.
#[derive(Debug)]
pub struct Extents<'r> {
    catalog: &'r Catalog,
    rules: &'r RuleSet,
    /// Of the `allow` lists.
    templates: Vec<(Verb, Template)>,
}

/// What the rules allow of an operation.
#[derive(Debug)]
pub struct Extent<'r> {
    /// On all paths that no template of a rule says something else about.
    pub everywhere: Verdict<'r>,
    /// Paths with more than that: templates such as `/api/users/u1/roles/{x}`, each with what is decided there.
    pub parts: Vec<(String, Verdict<'r>)>,
}

impl<'r> Extents<'r> {
    /// Of the rules of one caller.
    pub fn new(catalog: &'r Catalog, rules: &'r RuleSet) -> Self {
        let allowing = rules.sources().filter(|source| source.effect == Effect::Allow);
        let template = |text: &str| match Rule::parse(catalog, Effect::Allow, text) {
            Ok(Rule::Template { verb, template }) => Some((verb, template)),
            _ => None,
        };
        Self {
            catalog,
            rules,
            templates: allowing.filter_map(|source| template(&source.rule.text)).collect(),
        }
    }

    /// What the rules allow of the operation with this method and template, which has no tail. The catalog need not
    /// know it.
    pub fn of(&self, verb: Verb, template: &Template) -> Extent<'r> {
        // `{x}` is no literal, so a path with it stands for all that no rule names.
        let everywhere = self.decide(verb, template.as_str());
        let mut parts = Vec::<(String, Verdict<'r>)>::new();
        if !everywhere.is_allowed() {
            let own = self.catalog.find(verb, template.as_str());
            let same = Effect::Allow.case().same();
            let about = self.templates.iter().filter(|(method, rule)| {
                *method == verb && rule.meets(template, same) && !rule.covers(template, same)
            });
            for path in about.map(|(_, rule)| common(rule, template)) {
                let verdict = self.decide(verb, &path);
                let more = verdict.may_be_allowed() && verdict != everywhere;
                // Else it is another operation's, whose template is more literal.
                if more
                    && self.catalog.find(verb, &path) == own
                    && !parts.iter().any(|(known, _)| *known == path)
                {
                    parts.push((path, verdict));
                }
            }
        }
        Extent { everywhere, parts }
    }

    fn decide(&self, verb: Verb, path: &str) -> Verdict<'r> {
        self.rules.decide(&Matched::standing_for(self.catalog, verb, path))
    }
}

impl Extent<'_> {
    /// Whether some request of the operation may pass.
    pub fn is_some(&self) -> bool {
        self.everywhere.may_be_allowed() || !self.parts.is_empty()
    }
}

/// The paths that both match, as a template.
fn common(rule: &Template, template: &Template) -> String {
    let mut path = String::new();
    for (at, own) in template.segments().iter().enumerate() {
        path.push('/');
        path.push_str(match (rule.segments().get(at), own) {
            (_, Segment::Literal(literal)) | (Some(Segment::Literal(literal)), Segment::Param) => literal,
            _ => "{x}",
        });
    }
    path
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        config::{Conditions, Origin, OtherParameters, Policy, RuleText},
        ids::PolicyName,
    };

    fn rules(allow: &[&str], deny: &[&str]) -> RuleSet {
        let text = |text: &&str| {
            let (text, conditional) = text.strip_prefix("if ").map_or((*text, false), |text| (text, true));
            let conditions = Conditions { query: vec![], others: OtherParameters::Forbidden, body: None };
            Arc::new(RuleText {
                text: text.to_owned(),
                conditions: conditional.then_some(conditions),
                cache: None,
                origin: Origin::from("test"),
            })
        };
        let list = |rules: &[&str]| rules.iter().map(text).collect();
        let policy = Policy { name: PolicyName::parse("p").unwrap(), allow: list(allow), deny: list(deny) };
        RuleSet::compile(Catalog::logto(), &[&policy]).unwrap()
    }

    /// `everywhere`, and each part.
    fn extent(allow: &[&str], deny: &[&str], operation: &str) -> String {
        let (method, template) = operation.split_once(' ').unwrap();
        let rules = rules(allow, deny);
        let extents = Extents::new(Catalog::logto(), &rules);
        let extent = extents.of(Verb::parse(method).unwrap(), &Template::parse(template).unwrap());
        let parts = extent.parts.iter().map(|(path, verdict)| format!("{path} {}", verdict.label()));
        let all: Vec<_> = [extent.everywhere.label().to_owned()].into_iter().chain(parts).collect();
        assert_eq!(
            extent.is_some(),
            all.iter().any(|it| it.contains("allowed") || it.contains("conditional"))
        );
        all.join("; ")
    }

    #[test]
    fn an_operation_is_allowed_whole_in_part_or_not_at_all() {
        let user = "GET /api/users/{userId}";
        for (allow, deny, operation, is) in [
            (&["users:read"][..], &[][..], user, "allowed"),
            (&["roles:read"], &[], user, "no_rule"),
            (&["if GetUser"], &[], user, "conditional"),
            (&["users:read"], &["GetUser"], user, "denied"),
            (&["GET /api/users/u1"], &[], user, "no_rule; /api/users/u1 allowed"),
            (&["if GET /api/users/u1"], &[], user, "no_rule; /api/users/u1 conditional"),
            (&["if GetUser", "GET /api/users/u1"], &[], user, "conditional; /api/users/u1 allowed"),
            (&["GET /api/users/u1"], &["GET /api/users/u1"], user, "no_rule"),
            (&["GET /api/users/u1"], &["GET /api/users/U1"], user, "no_rule"),
            (&["GET /api/users/u1"], &["GET /api/users/u2"], user, "no_rule; /api/users/u1 allowed"),
            (&["users:read"], &["GET /api/users/u2"], user, "allowed"),
            (&["GET /api/users/{x}"], &[], user, "allowed"),
            (&["GET /api/users/**"], &[], user, "allowed"),
            (
                &["GET /api/users/u1/**"],
                &[],
                "GET /api/users/{userId}/roles",
                "no_rule; /api/users/u1/roles allowed",
            ),
            (
                &["DELETE /api/users/{x}/roles/r1", "DELETE /api/users/u1/**"],
                &[],
                "DELETE /api/users/{userId}/roles/{roleId}",
                "no_rule; /api/users/{x}/roles/r1 allowed; /api/users/u1/roles/{x} allowed",
            ),
            // That path is another operation's.
            (
                &["GET /api/configs/oidc/session"],
                &[],
                "GET /api/configs/oidc/{keyType}",
                "sensitive_not_named",
            ),
            (&["GET /api/configs/oidc/session"], &[], "GET /api/configs/oidc/session", "allowed"),
            // A sensitive operation is granted by nothing but its name.
            (&["DELETE /api/hooks/**"], &[], "DELETE /api/hooks/{id}", "sensitive_not_named"),
            // What the catalog does not know.
            (&["GET /api/new/{x}"], &[], "GET /api/new/{id}", "allowed"),
            (&["GET /api/new/n1"], &[], "GET /api/new/{id}", "operation_unknown; /api/new/n1 allowed"),
            (&["*"], &[], "GET /api/new/{id}", "operation_unknown"),
            (&["GET /api/**"], &[], "GET /api/.well-known/user.openapi.json", "withheld"),
        ] {
            assert_eq!(extent(allow, deny, operation), is, "{allow:?} {deny:?} {operation}");
        }
    }
}
