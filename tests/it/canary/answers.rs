//! The ways in which an upstream may answer with a secret, byte for byte: the body's spelling, its frame, its type, and
//! the places beside the body. Each says what is to become of it.

use serde_json::Value;

use super::shapes::{NUMBER, TEXT};
use crate::support::gzip::gzip;

/// The secrets that are in an answer.
#[derive(Clone, Copy)]
pub(super) struct Sown<'a> {
    pub(super) text: &'a str,
    pub(super) number: &'a str,
}

/// What a caller is to get to whom nothing is revealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// The answer, with its secrets masked.
    Masked,
    /// The answer, which has no body or none with a secret.
    Passed,
    /// 502 `claviger.upstream_invalid`.
    Withheld,
    /// A part of it, and then the end of the connection.
    Cut,
}

/// One way to answer.
pub(super) struct Way {
    pub(super) what: &'static str,
    pub(super) fate: Fate,
    pub(super) bytes: Vec<u8>,
}

/// `shape` with its secrets in it.
pub(super) fn sown(shape: &str, Sown { text, number }: Sown<'_>) -> String {
    shape.replace(NUMBER, number).replace(TEXT, text)
}

const JSON: &str = "Content-Type: application/json; charset=utf-8\r\n";

/// An answer in one piece.
pub(super) fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head =
        format!("HTTP/1.1 {status}\r\nConnection: close\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// An answer in many chunks, with `trailers`.
fn chunked(status: &str, headers: &str, body: &[u8], size: usize, trailers: &str) -> Vec<u8> {
    let head =
        format!("HTTP/1.1 {status}\r\nConnection: close\r\n{headers}Transfer-Encoding: chunked\r\n\r\n");
    let mut bytes = head.into_bytes();
    for chunk in body.chunks(size) {
        bytes.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
        bytes.extend(chunk);
        bytes.extend(b"\r\n");
    }
    bytes.extend(format!("0\r\n{trailers}\r\n").into_bytes());
    bytes
}

/// JSON with the names of members as `name` spells them.
fn spelled(value: &Value, name: fn(&str) -> String) -> String {
    match value {
        Value::Array(values) => {
            let values: Vec<String> = values.iter().map(|value| spelled(value, name)).collect();
            format!("[{}]", values.join(","))
        }
        Value::Object(members) => {
            let member =
                |(key, value): (&String, &Value)| format!("\"{}\":{}", name(key), spelled(value, name));
            let members: Vec<String> = members.iter().map(member).collect();
            format!("{{{}}}", members.join(" ,\n\t"))
        }
        leaf => leaf.to_string(),
    }
}

fn escaped(name: &str) -> String {
    name.bytes().map(|byte| format!("\\u{byte:04X}")).collect()
}

/// The ways of a successful answer with this body.
pub(super) fn ways(body: &str, secrets: Sown<'_>) -> Vec<Way> {
    let value: Value = serde_json::from_str(body).expect("the shapes are JSON");
    let compact = value.to_string();
    let inner = &compact[1..compact.len() - 1];
    let json = |body: &str| answer("200 OK", JSON, body.as_bytes());
    let typed = |kind: &str| answer("200 OK", kind, body.as_bytes());
    let with = |headers: &str| typed(&format!("{JSON}{headers}"));
    let text = secrets.text;
    let validators = format!("{JSON}ETag: \"{text}\"\r\nDigest: sha-256={text}\r\nContent-MD5: {text}\r\n");
    let early = format!("HTTP/1.1 103 Early Hints\r\nLink: <{text}>\r\n\r\n").into_bytes();
    let not_whole = format!("HTTP/1.1 200 OK\r\n{JSON}Content-Length: 99999\r\n\r\n");
    let gzipped = format!("{JSON}Content-Encoding: gzip\r\n");
    let cut = |mut bytes: Vec<u8>| {
        bytes.pop();
        bytes
    };
    let ways = [
        ("as it is", Fate::Masked, json(body)),
        ("a list", Fate::Masked, json(&format!("[{body},{body}]"))),
        ("lists in a list", Fate::Masked, json(&format!("[[{body}],[],[{body},null]]"))),
        ("in small chunks", Fate::Masked, chunked("200 OK", JSON, format!("[{body}]").as_bytes(), 7, "")),
        ("byte by byte", Fate::Masked, chunked("201 Created", JSON, compact.as_bytes(), 1, "")),
        (
            "with a trailer",
            Fate::Masked,
            chunked("200 OK", JSON, body.as_bytes(), 50, &format!("X: {text}\r\n")),
        ),
        (
            "to the end of the connection",
            Fate::Masked,
            [b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", body.as_bytes()].concat(),
        ),
        ("a problem", Fate::Masked, typed("Content-Type: application/problem+json\r\n")),
        ("202", Fate::Masked, answer("202 Accepted", JSON, body.as_bytes())),
        ("203", Fate::Masked, answer("203 Non-Authoritative Information", JSON, body.as_bytes())),
        ("with a reason", Fate::Masked, answer(&format!("200 {text}"), JSON, body.as_bytes())),
        ("with validators", Fate::Masked, typed(&validators)),
        ("after a hint", Fate::Masked, [early, json(body)].concat()),
        ("members twice", Fate::Masked, json(&format!("{{{inner},{inner}}}"))),
        ("names in capitals", Fate::Masked, json(&spelled(&value, str::to_uppercase))),
        ("names in small letters", Fate::Masked, json(&spelled(&value, str::to_lowercase))),
        ("names in escapes", Fate::Masked, json(&spelled(&value, escaped))),
        ("gzip", Fate::Masked, answer("200 OK", &gzipped, &gzip(body.as_bytes()))),
        (
            "gzip, byte by byte",
            Fate::Masked,
            chunked("200 OK", &gzipped, &gzip(format!("[{body},{body}]").as_bytes()), 1, ""),
        ),
        ("gzip, cut short", Fate::Withheld, answer("200 OK", &gzipped, &cut(gzip(body.as_bytes())))),
        (
            "gzip of what is cut short",
            Fate::Withheld,
            answer("200 OK", &gzipped, &gzip(&cut(compact.clone().into()))),
        ),
        ("gzip twice", Fate::Withheld, answer("200 OK", &gzipped, &gzip(&gzip(body.as_bytes())))),
        ("said to be gzip", Fate::Withheld, with("Content-Encoding: gzip\r\n")),
        ("br", Fate::Withheld, with("Content-Encoding: br\r\n")),
        ("two codings", Fate::Withheld, with("Content-Encoding: identity\r\nContent-Encoding: x-gzip\r\n")),
        ("text/json", Fate::Withheld, typed("Content-Type: text/json\r\n")),
        ("text/plain", Fate::Withheld, typed("Content-Type: text/plain; charset=utf-8\r\n")),
        ("lines", Fate::Withheld, typed("Content-Type: application/x-ndjson\r\n")),
        ("UTF-16", Fate::Withheld, typed("Content-Type: application/json; charset=utf-16le\r\n")),
        (
            "two types",
            Fate::Withheld,
            typed("Content-Type: application/json\r\nContent-Type: text/plain\r\n"),
        ),
        ("no type", Fate::Withheld, typed("")),
        (
            "a range",
            Fate::Withheld,
            answer("206 Partial Content", &format!("{JSON}Content-Range: bytes 0-9/10\r\n"), body.as_bytes()),
        ),
        ("a byte order mark", Fate::Withheld, json(&format!("\u{feff}{body}"))),
        ("two values", Fate::Withheld, json(&format!("{{}}{body}"))),
        ("cut short", Fate::Withheld, json(&format!("[{}", body.trim_end_matches('}')))),
        ("not whole", Fate::Cut, [not_whole.as_bytes(), body.as_bytes()].concat()),
    ];
    ways.into_iter().map(|(what, fate, bytes)| Way { what, fate, bytes }).collect()
}

/// The ways in which an answer to any request repeats a credential; the rest of it is harmless.
pub(super) fn echoes(credential: &str) -> Vec<Way> {
    let json = format!("{{\"a\":\"{}\",\"b\":[\"Bearer {credential}\"]}}", "x".repeat(3000));
    let header = |name: &str| answer("200 OK", &format!("{JSON}{name}: Bearer {credential}\r\n"), b"{}");
    let body = |status: &str| answer(status, JSON, json.as_bytes());
    let gzipped = format!("{JSON}Content-Encoding: gzip\r\n");
    [
        ("in a header", Fate::Withheld, header("X-Debug")),
        ("in the request's id", Fate::Withheld, header("Logto-Core-Request-Id")),
        ("in a link", Fate::Withheld, header("Location")),
        ("in the body", Fate::Withheld, body("200 OK")),
        ("in an error", Fate::Withheld, body("422 Unprocessable Entity")),
        ("in chunks", Fate::Cut, chunked("200 OK", JSON, json.as_bytes(), 11, "")),
        ("in gzip", Fate::Withheld, answer("200 OK", &gzipped, &gzip(json.as_bytes()))),
        ("in gzip, byte by byte", Fate::Cut, chunked("200 OK", &gzipped, &gzip(json.as_bytes()), 1, "")),
        (
            "in another coding",
            Fate::Withheld,
            answer("200 OK", &format!("{JSON}Content-Encoding: br\r\n"), b"{}"),
        ),
        ("in a reason", Fate::Passed, answer(&format!("200 {credential}"), JSON, b"{}")),
        ("in the reason of an error", Fate::Passed, answer(&format!("404 {credential}"), JSON, b"{}")),
        ("in a trailer", Fate::Passed, chunked("200 OK", JSON, b"{}", 1, &format!("X: {credential}\r\n"))),
    ]
    .map(|(what, fate, bytes)| Way { what, fate, bytes })
    .into()
}
