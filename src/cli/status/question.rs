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
            401 if let Some(why) = self.process.no_token() => Err(format!(
                "{address} asks for admin.token, and the one that is configured here cannot be used: {why}"
            )),
            401 if self.process.has_token() => Err(format!(
                "{address} does not accept the admin.token that is configured here; was it changed after the process started, or does another \
                 process listen there?"
            )),
            401 => Err(format!(
                "{address} asks for admin.token, and the configuration here has none; name the file that has it with --config, \
                 or set CLAVIGER_ADMIN__TOKEN"
            )),
            _ => Err(answer
                .of_proxy(&self.process.address)
                .unwrap_or_else(|| format!("{address}: {}", answer.last_line()))),
        }
    }
}
