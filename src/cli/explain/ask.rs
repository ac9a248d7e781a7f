//! Asks the running process. Credentials go to a process on this machine alone, or to one that `admin.token` proves us to.

use std::{io, time::Duration};

use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::answer::Answer;
use crate::{cli::process::Process, explain::Question};

/// For an answer that waits for something: an issuer's keys, three seconds at most.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    #[error("{0}")]
    Nobody(String),
    #[error("{0}")]
    Refused(String),
}

pub(super) fn answer(process: &Process, question: &Question) -> Result<Answer, Failed> {
    let address = &process.address;
    let presents = question.asked.has_credential() || question.certificate.is_some();
    if presents && !process.has_token() && !process.is_on_this_machine() {
        let why =
            format!("{address} is not on this machine: a credential is sent there only with `admin.token`");
        return Err(Failed::Refused(why));
    }
    let body = Zeroizing::new(written(question).to_string());
    let answer = process.send("POST", "/explain", &body, PATIENCE).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => Failed::Refused(process.unreachable(&error)),
        _ => Failed::Nobody(process.unreachable(&error)),
    })?;
    if let Some(proxy) = answer.of_proxy(address) {
        return Err(Failed::Refused(proxy));
    }
    let json: Option<Value> = serde_json::from_str(&answer.body).ok();
    let notes = &question.asked.notes;
    match (answer.status, json) {
        (200, Some(json)) if json["text"].is_string() => Ok(Answer {
            json: with_notes(json, notes),
            from: format!("asked the running process at {address}"),
        }),
        (400, Some(json)) if json["error"].is_string() => {
            let notes: String = notes.iter().map(|note| format!(" ({note})")).collect();
            Err(Failed::Refused(format!("{}{notes}", json["error"].as_str().unwrap_or_default())))
        }
        (401, _) => Err(Failed::Refused(process.unauthorized())),
        (404 | 405, _) => Err(Failed::Refused(format!(
            "{address}: the process there does not know `explain`: is it an older version?"
        ))),
        (status, _) => Err(Failed::Refused(format!("{address} answers {status}: {}", answer.body.trim()))),
    }
}

/// With what was noticed when the request was read, which the process was not told.
fn with_notes(mut json: Value, notes: &[String]) -> Value {
    let mut text = json["text"].as_str().unwrap_or_default().to_owned();
    for note in notes {
        text.push_str(&format!("  note: {note}\n"));
        if let Some(all) = json["notes"].as_array_mut() {
            all.push(note.as_str().into());
        }
    }
    json["text"] = text.into();
    json
}

/// As `POST /explain` takes it.
fn written(question: &Question) -> Value {
    let asked = &question.asked;
    let host = asked.authority.iter().map(|authority| format!("http://{authority}"));
    let target: String = host.chain([asked.target.clone()]).collect();
    // A header that is there twice is two for the process as well.
    let mut headers = serde_json::Map::new();
    for name in asked.headers.keys() {
        let values = asked.headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        headers.insert(name.to_string(), values.collect::<Vec<_>>().into());
    }
    json!({
        "request": format!("{} {target}", asked.method),
        "caller": question.caller.as_ref().or(asked.caller.as_ref()),
        "tenant": question.tenant.as_ref().or(asked.tenant.as_ref()),
        "headers": headers,
        "body": asked.body.as_ref().map(|body| String::from_utf8_lossy(body)),
        "certificate": question.certificate,
        "is_whole": asked.is_whole,
        "any_path": asked.any_path,
    })
}
