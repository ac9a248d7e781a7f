//! Choices that are written as one word. Each word is defined once, for parsing, for showing and for the schema.

use schemars::{Schema, json_schema};
use serde::{Serialize, Serializer};

use super::{
    from_text::FromText,
    path_or_url::of_file_url,
    problem::{Mistake, nearest, quoted},
};

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For a terminal where standard error is one, else JSON.
    Auto,
    /// One JSON object a line.
    Json,
    /// For a terminal.
    Human,
}

/// Which requests get a log line of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogRequests {
    /// Every one where the log is for a terminal, else failures.
    Auto,
    /// Every one.
    All,
    /// Those that Claviger refused and those that failed (5xx).
    Failures,
    /// None.
    Off,
}

/// How the client credentials are sent (RFC 6749 section 2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientAuth {
    /// `client_secret_basic`
    Basic,
    /// `client_secret_post`
    Post,
}

/// What the token broker hands to a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Issue {
    /// `"claviger"`: a token that is good only here.
    #[default]
    Claviger,
    /// `"upstream"`: the tenant's access token.
    Upstream,
}

/// Where `indicator` leads in the answer to the creation of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Indicator {
    /// `"logto"`: as Logto wrote it.
    Logto,
    /// `"claviger"`: to the tenant here.
    Claviger,
}

/// How urgent a caller's requests are, the most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Class {
    /// `"interactive"`: somebody waits for the answer.
    Interactive,
    /// `"normal"`
    #[default]
    Normal,
    /// `"batch"`: whatever is left is good enough.
    Batch,
}

impl Class {
    /// All of them, the most urgent first.
    pub const ALL: [Self; 3] = [Self::Interactive, Self::Normal, Self::Batch];

    /// Its place among them.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Interactive => "interactive",
            Self::Normal => "normal",
            Self::Batch => "batch",
        }
    }
}

/// The name of a set of certificate authorities.
#[derive(Clone, Copy)]
pub(super) enum RootsName {
    System,
    Bundled,
}

/// A place for the audit log that is no file.
#[derive(Clone, Copy)]
pub(super) enum AuditWord {
    Off,
    Stdout,
}

macro_rules! words {
    ($type:ty, $wanted:literal, { $($word:literal => $value:path),+ $(,)? }) => {
        words!($type, $wanted, { $($word => $value),+ }, |_: &str| {
            String::from(concat!("Write one of:", $(" \"", $word, "\""),+, "."))
        });
    };
    ($type:ty, $wanted:literal, { $($word:literal => $value:path),+ $(,)? }, $otherwise:expr) => {
        impl FromText for $type {
            const WANTED: &'static str = $wanted;

            fn from_text(text: &str) -> Result<Self, Mistake> {
                match text {
                    $($word => Ok($value),)+
                    _ => Err(Mistake::new(
                        format!("{} is not {}", quoted(text), Self::WANTED),
                        match nearest(text, [$($word),+]) {
                            Some(near) => format!("Did you mean \"{near}\"?"),
                            None => $otherwise(text),
                        },
                    )),
                }
            }

            fn schema() -> Schema {
                json_schema!({ "enum": [$($word),+] })
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(match self {
                    $($value => $word,)+
                })
            }
        }
    };
}

words!(LogFormat, "a log format", { "auto" => Self::Auto, "json" => Self::Json, "human" => Self::Human });
words!(LogRequests, "a choice of requests", {
    "auto" => Self::Auto,
    "all" => Self::All,
    "failures" => Self::Failures,
    "off" => Self::Off,
});
words!(ClientAuth, "a method of client authentication", {
    "client_secret_basic" => Self::Basic,
    "client_secret_post" => Self::Post,
});
words!(RootsName, "a set of certificate authorities", { "system" => Self::System, "bundled" => Self::Bundled }, |text: &str| {
    let path = of_file_url(text).unwrap_or(text);
    match path.contains(['.', '/']) && !path.contains("://") {
        true => format!("For the certificates of a file write roots = {{ file = {path:?} }}."),
        false => "Write \"system\", \"bundled\" or, for the certificates of a file, { file = \"ca.pem\" }.".to_owned(),
    }
});
words!(AuditWord, "a place for the audit log", { "off" => Self::Off, "stdout" => Self::Stdout });
words!(Indicator, "a place for the indicator", { "logto" => Self::Logto, "claviger" => Self::Claviger });
words!(Class, "a class of requests", { "interactive" => Self::Interactive, "normal" => Self::Normal, "batch" => Self::Batch });
words!(Issue, "a kind of token", { "claviger" => Self::Claviger, "upstream" => Self::Upstream });
