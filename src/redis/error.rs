//! What can go wrong with a Redis: for the operator, without values.

use std::{borrow::Cow, error::Error, sync::Arc, time::Duration};

use redis::{ErrorKind, ServerErrorKind};

use crate::trust;

/// Where the password of Sentinels is configured.
pub(super) const SENTINELS: &str = "redis.sentinel_password";
/// As much as is shown of what a server says.
const MAX_SHOWN: usize = 200;

/// Why there is no answer. Sentences without a capital.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RedisError {
    /// There is no connection.
    #[error("Redis cannot be reached: {0}")]
    Away(Arc<str>),
    /// It was sent, and nothing came back in time.
    #[error("Redis did not answer within {}", humantime::format_duration(*.0))]
    Slow(Duration),
    /// It was sent, and the connection broke.
    #[error("the connection to Redis broke: {0}")]
    Broken(Arc<str>),
    /// The user may not do that.
    #[error("the user of `redis.username` lacks a permission: {0}")]
    Permission(Arc<str>),
    /// It takes no more data.
    #[error("Redis is full (maxmemory)")]
    Full,
    /// It does not have the script that was named, and has run nothing.
    #[error("Redis does not have the script")]
    NoScript,
    /// It does not do that.
    #[error("Redis refuses: {0}")]
    Refused(Arc<str>),
    /// An answer of another form.
    #[error("Redis gave an answer that makes no sense here")]
    Unexpected,
}

impl RedisError {
    pub(super) fn of(error: &redis::RedisError) -> Self {
        if let Some(elsewhere) = elsewhere(error) {
            return elsewhere;
        }
        let said = said(error);
        match error.kind() {
            // In a script the server names neither the command nor, before Redis 7.2, the kind.
            _ if said.contains("can't run this command") || said.contains("ACL failure in script") => {
                Self::Permission("a script may not run a command that it needs".into())
            }
            _ if error.code() == Some("OOM") => Self::Full,
            ErrorKind::Io => Self::Broken(said),
            ErrorKind::Server(ServerErrorKind::NoPerm) => Self::Permission(said),
            ErrorKind::Server(ServerErrorKind::NoScript) => Self::NoScript,
            ErrorKind::UnexpectedReturnType | ErrorKind::Parse => Self::Unexpected,
            _ => Self::Refused(said),
        }
    }

    /// What to do about it: a sentence.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Away(_) | Self::Slow(_) | Self::Broken(_) => {
                "Look at the Redis and at [redis] of the configuration. A running process tries again all the time; a change of [redis] takes a restart."
            }
            Self::Permission(_) => {
                "Give the user what docs/tenants.md lists, with ACL SETUSER; in `claviger check --online` the line of `redis` names all that it lacks."
            }
            Self::Full => "Give it more memory, or take other data out of it; it is used again by itself.",
            Self::Refused(_) | Self::NoScript => {
                "Look at what Redis says; docs/tenants.md lists what it has to allow."
            }
            Self::Unexpected => "Check that redis.prefix is used by Claviger alone.",
        }
    }
}

impl From<Arc<str>> for RedisError {
    fn from(why: Arc<str>) -> Self {
        Self::Away(why)
    }
}

impl From<&str> for RedisError {
    fn from(why: &str) -> Self {
        Self::Away(why.into())
    }
}

/// Why a server with which there is a connection does not let it be used for `what`.
pub(super) fn unusable(error: &redis::RedisError, what: &str) -> RedisError {
    match RedisError::of(error) {
        RedisError::Permission(said) => RedisError::Permission(shortened(&format!("{said}: {what}"))),
        _ => RedisError::Away(said(error)),
    }
}

/// What the server says of itself where another one is to be asked, now and in time to come. Nothing was carried out then.
pub(super) fn elsewhere(error: &redis::RedisError) -> Option<RedisError> {
    use ServerErrorKind::{Ask, ClusterDown, MasterDown, Moved, ReadOnly};
    let ErrorKind::Server(kind) = error.kind() else { return None };
    let why = match kind {
        ReadOnly => {
            "it has become a read-only replica: without Sentinels (`redis.master`), write the master's address into `redis.url`"
        }
        MasterDown => "it is a replica that has lost its master (MASTERDOWN): look at the master",
        Moved | Ask => "another node of the cluster has the keys now",
        ClusterDown => "its cluster is down (CLUSTERDOWN): look at the other nodes",
        _ => return None,
    };
    Some(RedisError::Away(why.into()))
}

/// What a failed connection comes to in the operator's terms; `None` where the error says it all.
pub(super) fn plainly(error: &(dyn Error + 'static)) -> Option<Cow<'static, str>> {
    use rustls::{
        AlertDescription, CertificateError,
        Error::{AlertReceived, InvalidCertificate, InvalidMessage},
    };
    let known = match trust::tls_error(error) {
        Some(InvalidMessage(_)) => {
            "what answers there does not speak TLS: is it a port without TLS? That is redis://, not rediss://"
        }
        Some(InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature)) => {
            "the certificate's authority is not trusted: name its file in `redis.tls.roots`"
        }
        Some(AlertReceived(AlertDescription::CertificateRequired)) => {
            "it wants a client certificate, and Claviger has none: set `tls-auth-clients optional` there"
        }
        _ => return trust::explain(error).or_else(|| trust::plainly(error).map(Cow::Borrowed)),
    };
    Some(known.into())
}

/// What the server or the system said, on one line.
pub(super) fn said(error: &redis::RedisError) -> Arc<str> {
    if let Some(plain) = plainly(error) {
        return (*plain).into();
    }
    let text = match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        _ => error.to_string(),
    };
    shortened(&text)
}

/// Why the server did not take HELLO, AUTH or SELECT, never in its own words: a Redis before 6, or a proxy, repeats the arguments of what
/// it does not know, and the password is one of them.
pub(super) fn not_admitted(error: &redis::RedisError, password: &str, database: u16) -> Arc<str> {
    let refused =
        format!("it refuses user or password: compare `{password}` and `redis.username` with its ACL");
    let text = error.to_string();
    if let Some(RedisError::Away(why)) = elsewhere(error) {
        return why;
    }
    let refuses_database = |why: &str| database != 0 && text.contains(why);
    match (error.kind(), error.code()) {
        (ErrorKind::Io, _) => said(error),
        _ if refuses_database("DB index is out of range") => format!(
            "it has no database {database}: leave /{database} out of redis.url, or write one that it has"
        )
        .into(),
        _ if refuses_database("cluster mode") => format!(
            "it is a node of a cluster, which has database 0 alone: leave /{database} out of redis.url"
        )
        .into(),
        _ if text.contains("max number of clients") => {
            "it has as many clients as it takes: raise `maxclients` there, or look who they are (CLIENT LIST)".into()
        }
        (ErrorKind::UnexpectedReturnType | ErrorKind::Parse, _) => {
            "what answers there does not speak Redis' protocol: compare host and port".into()
        }
        (_, Some("WRONGPASS")) | (ErrorKind::AuthenticationFailed, _) => refused.into(),
        (_, Some("NOAUTH")) if password == SENTINELS => format!(
            "it wants a password: if it is a Sentinel, write `{password}`, else take `redis.master` out"
        )
        .into(),
        (_, Some("NOAUTH")) => format!("it wants a password: write `{password}`").into(),
        (_, Some("DENIED")) => {
            "it is in protected mode, which takes connections of its own machine alone: set a password there (requirepass), and `redis.password` here; or have it listen at addresses that you name (bind)".into()
        }
        (ErrorKind::Server(ServerErrorKind::NoPerm), _) => "the user may not use HELLO or SELECT".into(),
        (ErrorKind::Server(ServerErrorKind::BusyLoading), _) => "it is still loading its data".into(),
        _ => "it refuses HELLO, AUTH or SELECT: Redis 6.2 or later, or Valkey, is needed".into(),
    }
}

pub(super) fn shortened(text: &str) -> Arc<str> {
    let plain = text.chars().map(|it| if it.is_control() { ' ' } else { it });
    plain.take(MAX_SHOWN).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_not_to_be_asked_any_more_says_so_itself() {
        for (kind, says) in [
            (ServerErrorKind::ReadOnly, "Redis cannot be reached: it has become a read-only replica: "),
            (
                ServerErrorKind::MasterDown,
                "Redis cannot be reached: it is a replica that has lost its master",
            ),
            (ServerErrorKind::Moved, "Redis cannot be reached: another node of the cluster has the keys now"),
            (ServerErrorKind::ClusterDown, "Redis cannot be reached: its cluster is down"),
        ] {
            let error = redis::RedisError::from((ErrorKind::Server(kind), "x", "script: 58b4".to_owned()));
            let why = RedisError::of(&error);
            assert!(why.to_string().starts_with(says), "{why}");
            assert!(why.remedy().starts_with("Look at the Redis"), "{}", why.remedy());
        }
    }

    #[test]
    fn what_keeps_everybody_out_is_no_old_version() {
        for (said, says) in [
            // Its own words name four ways out, one of which is to switch the protection off.
            (
                "-DENIED Redis is running in protected mode because no password is set",
                "it is in protected mode, ",
            ),
            ("-ERR max number of clients reached", "it has as many clients as it takes: raise `maxclients`"),
            ("-MASTERDOWN Link with MASTER is down", "it is a replica that has lost its master"),
        ] {
            let error = match redis::parse_redis_value(format!("{said}\r\n").as_bytes()) {
                Ok(value) => value.extract_error().unwrap_err(),
                Err(error) => error,
            };
            let why = not_admitted(&error, "redis.password", 0);
            assert!(why.starts_with(says), "{why}");
        }
    }

    #[test]
    fn a_database_that_is_not_there_is_named() {
        let said = |detail: &str, database| {
            let error = redis::RedisError::from((
                ErrorKind::Server(ServerErrorKind::ResponseError),
                "Redis server refused to switch database",
                detail.to_owned(),
            ));
            not_admitted(&error, "redis.password", database).to_string()
        };
        let leave = "it has no database 99: leave /99 out of redis.url, or write one that it has";
        assert_eq!(said("DB index is out of range", 99), leave);
        let cluster = said("SELECT is not allowed in cluster mode", 1);
        assert!(cluster.ends_with("database 0 alone: leave /1 out of redis.url"), "{cluster}");
        for other in ["DB index is out of range", "unknown command `HELLO`, with args"] {
            assert!(said(other, 0).contains("Redis 6.2 or later"), "{other}");
        }
    }
}
