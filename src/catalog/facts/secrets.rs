//! `secrets.tsv`: where the secrets stand in the answers of the embedded catalog's operations, and what asks for them where they
//! are left out else. Read once.

use std::sync::LazyLock;

use crate::catalog::{index::Catalog, operation::Op, parse::CatalogError, secrets::Secrets};

/// What is known of an operation's answers.
#[derive(Debug)]
struct Known {
    secrets: Secrets,
    /// The query parameter without which there is no secret in them.
    asked_by: Option<&'static str>,
}

static LOGTO: LazyLock<Box<[Option<Known>]>> = LazyLock::new(|| {
    read(Catalog::logto(), include_str!("../secrets.tsv"))
        .expect("the embedded table is well formed: its test reads this very text")
});

/// The secrets in the answers of an operation of the embedded catalog; `None` where there are none, or none without
/// a request that asks for them.
pub(super) fn of(op: Op) -> Option<&'static Secrets> {
    known(op).filter(|known| known.asked_by.is_none()).map(|known| &known.secrets)
}

/// The same for a request with this query. What asks for a secret is looked for anywhere in the names of parameters,
/// without regard to case: a server that reads a query more leniently than Logto 1.42 must not get round it.
pub(super) fn of_request(op: Op, query: Option<&str>) -> Option<&'static Secrets> {
    let known = known(op)?;
    let is_asked =
        known.asked_by.is_none_or(|parameter| query.is_some_and(|query| has_in_a_name(query, parameter)));
    is_asked.then_some(&known.secrets)
}

fn has_in_a_name(query: &str, parameter: &str) -> bool {
    let has = |name: &str| {
        name.as_bytes().windows(parameter.len()).any(|part| part.eq_ignore_ascii_case(parameter.as_bytes()))
    };
    // Decoded it is no longer than as it was written.
    query.len() >= parameter.len() && form_urlencoded::parse(query.as_bytes()).any(|(name, _)| has(&name))
}

/// What asks for the secrets of an operation of the embedded catalog.
pub(super) fn asked_by(op: Op) -> Option<&'static str> {
    known(op)?.asked_by
}

fn known(op: Op) -> Option<&'static Known> {
    LOGTO.get(op.index())?.as_ref()
}

fn read(catalog: &Catalog, text: &'static str) -> Result<Box<[Option<Known>]>, CatalogError> {
    let mut table: Vec<Option<Known>> = catalog.operations().map(|_| None).collect();
    for (index, line) in text.lines().enumerate() {
        if line.starts_with('#') {
            continue;
        }
        let bad = |problem| CatalogError { line: index + 1, problem };
        let (id, rest) = line.split_once('\t').ok_or(bad("not two columns"))?;
        let (places, asked_by) =
            rest.split_once('\t').map_or((rest, None), |(places, asked_by)| (places, Some(asked_by)));
        let op = catalog.by_id(id).ok_or(bad("not an operation"))?;
        let secrets = Secrets::parse(places.split(',')).map_err(bad)?;
        if asked_by.is_some_and(|name| name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric())) {
            return Err(bad("a parameter is made of letters and digits"));
        }
        if table[op.index()].replace(Known { secrets, asked_by }).is_some() {
            return Err(bad("an operation that has a line already"));
        }
    }
    Ok(table.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Risk, secrets::Place};

    #[test]
    fn every_operation_that_answers_with_secrets_has_its_places_and_no_other_has() {
        for (op, operation) in Catalog::logto().operations() {
            let answers_with_secrets = operation.risks.contains(&Risk::Secrets);
            assert_eq!(of(op).is_some(), answers_with_secrets, "{}", operation.id);
        }
    }

    #[test]
    fn a_password_digest_is_a_secret_of_the_request_that_asks_for_it() {
        let catalog = Catalog::logto();
        let shown = |id, query| of_request(catalog.by_id(id).unwrap(), query).is_some();
        for query in [
            "includePasswordHash=true",
            "a=1&include%50asswordHash=yes",
            "includepasswordhash",
            "includePasswordHash[]=1",
            "x%5BincludePasswordHash%5D=0",
        ] {
            for id in ["GetUser", "ListUsers"] {
                assert!(shown(id, Some(query)), "{id} {query}");
            }
            assert!(!shown("ListRoleUsers", Some(query)), "{query}: Logto does not take it there");
        }
        for query in [None, Some(""), Some("includeSsoIdentities=true"), Some("x=includePasswordHash")] {
            assert!(!shown("GetUser", query) && !shown("ListUsers", query), "{query:?}");
            assert!(shown("GetHook", query), "{query:?}");
        }
    }

    #[test]
    fn a_member_is_secret_or_leads_to_one_or_neither() {
        let op = Catalog::logto().by_id("ListHooks").unwrap();
        let hooks = of(op).unwrap();
        let Place::Above(root) = hooks.root() else { panic!("{:?}", hooks.root()) };
        assert_eq!(hooks.member(root, b"signingKey"), Place::Secret);
        assert_eq!(hooks.member(root, b"SigningKEY"), Place::Secret);
        assert_eq!(hooks.member(root, b"name"), Place::Plain);
        assert_eq!(hooks.member(root, b"headers"), Place::Plain, "not here, but in config");
        let Place::Above(config) = hooks.member(root, b"config") else { panic!("config leads to headers") };
        assert_eq!(hooks.member(config, b"headers"), Place::Secret);
        assert_eq!(hooks.member(config, b"url"), Place::Plain);
        assert_eq!(hooks.places(), ["/config/headers", "/signingKey"]);
        assert!(Secrets::of_unknown().places().is_empty());
    }

    #[test]
    fn a_table_with_a_mistake_is_refused() {
        for text in [
            "GetHook",
            "GetHok\t/secret",
            "GetHook\tsecret",
            "GetHook\t/",
            "GetHook\t/a/",
            "GetHook\t/a,/a",
            "GetHook\t/a,/a/b",
            "GetHook\t/a/b,/a",
            "GetHook\t/a-b",
            "GetHook\t/a\nGetHook\t/b",
            "GetHook\t/abcdefghijklmnopqrstuvwxyzabcdefg",
            "GetHook\t/a\t",
            "GetHook\t/a\tb\tc",
        ] {
            assert!(read(Catalog::logto(), text).is_err(), "{text:?}");
        }
    }
}
