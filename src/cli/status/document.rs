//! `/status` as it came, and access to its members. What it says may have come from an issuer or a certificate, so no control
//! character of it gets to a terminal.

use std::{process::ExitCode, time::SystemTime};

use serde_json::Value;

/// What a process says about itself.
pub(super) struct Document {
    /// Whom it was asked of.
    pub(super) address: String,
    root: Value,
}

impl Document {
    pub(super) fn parse(address: String, text: &str) -> Option<Self> {
        let mut root: Value = serde_json::from_str(text).ok()?;
        root["state"].is_string().then(|| {
            narrow(&mut root);
            Self { address, root }
        })
    }

    pub(super) fn json(&self) -> String {
        format!("{:#}\n", self.root)
    }

    /// On a line.
    pub(super) fn json_line(&self) -> String {
        format!("{}\n", self.root)
    }

    /// 0 where it takes requests and nothing is an error.
    pub(super) fn exit(&self) -> ExitCode {
        let is_fine = self.root["ready"] == true && self.root["errors"] == 0;
        if is_fine { ExitCode::SUCCESS } else { ExitCode::from(super::super::NO) }
    }

    pub(super) fn root(&self) -> Node<'_> {
        Node { value: &self.root, now: time(&self.root["time"]) }
    }
}

/// Leaves out the problems of tenants that were not asked for, which come last.
fn narrow(root: &mut Value) {
    let number = |of: &str| root[of].as_u64().unwrap_or_default();
    let (elsewhere, all) = (number("problems_elsewhere"), number("errors") + number("warnings"));
    let own = usize::try_from(all.saturating_sub(elsewhere)).unwrap_or(usize::MAX);
    let Some(problems) = root["problems"].as_array_mut().filter(|_| elsewhere > 0) else { return };
    problems.truncate(own);
    let errors = problems.iter().filter(|problem| problem["severity"] == "error").count();
    let warnings = problems.len() - errors;
    (root["errors"], root["warnings"]) = (errors.into(), warnings.into());
}

/// A part of it.
#[derive(Clone, Copy)]
pub(super) struct Node<'d> {
    value: &'d Value,
    /// By the clock of the process.
    now: Option<SystemTime>,
}

impl<'d> Node<'d> {
    pub(super) fn at(self, member: &str) -> Self {
        Self { value: &self.value[member], ..self }
    }

    pub(super) fn is_there(self) -> bool {
        !self.value.is_null()
    }

    pub(super) fn is(self, value: impl Into<Value>) -> bool {
        *self.value == value.into()
    }

    /// Without what a terminal would obey.
    pub(super) fn text(self) -> String {
        clean(self.value.as_str().unwrap_or_default())
    }

    pub(super) fn number(self) -> u64 {
        self.value.as_u64().unwrap_or_default()
    }

    pub(super) fn share(self) -> Option<f64> {
        self.value.as_f64()
    }

    pub(super) fn list(self) -> impl ExactSizeIterator<Item = Self> + 'd {
        let all = self.value.as_array().map(Vec::as_slice).unwrap_or_default();
        all.iter().map(move |value| Self { value, ..self })
    }

    pub(super) fn members(self) -> Vec<(String, Self)> {
        let all = self.value.as_object().into_iter().flatten();
        all.map(|(name, value)| (clean(name), Self { value, ..self })).collect()
    }

    /// Seconds since a moment, by the clock of the process.
    pub(super) fn seconds_ago(self) -> Option<u64> {
        Some(self.now?.duration_since(time(self.value)?).unwrap_or_default().as_secs())
    }

    /// Seconds until a moment.
    pub(super) fn seconds_left(self) -> Option<u64> {
        Some(time(self.value)?.duration_since(self.now?).unwrap_or_default().as_secs())
    }
}

fn time(value: &Value) -> Option<SystemTime> {
    humantime::parse_rfc3339(value.as_str()?).ok()
}

fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
