//! Logto's error bodies (facts 2.1, 6.1, 6.2), and the emulator's own two codes.
//!
//! Decides codes and texts; never which of them applies.

use http::StatusCode;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::answer::Answer;

/// An error that becomes an answer.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    body: ErrorBody,
}

/// Logto's member order.
#[derive(Debug, Serialize)]
struct ErrorBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<String>,
    message: String,
}

pub(crate) type Outcome = Result<Answer, ApiError>;

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        let body =
            ErrorBody { code: Some(code.to_owned()), data: None, details: None, message: message.into() };
        Self { status, body }
    }

    pub(crate) fn data(mut self, data: &impl Serialize) -> Self {
        self.body.data = serde_json::value::to_raw_value(data).ok();
        self
    }

    pub(crate) fn details(mut self, details: String) -> Self {
        self.body.details = Some(details);
        self
    }

    /// A body with a message only.
    pub(crate) fn message(status: StatusCode, message: &str) -> Self {
        let body = ErrorBody { code: None, data: None, details: None, message: message.to_owned() };
        Self { status, body }
    }

    pub(crate) fn internal() -> Self {
        Self::message(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error.")
    }

    pub(crate) fn unprocessable(code: &str, message: &str) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, message)
    }

    pub(crate) fn bad_request(code: &str, message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "entity.not_found", "The resource does not exist.")
    }

    pub(crate) fn no_such(table: &str, id: &str) -> Self {
        let message = format!("The {table} with ID `{id}` does not exist.");
        Self::new(StatusCode::NOT_FOUND, "entity.not_exists_with_id", message)
    }

    /// A reference to something that does not exist, or a name that is taken, in a relation.
    pub(crate) fn constraint() -> Self {
        Self::unprocessable("entity.db_constraint_violated", "Database constraint violated.")
    }

    pub(crate) fn relation() -> Self {
        Self::unprocessable("entity.relation_foreign_key_not_found", "Cannot find one or more foreign keys.")
    }

    pub(crate) fn invalid_input(detail: &str) -> Self {
        Self::bad_request("request.invalid_input", &format!("Input is invalid. {detail}"))
            .data(&serde_json::Map::new())
    }

    pub(crate) fn unauthorized() -> Self {
        let message = "Unauthorized. Please check credentials and its scope.";
        Self::new(StatusCode::UNAUTHORIZED, "auth.unauthorized", message)
    }

    pub(crate) fn not_implemented(what: &str) -> Self {
        let message = format!("The emulator does not implement {what}.");
        Self::new(StatusCode::NOT_IMPLEMENTED, "emulator.not_implemented", message)
    }

    pub(crate) fn store_full(table: &str) -> Self {
        let message = format!("The emulator holds as many {table} as it is allowed to.");
        Self::unprocessable("emulator.store_full", &message)
    }

    /// Whether the emulator, not Logto, is the reason.
    pub(crate) fn own_reason(&self) -> Option<&str> {
        let code = self.body.code.as_deref()?;
        code.starts_with("emulator.").then_some(self.body.message.as_str())
    }

    pub(crate) fn into_answer(self) -> Answer {
        Answer::json(self.status, &self.body)
    }
}
