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
pub(super) struct ErrorBody {
    held: BytesMut,
    is_late: bool,
}

/// What is to be masked in an error, and the error.
pub(super) type Judged = (Option<&'static Secrets>, Bytes);

/// All that is looked at.
#[derive(Deserialize)]
struct Code<'e> {
    #[serde(borrow)]
    code: Option<Cow<'e, str>>,
}

impl ErrorBody {
    /// Takes what comes next; the error, where it is too long to be one of Logto's, or late: all of it that came, to be masked.
    pub(super) fn take(&mut self, chunk: &Bytes) -> Option<Judged> {
        self.held.extend_from_slice(chunk);
        let is_given_up = self.is_late || self.held.len() > MOST;
        is_given_up.then(|| (Some(Secrets::of_general_error()), self.held.split().freeze()))
    }

    /// It is not waited for any more.
    pub(super) fn give_up(&mut self) {
        self.is_late = true;
    }

    /// The error, of which this came last.
    pub(super) fn last(mut self, chunk: Bytes) -> Judged {
        let whole = if self.held.is_empty() {
            chunk
        } else {
            self.held.extend_from_slice(&chunk);
            self.held.freeze()
        };
        let names_connectors = || memchr::memmem::find(&whole, CONNECTORS.as_bytes()).is_some();
        let secrets = match serde_json::from_slice::<Code<'_>>(&whole) {
            _ if self.is_late => Some(Secrets::of_general_error()),
            Ok(Code { code: Some(code) }) if code == GENERAL => Some(Secrets::of_general_error()),
            Ok(Code { code: Some(code) }) if code.starts_with(CONNECTORS) => {
                Some(Secrets::of_connector_error())
            }
            // What has no code, or is no JSON, is none of a connector's (fact 6.2), unless it says so.
            Err(_) if names_connectors() => Some(Secrets::of_general_error()),
            _ => None,
        };
        (secrets, whole)
    }
}
