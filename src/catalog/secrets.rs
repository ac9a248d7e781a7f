//! Where the secrets stand in the answers of the Management API. `secrets.tsv` holds the facts; this module reads it
//! once, to one small tree of names for each operation, and says of a member whether it is a secret, leads to one, or
//! neither. It does not read answers, and never decides who may see what.

use std::sync::LazyLock;

use super::{index::Catalog, operation::Op, parse::CatalogError};

/// The longest name that leads to a secret; a longer one is none of them.
pub const MAX_NAME: usize = 32;

/// Names that mean a secret wherever they stand: for the answers of operations that the catalog does not know.
const UNMISTAKABLE: [&str; 26] = [
    "accessKeySecret",
    "accessToken",
    "access_token",
    "apiKey",
    "api_key",
    "appSecret",
    "authToken",
    "clientSecret",
    "client_secret",
    "environmentVariables",
    "idToken",
    "id_token",
    "password",
    "passwordDigest",
    "passwordEncrypted",
    "privateKey",
    "private_key",
    "refreshToken",
    "refresh_token",
    "secret",
    "secretAccessKey",
    "secretKey",
    "secretQrCode",
    "signingKey",
    "subjectToken",
    "subject_token",
];

/// What is known of an operation's answers.
#[derive(Debug)]
struct Known {
    secrets: Secrets,
    /// The query parameter without which there is no secret in them.
    asked_by: Option<&'static str>,
}

/// Where the secrets stand in an operation's answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Secrets {
    /// The first one is the root.
    nodes: Vec<Node>,
    known: bool,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Node {
    members: Vec<(&'static str, Place)>,
    /// Where every other member is.
    others: Place,
}

/// Where a value stands, as far as secrets are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Place {
    /// Nothing in it is secret.
    #[default]
    Plain,
    /// Some of its members may be, or lead to, a secret.
    Above(Step),
    /// All of it is secret.
    Secret,
}

/// How far a value is on the way to a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step(u8);

static LOGTO: LazyLock<Box<[Option<Known>]>> = LazyLock::new(|| {
    read(Catalog::logto(), include_str!("secrets.tsv"))
        .expect("the embedded table is well formed: its test reads this very text")
});

static BY_NAME: LazyLock<Secrets> = LazyLock::new(Secrets::by_name);

/// The secrets in the answers of an operation of the embedded catalog; `None` where there are none, or none without
/// a request that asks for them.
pub(super) fn embedded(op: Op) -> Option<&'static Secrets> {
    known(op).filter(|known| known.asked_by.is_none()).map(|known| &known.secrets)
}

/// The same for a request with this query. What asks for a secret is looked for anywhere in the names of parameters,
/// without regard to case: whoever reads a query more kindly than Logto 1.42 does is no way around it.
pub(super) fn embedded_of_request(op: Op, query: Option<&str>) -> Option<&'static Secrets> {
    let known = known(op)?;
    let is_asked = known.asked_by.is_none_or(|parameter| {
        let names = |text: &'_ str| text.to_ascii_lowercase().contains(&parameter.to_ascii_lowercase());
        query.is_some_and(|query| form_urlencoded::parse(query.as_bytes()).any(|(name, _)| names(&name)))
    });
    is_asked.then_some(&known.secrets)
}

/// What asks for the secrets of an operation of the embedded catalog.
pub(super) fn embedded_asked_by(op: Op) -> Option<&'static str> {
    known(op)?.asked_by
}

impl Secrets {
    /// What to take for a secret in the answers of an operation that the catalog does not know: members whose names
    /// are unmistakable, wherever they stand.
    pub fn of_unknown() -> &'static Self {
        &BY_NAME
    }

    /// Reads places such as `/config/headers`.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn parse(places: impl Iterator<Item = &'static str>) -> Result<Self, &'static str> {
        let mut secrets = Self { nodes: vec![Node::default()], known: true };
        for place in places {
            secrets.add(place.strip_prefix('/').ok_or("a place begins with a slash")?)?;
        }
        Ok(secrets)
    }

    fn by_name() -> Self {
        let members = UNMISTAKABLE.iter().map(|name| (*name, Place::Secret)).collect();
        Self { nodes: vec![Node { members, others: Place::Above(Step(0)) }], known: false }
    }

    fn add(&mut self, place: &'static str) -> Result<(), &'static str> {
        let mut node = 0;
        let mut names = place.split('/').peekable();
        while let Some(name) = names.next() {
            if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(|b| b.is_ascii_alphanumeric()) {
                return Err("a name is made of letters and digits, at most 32 of them");
            }
            let known = self.nodes[node].members.iter().find(|(known, _)| *known == name);
            let next = match (known.map(|(_, place)| *place), names.peek()) {
                (None, None) => Place::Secret,
                (None, Some(_)) => {
                    let step = u8::try_from(self.nodes.len()).map_err(|_| "more than 255 places")?;
                    self.nodes.push(Node::default());
                    Place::Above(Step(step))
                }
                (Some(Place::Above(step)), Some(_)) => {
                    node = step.0.into();
                    continue;
                }
                (Some(_), _) => return Err("a place is, or is within, another one"),
            };
            self.nodes[node].members.push((name, next));
            if let Place::Above(step) = next {
                node = step.0.into();
            }
        }
        Ok(())
    }

    /// The places, as the catalog writes them: `/config/headers`, in the order of the table; none where that is a guess.
    pub fn places(&self) -> Vec<String> {
        let mut places = Vec::new();
        if self.known {
            self.add_places(0, "", &mut places);
        }
        places
    }

    fn add_places(&self, node: usize, above: &str, places: &mut Vec<String>) {
        for (name, place) in self.nodes.get(node).map(|node| &*node.members).unwrap_or_default() {
            match place {
                Place::Secret => places.push(format!("{above}/{name}")),
                Place::Above(step) if usize::from(step.0) > node => {
                    self.add_places(step.0.into(), &format!("{above}/{name}"), places);
                }
                Place::Above(_) | Place::Plain => {}
            }
        }
    }

    /// Whether they are facts of the catalog, and not a guess at an operation that it does not know.
    pub fn are_known(&self) -> bool {
        self.known
    }

    /// Where an answer as a whole stands.
    pub fn root(&self) -> Place {
        Place::Above(Step(0))
    }

    /// Where the member `name` of an object stands that itself stands on the way to a secret. Names are compared without
    /// regard to case, as some of the callers' parsers do.
    pub fn member(&self, object: Step, name: &[u8]) -> Place {
        let Some(node) = self.nodes.get(usize::from(object.0)) else { return Place::Secret };
        let found = node.members.iter().find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name));
        found.map_or(node.others, |(_, place)| *place)
    }
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
    use crate::catalog::Risk;

    #[test]
    fn every_operation_that_answers_with_secrets_has_its_places_and_no_other_has() {
        for (op, operation) in Catalog::logto().operations() {
            let answers_with_secrets = operation.risks.contains(&Risk::Secrets);
            assert_eq!(embedded(op).is_some(), answers_with_secrets, "{}", operation.id);
        }
    }

    #[test]
    fn a_password_digest_is_a_secret_of_the_request_that_asks_for_it() {
        let catalog = Catalog::logto();
        let of = |id, query| embedded_of_request(catalog.by_id(id).unwrap(), query).is_some();
        for query in [
            "includePasswordHash=true",
            "a=1&include%50asswordHash=yes",
            "includepasswordhash",
            "includePasswordHash[]=1",
            "x%5BincludePasswordHash%5D=0",
        ] {
            for id in ["GetUser", "ListUsers"] {
                assert!(of(id, Some(query)), "{id} {query}");
            }
            assert!(!of("ListRoleUsers", Some(query)), "{query}: Logto does not take it there");
        }
        for query in [None, Some(""), Some("includeSsoIdentities=true"), Some("x=includePasswordHash")] {
            assert!(!of("GetUser", query) && !of("ListUsers", query), "{query:?}");
            assert!(of("GetHook", query), "{query:?}");
        }
    }

    #[test]
    fn a_member_is_secret_or_leads_to_one_or_neither() {
        let op = Catalog::logto().by_id("ListHooks").unwrap();
        let hooks = embedded(op).unwrap();
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
    fn an_unmistakable_name_is_a_secret_at_any_depth() {
        let secrets = Secrets::of_unknown();
        let Place::Above(root) = secrets.root() else { panic!("{:?}", secrets.root()) };
        assert_eq!(secrets.member(root, b"clientSecret"), Place::Secret);
        assert_eq!(secrets.member(root, b"value"), secrets.root());
        assert!(UNMISTAKABLE.is_sorted() && UNMISTAKABLE.iter().all(|name| name.len() <= MAX_NAME));
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
