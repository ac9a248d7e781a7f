//! A request as somebody has it at hand: a method and a path, a URL, a `curl` command, a line of a log. Reads what it says
//! and nothing else: it never carries anything out, opens a file, or looks a name up, and no text makes it panic. It does
//! not know the configuration: what the request means there is `question`'s work.

mod curl;
mod log_line;
mod shell;
mod url;

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use self::url::Url;
use crate::{
    catalog::{Catalog, Operation, template::Segment},
    headers::{CLAVIGER_KEY, CLAVIGER_TENANT},
};

/// The longest text that is read, in bytes.
pub const MAX_LEN: usize = 64 * 1024;

/// Header fields that somebody looks at. What else a command has, cookies among it, is left out at once.
const READ: [HeaderName; 7] = [
    CLAVIGER_KEY,
    CLAVIGER_TENANT,
    header::AUTHORIZATION,
    header::CONTENT_ENCODING,
    header::CONTENT_TYPE,
    HeaderName::from_static("x-original-method"),
    HeaderName::from_static("x-original-uri"),
];

/// Why a text is no request, with what to write instead. Never quotes the text: it may hold a credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unclear(pub String);

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
    /// What the reader of an explanation has to know of how this was read.
    pub notes: Vec<String>,
}

impl Asked {
    /// Reads a text.
    ///
    /// # Errors
    /// [`Unclear`].
    pub fn parse(text: &str) -> Result<Self, Unclear> {
        if text.len() > MAX_LEN {
            return Err(Unclear(format!("this is longer than {} KiB", MAX_LEN / 1024)));
        }
        let text = text.trim();
        let text = text.strip_prefix("$ ").unwrap_or(text);
        let words = shell::words(text);
        if let Some(at) = words.iter().position(|word| is_curl(&word.text))
            && words[..at].iter().all(|word| is_before_a_command(&word.text))
        {
            return curl::read(&words[at + 1..]);
        }
        if let Some(object) = log_line::object(text) {
            return log_line::read(&object);
        }
        if text.lines().filter(|line| !line.trim().is_empty()).count() > 1 {
            let what =
                "these are several lines: give one request, such as by `… | tail -n 1 | claviger explain -`";
            return Err(Unclear(what.into()));
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        match *words {
            [] => Err(Unclear("there is no request".into())),
            [only] => Self::of_one_word(only),
            [method, target] => Self::of_line(method, target),
            _ => within(&words)
                .map_or_else(|| Err(unclear()), |(method, target)| Self::of_line(method, target)),
        }
    }

    /// Reads what a shell has split into words already.
    ///
    /// # Errors
    /// [`Unclear`].
    pub fn of_words(words: &[String]) -> Result<Self, Unclear> {
        match words {
            [command, rest @ ..] if is_curl(command) && !rest.is_empty() => {
                let word = |text: &String| shell::Word { text: text.clone(), expands: false };
                curl::read(&rest.iter().map(word).collect::<Vec<_>>())
            }
            words => Self::parse(&words.join(" ")),
        }
    }

    /// The request that an operation of the catalog is, whatever its parameters.
    fn of_operation(operation: &Operation) -> Self {
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

    fn of_one_word(word: &str) -> Result<Self, Unclear> {
        let catalog = Catalog::logto();
        if let Some(op) = catalog.by_id(word) {
            return Ok(Self::of_operation(catalog.operation(op)));
        }
        if word.starts_with('/') || word.contains("://") {
            return Self::of_line("GET", word);
        }
        if word.starts_with("api/") || word.starts_with("t/") {
            return Self::of_line("GET", &format!("/{word}"));
        }
        // `localhost:3600/api/users`, as curl takes it.
        if word.contains("/api/") || word.ends_with("/oidc/token") {
            return Self::of_line("GET", &format!("http://{word}"));
        }
        Err(unclear())
    }

    fn of_line(method: &str, target: &str) -> Result<Self, Unclear> {
        let Url { authority, target } = Url::read(target)?;
        Ok(Self { method: read_method(method)?, authority, target, ..Self::default() })
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
        self.headers.contains_key(CLAVIGER_KEY) || self.headers.contains_key(header::AUTHORIZATION)
    }
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Asked(..)")
    }
}

fn unclear() -> Unclear {
    let what = "this is no request. Write GET /api/users, a URL, an operation such as ListUsers, a curl command in quotes, \
                or a line of Claviger's log";
    Unclear(what.into())
}

fn read_method(text: &str) -> Result<Method, Unclear> {
    let is_word = !text.is_empty() && text.len() <= 16 && text.bytes().all(|b| b.is_ascii_alphabetic());
    let method = is_word.then(|| Method::from_bytes(text.to_ascii_uppercase().as_bytes()).ok()).flatten();
    method.ok_or_else(|| Unclear("the method is GET, POST, PUT, PATCH or DELETE".into()))
}

/// Method and target somewhere in a line, as in the access logs of most servers: `"GET /api/users HTTP/1.1" 200`.
fn within<'w>(words: &[&'w str]) -> Option<(&'w str, &'w str)> {
    const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
    words.windows(2).find_map(|pair| {
        let (method, target) =
            (pair[0].trim_start_matches(['"', '\'', '[']), pair[1].trim_end_matches(['"', '\'']));
        let is_method = METHODS.iter().any(|known| known.eq_ignore_ascii_case(method));
        let is_target =
            target.starts_with('/') || target.starts_with("http://") || target.starts_with("https://");
        (is_method && is_target).then_some((method, target))
    })
}

fn is_curl(word: &str) -> bool {
    let name = word.rsplit(['/', '\\']).next().unwrap_or_default();
    name == "curl" || name.eq_ignore_ascii_case("curl.exe")
}

/// What may stand before a command: a variable for it, or a command that runs it.
fn is_before_a_command(word: &str) -> bool {
    matches!(word, "sudo" | "time" | "env" | "exec" | "command")
        || word
            .split_once('=')
            .is_some_and(|(name, _)| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
}

#[cfg(test)]
mod tests;
