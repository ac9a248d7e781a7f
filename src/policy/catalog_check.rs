//! Checks what a configuration says of rules against the catalog: that a rule is one, and that its conditions are about
//! parameters and members which its operation takes, since a condition on a name that nothing has would never bind
//! anybody. Operations that the catalog does not know may take anything.

use super::rules::{Effect, Rule};
use crate::{
    catalog::{
        Api, Catalog, Op, Operation, Paging, Verb, nearest,
        template::{Segment, Template},
    },
    config::{QueryCondition, RuleCheck, RuleList},
};

/// What the catalog says of the rules of a configuration.
#[derive(Debug, Clone, Copy)]
pub struct CatalogCheck;

impl RuleCheck for CatalogCheck {
    fn rule(&self, catalog: &Catalog, list: RuleList, text: &str) -> Result<(), String> {
        let effect = match list {
            RuleList::Allow => Effect::Allow,
            RuleList::Deny => Effect::Deny,
        };
        Rule::parse(catalog.about(text), effect, text).map(drop).map_err(|error| error.to_string())
    }

    fn doubt(&self, catalog: &Catalog, list: RuleList, text: &str) -> Option<String> {
        let catalog = catalog.about(text);
        let Ok(Rule::Template { verb, template }) = Rule::parse(catalog, Effect::Deny, text) else {
            return None;
        };
        let effect = match list {
            RuleList::Allow => "allows",
            RuleList::Deny => "denies",
        };
        if let Some((word, right)) = without_braces(catalog, verb, &template) {
            let right = format!("{verb} {}{right}", catalog.api().mount());
            return Some(format!(
                "it {effect} one path alone, whose id is the word {word:?}. Write {right:?}, or the id."
            ));
        }
        let room = room(&template)?;
        let near = misspelt(catalog, room)?;
        Some(format!(
            "it {effect} nothing that Logto 1.42 has below {mount}/api/{room}. Did you mean \"{mount}/api/{near}\"?",
            mount = catalog.api().mount()
        ))
    }

    fn opens(&self, catalog: &Catalog, general: &str, conditional: &str) -> bool {
        let catalog = catalog.about(conditional);
        let Some((op, operation)) = operation(catalog, conditional) else { return false };
        let Ok(rule) = Rule::parse(catalog, Effect::Allow, general) else { return false };
        rule.coverage(Effect::Allow, catalog).whole.contains(op)
            && (!operation.is_sensitive() || rule.names(op))
    }

    fn parameter(
        &self,
        catalog: &Catalog,
        rule: &str,
        name: &str,
        condition: &QueryCondition,
    ) -> Result<(), String> {
        let catalog = catalog.about(rule);
        let Some((op, operation)) = operation(catalog, rule) else { return Ok(()) };
        let parameters = catalog.parameters(op);
        if !parameters.takes(name) {
            let known: Vec<_> = parameters.query().collect();
            return Err(unknown("a query parameter", operation.id, name, &known));
        }
        if name == "page_size" && condition.max.is_some_and(|max| max > MOST_OF_A_PAGE) {
            return Err(format!(
                "Logto takes a page_size of {MOST_OF_A_PAGE} at the most, so this bounds nothing. Write a smaller max."
            ));
        }
        let bounds = condition.max.is_some() || condition.one_of.is_some();
        if name == "page_size" && bounds && !condition.required && operation.paging == Some(Paging::Optional)
        {
            return Err(format!(
                "without page and page_size {} answers the whole list, so this bounds nothing. \
                 Add required = true.",
                operation.id
            ));
        }
        Ok(())
    }

    fn cache(&self, catalog: &Catalog, rule: &str) -> Result<(), String> {
        let catalog = catalog.about(rule);
        if catalog.api() == Api::Cloud {
            return Err("answers of the Logto Cloud API are not cached. Take cache out.".to_owned());
        }
        let Some((_, operation)) = operation(catalog, rule) else {
            return Err(
                "it is not known whether this operation is sensitive, so its answers are not cached. \
                 Take cache out, or describe the operation in catalog.extend."
                    .to_owned(),
            );
        };
        let id = operation.id;
        if !operation.verb.reads() {
            return Err(format!(
                "{id} changes something, so it has to reach Logto each time. Take cache out."
            ));
        }
        if operation.is_sensitive() {
            let risks: Vec<_> = operation.risks.iter().map(|risk| risk.describe()).collect();
            return Err(format!(
                "{id} is sensitive, since it {}: its answers are not cached. Take cache out.",
                risks.join(", ")
            ));
        }
        Ok(())
    }

    fn member(&self, catalog: &Catalog, rule: &str, name: &str) -> Result<(), String> {
        let catalog = catalog.about(rule);
        let Some((op, operation)) = operation(catalog, rule) else { return Ok(()) };
        let parameters = catalog.parameters(op);
        if parameters.has_member(name) {
            return Ok(());
        }
        let known: Vec<_> = parameters.members().collect();
        Err(unknown("a member of the body", operation.id, name, &known))
    }
}

/// Logto's (fact 4.1).
const MOST_OF_A_PAGE: u64 = 100;

/// The operation that a rule with conditions is about; `None`: one that the catalog does not know.
fn operation<'c>(catalog: &'c Catalog, rule: &str) -> Option<(Op, &'c Operation)> {
    let op = match Rule::parse(catalog, Effect::Allow, rule).ok()? {
        Rule::Operation(op) => op,
        // `{x}` cannot be a literal, so the template's own text finds the operation that its paths are.
        Rule::Template { verb, template } => catalog.find(verb, template.as_str())?,
        Rule::All | Rule::Tag { .. } => return None,
    };
    Some((op, catalog.operation(op)))
}

/// The name after `/api` that was most likely meant by one that Logto does not have there.
fn misspelt<'c>(catalog: &'c Catalog, name: &str) -> Option<&'c str> {
    let known = || catalog.operations().filter_map(|(_, operation)| room(&operation.template));
    if known().any(|known| known.eq_ignore_ascii_case(name)) { None } else { nearest(name, known()) }
}

/// A segment that is the name of the operation's parameter, or "id", and the template with that in braces.
fn without_braces(catalog: &Catalog, verb: Verb, template: &Template) -> Option<(String, String)> {
    let op = catalog.find(verb, template.as_str())?;
    let of_operation = catalog.operation(op).template.as_str().split('/');
    let (mut word, mut right) = (None, Vec::new());
    for (own, its) in template.as_str().split('/').zip(of_operation) {
        let name = its.strip_prefix('{').and_then(|its| its.strip_suffix('}'));
        let is_name = name.is_some_and(|name| name.eq_ignore_ascii_case(own) || own == "id");
        word = word.or(is_name.then(|| own.to_owned()));
        right.push(if is_name { its } else { own });
    }
    word.map(|word| (word, right.join("/")))
}

/// The segment after `/api`, where it is one name.
fn room(template: &Template) -> Option<&str> {
    match template.segments().get(1)? {
        Segment::Literal(name) => Some(name),
        Segment::Param => None,
    }
}

fn unknown(what: &str, id: &str, name: &str, known: &[&'static str]) -> String {
    if known.is_empty() {
        return format!("{id} takes nothing that is {what}. Take it out.");
    }
    let names = || known.iter().map(|name| name.trim_end_matches('*'));
    let stem = name.split(['.', '[']).next().unwrap_or_default();
    let remedy = match nearest(name, names()).or_else(|| nearest(stem, names())) {
        Some(near) => format!("Did you mean {near:?}?"),
        None => format!("There are: {}.", known.join(", ")),
    };
    format!("{name:?} is not {what} of {id}. {remedy}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(rule: &str, name: &str, condition: QueryCondition) -> String {
        CatalogCheck.parameter(Catalog::logto(), rule, name, &condition).err().unwrap_or_default()
    }

    fn at_most(max: u64) -> QueryCondition {
        QueryCondition { max: Some(max), ..QueryCondition::default() }
    }

    #[test]
    fn b32_a_condition_on_what_an_operation_does_not_take_is_a_mistake() {
        let forbidden = || QueryCondition { forbidden: true, ..QueryCondition::default() };
        for (rule, name, says) in [
            ("ListUsers", "search", ""),
            ("ListUsers", "search.name", ""),
            (
                "ListUsers",
                "serach",
                "\"serach\" is not a query parameter of ListUsers. Did you mean \"search\"?",
            ),
            (
                "GET /api/users",
                "pagesize",
                "\"pagesize\" is not a query parameter of ListUsers. Did you mean \"page_size\"?",
            ),
            (
                "ListUsers",
                "serach.name",
                "\"serach.name\" is not a query parameter of ListUsers. Did you mean \"search\"?",
            ),
            (
                "ListUsers",
                "Search",
                "\"Search\" is not a query parameter of ListUsers. Did you mean \"search\"?",
            ),
            (
                "GetUser",
                "whatever",
                "\"whatever\" is not a query parameter of GetUser. There are: includePasswordHash, includeSsoIdentities.",
            ),
            ("GetRole", "page", "GetRole takes nothing that is a query parameter. Take it out."),
            ("GET /api/roles/r1", "page", "GetRole takes nothing that is a query parameter. Take it out."),
            ("GET /api/new-things/{id}", "serach", ""),
        ] {
            assert_eq!(parameter(rule, name, forbidden()), says, "{rule} {name}");
        }
    }

    #[test]
    fn b63_a_cache_of_what_writes_or_is_sensitive_or_unknown_is_a_mistake() {
        let cache = |rule| CatalogCheck.cache(Catalog::logto(), rule).err().unwrap_or_default();
        for fine in ["ListRoles", "GET /api/roles/{id}", "ListHooks"] {
            assert_eq!(cache(fine), "", "{fine}");
        }
        assert_eq!(
            cache("CreateRole"),
            "CreateRole changes something, so it has to reach Logto each time. Take cache out."
        );
        let sensitive = Catalog::logto().operations().map(|(_, operation)| operation);
        let sensitive = sensitive.filter(|it| it.verb.reads() && it.is_sensitive()).map(|it| it.id);
        for id in sensitive {
            assert!(cache(id).starts_with(&format!("{id} is sensitive, since it ")), "{}", cache(id));
        }
        assert!(cache("GET /api/new-things/{id}").starts_with("it is not known whether"));
        assert!(
            cache("cloud:ListTenants").starts_with("answers of the Logto Cloud API"),
            "{}",
            cache("cloud:ListTenants")
        );
    }

    #[test]
    fn b32_a_rule_without_conditions_opens_what_it_covers() {
        let opens = |general, conditional| CatalogCheck.opens(Catalog::logto(), general, conditional);
        for general in ["users:*", "users:write", "*", "PATCH /api/users/{id}", "PATCH /api/**"] {
            assert!(opens(general, "UpdateUser"), "{general}");
            assert!(opens(general, "PATCH /api/users/{userId}"), "{general}");
        }
        for general in ["users:read", "roles:*", "PATCH /api/users/u1", "cloud:*", "GetUser"] {
            assert!(!opens(general, "UpdateUser"), "{general}");
        }
        assert!(!opens("users:*", "UpdateUserPassword"), "it is sensitive, so it takes its name");
        assert!(!opens("cloud:*", "POST /api/new-things"));
    }

    #[test]
    fn b32_a_member_that_no_body_has_is_a_mistake() {
        let member = |rule, name| CatalogCheck.member(Catalog::logto(), rule, name).err().unwrap_or_default();
        assert_eq!(member("UpdateUser", "name"), "");
        assert_eq!(
            member("UpdateUser", "customdata"),
            "\"customdata\" is not a member of the body of UpdateUser. Did you mean \"customData\"?"
        );
        assert!(member("UpdateUser", "isSuspended").contains(". There are: avatar, customData"));
        assert_eq!(member("PATCH /api/applications/{id}/custom-data", "anything"), "");
        assert_eq!(member("POST /api/new-things", "anything"), "");
        assert!(member("DeleteUser", "name").starts_with("DeleteUser takes nothing"));
    }

    fn doubt(list: RuleList, text: &str) -> String {
        CatalogCheck.doubt(Catalog::logto(), list, text).unwrap_or_default()
    }

    /// A `deny` that is about nothing denies nothing, and nobody would be told so by a request.
    #[test]
    fn a_template_that_is_about_nothing_known_is_likely_a_slip() {
        assert_eq!(
            doubt(RuleList::Deny, "DELETE /api/usres/**"),
            "it denies nothing that Logto 1.42 has below /api/usres. Did you mean \"/api/users\"?"
        );
        assert!(doubt(RuleList::Allow, "GET /api/application/{id}").contains("/api/applications"));
        for text in [
            "DELETE /api/**",
            "DELETE /api/USERS/**",
            "POST /api/users/{id}/new-things",
            "POST /api/something-entirely-new",
            "DELETE /api/{x}/y",
            "users:write",
            "*",
        ] {
            assert_eq!(doubt(RuleList::Deny, text), "", "{text}");
        }
    }

    #[test]
    fn the_name_of_a_parameter_without_its_braces_is_likely_a_slip() {
        assert_eq!(
            doubt(RuleList::Allow, "DELETE /api/users/userId"),
            "it allows one path alone, whose id is the word \"userId\". Write \"DELETE /api/users/{userId}\", or the id."
        );
        assert_eq!(
            doubt(RuleList::Deny, "GET /api/users/{id}/identities/TARGET"),
            "it denies one path alone, whose id is the word \"TARGET\". Write \"GET /api/users/{id}/identities/{target}\", or the id."
        );
        assert!(
            doubt(RuleList::Allow, "GET /api/roles/id").contains("Write \"GET /api/roles/{id}\", or the id.")
        );
        assert!(
            doubt(RuleList::Allow, "DELETE /api/users/id").contains("Write \"DELETE /api/users/{userId}\"")
        );
        for text in
            ["DELETE /api/users/u1", "GET /api/new-things/id", "GET /api/users/{userId}", "GET /api/id/**"]
        {
            assert_eq!(doubt(RuleList::Allow, text), "", "{text}");
        }
    }

    #[test]
    fn a_bound_on_a_list_that_comes_whole_without_it_is_a_mistake() {
        let says = "without page and page_size ListApplications answers the whole list, so this bounds nothing. \
                    Add required = true.";
        assert_eq!(parameter("ListApplications", "page_size", at_most(5)), says);
        let one_of = QueryCondition { one_of: Some(vec!["5".into()]), ..QueryCondition::default() };
        assert_eq!(parameter("ListApplications", "page_size", one_of), says);
        let asked = QueryCondition { required: true, ..at_most(5) };
        assert_eq!(parameter("ListApplications", "page_size", asked), "");
        assert_eq!(parameter("ListUsers", "page_size", at_most(5)), "", "it is never without");
        assert_eq!(parameter("ListApplications", "page", at_most(5)), "");
    }
}
