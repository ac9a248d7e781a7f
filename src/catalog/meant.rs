//! Which operation a path that is no operation's was probably meant for, for the answer to its sender.

use super::{
    Catalog,
    nearest::edits,
    operation::{Op, Verb},
    template::{Segment, Template},
};

/// Literals of the catalog are shorter; a longer segment is not compared, so that it costs nothing.
const LONGEST: usize = 40;

/// What a path was probably meant to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meant<T> {
    /// The template of the operation.
    pub template: T,
    /// What is wrong with the path.
    pub slip: Slip,
}

/// What is wrong with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slip {
    /// `/users`: `/api` is missing.
    PrefixMissing,
    /// `/api/api/users`: a client added `/api` to a base URL that has it.
    PrefixTwice,
    /// `/api/user`: a misspelt segment.
    Spelling,
    /// `/api`: nothing follows it.
    BaseAlone,
}

impl Meant<&str> {
    /// The same, where it has to outlive the catalog.
    pub fn into_owned(self) -> Meant<Box<str>> {
        Meant { template: self.template.into(), slip: self.slip }
    }
}

impl Catalog {
    /// The operation that `path` was probably meant for, which is none itself.
    pub fn meant(&self, path: &str) -> Option<Meant<&str>> {
        if matches!(path, "/api" | "/api/") {
            return self.of_any_verb("/api/users", Slip::BaseAlone);
        }
        let Some(rest) = path.strip_prefix("/api/") else {
            return self.of_any_verb(&format!("/api{path}"), Slip::PrefixMissing);
        };
        if rest.starts_with("api/") {
            return self.of_any_verb(&path["/api".len()..], Slip::PrefixTwice);
        }
        if let Some((_, below)) = rest.split_once('/').filter(|(version, _)| is_version(version)) {
            return self.of_any_verb(&format!("/api/{below}"), Slip::Spelling);
        }
        let given: Vec<&str> = path.split('/').skip(1).collect();
        let candidates = self.operations().map(|(_, operation)| &operation.template);
        let near = candidates.filter_map(|template| Some((distance(template, &given)?, template)));
        let (_, template) = near.min_by_key(|(distance, _)| *distance)?;
        Some(Meant { template: template.as_str(), slip: Slip::Spelling })
    }

    fn of_any_verb(&self, path: &str, slip: Slip) -> Option<Meant<&str>> {
        let op: Op = Verb::ALL.into_iter().find_map(|verb| self.find(verb, path))?;
        Some(Meant { template: self.operation(op).template.as_str(), slip })
    }
}

/// `v1`: other APIs have one in their paths.
fn is_version(segment: &str) -> bool {
    segment.strip_prefix('v').is_some_and(|number| number.parse::<u8>().is_ok())
}

/// Edits from the literals of a template to the segments of a path, where each is small enough to be a slip.
fn distance(template: &Template, given: &[&str]) -> Option<usize> {
    let segments = template.segments();
    if segments.len() != given.len() {
        return None;
    }
    segments.iter().zip(given).try_fold(0, |sum, (segment, given)| match segment {
        Segment::Param => Some(sum),
        Segment::Literal(literal) if literal.eq_ignore_ascii_case(given) => Some(sum),
        Segment::Literal(literal) => {
            let most = literal.len() / 3;
            if given.len() > LONGEST || literal.len().abs_diff(given.len()) > most {
                return None;
            }
            let slips = edits(&given.to_ascii_lowercase(), literal);
            (slips <= most).then_some(sum + slips)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_has_an_operation_that_was_meant() {
        let meant = |path| Catalog::logto().meant(path).map(|meant| (meant.slip, meant.template));
        for (path, slip, template) in [
            ("/users", Slip::PrefixMissing, "/api/users"),
            ("/USERS/u1/roles", Slip::PrefixMissing, "/api/users/{userId}/roles"),
            ("/api/api/users/u1", Slip::PrefixTwice, "/api/users/{userId}"),
            ("/api/user", Slip::Spelling, "/api/users"),
            ("/api/usres/u1", Slip::Spelling, "/api/users/{userId}"),
            ("/api/v1/users/u1", Slip::Spelling, "/api/users/{userId}"),
            ("/api", Slip::BaseAlone, "/api/users"),
            ("/api/", Slip::BaseAlone, "/api/users"),
            ("/api/organisations/o1/users", Slip::Spelling, "/api/organizations/{id}/users"),
            (
                "/api/users/u1/personal-access-token",
                Slip::Spelling,
                "/api/users/{userId}/personal-access-tokens",
            ),
        ] {
            assert_eq!(meant(path), Some((slip, template)), "{path}");
        }
        for path in ["/", "", "/nothing", "/api/zebras", "/api/api/zebras", "/api/api", "/api/user/a/b/c"] {
            assert_eq!(meant(path), None, "{path}");
        }
        assert_eq!(meant(&format!("/api/{}", "u".repeat(5000))), None);
    }
}
