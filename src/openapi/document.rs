//! A document as it came from Logto, kept as text: whether it is one that a cut can be made of, and which version of it.
//! Where it was fetched from is no part of it: tenants with the same operations share one.

use std::{fmt, sync::Arc};

use super::outline::Outline;
use crate::secret::{Digest, Fingerprint};

/// An OpenAPI document of the Management API.
pub struct Document {
    text: Box<str>,
    version: Digest,
}

/// Why bytes are not a document that can be used here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Not text.
    #[error("it is not UTF-8")]
    Utf8,
    /// Not JSON, or not of this shape.
    #[error("it is not an OpenAPI document in JSON, with paths and their operations")]
    Shape,
    /// OpenAPI 2 or 4.
    #[error("it is not of OpenAPI 3")]
    Version,
    /// An answer of something else.
    #[error("it has no path that begins with /api/")]
    Paths,
}

impl Document {
    /// Takes in what was read.
    ///
    /// # Errors
    /// [`Unusable`].
    pub fn read(bytes: Vec<u8>) -> Result<Self, Unusable> {
        let text = String::from_utf8(bytes).map_err(|_| Unusable::Utf8)?;
        let outline = Outline::read(&text).map_err(|_| Unusable::Shape)?;
        if !outline.openapi.starts_with("3.") {
            return Err(Unusable::Version);
        }
        if !outline.paths.iter().any(|(path, _)| path.starts_with("/api/")) {
            return Err(Unusable::Paths);
        }
        let version = version(&outline);
        Ok(Self { text: text.into(), version })
    }

    /// The one that a Logto 1.42 served, for tests.
    #[cfg(test)]
    pub(super) fn recorded() -> Self {
        let path = std::env::var_os("TEST_CLAVIGER_OPENAPI").expect("TEST_CLAVIGER_OPENAPI names the file");
        Self::read(std::fs::read(path).expect("it can be read")).expect("it is one")
    }

    /// Which one it is: two that differ in nothing but their address have the same version.
    pub fn version(&self) -> Digest {
        self.version
    }

    /// How many bytes it has.
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Its upper levels.
    pub(super) fn outline(&self) -> Outline<'_> {
        Outline::read(&self.text).expect("it was read when it was taken in, and has not changed since")
    }
}

/// All of it but `servers`, which follows the name that Logto was asked by (fact 10.1).
fn version(outline: &Outline<'_>) -> Digest {
    let mut fingerprint = Fingerprint::default();
    fingerprint.add(outline.openapi.as_bytes());
    fingerprint.add(outline.info.version.as_bytes());
    for members in [&outline.paths, &outline.components] {
        for (name, members) in members.iter() {
            fingerprint.add(name.as_bytes());
            for (name, value) in members.iter() {
                fingerprint.add(name.as_bytes());
                fingerprint.add(value.get().as_bytes());
            }
        }
    }
    for tag in &outline.tags {
        fingerprint.add(tag.get().as_bytes());
    }
    fingerprint.digest()
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Document({} bytes)", self.text.len())
    }
}

/// What a cut is made of.
#[derive(Debug, Clone)]
pub enum Source {
    /// Logto's document.
    Logto(Arc<Document>),
    /// What the catalog knows, as long as there is no document.
    Catalog,
}

impl Source {
    /// Which one it is.
    pub(super) fn version(&self) -> Option<Digest> {
        match self {
            Self::Logto(document) => Some(document.version()),
            Self::Catalog => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Digest, Unusable> {
        Document::read(text.as_bytes().to_vec()).map(|document| document.version())
    }

    const GOOD: &str = r##"{"openapi":"3.0.1","servers":[{"url":"http://a"}],"info":{"version":"Cloud"},
        "paths":{"/api/users":{"get":{"operationId":"ListUsers"}}},"components":{"schemas":{"a":{}}},"tags":[{"name":"Users"}]}"##;

    #[test]
    fn what_is_no_document_is_refused() {
        assert!(read(GOOD).is_ok());
        assert_eq!(Document::read(b"\xff".to_vec()).err(), Some(Unusable::Utf8));
        for text in
            ["", "{", "[]", "<html>", "{}", r#"{"openapi":"3.0.1"}"#, r#"{"openapi":"3.0.1","paths":[]}"#]
        {
            assert_eq!(read(text), Err(Unusable::Shape), "{text}");
        }
        assert!(read(&GOOD.replace("\"get\":{\"operationId\":\"ListUsers\"}", "")).is_ok());
        assert_eq!(
            read(&GOOD.replace("{\"get\":{\"operationId\":\"ListUsers\"}}", "7")),
            Err(Unusable::Shape)
        );
        assert_eq!(read(&GOOD.replace("3.0.1", "2.0")), Err(Unusable::Version));
        assert_eq!(read(&GOOD.replace("/api/users", "/users")), Err(Unusable::Paths));
    }

    #[test]
    fn the_version_is_that_of_all_but_the_address() {
        let version = read(GOOD).unwrap();
        assert!(version == read(&GOOD.replace("http://a", "https://acme.logto.app")).unwrap());
        for (old, new) in [
            ("ListUsers", "ListAll"),
            ("Cloud", "2"),
            ("{\"a\":{}}", "{\"b\":{}}"),
            ("\"Users\"", "\"People\""),
        ] {
            assert!(version != read(&GOOD.replace(old, new)).unwrap(), "{new}");
        }
    }

    /// Nesting costs no stack, however deep.
    #[test]
    fn a_deep_document_is_read() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let text = GOOD.replace("{\"operationId\":\"ListUsers\"}", &format!("{{\"x\":{deep}}}"));
        assert!(read(&text).is_ok());
    }
}
