//! `{ exec = ["vault", …], ttl = "5m", timeout = "10s" }`: a command that prints a secret. Nothing here is run, and no
//! argument is repeated in a message: a password may be among them.

use std::{ops::RangeInclusive, path::Path, time::Duration};

use schemars::{Schema, json_schema};

use super::{
    from_text::{FromText as _, unexpanded},
    problem::Mistake,
    tree::{Members, Node, Value},
};
use crate::secret::{Command, DEFAULT_TIMEOUT, DEFAULT_TTL};

const FORM: &str = "Write { exec = [\"program\", \"argument\", …] }, with ttl = \"5m\" or timeout = \"10s\" beside it if need be.";
const TTL: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_hours(24);
const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_mins(1);

/// The command that the members of a reference say. A program with a slash in its name is relative to `base`.
pub(super) fn command(members: &Members, base: &Path) -> Result<Command, Mistake> {
    let (mut ttl, mut timeout, mut words) = (DEFAULT_TTL, DEFAULT_TIMEOUT, Vec::new());
    for (key, node) in members.iter() {
        match key {
            "exec" => words = list(node)?,
            "ttl" => ttl = duration("ttl", node, &TTL)?,
            "timeout" => timeout = duration("timeout", node, &TIMEOUT)?,
            _ => {
                let what = "a reference to a command has no keys but `exec`, `ttl` and `timeout`";
                return Err(Mistake::new(what, FORM));
            }
        }
    }
    let mut words = words.into_iter();
    let program = words.next().filter(|program| !program.trim().is_empty());
    let program = program.ok_or_else(|| Mistake::new("the exec of this reference names no program", FORM))?;
    if let Some(Mistake { remedy, .. }) = unexpanded(&program) {
        let what = "the program of this reference is written as a shell would expand it, and neither ~ nor variables are expanded here";
        return Err(Mistake::new(what, remedy));
    }
    let program = if program.contains('/') { base.join(program).display().to_string() } else { program };
    Ok(Command { program, arguments: words.collect(), ttl, timeout })
}

fn list(node: &Node) -> Result<Vec<String>, Mistake> {
    let wanted = || Mistake::new("the exec of this reference is not a list of texts", FORM);
    let Value::Sequence(items) = &node.value else { return Err(wanted()) };
    let text = |item: &Node| match &item.value {
        // A zero byte would end an argument early.
        Value::Text(text) if !text.contains('\0') => Ok(text.to_string()),
        _ => Err(wanted()),
    };
    items.iter().map(text).collect()
}

fn duration(key: &str, node: &Node, range: &RangeInclusive<Duration>) -> Result<Duration, Mistake> {
    let given = match &node.value {
        Value::Text(text) => Duration::from_text(text).ok(),
        _ => None,
    };
    given.filter(|given| range.contains(given)).ok_or_else(|| {
        let [from, to] = [range.start(), range.end()].map(|end| humantime::format_duration(*end));
        Mistake::new(format!("the {key} of this command is not a duration from {from} to {to}"), FORM)
    })
}

pub(super) fn schema() -> Schema {
    let duration = |description: String| json_schema!({ "type": "string", "description": description });
    let default = |duration| humantime::format_duration(duration).to_string();
    json_schema!({
        "type": "object",
        "properties": {
            "exec": {
                "type": "array",
                "items": { "type": "string" },
                "minItems": 1,
                "description": "A program and its arguments, run without a shell when a token is asked for; what it prints is the secret, without one line end at its end.",
            },
            "ttl": duration(format!("How long a secret is used before the command is run again: {}, if left out.", default(DEFAULT_TTL))),
            "timeout": duration(format!("How long a run may take: {}, if left out.", default(DEFAULT_TIMEOUT))),
        },
        "required": ["exec"],
        "additionalProperties": false,
    })
}
