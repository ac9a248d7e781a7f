//! Validation of bodies and queries, with the issues that zod would report (fact 6.1).
//!
//! Collects all issues of a body and hands them on as one `guard.invalid_input`. It must never change a value.

use serde::Serialize;
use serde_json::Value;

use crate::errors::ApiError;

/// What zod found.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Issues {
    issues: Vec<Issue>,
    name: &'static str,
}

#[derive(Debug, Serialize)]
struct Issue {
    #[serde(skip_serializing_if = "Option::is_none")]
    validation: Option<&'static str>,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    received: Option<String>,
    path: Vec<String>,
    message: String,
}

/// Whether a member may be absent or null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    Required,
    Optional,
    Nullable,
}

/// What a member has to be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Text,
    /// Text with a form, such as an email address.
    Form(fn(&str) -> bool),
    OneOf(&'static [&'static str]),
    Number,
    Flag,
    Object,
    /// An array of texts.
    Texts,
    /// An array of texts with at least one.
    SomeTexts,
}

/// One member of a body.
pub(crate) type Rule = (&'static str, Need, Kind);

/// Checks that `body` is an object whose members satisfy `rules`; other members are ignored (fact 6.4).
pub(crate) fn object(body: &Value, rules: &[Rule]) -> Result<(), ApiError> {
    let Some(fields) = body.as_object() else {
        return Err(Issues::wrong_type("object", body).attach(invalid("body")));
    };
    let mut issues = Issues { issues: Vec::new(), name: "ZodError" };
    for (key, need, kind) in rules {
        match fields.get(*key) {
            None if *need == Need::Required => issues.missing(key, *kind),
            None => {}
            Some(Value::Null) if *need == Need::Nullable => {}
            Some(value) => issues.check(key, *kind, value),
        }
    }
    if issues.issues.is_empty() { Ok(()) } else { Err(issues.attach(invalid("body"))) }
}

/// Refuses an update of none of these columns: the others are dropped without a word, and nothing is left to write (fact 6.4).
pub(crate) fn changes_something(body: &Value, rules: &[Rule]) -> Result<(), ApiError> {
    if rules.iter().any(|(key, ..)| body.get(key).is_some()) {
        return Ok(());
    }
    Err(ApiError::unprocessable("entity.invalid_input", "Invalid input. Value list must not be empty."))
}

/// The answer to a query parameter that must be `true` or `false` and is neither.
pub(crate) fn flag_in_query(name: &str, value: &str) -> ApiError {
    let literal = |expected: &str| {
        serde_json::json!({
            "issues": [{
                "received": value, "code": "invalid_literal", "expected": expected, "path": [name],
                "message": format!("Invalid literal value, expected \"{expected}\""),
            }],
            "name": "ZodError",
        })
    };
    let data = serde_json::json!({
        "issues": [{
            "code": "invalid_union", "unionErrors": [literal("true"), literal("false")],
            "path": [name], "message": "Invalid input",
        }],
        "name": "ZodError",
    });
    let details = format!("Error in key path \"{name}\": (invalid_union) Invalid input");
    invalid("query").data(&data).details(details)
}

/// `guard.invalid_input` for the part of the request that is wrong.
pub(crate) fn invalid(part: &str) -> ApiError {
    ApiError::bad_request("guard.invalid_input", &format!("The request {part} is invalid."))
}

impl Issues {
    /// The whole value has the wrong type.
    pub(crate) fn wrong_type(expected: &'static str, value: &Value) -> Self {
        let mut issues = Self { issues: Vec::new(), name: "ZodError" };
        issues.push_type(expected, type_of(value), Vec::new());
        issues
    }

    /// A required value is not there; an empty `path` is the whole value.
    pub(crate) fn required(expected: &'static str, path: &[&str]) -> Self {
        let mut issues = Self { issues: Vec::new(), name: "ZodError" };
        issues.push_type(expected, "undefined", path.iter().map(|part| (*part).to_owned()).collect());
        issues
    }

    pub(crate) fn attach(&self, error: ApiError) -> ApiError {
        let details: Vec<String> = self.issues.iter().map(Issue::details).collect();
        error.data(self).details(details.join("\n"))
    }

    fn missing(&mut self, key: &str, kind: Kind) {
        self.push_type(kind.expected(), "undefined", vec![key.to_owned()]);
    }

    fn check(&mut self, key: &str, kind: Kind, value: &Value) {
        let path = || vec![key.to_owned()];
        let wrong = match (kind, value) {
            (Kind::Text, Value::String(_))
            | (Kind::Number, Value::Number(_))
            | (Kind::Flag, Value::Bool(_))
            | (Kind::Object, Value::Object(_)) => None,
            (Kind::Form(fits), Value::String(text)) => (!fits(text)).then(|| Issue {
                validation: Some("regex"),
                code: "invalid_string",
                expected: None,
                received: None,
                path: path(),
                message: "Invalid".to_owned(),
            }),
            (Kind::OneOf(names), Value::String(text)) => (!names.contains(&text.as_str())).then(|| Issue {
                validation: None,
                code: "invalid_enum_value",
                expected: None,
                received: Some(text.clone()),
                path: path(),
                message: format!("Invalid enum value. Expected {}", quoted(names)),
            }),
            (Kind::SomeTexts, Value::Array(values)) if values.is_empty() => Some(Issue {
                validation: None,
                code: "too_small",
                expected: None,
                received: None,
                path: path(),
                message: "Array must contain at least 1 element(s)".to_owned(),
            }),
            (Kind::Texts | Kind::SomeTexts, Value::Array(values)) => {
                for (index, value) in values.iter().enumerate().filter(|(_, value)| !value.is_string()) {
                    self.push_type("string", type_of(value), vec![key.to_owned(), index.to_string()]);
                }
                None
            }
            _ => {
                self.push_type(kind.expected(), type_of(value), path());
                None
            }
        };
        self.issues.extend(wrong);
    }

    fn push_type(&mut self, expected: &'static str, received: &str, path: Vec<String>) {
        let message = match received {
            "undefined" => "Required".to_owned(),
            _ => format!("Expected {expected}, received {received}"),
        };
        self.issues.push(Issue {
            validation: None,
            code: "invalid_type",
            expected: Some(expected),
            received: Some(received.to_owned()),
            path,
            message,
        });
    }
}

impl Issue {
    fn details(&self) -> String {
        let path = self.path.join(".");
        let text = match (self.expected, &self.received) {
            (Some(expected), Some(received)) => format!("Expected {expected} but received {received}."),
            _ => self.message.clone(),
        };
        format!("Error in key path \"{path}\": ({}) {text}", self.code)
    }
}

impl Kind {
    fn expected(self) -> &'static str {
        match self {
            Self::Text | Self::Form(_) => "string",
            Self::OneOf(_) => "string",
            Self::Number => "number",
            Self::Flag => "boolean",
            Self::Object => "object",
            Self::Texts | Self::SomeTexts => "array",
        }
    }
}

fn quoted(names: &[&str]) -> String {
    names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(" | ")
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[test]
fn an_update_of_nothing_is_refused_and_one_of_null_is_not() {
    let rules: &[Rule] = &[("name", Need::Nullable, Kind::Text)];
    use serde_json::json;
    for (body, is_something) in
        [(json!({}), false), (json!({ "nosuch": 1 }), false), (json!({ "name": null }), true)]
    {
        assert_eq!(changes_something(&body, rules).is_ok(), is_something, "{body}");
    }
}
