//! A `curl` command: what it would send. The method is inferred as curl does and data is put together as curl does; a
//! file that the command names is never opened, so what would come of it is not known, and that is said.

mod options;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use http::{HeaderName, header};

use super::{
    request::{Asked, read_method},
    shell::Word,
    unclear::Unclear,
    url::Url,
};
use crate::headers::CLAVIGER_KEY;

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

#[derive(Default)]
struct Command {
    url: Option<String>,
    method: Option<String>,
    headers: Vec<Word>,
    user: Option<Word>,
    bearer: Option<Word>,
    data: Option<String>,
    /// What data says of itself, unless a header says something else.
    content_type: &'static str,
    query: Vec<String>,
    target: Option<String>,
    /// What it sends is in a file, in several parts, or a variable.
    body_is_elsewhere: bool,
    /// So may be its credential; or its connection is one.
    credential_is_elsewhere: bool,
    uploads: bool,
    get: bool,
    head: bool,
    path_as_is: bool,
    notes: Vec<String>,
}

/// Reads the words behind `curl`.
pub(super) fn read(words: &[Word]) -> Result<Asked, Unclear> {
    let mut command = Command::default();
    let (mut words, mut options_end) = (words.iter(), false);
    while let Some(word) = words.next() {
        match word.text.strip_prefix('-').filter(|rest| !options_end && !rest.is_empty()) {
            None => command.set("url", word.clone())?,
            Some("-") => options_end = true,
            Some(rest) => match rest.strip_prefix('-') {
                Some(name) if options::takes_value(name) => {
                    if let Some(value) = words.next() {
                        command.set(name, value.clone())?;
                    }
                }
                Some(name) => command.flag(name)?,
                None => {
                    if let Some(name) = command.cluster(rest, word.expands)?
                        && let Some(value) = words.next()
                    {
                        command.set(name, value.clone())?;
                    }
                }
            },
        }
    }
    command.into_request()
}

impl Command {
    /// `-sXPOST`: flags of one letter, and at last perhaps an option with a value; its name, where the value is the next word.
    fn cluster(&mut self, letters: &str, expands: bool) -> Result<Option<&'static str>, Unclear> {
        for (at, letter) in letters.char_indices() {
            let (name, after) = (options::long(letter), at + letter.len_utf8());
            if !options::takes_value(&letters[at..after]) {
                self.flag(name)?;
            } else if letters[after..].is_empty() {
                return Ok(Some(name));
            } else {
                self.set(name, Word { text: letters[after..].to_owned(), expands })?;
                return Ok(None);
            }
        }
        Ok(None)
    }

    fn flag(&mut self, name: &str) -> Result<(), Unclear> {
        match name {
            "get" => self.get = true,
            "head" => self.head = true,
            "path-as-is" => self.path_as_is = true,
            "next" => return Err(several()),
            _ => {}
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: Word) -> Result<(), Unclear> {
        match name {
            "url" if self.url.is_some() => return Err(several()),
            "url" => {
                if value.expands {
                    self.notes.push("a variable in its URL was not read".into());
                }
                self.url = Some(value.text);
            }
            "request" => self.method = Some(value.text),
            "request-target" => self.target = Some(value.text),
            "header" => self.headers.push(value),
            "user" => self.user = Some(value),
            "oauth2-bearer" => self.bearer = Some(value),
            "data" | "data-ascii" | "data-binary" => self.add_data("&", FORM, &value, true),
            "data-raw" => self.add_data("&", FORM, &value, false),
            "data-urlencode" => {
                let value = Word { text: urlencoded(&value.text), ..value };
                self.add_data("&", FORM, &value, true);
            }
            "json" => self.add_data("", JSON, &value, true),
            "url-query" => self.query.extend(Some(urlencoded(&value.text)).filter(|query| query != "@")),
            "form" | "form-string" => {
                self.content_type = "multipart/form-data";
                (self.data, self.body_is_elsewhere) = (Some(String::new()), true);
            }
            "upload-file" => (self.uploads, self.body_is_elsewhere) = (true, true),
            "config" => {
                self.credential_is_elsewhere = true;
                self.notes.push("what the file of --config says was not read".into());
            }
            "cert" => {
                self.credential_is_elsewhere = true;
                self.notes.push(
                    "its client certificate was not looked at: give the file with --cert in front of curl"
                        .into(),
                );
            }
            "unix-socket" | "abstract-unix-socket" => self.credential_is_elsewhere = true,
            _ => {}
        }
        Ok(())
    }

    fn add_data(&mut self, between: &str, content_type: &'static str, value: &Word, may_be_a_file: bool) {
        self.body_is_elsewhere |= value.expands || may_be_a_file && value.text.starts_with('@');
        self.content_type = content_type;
        match &mut self.data {
            None => self.data = Some(value.text.clone()),
            Some(data) => {
                data.push_str(between);
                data.push_str(&value.text);
            }
        }
    }

    fn into_request(mut self) -> Result<Asked, Unclear> {
        let Some(url) = self.url.take() else { return Err(Unclear("the curl command has no URL".into())) };
        let url = if url.contains("://") { url } else { format!("http://{url}") };
        let url = Url::read(&url)?;
        let Url { authority, mut target } = if self.path_as_is { url } else { url.without_dot_segments() };
        if self.get {
            self.query.extend(self.data.take().filter(|_| !self.body_is_elsewhere));
        }
        for query in &self.query {
            target.push(if target.contains('?') { '&' } else { '?' });
            target.push_str(query);
        }
        let target = self.target.take().unwrap_or(target);
        let method = match &self.method {
            Some(method) => read_method(method)?,
            None => read_method(self.usual_method())?,
        };
        let mut asked = Asked { method, authority, target, ..Asked::default() };
        self.add_headers(&mut asked)?;
        if self.body_is_elsewhere {
            let what = if self.get { "query" } else { "body" };
            asked.notes.push(format!("its {what} is in a file or a variable, which was not read"));
        } else {
            asked.body = Some(self.data.take().unwrap_or_default().into_bytes());
        }
        let is_partial = self.credential_is_elsewhere || self.body_is_elsewhere && asked.is_for_a_token();
        asked.is_whole = !is_partial;
        asked.notes.append(&mut self.notes);
        Ok(asked)
    }

    fn usual_method(&self) -> &'static str {
        match () {
            () if self.head => "HEAD",
            () if self.uploads => "PUT",
            () if self.data.is_some() && !self.get => "POST",
            () => "GET",
        }
    }

    fn add_headers(&mut self, asked: &mut Asked) -> Result<(), Unclear> {
        let has_own = |name: &HeaderName| {
            let named = |word: &Word| {
                word.text
                    .split([':', ';'])
                    .next()
                    .is_some_and(|it| it.trim().eq_ignore_ascii_case(name.as_str()))
            };
            self.headers.iter().any(named)
        };
        if self.data.is_some() && !self.get && !has_own(&header::CONTENT_TYPE) {
            asked.add_header(header::CONTENT_TYPE.as_str(), self.content_type)?;
        }
        let authorization = match (&self.bearer, &self.user) {
            _ if has_own(&header::AUTHORIZATION) => None,
            (Some(bearer), _) => {
                Some(Word { text: format!("Bearer {}", bearer.text), expands: bearer.expands })
            }
            (None, Some(user)) => {
                let basic = format!("Basic {}", BASE64.encode(&user.text));
                Some(Word { text: basic, expands: user.expands })
            }
            (None, None) => None,
        };
        let authorization = authorization
            .map(|word| Word { text: format!("{}: {}", header::AUTHORIZATION.as_str(), word.text), ..word });
        for word in self.headers.iter().chain(&authorization) {
            if word.text.starts_with('@') {
                self.credential_is_elsewhere = true;
                self.notes.push("a file of header fields was not read".into());
                continue;
            }
            // `Name:` takes a field out, `Name;` sends an empty one.
            let Some((name, value)) = word.text.split_once(':').filter(|(_, value)| !value.trim().is_empty())
            else {
                self.credential_is_elsewhere |= word.expands;
                continue;
            };
            let is_credential = [header::AUTHORIZATION, CLAVIGER_KEY]
                .iter()
                .any(|it| name.trim().eq_ignore_ascii_case(it.as_str()));
            if word.expands && is_credential {
                self.credential_is_elsewhere = true;
                let what =
                    "its credential is in a variable, which was not read: name its caller with --caller";
                self.notes.push(what.into());
                continue;
            }
            asked.add_header(name, value)?;
        }
        Ok(())
    }
}

fn several() -> Unclear {
    Unclear("the command makes several requests: give one of them".into())
}

/// As `--data-urlencode` and `--url-query` take it: `name=value`, `=value` or `value`. What begins with `@` is a file.
fn urlencoded(text: &str) -> String {
    let encoded = |value: &str| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
        let byte = |b: u8| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") };
        value.bytes().map(byte).collect::<String>()
    };
    if let Some(verbatim) = text.strip_prefix('+') {
        return verbatim.to_owned();
    }
    match text.split_once('=') {
        Some(("", value)) => encoded(value),
        Some((name, value)) => format!("{name}={}", encoded(value)),
        None if text.contains('@') => "@".to_owned(),
        None => encoded(text),
    }
}
