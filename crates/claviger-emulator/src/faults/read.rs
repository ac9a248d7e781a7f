//! Faults as somebody writes them, in JSON. One that could never happen is refused: whoever armed it would take the silence for
//! an application that copes.

use http::{HeaderName, HeaderValue};
use serde_json::Value;

use super::{Effect, Fault};

/// The faults of a JSON list.
///
/// # Errors
/// Which of them is none, and what to write instead.
pub(crate) fn read(text: &[u8]) -> Result<Vec<Fault>, String> {
    let value: Value = serde_json::from_slice(text).map_err(|error| format!("this is no JSON: {error}"))?;
    let Value::Array(faults) = value else {
        return Err("this is no list of faults. Write [{\"on\": \"api\", \"effect\": \"reset\"}]".into());
    };
    let each = |(index, fault)| one(fault).map_err(|why| format!("fault {index}: {why}"));
    (1..).zip(faults).map(each).collect()
}

fn one(value: Value) -> Result<Fault, String> {
    // Of an effect serde only says which type it has in Rust.
    if let Some(effect) = value.get("effect")
        && let Err(error) = serde_json::from_value::<Effect>(effect.clone())
    {
        return Err(match written(effect).and_then(example) {
            Some(example) => format!("this is no effect. Write {example}"),
            None => error.to_string(),
        });
    }
    let fault: Fault = serde_json::from_value(value).map_err(|error| error.to_string())?;
    if fault.path.as_ref().is_some_and(|path| !path.starts_with('/')) {
        return Err("no path begins like `path`. Write it with a slash first, such as \"/api/users\"".into());
    }
    if fault.times == Some(0) {
        return Err(
            "with `times` 0 it hits nothing. Write 1 or more, or leave it out: until it is ended".into()
        );
    }
    match &fault.effect {
        Effect::Answer { status, .. } if !(200..=999).contains(status) => {
            Err(format!("{status} is no status of an answer. Write one from 200 to 599"))
        }
        Effect::Answer { headers, .. } => {
            let is_field = |(name, value): &&(String, String)| {
                HeaderName::from_bytes(name.as_bytes()).is_ok() && HeaderValue::from_str(value).is_ok()
            };
            match headers.iter().find(|field| !is_field(field)) {
                Some((name, _)) => Err(format!("{name:?} and its value are no header field")),
                None => Ok(fault),
            }
        }
        Effect::Drip { bytes: 0, .. } => {
            Err("with `bytes` 0 nothing would ever be sent. Write 1 or more".into())
        }
        _ => Ok(fault),
    }
}

/// The name of an effect, as it was written.
fn written(effect: &Value) -> Option<&str> {
    match effect {
        Value::String(name) => Some(name),
        Value::Object(members) => members.keys().next().map(String::as_str),
        _ => None,
    }
}

fn example(name: &str) -> Option<&'static str> {
    Some(match name {
        "latency" => r#"{"latency": {"ms": 500}}"#,
        "answer" => r#"{"answer": {"status": 503, "headers": [["Retry-After", "2"]], "body": ""}}"#,
        "reset" => r#""reset""#,
        "close" => r#""close""#,
        "truncate" => r#"{"truncate": {"after": 10}}"#,
        "truncate-reset" => r#"{"truncate-reset": {"after": 10}}"#,
        "close-after-answer" => r#""close-after-answer""#,
        "black-hole" => r#""black-hole""#,
        "drip" => r#"{"drip": {"bytes": 1, "every_ms": 100}}"#,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It was taken, and then nothing happened, or something else.
    #[test]
    fn a_fault_that_cannot_happen_is_refused_with_what_to_write() {
        let why = |fault: &str| read(format!("[{fault}]").as_bytes()).unwrap_err();
        for (fault, says) in [
            (r#"{"on":"api","path":"api/users","effect":"reset"}"#, "such as \"/api/users\""),
            (r#"{"on":"api","times":0,"effect":"reset"}"#, "Write 1 or more, or leave it out"),
            (
                r#"{"on":"api","effect":{"answer":{"status":99}}}"#,
                "99 is no status of an answer. Write one from 200 to 599",
            ),
            (r#"{"on":"api","effect":{"answer":{"status":101}}}"#, "101 is no status"),
            (r#"{"on":"api","effect":{"latency":500}}"#, r#"Write {"latency": {"ms": 500}}"#),
            (
                r#"{"on":"api","effect":{"answer":{"status":503,"headers":{"Retry-After":"1"}}}}"#,
                r#""headers": [["Retry-After", "2"]]"#,
            ),
            (
                r#"{"on":"api","effect":{"answer":{"status":503,"headers":[["a b","1"]]}}}"#,
                "\"a b\" and its value are no header field",
            ),
            (r#"{"on":"api","effect":{"reset":{}}}"#, "Write \"reset\""),
            (r#"{"on":"api","effect":{"drip":{"bytes":0,"every_ms":1}}}"#, "nothing would ever be sent"),
            (r#"{"on":"api","effect":"no"}"#, "unknown variant `no`, expected one of `latency`"),
            (r#"{"on":"api"}"#, "missing field `effect`"),
        ] {
            let why = why(fault);
            assert!(why.starts_with("fault 1: ") && why.contains(says), "{fault}: {why}");
        }
        assert!(
            read(br#"{"on":"api","effect":"reset"}"#).unwrap_err().starts_with("this is no list of faults")
        );
        assert!(read(b"[").unwrap_err().starts_with("this is no JSON: "));
        for name in [
            "latency",
            "answer",
            "reset",
            "close",
            "truncate",
            "truncate-reset",
            "close-after-answer",
            "black-hole",
            "drip",
        ] {
            let fault = format!(r#"[{{"on":"any","effect":{}}}]"#, example(name).unwrap());
            assert_eq!(read(fault.as_bytes()).map(|faults| faults.len()), Ok(1), "{name}");
        }
    }
}
