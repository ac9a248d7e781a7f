//! Where the secrets stand in the answers of the Management API. `secrets.tsv` holds the facts; this module reads it
//! once, to one small tree of names for each operation, and says of a member whether it is a secret, leads to one, or
//! neither. It does not read answers, and never decides who may see what.

use std::sync::LazyLock;

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

static BY_NAME: LazyLock<Secrets> = LazyLock::new(Secrets::by_name);
static OF_GENERAL_ERROR: LazyLock<Secrets> = LazyLock::new(|| Secrets::of_error(&["/data", "/message"]));
static OF_CONNECTOR_ERROR: LazyLock<Secrets> = LazyLock::new(|| Secrets::of_error(&["/data"]));

impl Secrets {
    /// What to take for a secret in the answers of an operation that the catalog does not know: members whose names
    /// are unmistakable, wherever they stand.
    pub fn of_unknown() -> &'static Self {
        &BY_NAME
    }

    /// What to mask in the error `connector.general`, whose message repeats its data (fact 6.9).
    pub fn of_general_error() -> &'static Self {
        &OF_GENERAL_ERROR
    }

    /// The same in other errors of connectors.
    pub fn of_connector_error() -> &'static Self {
        &OF_CONNECTOR_ERROR
    }

    fn of_error(places: &'static [&'static str]) -> Self {
        Self::parse(places.iter().copied()).expect("its test reads these very places")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unmistakable_name_is_a_secret_at_any_depth() {
        let secrets = Secrets::of_unknown();
        let Place::Above(root) = secrets.root() else { panic!("{:?}", secrets.root()) };
        assert_eq!(secrets.member(root, b"clientSecret"), Place::Secret);
        assert_eq!(secrets.member(root, b"value"), secrets.root());
        assert!(UNMISTAKABLE.is_sorted() && UNMISTAKABLE.iter().all(|name| name.len() <= MAX_NAME));
    }
}
