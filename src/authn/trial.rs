//! What one authentication method said of a request, for an operator who asks (`claviger explain`). The one who sends
//! requests never learns it. Made of the methods' own findings; decides nothing, and has no word of a credential.

use super::authenticator::Finding;
use crate::ids::CallerIndex;

/// What one authentication method said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// Its name.
    pub method: &'static str,
    /// What it found.
    pub found: Found,
}

/// What an authentication method found in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The request is this caller's.
    Caller(CallerIndex),
    /// Nothing of its kind, or something that may be meant for somebody else; why, in the second case.
    Passed(Option<String>),
    /// Something of its kind that is invalid or no caller's; why.
    Rejected(String),
}

impl Trial {
    pub(super) fn of(method: &'static str, finding: &Finding) -> Self {
        let found = match finding {
            Finding::Known(known) => Found::Caller(known.caller),
            Finding::Pass(cause) => {
                Found::Passed(cause.as_ref().map(|cause| cause.text.clone().into_owned()))
            }
            Finding::Rejected(cause) => Found::Rejected(cause.text.clone().into_owned()),
        };
        Self { method, found }
    }
}
