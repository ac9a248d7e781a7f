//! A request as it was written down, whatever it was read from.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use super::{unclear::Unclear, url::Url};
use crate::{
    catalog::{Operation, template::Segment},
    headers::{CLAVIGER_KEY, CLAVIGER_TENANT},
};

/// Header fields that somebody looks at. What else a command has, cookies among it, is left out at once.
const READ: [HeaderName; 10] = [
    CLAVIGER_KEY,
    CLAVIGER_TENANT,
    header::AUTHORIZATION,
    header::CONTENT_ENCODING,
    header::CONTENT_TYPE,
    header::HOST,
    header::ORIGIN,
    HeaderName::from_static("sec-fetch-site"),
    HeaderName::from_static("x-original-method"),
    HeaderName::from_static("x-original-uri"),
];

/// A request as it was written down. It may hold credentials, so it cannot be printed.
#[derive(Clone, Default)]
pub struct Asked {
    /// `GET` where none is given.
    pub method: Method,
    /// Host and port of a URL, in lower case and without the port that its scheme has anyhow.
    pub authority: Option<String>,
    /// Path and query, byte for byte.
    pub target: String,
    /// Those that are looked at.
    pub headers: HeaderMap,
    /// `None`: it is not known.
    pub body: Option<Vec<u8>>,
    /// Whose it is, where a log says so.
    pub caller: Option<String>,
    /// Where it went, where a log says so.
    pub tenant: Option<String>,
    /// Whether it is a command: all that is sent, so that a credential which it lacks is lacking.
    pub is_whole: bool,
    /// What the reader of an explanation has to know of how this was read.
    pub notes: Vec<String>,
}

impl Asked {
    /// Of a method and a path or a URL.
    pub(super) fn of_line(method: &str, target: &str) -> Result<Self, Unclear> {
        let Url { authority, target } = Url::read(target)?;
        Ok(Self { method: read_method(method)?, authority, target, ..Self::default() })
    }

    /// The request that an operation of the catalog is, whatever its parameters.
    pub fn of_operation(operation: &Operation) -> Self {
        let names = operation.template.as_str().split('/').skip(1).map(|name| {
            // `{userId}` cannot stand in a path as it is.
            name.trim_matches(|c| c == '{' || c == '}')
        });
        let target = names.fold(String::new(), |path, name| path + "/" + name);
        let method = Method::from_bytes(operation.verb.as_str().as_bytes()).unwrap_or_default();
        let mut asked = Self { method, target, ..Self::default() };
        if operation.template.segments().contains(&Segment::Param) {
            asked.notes.push(format!("decided for any {}", operation.template));
        }
        asked
    }

    /// Adds a header field, if anybody looks at it.
    ///
    /// # Errors
    /// [`Unclear`]: its value is none.
    pub fn add_header(&mut self, name: &str, value: &str) -> Result<(), Unclear> {
        let Ok(name) = HeaderName::from_bytes(name.trim().as_bytes()) else {
            return Err(Unclear("a header field is written as 'Name: value'".into()));
        };
        if !READ.contains(&name) {
            return Ok(());
        }
        let Ok(mut value) = HeaderValue::from_str(value.trim()) else {
            return Err(Unclear(format!(
                "the value of {name} holds a character that no header field may have"
            )));
        };
        value.set_sensitive(true);
        self.headers.append(name, value);
        Ok(())
    }

    /// Whether it says who sends it, rightly or not.
    pub fn has_credential(&self) -> bool {
        self.headers.contains_key(CLAVIGER_KEY)
            || self.headers.contains_key(header::AUTHORIZATION)
            || self.has_client()
    }

    pub(super) fn is_for_a_token(&self) -> bool {
        self.target.split('?').next().unwrap_or_default().ends_with("/oidc/token")
    }

    /// Whether it is a token request whose form says which client sends it.
    fn has_client(&self) -> bool {
        let form = self.body.as_deref().filter(|_| self.is_for_a_token()).unwrap_or_default();
        form_urlencoded::parse(form).any(|(name, _)| matches!(&*name, "client_secret" | "client_assertion"))
    }
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Asked(..)")
    }
}

/// A method in any case.
pub(super) fn read_method(text: &str) -> Result<Method, Unclear> {
    let is_word = !text.is_empty() && text.len() <= 16 && text.bytes().all(|b| b.is_ascii_alphabetic());
    let method = is_word.then(|| Method::from_bytes(text.to_ascii_uppercase().as_bytes()).ok()).flatten();
    method.ok_or_else(|| Unclear("the method is GET, POST, PUT, PATCH or DELETE".into()))
}
