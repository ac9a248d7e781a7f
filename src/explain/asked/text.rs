//! Which kind of text it is: a path, a URL, an operation, a command, a line of a log.

use super::{
    curl, log_line,
    request::{self, Asked},
    shell,
    unclear::Unclear,
};
use crate::catalog::{Catalog, nearest};

/// The longest text that is read, in bytes.
pub const MAX_LEN: usize = 64 * 1024;

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
        let command = words.iter().find(|word| !is_before_a_command(&word.text));
        if words.len() > 1 && command.is_some_and(|word| is_another_client(&word.text)) {
            let what =
                "only curl commands are understood. Write it as one, or as method and URL: GET http://…";
            return Err(Unclear(what.into()));
        }
        if let Some(object) = log_line::object(text) {
            return log_line::read(&object);
        }
        if log_line::is_cut_off(text) {
            let what =
                "this begins like a line of the log, and is cut off: give the whole line, to its last }";
            return Err(Unclear(what.into()));
        }
        if let Some(refused) = log_line::shown_before_any_rule(text) {
            return Err(refused);
        }
        if let Some(line) = log_line::for_people(text) {
            return log_line::read(&line);
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
            [method, target] => {
                let is_one = target.starts_with('/') || target.contains("://") || is_method(method);
                if is_one { Self::of_line(method, target) } else { Err(unclear()) }
            }
            [method, _, further] if further.starts_with('/') && request::read_method(method).is_ok() => {
                Err(Unclear("these are several requests: give one of them".into()))
            }
            _ => {
                let (method, target) = within(&words).ok_or_else(unclear)?;
                // It was sent so.
                Ok(Self { any_path: false, ..Self::of_line(method, target)? })
            }
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
        Err(of_no_request(word))
    }
}

/// What a word is, that is no request. Never quotes it: it may be a credential.
fn of_no_request(word: &str) -> Unclear {
    let catalog = Catalog::logto();
    let is_id = word.len() >= 12
        && word.bytes().any(|b| b.is_ascii_digit())
        && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let what = if let Some(tag) = catalog.tag(word.split(':').next().unwrap_or_default()) {
        format!("this is a tag, and no request: `claviger operations --tag {tag}` lists its operations")
    } else if word.starts_with("claviger.") {
        "this is the code of an error: paste the whole line of Claviger's log that has it".to_owned()
    } else if is_id {
        "this looks like a request id: paste the whole line of Claviger's log that has it".to_owned()
    } else if let Some(near) =
        nearest(word, catalog.ids()).filter(|_| word.bytes().all(|b| b.is_ascii_alphabetic()))
    {
        format!("there is no such operation. Did you mean {near}?")
    } else {
        return unclear();
    };
    Unclear(what)
}

fn unclear() -> Unclear {
    let what = "this is no request. Write GET /api/users, a URL, an operation such as ListUsers, a curl command in quotes, \
                or a line of Claviger's log";
    Unclear(what.into())
}

/// Method and target somewhere in a line, as in the access logs of most servers: `"GET /api/users HTTP/1.1" 200`.
fn within<'w>(words: &[&'w str]) -> Option<(&'w str, &'w str)> {
    words.windows(2).find_map(|pair| {
        let (method, target) =
            (pair[0].trim_start_matches(['"', '\'', '[']), pair[1].trim_end_matches(['"', '\'']));
        let is_target =
            target.starts_with('/') || target.starts_with("http://") || target.starts_with("https://");
        (is_method(method) && is_target).then_some((method, target))
    })
}

fn is_method(word: &str) -> bool {
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"].iter().any(|known| known.eq_ignore_ascii_case(word))
}

fn is_curl(word: &str) -> bool {
    let name = word.rsplit(['/', '\\']).next().unwrap_or_default();
    name == "curl" || name.eq_ignore_ascii_case("curl.exe")
}

/// Other commands that send requests.
fn is_another_client(word: &str) -> bool {
    let name = word.rsplit(['/', '\\']).next().unwrap_or_default();
    [
        "wget",
        "wget2",
        "http",
        "https",
        "httpie",
        "xh",
        "xhs",
        "curlie",
        "Invoke-WebRequest",
        "Invoke-RestMethod",
        "iwr",
        "irm",
    ]
    .iter()
    .any(|known| known.eq_ignore_ascii_case(name))
}

/// What may stand before a command: a variable for it, or a command that runs it.
fn is_before_a_command(word: &str) -> bool {
    matches!(word, "sudo" | "time" | "env" | "exec" | "command")
        || word
            .split_once('=')
            .is_some_and(|(name, _)| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
}
