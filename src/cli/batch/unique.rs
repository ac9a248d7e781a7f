//! By what a thing is found that a creation was to make: the members of its body of which Logto takes each value once (fact 6.3).
//! What has none of them cannot be found again for certain.

use serde_json::Value;

use crate::catalog::{Catalog, Verb};

/// Whether letters count as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    Kept,
    Ignored,
}

/// A kind of thing that has identifiers of its own.
struct Kind {
    operation: &'static str,
    members: &'static [(&'static str, Case)],
    search: Search,
}

/// Whether the list of such things can be searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Search {
    Yes,
    No,
}

const KINDS: [Kind; 4] = [
    Kind {
        operation: "CreateUser",
        members: &[("username", Case::Kept), ("primaryEmail", Case::Ignored), ("primaryPhone", Case::Kept)],
        search: Search::Yes,
    },
    Kind { operation: "CreateRole", members: &[("name", Case::Kept)], search: Search::Yes },
    Kind { operation: "CreateResource", members: &[("indicator", Case::Kept)], search: Search::No },
    Kind { operation: "CreateResourceScope", members: &[("name", Case::Kept)], search: Search::No },
];

/// By what one creation's thing is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unique {
    /// The list to look into, with a query to which the page is added.
    pub(super) list: String,
    /// As much of it as names the tenant; nothing: the caller's own.
    pub(super) mount: String,
    /// The operation that lists them.
    pub(super) lists: &'static str,
    identifiers: Vec<(&'static str, String, Case)>,
}

/// By what the thing is found that this request would make; `None` where nothing is unique about it.
pub(super) fn of(verb: Verb, path: &str, mount: &str, body: &Value) -> Option<Unique> {
    let catalog = Catalog::logto();
    let path = path.split('?').next().unwrap_or_default();
    let id = catalog.operation(catalog.find(verb, path)?).id;
    let kind = KINDS.iter().find(|kind| kind.operation == id)?;
    let given = |(name, case): &(&'static str, Case)| Some((*name, body[*name].as_str()?.to_owned(), *case));
    let identifiers: Vec<_> = kind.members.iter().filter_map(given).collect();
    let (name, value, _) = identifiers.first()?;
    let mut query = form_urlencoded::Serializer::new(String::new());
    if kind.search == Search::Yes {
        query.append_pair(&format!("search.{name}"), value).append_pair(&format!("mode.{name}"), "exact");
    }
    let list = format!("{mount}{path}?{}", query.append_pair("page_size", "100").finish());
    let lists = catalog.operation(catalog.find(Verb::Get, path)?).id;
    Some(Unique { list, mount: mount.to_owned(), lists, identifiers })
}

impl Unique {
    /// Whether this is the thing: all of its identifiers are.
    pub(super) fn is(&self, thing: &Value) -> bool {
        self.identifiers.iter().all(|(name, value, case)| match (thing[*name].as_str(), case) {
            (Some(other), Case::Kept) => other == value,
            (Some(other), Case::Ignored) => other.eq_ignore_ascii_case(value),
            (None, _) => false,
        })
    }

    /// What no two lines of a file may share that may be of the same tenant.
    pub(super) fn claims(&self) -> impl Iterator<Item = String> {
        let list = self.list[self.mount.len()..].split('?').next().unwrap_or_default();
        self.identifiers.iter().map(move |(name, value, case)| match case {
            Case::Kept => format!("{list} {name} {value}"),
            Case::Ignored => format!("{list} {name} {}", value.to_ascii_lowercase()),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_kind_is_an_operation_with_those_members() {
        let catalog = Catalog::logto();
        for kind in &KINDS {
            let op = catalog.by_id(kind.operation).unwrap();
            for (name, _) in kind.members {
                assert!(catalog.parameters(op).has_member(name), "{} {name}", kind.operation);
            }
        }
    }

    #[test]
    fn a_thing_is_found_by_all_of_its_identifiers() {
        let body = json!({ "username": "ada", "primaryEmail": "Ada@x.example", "name": "Ada" });
        let unique = of(Verb::Post, "/api/users", "/t/a", &body).unwrap();
        assert_eq!(unique.list, "/t/a/api/users?search.username=ada&mode.username=exact&page_size=100");
        let bare = of(Verb::Post, "/api/users", "", &body).unwrap();
        assert!(bare.claims().eq(unique.claims()), "they may be of one tenant");
        assert!(unique.is(&json!({ "username": "ada", "primaryEmail": "ada@x.example" })));
        assert!(!unique.is(&json!({ "username": "Ada", "primaryEmail": "ada@x.example" })));
        assert!(!unique.is(&json!({ "username": "ada", "primaryEmail": null })));
        assert_eq!(of(Verb::Post, "/api/users", "", &json!({ "name": "Ada" })), None);
        assert_eq!(of(Verb::Patch, "/api/users/x", "", &body), None);
        assert!(of(Verb::Post, "/api/resources/x/scopes", "", &json!({ "name": "read" })).is_some());
    }
}
