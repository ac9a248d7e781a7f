//! What every byte of a body goes through, as it is: masking where there is something to mask, then the echo guard.

use bytes::Bytes;

use super::{blocked::Blocked, echo_guard::EchoGuard, redact::Redactor};

/// Screens one body.
#[derive(Debug)]
pub(super) struct Screen {
    pub(super) redactor: Option<Box<Redactor>>,
    pub(super) guard: EchoGuard,
}

impl Screen {
    /// What may pass now that this chunk has come; more will come. May be nothing.
    pub(super) fn pass(&mut self, chunk: Bytes) -> Result<Bytes, Blocked> {
        let chunk = self.mask(chunk)?;
        Ok(self.guard.pass(chunk)?)
    }

    /// What may pass now that the last chunk has come.
    pub(super) fn last(&mut self, chunk: Bytes) -> Result<Bytes, Blocked> {
        let chunk = self.mask(chunk)?;
        if let Some(redactor) = &self.redactor {
            redactor.finish()?;
        }
        Ok(self.guard.last(chunk)?)
    }

    fn mask(&mut self, chunk: Bytes) -> Result<Bytes, Blocked> {
        Ok(match &mut self.redactor {
            Some(redactor) => redactor.mask(chunk)?,
            None => chunk,
        })
    }
}
