//! Why there is no token, in the issuer's terms ([`Fault`]) and in the user's ([`TokenError::remedy`]).
//! Decides which faults only a person can mend (terminal) and how soon another try makes sense. Texts that
//! come from the issuer are bounded and cleaned before they get here, and never hold a credential.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::{
    config,
    secret::Unreadable,
    trust::{self, REFUSED},
};

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No connection, or one that broke: DNS, refused, reset, TLS.
    #[error("Logto cannot be reached: {0}")]
    Unreachable(Arc<str>),
    /// No whole answer within the time for one token request.
    #[error("Logto did not answer in time")]
    Timeout,
    /// An answer that is neither a token nor an OAuth error: 5xx, a redirect, a proxy's page.
    #[error("Logto answered with status {0}")]
    Status(u16),
    /// A 5xx with a web page, or a 401 or 403 that is no OAuth error: what is in front of Logto answers in its stead.
    #[error("not Logto, but something in its place answered with status {0}")]
    Gateway(u16),
    /// 429.
    #[error("Logto limits the rate of token requests")]
    RateLimited,
    /// 429 `auth.exceed_token_limit` of Logto Cloud (fact 12): no token before the plan's period ends.
    #[error("the plan's number of tokens is used up")]
    TokenCap,
    /// Our own count of the tenant's quota leaves no room before the caller's deadline.
    #[error(
        "the tenant's quota at Claviger (`quota` of the tenant) leaves no room for a token request before the deadline"
    )]
    Quota,
    /// 2xx, and not a token that can be used.
    #[error("Logto's response is invalid: {0}")]
    Invalid(Flaw),
    /// An OAuth error (RFC 6749 section 5.2).
    #[error("Logto refused with {error}: {description}")]
    Rejected {
        /// `error`, at most 64 bytes of `a-z0-9_.-`.
        error: Box<str>,
        /// `error_description`, at most 200 bytes of printable ASCII; may say that id and secret look swapped.
        description: Box<str>,
    },
    /// A token, but without these scopes. Logto answers 200 for it (fact 1.4).
    #[error("Logto did not grant the scope {missing}")]
    ScopeMissing {
        /// Separated by spaces.
        missing: Box<str>,
    },
    /// No secret to ask with: its command failed, or whatever else it comes from. Only the operator is told why.
    #[error("the client secret cannot be read: {0}")]
    SecretUnreadable(Unreadable),
    /// A grant is under way, but the caller could wait no longer.
    #[error("no token within the time the request had")]
    Deadline,
    /// The task of the grant ended without a result: the process is going down, or a bug.
    #[error("the grant was cut short")]
    Interrupted,
}

/// Behind a complaint of an unknown client id that is as long as Logto's secrets, where the secret is as long as its ids.
pub(super) const SWAPPED: &str = " (it is as long as a secret, and the secret as long as an id)";

/// What is said of a refusal by another Claviger, in place of its own description.
pub(super) const OTHER_CLAVIGER: &str =
    "another Claviger is at `endpoint`, and has no caller with this name and key";

/// What is wrong with a 2xx answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// No body.
    #[error("the body is empty")]
    Empty,
    /// Logto serves its sign-in page for every path it does not know (fact 3.4).
    #[error("a page of HTML instead of JSON")]
    Html,
    /// Not a JSON object with members of the right types.
    #[error("the body is not the JSON of a token")]
    Malformed,
    /// Over [`MAX_BODY`](super::MAX_BODY).
    #[error("the body is too large")]
    TooLarge,
    /// No `access_token`, or an empty one.
    #[error("there is no access_token in it")]
    NoToken,
    /// Bytes that RFC 6749 appendix A.12 does not allow, or more than 16 KiB.
    #[error("the access_token cannot be sent in a header")]
    OddToken,
    /// `token_type` is missing or not `Bearer`.
    #[error("the token_type is not Bearer")]
    TokenType,
    /// `expires_in` below one second.
    #[error("the token had expired before it was issued")]
    Expired,
    /// Over by the time the answer was here.
    #[error("the token had expired before it arrived")]
    ExpiredOnArrival,
}

/// A fault, and what the issuer said about when to come back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantFailure {
    /// What went wrong.
    pub fault: Fault,
    /// `Retry-After`, as time from now.
    pub retry_after: Option<Duration>,
}

impl From<Fault> for GrantFailure {
    fn from(fault: Fault) -> Self {
        Self { fault, retry_after: None }
    }
}

impl From<Flaw> for GrantFailure {
    fn from(flaw: Flaw) -> Self {
        Fault::Invalid(flaw).into()
    }
}

impl Fault {
    /// One of a closed set, for metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::Timeout => "timeout",
            Self::Status(_) | Self::Gateway(_) => "status",
            Self::RateLimited => "rate_limited",
            Self::TokenCap => "token_cap",
            Self::Quota => "quota",
            Self::Invalid(_) => "invalid",
            Self::Rejected { error, .. } => match &**error {
                "invalid_client" => "invalid_client",
                "invalid_scope" => "invalid_scope",
                "invalid_target" => "invalid_target",
                _ => "rejected",
            },
            Self::ScopeMissing { .. } => "scope_missing",
            Self::SecretUnreadable(_) => "secret_unreadable",
            Self::Deadline => "deadline",
            Self::Interrupted => "interrupted",
        }
    }

    /// Only a changed configuration or secret, or a change on the issuer's side, can help.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Rejected { .. } | Self::ScopeMissing { .. })
    }

    /// What a changed secret settles.
    pub(super) fn is_of_secret(&self) -> bool {
        self.is_terminal() || matches!(self, Self::SecretUnreadable(_))
    }

    /// Another try soon is pointless: it is made seldom, and only when somebody asks.
    pub(super) fn is_slow(&self) -> bool {
        self.is_terminal() || matches!(self, Self::TokenCap)
    }

    /// Another secret may do. Logto answers 400 `invalid_request` for one that expired (fact 1.5).
    pub(super) fn blames_secret(&self) -> bool {
        match self {
            Self::Rejected { error, .. } => &**error == "invalid_client" || self.says_expired(),
            _ => false,
        }
    }

    /// Another secret may do, whether this one was refused or could not be read.
    pub(super) fn may_lie_in_secret(&self) -> bool {
        self.blames_secret() || matches!(self, Self::SecretUnreadable(_))
    }

    fn says_expired(&self) -> bool {
        matches!(self, Self::Rejected { error, description }
            if &**error == "invalid_request" && description.contains("secret has expired"))
    }

    /// What to do about it, in the user's words.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Unreachable(why) if **why == *REFUSED => {
                "Does Logto run there? Compare host and port with `endpoint` (LOGTO_ENDPOINT)."
            }
            // It says what to write.
            Self::Unreachable(why) if trust::says_what_to_do(why) => "",
            Self::Unreachable(_) => "Check `endpoint`, DNS, the network policy and `tls.roots`.",
            Self::SecretUnreadable(_) => "Look at where `client_secret` comes from.",
            Self::Timeout | Self::Interrupted | Self::Deadline => {
                "Logto is slow or overloaded, or another service listens at `endpoint`: look at host and port, and at how Logto and its database fare."
            }
            Self::Status(300..=399) => {
                "Logto redirects, and credentials are never sent after a redirect: set `endpoint` to the final address."
            }
            Self::Status(400..=499 | 501) | Self::Invalid(Flaw::Html | Flaw::Empty | Flaw::Malformed) => {
                "This does not look like Logto's token endpoint: set `endpoint` to the tenant's own address, such as https://acme.logto.app, without a path and not the console's."
            }
            Self::Status(_) => "It is an error of Logto's own: look at its log and at its database.",
            Self::Gateway(..=499) => {
                "A reverse proxy or a firewall in front of Logto refuses: have it let Claviger's requests through. Or `endpoint` is another server's: set it to Logto's."
            }
            Self::Gateway(_) => {
                "What is in front of Logto answers in its place, such as a gateway or a load balancer: look at its log, and at whether Logto runs."
            }
            Self::RateLimited | Self::Quota => {
                "Too many requests for this tenant; token requests resume by themselves."
            }
            Self::TokenCap => {
                "The plan's number of access tokens is used up: raise the plan's limit in Logto Cloud."
            }
            Self::Invalid(Flaw::Expired | Flaw::ExpiredOnArrival) => {
                "The token's life is too short to use: check the access token's life of the API resource, and the clocks on both sides."
            }
            Self::Invalid(_) => "The answer breaks RFC 6749: check `endpoint` and what stands between.",
            Self::ScopeMissing { missing } if **missing != *"all" => {
                "Logto's Management API knows one scope, all: for it leave `scopes` out. For another API assign the application a role with this permission."
            }
            Self::ScopeMissing { .. } => {
                "Assign a role with the permissions of the Logto Management API to this machine-to-machine application: Logto Console, Applications, the application, Machine-to-machine roles."
            }
            Self::Rejected { .. } => self.remedy_of_rejection(),
        }
    }

    fn remedy_of_rejection(&self) -> &'static str {
        let Self::Rejected { error, description } = self else { return "" };
        match &**error {
            "invalid_client" if description.ends_with(SWAPPED) => config::SWAPPED,
            "invalid_client" if **description == *OTHER_CLAVIGER => {
                "Set `endpoint` to Logto's own address; or, to go through that Claviger, `client_id` to the name of one of its callers and `client_secret` to its API key."
            }
            // Logto says `invalid client X` for an id it does not know (fact 1.5).
            "invalid_client" if description.starts_with("invalid client") => {
                "The tenant has no application with this `client_id`: copy the App ID from Logto Console, and check that `endpoint` is this application's tenant."
            }
            "invalid_client" => {
                "The client secret is wrong or was deleted: copy a current one from Logto Console, Applications, the application, App secrets."
            }
            "invalid_request" if self.says_expired() => {
                "The client secret has expired: create a new one in Logto Console, Applications, the application, App secrets."
            }
            // The second is of one that is not Basic (transcript token_bearer_header_instead_of_basic).
            "invalid_request"
                if description.contains("no client authentication")
                    || description.contains("authorization header value") =>
            {
                "A proxy between Claviger and Logto takes the Authorization header out of token requests, or replaces it: have it pass that on, or set `client_auth` to \"client_secret_post\"."
            }
            "invalid_target" => {
                "Set `resource` to the identifier of the Management API, letter by letter and without a trailing slash: https://<tenant id>.logto.app/api on Logto Cloud (also with a custom domain), https://default.logto.app/api elsewhere."
            }
            "invalid_scope" => "Logto does not know one of `scopes`; Logto's Management API has one, `all`.",
            "access_denied" => {
                "The application is not a member of the organization in `organization_id`, or a token customizer denies it."
            }
            "unauthorized_client" | "unsupported_grant_type" | "invalid_redirect_uri" => {
                "This application may not use client credentials: create one of the type machine-to-machine."
            }
            _ => {
                "Compare `client_id`, `resource`, `scopes` and `parameters` with the application in Logto Console."
            }
        }
    }
}

/// Why a caller gets no token, and when asking again makes sense. Cheap to clone: all who waited share it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{fault}")]
pub struct TokenError {
    fault: Arc<Fault>,
    retry_at: Option<Instant>,
}

impl TokenError {
    pub(super) fn new(fault: Fault, retry_at: Option<Instant>) -> Self {
        Self { fault: Arc::new(fault), retry_at }
    }

    /// What went wrong.
    pub fn fault(&self) -> &Fault {
        &self.fault
    }

    /// One of a closed set, for metrics.
    pub fn label(&self) -> &'static str {
        self.fault.label()
    }

    /// Only a changed configuration or secret, or a change on the issuer's side, can help.
    pub fn is_terminal(&self) -> bool {
        self.fault.is_terminal()
    }

    /// How long until another grant may be tried: at least a second, as `Retry-After` counts in seconds.
    pub fn retry_after(&self, now: Instant) -> Duration {
        let left = self.retry_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        left.max(Duration::from_secs(1))
    }

    /// What to do about it, in the user's words.
    pub fn remedy(&self) -> &'static str {
        self.fault.remedy()
    }
}
