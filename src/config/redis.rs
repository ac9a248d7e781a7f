//! `[redis]`: a Redis or Valkey that replicas share.

use std::{fmt, path::PathBuf, time::Duration};

use serde::{Serialize, Serializer};

use super::{show, tenant::Roots};
use crate::secret::{Bearer, ClientSecret};

/// `[redis]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RedisOptions {
    /// `url`: one or more, tried in order.
    pub url: Vec<RedisAddress>,
    /// `master`: set, the addresses are those of Sentinels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub master: Option<String>,
    /// `username`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// `password`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Bearer>,
    /// `sentinel_password`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sentinel_password: Option<Bearer>,
    /// `prefix`
    pub prefix: String,
    /// `connect_timeout`
    #[serde(serialize_with = "show::duration")]
    pub connect_timeout: Duration,
    /// `timeout`
    #[serde(serialize_with = "show::duration")]
    pub timeout: Duration,
    /// `share_limits`
    pub share_limits: bool,
    /// `share_idempotency`
    pub share_idempotency: bool,
    /// `replicas`
    pub replicas: u32,
    /// `token_key`: what shared tokens and answers are sealed with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_key: Option<ClientSecret>,
    /// `tls.roots`
    pub roots: Roots,
}

impl RedisOptions {
    /// The defaults, for a Redis at these addresses.
    pub fn at(url: Vec<RedisAddress>) -> Self {
        Self {
            url,
            master: None,
            username: None,
            password: None,
            sentinel_password: None,
            prefix: "claviger".into(),
            connect_timeout: Duration::from_secs(3),
            timeout: Duration::from_secs(2),
            share_limits: true,
            share_idempotency: true,
            replicas: 1,
            token_key: None,
            roots: Roots::Bundled,
        }
    }
}

/// Where a Redis listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedisAddress {
    /// `redis://` or `rediss://`
    Tcp {
        /// A name or an IP address, without brackets.
        host: String,
        /// The port.
        port: u16,
        /// Whether with TLS.
        tls: bool,
        /// The number of the database.
        database: u16,
    },
    /// `unix:` and a path.
    Unix(PathBuf),
}

/// Why a text is no address. It is not quoted: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoAddress {
    /// Another form.
    #[error("this is not the address of a Redis")]
    Form,
    /// With user name or password.
    #[error("the URL holds a user name or password")]
    Credentials,
}

impl RedisAddress {
    /// Parses one.
    ///
    /// # Errors
    /// `NoAddress`: why it is none.
    pub fn parse(text: &str) -> Result<Self, NoAddress> {
        if let Some(path) = text.strip_prefix("unix:").filter(|path| path.starts_with('/')) {
            return Ok(Self::Unix(path.into()));
        }
        let (tls, rest) = match text.split_once("://") {
            Some(("redis", rest)) => (false, rest),
            Some(("rediss", rest)) => (true, rest),
            _ => return Err(NoAddress::Form),
        };
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        if rest.contains('@') {
            return Err(NoAddress::Credentials);
        }
        let database = if database.is_empty() { "0" } else { database };
        let database = database.parse().map_err(|_| NoAddress::Form)?;
        let authority: http::uri::Authority = authority.parse().map_err(|_| NoAddress::Form)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let port = match authority.port_u16() {
            Some(port) => port,
            None if authority.as_str() == authority.host() => 6379,
            None => return Err(NoAddress::Form),
        };
        if host.is_empty() || port == 0 {
            return Err(NoAddress::Form);
        }
        Ok(Self::Tcp { host: host.to_owned(), port, tls, database })
    }

    /// Whether with TLS.
    pub fn is_tls(&self) -> bool {
        matches!(self, Self::Tcp { tls: true, .. })
    }

    /// Another node of the same Redis.
    #[must_use]
    pub fn at(&self, node: &str, at: u16) -> Self {
        match self {
            Self::Tcp { host, tls, database, .. } => {
                // A cluster that does not know its own address leaves it out.
                let host = if node.is_empty() { host.clone() } else { node.to_owned() };
                Self::Tcp { host, port: at, tls: *tls, database: *database }
            }
            Self::Unix(_) => Self::Tcp { host: node.to_owned(), port: at, tls: false, database: 0 },
        }
    }
}

impl fmt::Display for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port, tls, database } => {
                let scheme = if *tls { "rediss" } else { "redis" };
                match host.contains(':') {
                    true => write!(f, "{scheme}://[{host}]:{port}")?,
                    false => write!(f, "{scheme}://{host}:{port}")?,
                }
                if *database > 0 { write!(f, "/{database}") } else { Ok(()) }
            }
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Serialize for RedisAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_shown() {
        for good in [
            "redis://127.0.0.1:6379",
            "rediss://redis.example:6380/2",
            "redis://[::1]:7000",
            "unix:/run/redis/redis.sock",
        ] {
            assert_eq!(RedisAddress::parse(good).unwrap().to_string(), good);
        }
        assert_eq!(RedisAddress::parse("redis://r").unwrap().to_string(), "redis://r:6379");
        assert_eq!(RedisAddress::parse("redis://:hunter2@r").unwrap_err(), NoAddress::Credentials);
        assert_eq!(RedisAddress::parse("redis://u:p@r/1").unwrap_err(), NoAddress::Credentials);
        for bad in
            ["", "r:6379", "http://r", "redis://", "redis://r:x", "redis://r:0", "redis://r/x", "unix:r"]
        {
            assert_eq!(RedisAddress::parse(bad).unwrap_err(), NoAddress::Form, "{bad}");
        }
        let seed = RedisAddress::parse("rediss://seed:7000").unwrap();
        assert_eq!(seed.at("10.0.0.1", 7001).to_string(), "rediss://10.0.0.1:7001");
        assert_eq!(seed.at("", 7001).to_string(), "rediss://seed:7001");
    }
}
