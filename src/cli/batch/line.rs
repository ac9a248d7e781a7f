//! One line of an operation file: what may be written, and what to write instead.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::unique::{self, Unique};
use crate::{
    catalog::{Catalog, Parameters, Verb, nearest},
    ids::TenantName,
};

/// Bytes of a line: more than Logto takes as a body.
pub(super) const MOST: usize = 2 * 1024 * 1024;
const FORM: &str =
    r#"{"operation": "CreateUser", "body": {…}} or {"method": "POST", "path": "/api/users", "body": {…}}"#;

/// An operation to be sent.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// From 1.
    pub(super) number: usize,
    pub(super) id: Option<String>,
    pub(super) method: http::Method,
    /// With the tenant in front and the query behind.
    pub(super) target: String,
    pub(super) body: Option<String>,
    /// By what it can be found, where it is a creation of something that has an identifier of its own.
    pub(super) unique: Option<Unique>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    id: Option<String>,
    operation: Option<String>,
    #[serde(default)]
    params: Map<String, Value>,
    #[serde(default)]
    query: Map<String, Value>,
    method: Option<String>,
    path: Option<String>,
    tenant: Option<String>,
    body: Option<Value>,
}

impl Line {
    /// Reads a line; `tenant` is that of lines that name none.
    pub(super) fn parse(number: usize, text: &[u8], tenant: Option<&str>) -> Result<Self, String> {
        if text.len() > MOST {
            return Err(format!("the line has more than {MOST} bytes"));
        }
        if !text.trim_ascii_start().starts_with(b"{") {
            return Err(format!("this is no JSON object. Write {FORM}, on one line"));
        }
        let written: Written = serde_json::from_slice(text).map_err(|error| explained(&error, text))?;
        let (verb, path) = match (&written.operation, &written.method, &written.path) {
            (Some(operation), None, None) => named(operation, &written.params)?,
            (None, Some(method), Some(path)) if written.params.is_empty() => spelled(method, path)?,
            (None, Some(_), Some(_)) => {
                return Err("params are for an operation: write the values into path".into());
            }
            (Some(_), ..) => return Err("write either operation, or method and path".into()),
            _ => return Err(format!("there is no operation. Write {FORM}")),
        };
        if let Some(id) = &written.id
            && !(1..=255).contains(&id.len())
        {
            return Err("id has 1 to 255 bytes".into());
        }
        let body = match (&written.body, verb) {
            (Some(_), Verb::Get) => return Err("a GET has no body: leave it out, or write query".into()),
            (Some(Value::Object(members)), _) => {
                members_fit(verb, &path, members)?;
                written.body.as_ref()
            }
            (Some(list @ Value::Array(_)), _) => Some(list),
            (Some(_), _) => return Err("body must be an object: {…}".into()),
            (None, _) => None,
        };
        let tenant = written.tenant.as_deref().or(tenant);
        let mount = match tenant {
            Some(_) if path.starts_with("/cloud/") => {
                return Err("an operation of /cloud has no tenant".into());
            }
            Some(tenant) => {
                TenantName::parse(tenant).map_err(|error| format!("tenant: {error}"))?;
                format!("/t/{tenant}")
            }
            None => String::new(),
        };
        let unique = body.and_then(|body| unique::of(verb, &path, &mount, body));
        let mut target = mount + &path;
        if let Some((_, query)) = path.split_once('?') {
            let names = form_urlencoded::parse(query.as_bytes());
            query_fits(verb, &path, &names.map(|(name, _)| (name.into_owned(), Value::Null)).collect())?;
        }
        if !written.query.is_empty() {
            query_fits(verb, &path, &written.query)?;
            let joint = if target.contains('?') { '&' } else { '?' };
            target.push(joint);
            target.push_str(&query(&written.query)?);
        }
        Ok(Self {
            number,
            id: written.id,
            method: verb.as_str().parse().map_err(|_| "method".to_owned())?,
            target,
            body: body.map(Value::to_string),
            unique,
        })
    }

    /// Whether it may be sent again whatever became of it.
    pub(super) fn repeats_safely(&self) -> bool {
        !matches!(self.method, http::Method::POST | http::Method::PATCH)
    }
}

/// Whether Logto takes members of these names: it drops others without a word (fact 6.4), and makes an empty object.
fn members_fit(verb: Verb, path: &str, members: &Map<String, Value>) -> Result<(), String> {
    let Some((id, takes)) = parameters(verb, path) else { return Ok(()) };
    fits(id, "", members, takes.members(), |name| takes.has_member(name))
}

/// The same of the names of query parameters, of which it drops those that it does not know as well.
fn query_fits(verb: Verb, path: &str, query: &Map<String, Value>) -> Result<(), String> {
    let Some((id, takes)) = parameters(verb, path) else { return Ok(()) };
    fits(id, "query parameter ", query, takes.query(), |name| takes.takes(name))
}

fn parameters(verb: Verb, path: &str) -> Option<(&'static str, Parameters)> {
    let path = path.split('?').next().unwrap_or(path);
    let catalog = Catalog::logto();
    let op = catalog.find(verb, path)?;
    Some((catalog.operation(op).id, catalog.parameters(op)))
}

fn fits(
    id: &str,
    what: &str,
    given: &Map<String, Value>,
    known: impl Iterator<Item = &'static str>,
    is_known: impl Fn(&str) -> bool,
) -> Result<(), String> {
    let known: Vec<&str> = known.collect();
    match given.keys().find(|name| !known.is_empty() && !is_known(name)) {
        None => Ok(()),
        Some(name) => Err(match nearest(name, known.iter().copied()) {
            Some(near) => format!("{id} takes no {what}{name:?}. Did you mean {near:?}?"),
            None => format!("{id} takes no {what}{name:?}. There are: {}", known.join(", ")),
        }),
    }
}

fn explained(error: &serde_json::Error, text: &[u8]) -> String {
    let said = error.to_string();
    match said.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next()) {
        Some(name) => format!(
            "there is no member {name:?}. There are: id, operation, params, query, method, path, tenant, body"
        ),
        None if error.is_data() => {
            let said =
                misfit(text).unwrap_or_else(|| said.split(" at line ").next().unwrap_or_default().to_owned());
            format!("{said}. Write {FORM}")
        }
        None => {
            // It is line 1 of this text, whatever its number in the file.
            let what = said.split(" at line ").next().unwrap_or_default();
            let at = format!("this is no JSON object: {what} at column {}", error.column());
            match what {
                "trailing characters" => {
                    format!("{at}. Write one object a line, without commas between them")
                }
                _ => format!("{at}. Write {FORM}, on one line"),
            }
        }
    }
}

/// The member that is of another kind than it has to be.
fn misfit(text: &[u8]) -> Option<String> {
    let written: Map<String, Value> = serde_json::from_slice(text).ok()?;
    let bad = written.iter().find_map(|(name, value)| match (&**name, value) {
        (_, Value::Null) if name != "params" && name != "query" => None,
        ("id" | "operation" | "method" | "path" | "tenant", value) if !value.is_string() => {
            Some((name, "text: \"…\""))
        }
        ("params" | "query", value) if !value.is_object() => Some((name, "an object: {\"name\": \"value\"}")),
        _ => None,
    });
    bad.map(|(name, kind)| format!("{name} has to be {kind}"))
}

/// Method and path of an operation by its name.
fn named(operation: &str, params: &Map<String, Value>) -> Result<(Verb, String), String> {
    let catalog = Catalog::logto().about(operation);
    let Some(op) = catalog.by_id(operation) else {
        let meant = nearest(operation, catalog.ids()).map(|it| format!(". Did you mean {it}?"));
        return Err(format!(
            "there is no operation {operation:?}{}",
            meant.as_deref().unwrap_or(": see `claviger operations`, or write method and path")
        ));
    };
    let known = catalog.operation(op);
    let mut path = String::new();
    let mut left: Vec<&String> = params.keys().collect();
    for segment in known.template.as_str().split('/').skip(1) {
        path.push('/');
        let Some(name) = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
            path.push_str(segment);
            continue;
        };
        left.retain(|other| *other != name);
        match params.get(name).and_then(word) {
            Some(value) if !value.is_empty() => path.push_str(&percent(&value)),
            _ => return Err(format!("{operation} needs params = {{\"{name}\": \"…\"}}")),
        }
    }
    if let Some(other) = left.first() {
        return Err(format!(
            "{operation} ({}) has no parameter {other:?}; a query parameter goes into query",
            known.template.as_str()
        ));
    }
    let mount = if operation.starts_with("cloud:") { "/cloud" } else { "" };
    Ok((known.verb, format!("{mount}{path}")))
}

fn spelled(method: &str, path: &str) -> Result<(Verb, String), String> {
    let verb = Verb::parse(method)
        .ok_or_else(|| format!("method {method:?} is none of GET, POST, PUT, PATCH, DELETE, in capitals"))?;
    if !path.starts_with("/api/") && !path.starts_with("/cloud/") {
        return Err(format!("path {path:?} does not begin with /api/; the tenant goes into tenant"));
    }
    match path.parse::<http::uri::PathAndQuery>() {
        Ok(_) if !path.contains('#') => Ok((verb, path.to_owned())),
        _ => Err(format!("path {path:?} has characters that need to be written as %XX")),
    }
}

fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn query(members: &Map<String, Value>) -> Result<String, String> {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in members {
        let values = match value {
            Value::Array(values) => values.as_slice(),
            one => std::slice::from_ref(one),
        };
        for value in values {
            let value = word(value)
                .ok_or_else(|| format!("query.{name} is to be text, a number, or a list of those"))?;
            query.append_pair(name, &value);
        }
    }
    Ok(query.finish())
}

/// RFC 3986 section 2.3: all but what needs no escape anywhere.
fn percent(text: &str) -> String {
    let escaped = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(escaped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Line, String> {
        Line::parse(1, text.as_bytes(), None)
    }

    #[test]
    fn an_operation_is_named_or_spelled() {
        for (text, method, target) in [
            (r#"{"operation":"CreateUser","body":{}}"#, "POST", "/api/users"),
            (
                r#"{"operation":"GetUser","params":{"userId":"a b"},"tenant":"x"}"#,
                "GET",
                "/t/x/api/users/a%20b",
            ),
            (
                r#"{"operation":"ListUsers","query":{"page":2,"search":["a","b c"]}}"#,
                "GET",
                "/api/users?page=2&search=a&search=b+c",
            ),
            (
                r#"{"method":"PATCH","path":"/api/users/x?y=1","body":{"name":null}}"#,
                "PATCH",
                "/api/users/x?y=1",
            ),
            (r#"{"operation":"cloud:ListRegions"}"#, "GET", "/cloud/api/me/regions"),
        ] {
            let line = match parsed(text) {
                Ok(line) => line,
                Err(why) => panic!("{text}: {why}"),
            };
            assert_eq!((line.method.as_str(), &*line.target), (method, target), "{text}");
        }
        let line = Line::parse(7, br#"{"method":"DELETE","path":"/api/users/x"}"#, Some("acme")).unwrap();
        assert_eq!((line.number, &*line.target), (7, "/t/acme/api/users/x"));
        assert!(line.repeats_safely() && line.unique.is_none());
    }

    #[test]
    fn what_is_wrong_is_said_with_what_to_write_instead() {
        for (text, says) in [
            ("", "no JSON object"),
            ("[]", "Write {"),
            (r#"[null,"ListUsers",{},{},null,null,null,null]"#, "no JSON object"),
            ("{", "on one line"),
            (
                r#"{"operation":"ListUsers"},"#,
                "trailing characters at column 26. Write one object a line, without commas between them",
            ),
            (r#"{"operation":}"#, "expected value at column 14. Write {"),
            ("{}", "there is no operation"),
            (r#"{"operation":"CreateUsr"}"#, "Did you mean CreateUser?"),
            (r#"{"operation":"GetUser"}"#, r#"needs params = {"userId": "…"}"#),
            (r#"{"operation":"ListUsers","params":{"page":1}}"#, "has no parameter \"page\""),
            (r#"{"operation":"ListUsers","method":"GET","path":"/api/users"}"#, "either"),
            (r#"{"method":"post","path":"/api/users"}"#, "in capitals"),
            (r#"{"method":"POST","path":"/users"}"#, "does not begin with /api/"),
            (r#"{"method":"GET","path":"/api/a b"}"#, "%XX"),
            (r#"{"method":"GET","path":"/api/users","body":{}}"#, "has no body"),
            (r#"{"method":"GET","path":"/api/users","boddy":{}}"#, r#"no member "boddy""#),
            (r#"{"method":"GET","path":"/api/users","tenant":"A"}"#, "a name is"),
            (r#"{"operation":"cloud:ListRegions","tenant":"a"}"#, "has no tenant"),
            (r#"{"operation":"ListUsers","query":{"page":{}}}"#, "query.page"),
            (r#"{"operation":"ListUsers","id":""}"#, "id has"),
            (r#"{"operation":"ListUsers","id":7}"#, "id has to be text: \"…\". Write {"),
            (r#"{"operation":"ListUsers","query":"page=2"}"#, "query has to be an object"),
            (r#"{"operation":"ListUsers","query":null}"#, "query has to be an object"),
            (r#"{"id":"a","id":"b","operation":"ListUsers"}"#, "duplicate field `id`. Write {"),
            (
                r#"{"operation":"ListUsers","query":{"pagesize":2}}"#,
                "query parameter \"pagesize\". Did you mean \"page_size\"?",
            ),
            (
                r#"{"method":"GET","path":"/api/users?pagesize=3"}"#,
                "ListUsers takes no query parameter \"pagesize\". Did you mean \"page_size\"?",
            ),
            (
                r#"{"method":"GET","path":"/api/roles?page=1","query":{"x":1}}"#,
                "ListRoles takes no query parameter \"x\". There are: ",
            ),
            (r#"{"operation":"CreateUser","body":{"usrname":"c"}}"#, "Did you mean \"username\"?"),
            (r#"{"method":"PATCH","path":"/api/users/x?y=1","body":{"nam":"c"}}"#, "Did you mean \"name\"?"),
            (r#"{"operation":"CreateUser","body":"x"}"#, "body must be an object"),
        ] {
            let why = parsed(text).unwrap_err();
            assert!(why.contains(says) && !why.contains("at line"), "{text}: {why}");
        }
    }
}
