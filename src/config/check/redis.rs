//! `[redis]`, and secrets that are read when they are needed.

use std::time::Duration;

use super::checker::{Checker, MILLISECOND, MINUTE};
use crate::{
    config::{
        leaf::{BearerId, SecretId},
        path::KeyPath,
        raw_stores::RawRedis,
        redis::{NoAddress, RedisAddress, RedisOptions},
    },
    secret::{Bearer, SecretSource},
};

impl Checker<'_> {
    pub(super) fn redis(&mut self, raw: Option<RawRedis>) -> Option<RedisOptions> {
        let raw = raw?;
        let at = KeyPath::of(&["redis"]);
        let roots = self.roots(&at.key("tls"), raw.tls.and_then(|tls| tls.roots));
        let waits = MILLISECOND * 10..=MINUTE;
        let connect_timeout = self.duration(&at, "connect_timeout", raw.connect_timeout, waits.clone());
        let timeout = self.duration(&at, "timeout", raw.timeout, waits);
        let share_limits = self.leaf(&at, "share_limits", raw.share_limits).unwrap_or(true);
        let share_idempotency = self.leaf(&at, "share_idempotency", raw.share_idempotency).unwrap_or(true);
        let replicas = self.count(&at, "replicas", raw.replicas, 1..=1000);
        let url = self.list(&at, "url", raw.url).unwrap_or_default();
        let key = at.key("url");
        if url.is_empty() {
            self.missing(&key, "nothing says where it is", "Write url = \"redis://127.0.0.1:6379\".");
        }
        let parsed = url.iter().map(|(_, text)| RedisAddress::parse(text).map_err(|why| (why, text)));
        let addresses = parsed.collect::<Result<Vec<_>, _>>();
        let addresses = match addresses {
            Ok(addresses) => addresses,
            Err((why, text)) => {
                let remedy = match why {
                    // Only what is host and port and nothing else is repeated.
                    NoAddress::Form => match RedisAddress::parse(&format!("redis://{text}")) {
                        Ok(meant) if meant.to_string().strip_prefix("redis://") == Some(text) => {
                            format!("Write \"{meant}\", or \"rediss://{text}\" for TLS.")
                        }
                        _ => "Write \"redis://HOST:PORT\", \"rediss://HOST:PORT\" or \"unix:/PATH\".".into(),
                    },
                    NoAddress::Credentials => {
                        "Write username = \"…\" and password = { file = \"…\" } in place of it.".to_owned()
                    }
                };
                self.problem(&key, why.to_string(), remedy);
                return None;
            }
        };
        let usual = RedisOptions::at(addresses);
        let prefix = self.leaf(&at, "prefix", raw.prefix).unwrap_or_else(|| usual.prefix.clone());
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
        if prefix.is_empty() || prefix.len() > 100 || !prefix.bytes().all(is_plain) {
            let what = "a prefix is 1 to 100 of letters, digits, '-', '_', '.' and ':'";
            self.problem(&at.key("prefix"), what, "Write another one, such as \"claviger\".");
        }
        let username = self.leaf(&at, "username", raw.username);
        let is_without = raw.password.is_none();
        let password = self.reference(&at.key("password"), raw.password);
        if username.is_some() && is_without {
            let remedy = "Write password = { file = \"…\" }.";
            self.missing(&at.key("password"), "the user has no password", remedy);
        }
        let sentinel_password = self.reference(&at.key("sentinel_password"), raw.sentinel_password);
        let master = self.leaf(&at, "master", raw.master);
        if master.is_none() && sentinel_password.is_some() {
            let what = "it has no effect: without `master`, `url` is no Sentinel";
            self.warn(&at.key("sentinel_password"), what, "Write master, or take it out.");
        }
        let token_key = raw.token_key.and_then(|id| self.sealing_key(&at.key("token_key"), id));
        (!usual.url.is_empty()).then_some(RedisOptions {
            url: usual.url,
            master,
            username,
            password,
            sentinel_password,
            prefix,
            connect_timeout: connect_timeout.unwrap_or(usual.connect_timeout),
            timeout: timeout.unwrap_or(usual.timeout),
            share_limits,
            share_idempotency,
            replicas: replicas.unwrap_or(usual.replicas),
            token_key,
            roots: roots?,
        })
    }

    /// A secret that is read anew where it is in a file. Such a file may be there by the time it is needed.
    pub(super) fn reference(&mut self, key: &KeyPath, id: Option<BearerId>) -> Option<Bearer> {
        let BearerId(SecretId(id)) = id?;
        match self.secrets.at(id)? {
            SecretSource::Exec(command) => {
                self.program(key, command);
                Some(Bearer::Exec(command.clone()))
            }
            source @ SecretSource::File(path) => {
                match source.read() {
                    Err(error) if !self.is_no_path(key, &error) && !self.may_be_absent(&error) => {
                        self.warn(key, error.to_string(), "It is read when a connection is made.");
                    }
                    _ => {}
                }
                Some(Bearer::File(path.clone()))
            }
            SecretSource::Literal(_) | SecretSource::Env(_) => {
                self.secret_at(key, &SecretId(id)).map(Bearer::Held)
            }
        }
    }

    /// A duration with a default.
    pub(super) fn duration_or(
        &mut self,
        at: &KeyPath,
        key: &str,
        leaf: Option<crate::config::leaf::Leaf<Duration>>,
        range: std::ops::RangeInclusive<Duration>,
        default: Duration,
    ) -> Duration {
        self.duration(at, key, leaf, range).unwrap_or(default)
    }
}
