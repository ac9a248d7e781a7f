//! What every byte of a body goes through, as it is: masking where there is something to mask, then the echo guard. What is to be masked in
//! an error shows when it is there whole.

use bytes::Bytes;

use super::{
    blocked::Blocked,
    echo_guard::EchoGuard,
    errors::{ErrorBody, Judged},
    redact::Redactor,
};

/// Screens one body.
#[derive(Debug)]
pub(super) struct Screen {
    /// Of an error, until it is there.
    pub(super) error: Option<ErrorBody>,
    pub(super) redactor: Option<Box<Redactor>>,
    pub(super) guard: EchoGuard,
}

impl Screen {
    /// What may pass now that this chunk has come; more will come. May be nothing.
    pub(super) fn pass(&mut self, chunk: Bytes) -> Result<Bytes, Blocked> {
        let chunk = match &mut self.error {
            None => chunk,
            Some(error) => match error.take(&chunk) {
                None => return Ok(Bytes::new()),
                Some(judged) => self.judge(judged),
            },
        };
        let chunk = self.mask(chunk)?;
        Ok(self.guard.pass(chunk)?)
    }

    fn judge(&mut self, (secrets, error): Judged) -> Bytes {
        self.error = None;
        self.redactor = secrets.map(|secrets| Box::new(Redactor::new(secrets)));
        error
    }

    /// What may pass now that the last chunk has come.
    pub(super) fn last(&mut self, chunk: Bytes) -> Result<Bytes, Blocked> {
        let chunk = match self.error.take() {
            None => chunk,
            Some(error) => self.judge(error.last(chunk)),
        };
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
