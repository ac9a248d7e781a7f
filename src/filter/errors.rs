//! Errors that tell too much. Where Logto cannot reach a provider of e-mail or SMS, its error holds the whole request to it with the
//! provider's credential (fact 6.9), and is an answer to operations that any caller may have been granted. So an error is read whole before
//! its head goes on, which is short, and what connectors say in it is masked.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};
use serde::Deserialize;

use crate::catalog::Secrets;

/// Bytes of an error that are read. Logto's longest has the request twice, and a few thousand.
const MOST: usize = 64 * 1024;
/// What codes of connectors begin with, and the one whose message repeats its data.
const CONNECTORS: &str = "connector.";
const GENERAL: &str = "connector.general";

/// An error that is read.
#[derive(Debug, Default)]
pub(super) struct ErrorBody(BytesMut);

/// What is to be masked in an error, and the error.
pub(super) type Judged = (Option<&'static Secrets>, Bytes);

/// All that is looked at.
#[derive(Deserialize)]
struct Code<'e> {
    #[serde(borrow)]
    code: Option<Cow<'e, str>>,
}

impl ErrorBody {
    /// Takes what comes next; the error, where it is too long to be one of Logto's: all of it that came, to be masked.
    pub(super) fn take(&mut self, chunk: &Bytes) -> Option<Judged> {
        self.0.extend_from_slice(chunk);
        (self.0.len() > MOST).then(|| (Some(Secrets::of_general_error()), self.0.split().freeze()))
    }

    /// The error, of which this came last.
    pub(super) fn last(mut self, chunk: Bytes) -> Judged {
        let whole = if self.0.is_empty() {
            chunk
        } else {
            self.0.extend_from_slice(&chunk);
            self.0.freeze()
        };
        // What is no JSON, or has no code, is none of a connector's (fact 6.2).
        let code = serde_json::from_slice::<Code<'_>>(&whole).ok().and_then(|error| error.code);
        let secrets = match code.as_deref() {
            Some(GENERAL) => Some(Secrets::of_general_error()),
            Some(code) if code.starts_with(CONNECTORS) => Some(Secrets::of_connector_error()),
            _ => None,
        };
        (secrets, whole)
    }
}
