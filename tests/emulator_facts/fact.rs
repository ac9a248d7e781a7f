//! One fact: a request, and what its answer has to be.

use serde_json::{Value, json};

use crate::wire::Request;
use crate::world::{HOST, M2M, NO_ROLE, SECRET, World};

/// A request and the expected answer.
pub(crate) struct Fact {
    number: &'static str,
    request: Request,
    credentials: Credentials,
    status: u16,
    headers: Vec<String>,
    json: Option<Value>,
    text: Option<&'static str>,
}

enum Credentials {
    None,
    Bearer,
    Basic(&'static str),
}

impl Fact {
    /// `line` is method and target.
    pub(crate) fn new(number: &'static str, line: &str) -> Self {
        let (method, target) = line.split_once(' ').expect("a method and a target");
        Self {
            number,
            request: Request::new(method, target),
            credentials: Credentials::None,
            status: 0,
            headers: Vec::new(),
            json: None,
            text: None,
        }
    }

    pub(crate) fn bearer(mut self) -> Self {
        self.credentials = Credentials::Bearer;
        self
    }

    /// `right`, `wrong`, `empty`, `no-role` or `unknown`.
    pub(crate) fn basic(mut self, which: &'static str) -> Self {
        self.credentials = Credentials::Basic(which);
        self
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    pub(crate) fn long_header(self) -> Self {
        self.header("X-Long", &"a".repeat(20_000))
    }

    pub(crate) fn body(mut self, content_type: &str, body: &str) -> Self {
        self.request = self.request.body(content_type, body);
        self
    }

    pub(crate) fn large_body(self, content_type: &str, begin: &str, fill: usize, end: &str) -> Self {
        self.body(content_type, &format!("{begin}{}{end}", "a".repeat(fill)))
    }

    pub(crate) fn answers(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// `name: value` has to be there, `!name` must not.
    pub(crate) fn headers(mut self, headers: &[&str]) -> Self {
        self.headers.extend(headers.iter().map(|header| (*header).to_owned()));
        self
    }

    /// Members that the body has to have; null is a member that must not be there or be null.
    pub(crate) fn json(mut self, json: Value) -> Self {
        self.json = Some(json);
        self
    }

    pub(crate) fn text(mut self, text: &'static str) -> Self {
        self.text = Some(text);
        self
    }
}

/// What is wrong with the answer.
pub(crate) async fn hold(world: &World, fact: Fact) -> Vec<String> {
    let mut request = fact.request;
    if !request.has("host") {
        request.headers.insert(0, ("Host".to_owned(), HOST.to_owned()));
    }
    let authorization = match fact.credentials {
        Credentials::None => None,
        Credentials::Bearer => Some(format!("Bearer {}", world.token(json!({})))),
        Credentials::Basic(which) => Some(crate::transcripts::basic(&match which {
            "right" => format!("{M2M}:{SECRET}"),
            "wrong" => format!("{M2M}:wrong"),
            "empty" => format!("{M2M}:"),
            "no-role" => format!("{NO_ROLE}:{SECRET}"),
            _ => "unknown:x".to_owned(),
        })),
    };
    if let Some(value) = authorization {
        request = request.header("Authorization", &value);
    }
    let answer = world.send(&request).await;
    let mut wrong = Vec::new();
    let mut note = |what: String| wrong.push(format!("{}: {what}", fact.number));
    if answer.status != fact.status {
        note(format!("status {} instead of {}: {}", answer.status, fact.status, answer.text()));
    }
    for header in &fact.headers {
        match (header.strip_prefix('!'), header.split_once(": ")) {
            (Some(name), _) if answer.value(name).is_some() => note(format!("has a header {name}")),
            (None, Some((name, value))) if !answer.values(name).contains(&value) => {
                note(format!("{name} is {:?} instead of {value:?}", answer.values(name)));
            }
            _ => {}
        }
    }
    if let Some(text) = fact.text
        && answer.text() != text
    {
        note(format!("body {:?} instead of {text:?}", answer.text()));
    }
    if let Some(expected) = &fact.json {
        let actual = answer.json();
        for (member, value) in expected.as_object().expect("an object") {
            if actual.get(member).unwrap_or(&Value::Null) != value {
                note(format!("{member} is {:?} instead of {value}", actual.get(member)));
            }
        }
    }
    wrong
}
