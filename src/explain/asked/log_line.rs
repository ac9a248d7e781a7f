//! A line of Claviger's log or audit log, as it is or in what a container runtime puts around it; and the log's line for people.

use serde_json::{Map, Value, json};

use super::{
    request::{Asked, Refused, read_method},
    unclear::Unclear,
    url::Url,
};
use crate::{catalog::Catalog, ids::CallerName};

/// The JSON object that a text is, perhaps behind a time and a stream's name.
pub(super) fn object(text: &str) -> Option<Map<String, Value>> {
    let start = text.find('{')?;
    // Before it is no quote, or it is a part of something else.
    if text[..start].contains(['"', '\'']) {
        return None;
    }
    let object: Map<String, Value> = serde_json::from_str(&text[start..]).ok()?;
    // Docker's own: {"log":"…","stream":"stderr"}
    match object.get("log").and_then(Value::as_str) {
        Some(inner) if !object.contains_key("method") => serde_json::from_str(inner.trim()).ok(),
        _ => Some(object),
    }
}

/// How a line begins that is of no request, since the bytes could not be read as one.
const UNREAD: &str = "a request was refused (";

/// The line of a request in the log for people (`observe/request_log/line`), `403  0.1 ms  DELETE  /api/roles/r1  billing → acme  …`, as the
/// log's JSON would have it. What is below it is indented, and is about the same request.
pub(super) fn for_people(text: &str) -> Option<Map<String, Value>> {
    if text.lines().skip(1).any(|line| !line.is_empty() && !line.starts_with(' ')) {
        return None;
    }
    let mut words = text.split_whitespace().skip_while(|word| word.ends_with('Z'));
    let status = words.next()?;
    let is_status = status.len() == 3 && status.bytes().all(|byte| byte.is_ascii_digit());
    let took: f64 = words.next()?.parse().ok()?;
    if !is_status || took < 0.0 || !matches!(words.next()?, "ms" | "s") {
        return None;
    }
    let (method, path) = (words.next()?, words.next()?);
    // `?…` where there was a query.
    let (path, has_query) = path.split_once('?').map_or((path, false), |(path, _)| (path, true));
    let (who, arrow, tenant) = (words.next(), words.next(), words.next());
    let is_word =
        |who: &&str| !["by", "from", "secrets", "via", "shared", "replayed", "answered", "the"].contains(who);
    let caller = who.filter(is_word).filter(|who| CallerName::parse(who).is_ok());
    let tenant = tenant.filter(|_| caller.is_some() && arrow == Some("→"));
    let operation = words.next().filter(|_| tenant.is_some());
    let below = text.lines().skip(1).find_map(|line| line.trim().strip_prefix("claviger."));
    let (code, cause) = below.and_then(|below| below.split_once(": ")).unzip();
    let line = json!({
        "method": method, "path": path, "caller": caller, "tenant": tenant, "has_query": has_query, "cause": cause,
        "status": status.parse::<u16>().ok(), "code": code.map(|code| format!("claviger.{code}")), "operation": operation,
    });
    line.as_object().cloned()
}

pub(super) fn read(line: &Map<String, Value>) -> Result<Asked, Unclear> {
    let text = |name: &str| line.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let operation = text("operation");
    let status = line.get("status").and_then(Value::as_u64).unwrap_or_default();
    let mut asked = match (text("path"), operation) {
        (Some(path), _) => {
            let Url { authority, target } = Url::read(&path.replace("[redacted]", "redacted"))?;
            let method = read_method(text("method").unwrap_or("GET"))?;
            let mut asked = Asked { method, authority, target, ..Asked::default() };
            let query = !asked.target.contains('?') && line.get("has_query") != Some(&false.into());
            let body = matches!(asked.method.as_str(), "POST" | "PUT" | "PATCH");
            let without = match (query, body) {
                (true, true) => "query and body",
                (true, false) => "a query",
                (false, true) => "a body",
                (false, false) => "",
            };
            if !without.is_empty() {
                asked.notes.push(format!("decided without {without}, which logs leave out"));
            }
            asked
        }
        (None, Some("token")) => Asked::of_line("POST", "/oidc/token")?,
        (None, Some(id)) => {
            let catalog = Catalog::logto();
            let Some(op) = catalog.by_id(id) else {
                let what = "this line does not say which path was asked for: `operation` is none of the catalog, and \
                            `path` is missing";
                return Err(Unclear(what.into()));
            };
            Asked::of_operation(catalog.operation(op))
        }
        (None, None) if text("message").is_some_and(|text| text.starts_with(UNREAD)) => {
            return Err(refused_early("its head could not be read"));
        }
        (None, None) => {
            let what = "this line has neither `path` nor `operation`, so it does not say what was asked for";
            return Err(Unclear(what.into()));
        }
    };
    if let Some(code) = text("code").filter(|_| text("caller").is_none())
        && let Some(refused) = before_any_rule(code, status)
    {
        return Err(refused);
    }
    let refused = text("code").filter(|_| status >= 400).and_then(|code| {
        let cause = text("cause").map(|cause| format!(": {}", shown(cause))).unwrap_or_default();
        let condition = operation.map(|operation| format!("{operation}: "));
        if is_beyond_explaining(code) {
            let why = "for a reason that is not looked at here";
            asked.notes.push(format!("the line says {status} {code}, {why}{cause}"));
            return (status < 500).then_some(Refused::Beyond);
        }
        let is_condition = text("cause").zip(condition).is_some_and(|(cause, it)| cause.starts_with(&it));
        (code == "claviger.not_permitted" && is_condition).then(|| {
            asked.notes.push(format!("the line says {status} {code}{cause}"));
            Refused::Condition
        })
    });
    let owned = |name: &str| text(name).map(ToOwned::to_owned);
    Ok(Asked { caller: owned("caller"), tenant: owned("tenant"), refused, ..asked })
}

/// What a line says, without what a terminal would obey.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}

/// Whether a text begins as a line of the log does that is written as JSON, and does not end as one.
pub(super) fn is_cut_off(text: &str) -> bool {
    text.find("{\"").is_some_and(|start| !text[..start].contains(['"', '\'', '/']))
        && !text.lines().all(|line| line.trim().is_empty() || object(line).is_some())
}

/// Of a line that says that a request was refused before anybody asked what its caller may do: what a rule would say of it is no answer.
fn before_any_rule(code: &str, status: u64) -> Option<Unclear> {
    const BEFORE: [&str; 4] = ["bad_request", "caller_unknown", "host_not_allowed", "origin_not_allowed"];
    let name = code.strip_prefix("claviger.")?;
    (status >= 400 && BEFORE.contains(&name)).then(|| refused_early(&format!("{status} {code}")))
}

fn refused_early(what: &str) -> Unclear {
    Unclear(format!(
        "this line is of a request that was refused before any rule was asked ({what}): its cause and remedy say why. \
         What a caller may do: claviger explain METHOD PATH --caller NAME"
    ))
}

/// The same of what a terminal shows, `401  0.0 ms  GET  /api/users  from 192.0.2.1:7`: where a caller is known, it stands in the place of "from".
pub(super) fn shown_before_any_rule(text: &str) -> Option<Unclear> {
    let words: Vec<&str> = text.lines().next()?.split_whitespace().collect();
    let status = words.windows(6).find_map(|line| match *line {
        [status @ ("400" | "401" | "431"), _, "ms" | "s", _, _, "from"] => Some(status),
        _ => None,
    });
    let is_unread = text.contains(UNREAD).then_some("its head could not be read");
    status.or(is_unread).map(refused_early)
}

/// Whether an error of Claviger's is about something else than who asks for what.
fn is_beyond_explaining(code: &str) -> bool {
    const EXPLAINED: [&str; 9] = [
        "caller_unknown",
        "host_not_allowed",
        "method_not_allowed",
        "not_found",
        "not_permitted",
        "operation_unknown",
        "origin_not_allowed",
        "path_ambiguous",
        "tenant_unknown",
    ];
    let is_plain = |name: &str| name.len() <= 40 && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    code.strip_prefix("claviger.").is_some_and(|name| is_plain(name) && !EXPLAINED.contains(&name))
}
