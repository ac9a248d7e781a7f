//! The error of this module: the request is not authenticated. Its text is for the caller, and says no more
//! than that a token has expired; the operator gets the cause by its methods.

use std::{borrow::Cow, fmt, time::Duration};

use super::{api_key, cause::Cause, jwt, presented::Presented};

/// The request is unauthenticated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthnError {
    method: &'static str,
    cause: Cause,
    /// What is wrong with the connection's evidence beside it.
    connection: Option<Cow<'static, str>>,
    asks_for_token: bool,
}

/// How a client authenticates where it asks for a token.
const AS_CLIENT: &str = "At /oidc/token send the caller's name as `client_id` and its API key as `client_secret`, in the form or by HTTP Basic (curl: `-u NAME:KEY`); or the key as `Claviger-Key`, or a JWT as `client_assertion`.";

impl AuthnError {
    pub(super) fn new(method: &'static str, cause: Cause) -> Self {
        Self { method, cause, connection: None, asks_for_token: false }
    }

    pub(super) fn with_connection(self, connection: Option<Cause>) -> Self {
        Self { connection: connection.map(|cause| cause.text), ..self }
    }

    /// The same, about what was presented.
    pub(super) fn of(self, presented: &Presented<'_>) -> Self {
        Self { asks_for_token: presented.asks_for_token, ..self }
    }

    /// Whether a token was asked for: other credentials are read there.
    pub fn asks_for_token(&self) -> bool {
        self.asks_for_token
    }

    /// The name of the authentication method that rejected the request, or came nearest; `none` where the request
    /// presented nothing that any of them reads.
    pub fn method(&self) -> &'static str {
        self.method
    }

    /// The metric's label: one word of a closed set.
    pub fn reason(&self) -> &'static str {
        self.cause.reason
    }

    /// What is wrong, for the operator.
    pub fn cause(&self) -> String {
        match &self.connection {
            Some(connection) => format!("{}; {connection}", self.cause.text),
            None => self.cause.text.clone().into_owned(),
        }
    }

    /// What its sender can do about it, where that gives nobody a hint who guesses.
    pub fn remedy(&self) -> Option<&'static str> {
        if (self.method, self.cause.reason) == ("api_key", "scheme") {
            return Some("Send the key alone in `Claviger-Key`, without `Bearer` in front of it.");
        }
        match self.cause.reason {
            "several" => Some("Send one credential, not two."),
            _ if self.has_expired() => None,
            _ if self.asks_for_token => Some(AS_CLIENT),
            "scheme" => {
                Some("Send an API key or a token as `Authorization: Bearer`, or a key as `Claviger-Key`.")
            }
            _ => None,
        }
    }

    /// What the operator looks at.
    pub fn operators_remedy(&self) -> Option<&'static str> {
        Some(match (self.method, self.cause.reason) {
            ("jwt", "audience") => {
                "Ask the issuer for a token with the audience in issuers.NAME.audience; in a pod, that is `audience` of the projected volume."
            }
            ("jwt", "issuer_unknown") if self.cause == jwt::NO_ISSUERS => {
                "Write [issuers.NAME] with issuer and audience, or have the client send an API key."
            }
            ("jwt", "issuer_unknown") => {
                "Compare the token's iss with issuers.NAME.issuer, letter by letter."
            }
            (_, "no_caller") => {
                "Name its sender in callers.NAME.identify, or treat the sender's access as ended."
            }
            (_, "two_callers") => "Make callers.NAME.identify of the two exclude each other.",
            ("jwt", "key_unknown" | "signature") => {
                "Is it a token of another cluster or issuer with the same iss? `/status` has the keys that are held."
            }
            ("jwt", "cut") => "Look at the client: is the token cut off, in a variable or a file?",
            ("jwt", "algorithm") => "Compare alg with issuers.NAME.algorithms.",
            ("jwt", "times") => {
                "Have the issuer set exp: a number, in seconds since 1970, as nbf and iat are where it sets them."
            }
            ("jwt", "subject") => "Have the issuer set sub: whom the token is about.",
            ("jwt", "header") => {
                "Have the issuer make tokens with typ JWT or at+jwt, and with no key or extension in their header."
            }
            ("jwt", "not_yet_valid") => "Compare the clocks of issuer and Claviger.",
            ("claviger_token", "sealed") => {
                "Give all replicas one broker.key; the client gets another token by itself."
            }
            ("api_key", "unknown") if !api_key::is_any_other(&self.cause.text) => {
                "`cause` says what the client sends in the place of a key: have it send the key as it is, or that where it belongs."
            }
            ("api_key", "unknown") => {
                "Compare the key with callers.NAME.identify.api_key; was it rotated, or does a line end belong to it?"
            }
            _ => return self.remedy(),
        })
    }

    /// Whether it was valid until a while ago: what its sender can read in it too, so it may be told.
    pub fn has_expired(&self) -> bool {
        self.cause.reason == "expired"
    }

    /// Where it is not the caller's fault, as the signing keys of the token's issuer are unavailable: when they will
    /// be asked for again.
    pub fn retry_after(&self) -> Option<Duration> {
        self.cause.retry_after
    }
}

impl fmt::Display for AuthnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.cause.retry_after {
            None if self.has_expired() && self.method == "certificate" => {
                "the client certificate has expired"
            }
            None if self.has_expired() => "the token has expired",
            None => "the caller could not be authenticated",
            Some(_) => "cannot verify the token: the issuer's signing keys are unavailable",
        })
    }
}

impl std::error::Error for AuthnError {}
