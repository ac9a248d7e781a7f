//! What came of an operation, and of all of them.

use std::fmt;

use serde_json::{Value, json};

use super::{answer::Answer, line::Line};

/// What came of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    Failed,
    Unknown,
}

/// The same, with what was said.
#[derive(Debug)]
pub(super) struct Concluded {
    pub(super) outcome: Outcome,
    pub(super) status: Option<u16>,
    pub(super) body: Value,
    /// How it is known, where it was not by an answer of its own.
    pub(super) settled: Option<String>,
}

/// What is known of an operation whose outcome was unknown.
pub(super) enum Settled {
    So(Concluded),
    /// It is to be sent once more; the answer that there was.
    Anew(Option<Answer>),
}

/// How many came to what.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Tally {
    pub(super) done: usize,
    pub(super) failed: usize,
    pub(super) unknown: usize,
    pub(super) settled: usize,
    pub(super) all: usize,
}

impl Outcome {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        [Self::Done, Self::Failed, Self::Unknown].into_iter().find(|it| it.as_str() == text)
    }
}

/// Why an operation failed, in a line.
pub(super) fn reason(number: usize, status: Option<u16>, body: &Value, settled: Option<&str>) -> String {
    let status = status.map(|status| format!(" {status}")).unwrap_or_default();
    let why = body["message"].as_str().or(settled).unwrap_or_default();
    format!("line {number}:{status} {why}")
}

impl Concluded {
    /// A line of the results.
    pub(super) fn record(&self, line: &Line) -> String {
        let mut record =
            json!({ "line": line.number, "outcome": self.outcome.as_str(), "status": self.status });
        if let Some(id) = &line.id {
            record["id"] = id.as_str().into();
        }
        if let Some(settled) = &self.settled {
            record["settled"] = settled.as_str().into();
        }
        if !self.body.is_null() {
            record["body"] = self.body.clone();
        }
        format!("{record}\n")
    }
}

impl Tally {
    pub(super) fn add(&mut self, outcome: Outcome, is_settled: bool) {
        match outcome {
            Outcome::Done => self.done += 1,
            Outcome::Failed => self.failed += 1,
            Outcome::Unknown => self.unknown += 1,
        }
        self.settled += usize::from(is_settled);
    }

    pub(super) fn concluded(&self) -> usize {
        self.done + self.failed + self.unknown
    }

    pub(super) fn is_all_done(&self) -> bool {
        self.done == self.all && self.failed + self.unknown == 0
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} done", self.done, self.all)?;
        if self.settled > 0 {
            write!(f, " ({} after an unknown outcome)", self.settled)?;
        }
        write!(f, ", {} failed, {} unknown", self.failed, self.unknown)?;
        match self.all.saturating_sub(self.concluded()) {
            0 => f.write_str("."),
            left => write!(f, ", {left} left."),
        }
    }
}
