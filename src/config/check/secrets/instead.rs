//! What is written where a secret is wanted, and is none: the path of its file, the name of its variable, a reference to it as
//! text. Nothing of it is repeated but names of variables.

use crate::{
    config::{intake::referring, short},
    secret::SecretSource,
};

/// What is said of such a text: what is wrong, and what to write.
pub(super) fn instead(source: &SecretSource, secret: &[u8]) -> Option<(String, String)> {
    instead_of_path(source, secret)
        .or_else(|| instead_of_variable(source, secret))
        .or_else(|| instead_of_reference(source, secret))
}

/// What is said where the path of a secret's file stands in the place of the secret.
fn instead_of_path(source: &SecretSource, secret: &[u8]) -> Option<(String, String)> {
    /// A key in Base64 may begin with / as well, but hardly with one of these.
    const ROOTS: [&[u8]; 14] = [
        b"./",
        b"../",
        b"~/",
        b"/etc/",
        b"/home/",
        b"/mnt/",
        b"/opt/",
        b"/run/",
        b"/secrets/",
        b"/srv/",
        b"/tmp/",
        b"/usr/",
        b"/var/",
        b"/vault/",
    ];
    if !ROOTS.iter().any(|root| secret.starts_with(root)) {
        return None;
    }
    let wanted = "the path of a file, where the secret itself is wanted";
    match source {
        SecretSource::Literal(_) => {
            Some((format!("this is {wanted}"), "Write { file = \"…\" } around it.".into()))
        }
        SecretSource::Env(name) if name == short::APP_SECRET => Some((
            format!("{name} holds {wanted}"),
            format!("Set {} to that path, and unset {name}.", short::APP_SECRET_FILE),
        )),
        SecretSource::Env(name) => {
            Some((format!("{name} holds {wanted}"), "Write { file = \"…\" } with that path.".into()))
        }
        SecretSource::File(_) | SecretSource::Exec(_) => None,
    }
}

/// What is said where a variable is written as a shell would expand it.
fn instead_of_variable(source: &SecretSource, secret: &[u8]) -> Option<(String, String)> {
    let text = std::str::from_utf8(secret).ok()?.trim();
    let (name, is_sure) = match text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) {
        // With `:-` and a default behind it.
        Some(inside) => (inside.split([':', '-', '?']).next().unwrap_or_default(), true),
        None => (text.strip_prefix('$')?, false),
    };
    let is_of_name = |byte: u8| {
        byte == b'_'
            || byte.is_ascii_uppercase()
            || byte.is_ascii_digit()
            || (is_sure && byte.is_ascii_lowercase())
    };
    if !name.bytes().all(is_of_name) || name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let what = "this is the name of a variable, and variables are not expanded";
    let remedy = match source {
        SecretSource::Literal(_) => format!("Write {{ env = \"{name}\" }}."),
        SecretSource::Env(holder) => format!("Set {holder} to the secret itself."),
        SecretSource::File(_) | SecretSource::Exec(_) => "Write the secret itself into the file.".into(),
    };
    Some((what.into(), remedy))
}

/// What is said where a reference such as `{ file = "…" }` is text, so that nobody reads it.
fn instead_of_reference(source: &SecretSource, secret: &[u8]) -> Option<(String, String)> {
    let key = referring(std::str::from_utf8(secret).ok()?)?;
    let wanted = "a reference to a secret as text, where the secret itself is wanted";
    let said = match source {
        SecretSource::Literal(_) => {
            (format!("this is {wanted}"), "Take the quotes around the braces out.".to_owned())
        }
        SecretSource::Env(name) if name == short::APP_SECRET && key == "file" => (
            format!("{name} holds {wanted}"),
            format!("Set {} to the path of that file, and unset {name}.", short::APP_SECRET_FILE),
        ),
        SecretSource::Env(name) if name == short::APP_SECRET => (
            format!("{name} holds {wanted}"),
            format!("Set CLAVIGER_TENANTS__DEFAULT__CLIENT_SECRET to it, and unset {name}."),
        ),
        SecretSource::Env(name) => (
            format!("{name} holds {wanted}"),
            format!("Set {name} to the secret, or write the reference in place of {{ env = \"{name}\" }}."),
        ),
        SecretSource::File(path) => (
            format!("{} holds {wanted}", path.display()),
            "Write the secret itself into the file.".to_owned(),
        ),
        SecretSource::Exec(_) => return None,
    };
    Some(said)
}

/// What is said of a secret that looks like a reference, as other programs write one, and may be a secret all the same.
pub(super) fn like_a_reference(source: &SecretSource, secret: &[u8]) -> Option<(&'static str, String)> {
    const BEGINNINGS: [&[u8]; 6] = [b"@", b"file:", b"file=", b"env:", b"env=", b"exec:"];
    if !BEGINNINGS.iter().any(|beginning| secret.starts_with(beginning)) {
        return None;
    }
    let remedy = match source {
        SecretSource::Env(name) if name == short::APP_SECRET => {
            format!("If it is one, set {} to the path of the file.", short::APP_SECRET_FILE)
        }
        SecretSource::Env(name) if name.starts_with("CLAVIGER_") => {
            format!("If it is one, write {name}='{{ file = \"…\" }}'.")
        }
        SecretSource::Env(_) | SecretSource::Literal(_) => "If it is one, write { file = \"…\" }.".into(),
        SecretSource::File(_) | SecretSource::Exec(_) => return None,
    };
    Some(("the secret begins as a reference to one, and is taken as it is", remedy))
}

/// What seems to stand around a secret, as in a file of variables.
pub(in crate::config::check) fn around(secret: &[u8]) -> Option<(&'static str, &'static str)> {
    let is_quoted =
        |quote: u8| secret.len() > 2 && secret.first() == Some(&quote) && secret.last() == Some(&quote);
    if is_quoted(b'"') || is_quoted(b'\'') {
        return Some(("the secret stands in quotes", "Are they part of it? Write it without anything else."));
    }
    let equals = secret.iter().position(|byte| *byte == b'=')?;
    let (name, value) = (&secret[..equals], &secret[equals + 1..]);
    let name = name.strip_prefix(b"export ").unwrap_or(name);
    // What Base64 ends with is no value.
    let is_assigned = value.iter().any(|byte| *byte != b'=')
        && name.contains(&b'_')
        && name.iter().all(|byte| *byte == b'_' || byte.is_ascii_uppercase() || byte.is_ascii_digit());
    is_assigned.then_some((
        "the secret begins as the line NAME=… of a file of variables",
        "Is the name part of it? Write the secret without it.",
    ))
}
