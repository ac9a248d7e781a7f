//! Asks the running process for its `/status`.

use super::document::Document;
use crate::cli::process::Process;

/// What is asked, and whom.
#[derive(Clone)]
pub(super) struct Question {
    pub(super) process: Process,
    pub(super) target: String,
}

impl Question {
    /// The document, or why there is none.
    pub(super) fn ask(&self) -> Result<Document, String> {
        let answer =
            self.process.ask("GET", &self.target).map_err(|error| self.process.unreachable(&error))?;
        let address = self.process.address.to_string();
        match answer.status {
            200 => Document::parse(address, &answer.body)
                .ok_or_else(|| format!("{}: what is there is not Claviger's /status", self.process.address)),
            _ => Err(self.process.refusal(&answer)),
        }
    }
}
