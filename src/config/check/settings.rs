//! The sections that are about Claviger itself.

use std::time::Duration;

use super::checker::{Checker, DAY, HOUR, MILLISECOND, MINUTE, SECOND, is_visible};
use crate::config::{
    leaf::{AddressOrOff, Leaf, Mode},
    listen::{Address, Listen},
    path::KeyPath,
    problem::quoted,
    raw::{
        RawAuthz, RawBroker, RawLimits, RawListen, RawLog, RawReload, RawRetry, RawShutdown, RawTimeouts,
        RawToken,
    },
    sections::{BrokerOptions, Limits, Log, Reload, Retry, Shutdown, Timeouts, TokenOptions},
};

/// Bytes of text that seal a token; `openssl rand -hex 32` prints 64.
const LEAST_SEAL_KEY: usize = 32;

impl Checker<'_> {
    pub(super) fn listen(&mut self, raw: RawListen, defaults: Listen) -> Listen {
        let at = KeyPath::of(&["listen"]);
        let proxy = self.list(&at, "proxy", raw.proxy);
        let given = proxy.is_some();
        let admin =
            self.leaf(&at, "admin", raw.admin).map_or(defaults.admin, |AddressOrOff(address)| address);
        let mut addresses: Vec<Address> = Vec::new();
        for (path, address) in proxy.unwrap_or_default() {
            let same = |other: &Address| overlap(other, &address);
            if addresses.iter().any(same) {
                self.remarks.told.push(path.clone());
                self.problem(
                    &path,
                    "this address is given twice, or within another one",
                    "Take one of the two out.",
                );
            } else if admin.as_ref().is_some_and(same) {
                let remedy =
                    "Give admin a port of its own, such as \"127.0.0.1:3601\", or write admin = \"off\".";
                self.remarks.told.push(path.clone());
                self.problem(&path, "this is the address of listen.admin as well", remedy);
            } else {
                addresses.push(address);
            }
        }
        if !given {
            addresses = defaults.proxy;
            if addresses.iter().any(|address| admin.as_ref().is_some_and(|admin| overlap(admin, address))) {
                let what = "this is the address that the proxy listens on";
                self.problem(&at.key("admin"), what, "Give it another port, or write listen.proxy.");
            }
        } else if addresses.is_empty() {
            self.missing(&at.key("proxy"), "there is no address to listen on", "Write [\"127.0.0.1:3600\"].");
        }
        let mut allowed_hosts = Vec::new();
        for (path, host) in self.list(&at, "allowed_hosts", raw.allowed_hosts).unwrap_or_default() {
            match bare_host(&host) {
                Some(host) => allowed_hosts.push(host),
                None => {
                    let what = format!("{} is not a host name", quoted(&host));
                    self.problem(
                        &path,
                        what,
                        "Write the name alone, without scheme, port and path: \"logto.internal\".",
                    );
                }
            }
        }
        let public_url =
            self.leaf(&at, "public_url", raw.public_url).and_then(|url| self.public_url(&at, &url));
        Listen {
            proxy: addresses,
            admin,
            unix_mode: self
                .leaf(&at, "unix_mode", raw.unix_mode)
                .map_or(defaults.unix_mode, |Mode(mode)| mode),
            public_url,
            allowed_hosts,
            max_connections: self
                .count(&at, "max_connections", raw.max_connections, 1..=1_000_000)
                .unwrap_or(defaults.max_connections),
            tls: raw.tls.and_then(|tls| self.listen_tls(tls)),
        }
    }

    fn public_url(&mut self, at: &KeyPath, text: &str) -> Option<String> {
        let url: Option<http::Uri> = text.parse().ok();
        let fits = url.as_ref().is_some_and(|url| {
            matches!(url.scheme_str(), Some("http" | "https"))
                && url.query().is_none()
                && url.authority().is_some_and(|authority| !authority.as_str().contains('@'))
                && !text.contains('#')
        });
        if !fits {
            let what = "this is not the base of a URL";
            self.problem(
                &at.key("public_url"),
                what,
                "Write scheme and host, such as \"https://logto.internal\".",
            );
            return None;
        }
        Some(text.trim_end_matches('/').to_owned())
    }

    pub(super) fn timeouts(&mut self, raw: RawTimeouts, defaults: Timeouts) -> Timeouts {
        let at = KeyPath::of(&["timeouts"]);
        let mut wait =
            |key, leaf, default| self.duration(&at, key, leaf, MILLISECOND..=HOUR).unwrap_or(default);
        let timeouts = Timeouts {
            head: wait("head", raw.head, defaults.head),
            idle: wait("idle", raw.idle, defaults.idle),
            body: wait("body", raw.body, defaults.body),
            deadline: wait("deadline", raw.deadline, defaults.deadline),
            connect: wait("connect", raw.connect, defaults.connect),
            response: wait("response", raw.response, defaults.response),
            token: wait("token", raw.token, defaults.token),
            upstream_idle: wait("upstream_idle", raw.upstream_idle, defaults.upstream_idle),
        };
        if timeouts.upstream_idle > Duration::from_secs(5) {
            let what = "Logto closes idle connections after 5 to 6 s: a request may meet a connection that is just closing";
            self.warn(&at.key("upstream_idle"), what, "Write at most \"5s\"; the default is \"4s\".");
        }
        for (key, value) in [("connect", timeouts.connect), ("response", timeouts.response)] {
            if value > timeouts.deadline {
                let deadline = humantime::format_duration(timeouts.deadline);
                let what =
                    format!("it is longer than timeouts.deadline ({deadline}), which ends the wait first");
                self.warn(&at.key(key), what, "Shorten it, or lengthen the deadline.");
            }
        }
        timeouts
    }

    pub(super) fn limits(&mut self, raw: RawLimits, defaults: Limits) -> Limits {
        const KIB: u64 = 1024;
        const GIB: u64 = 1024 * 1024 * 1024;
        let at = KeyPath::of(&["limits"]);
        let narrow = |size: u64| usize::try_from(size).ok();
        Limits {
            head: self.size(&at, "head", raw.head, KIB..=KIB * KIB).and_then(narrow).unwrap_or(defaults.head),
            body: self.size(&at, "body", raw.body, 1..=GIB).unwrap_or(defaults.body),
            form_body: self.size(&at, "form_body", raw.form_body, 1..=GIB).unwrap_or(defaults.form_body),
            multipart_body: self
                .size(&at, "multipart_body", raw.multipart_body, 1..=GIB)
                .unwrap_or(defaults.multipart_body),
            replay: self
                .size(&at, "replay", raw.replay, 0..=64 * KIB * KIB)
                .and_then(narrow)
                .unwrap_or(defaults.replay),
            queue: self.count(&at, "queue", raw.queue, 0..=1_000_000).unwrap_or(defaults.queue),
            failed_identifications: self
                .count(&at, "failed_identifications", raw.failed_identifications, 1..=1_000_000)
                .unwrap_or(defaults.failed_identifications),
        }
    }

    pub(super) fn retry(&mut self, raw: RawRetry, defaults: Retry) -> Retry {
        let at = KeyPath::of(&["retry"]);
        let budget = self.fraction(&at, "budget", raw.budget, 0.0..=1.0);
        let (backoff, max_backoff) =
            self.backoff(&at, (raw.backoff, defaults.backoff), (raw.max_backoff, defaults.max_backoff));
        Retry {
            attempts: self.count(&at, "attempts", raw.attempts, 1..=10).unwrap_or(defaults.attempts),
            backoff,
            max_backoff,
            // A share of requests does not need more digits.
            budget: budget.map_or(defaults.budget, |budget| budget as f32),
        }
    }

    pub(super) fn token(&mut self, raw: RawToken, defaults: TokenOptions) -> TokenOptions {
        let at = KeyPath::of(&["token"]);
        let (backoff, max_backoff) =
            self.backoff(&at, (raw.backoff, defaults.backoff), (raw.max_backoff, defaults.max_backoff));
        TokenOptions {
            refresh_at: self
                .fraction(&at, "refresh_at", raw.refresh_at, 0.1..=0.95)
                .unwrap_or(defaults.refresh_at),
            min_interval: self
                .duration(&at, "min_interval", raw.min_interval, MILLISECOND..=HOUR)
                .unwrap_or(defaults.min_interval),
            backoff,
            max_backoff,
        }
    }

    /// A first wait and the longest one; where only one of them is given, the other's default gives way.
    fn backoff(
        &mut self,
        at: &KeyPath,
        (first, first_default): (Option<Leaf<Duration>>, Duration),
        (longest, longest_default): (Option<Leaf<Duration>>, Duration),
    ) -> (Duration, Duration) {
        let first = self.duration(at, "backoff", first, MILLISECOND..=HOUR);
        let longest = self.duration(at, "max_backoff", longest, MILLISECOND..=HOUR);
        match (first, longest) {
            (Some(first), Some(longest)) if first > longest => {
                let what = "the longest wait is shorter than the first (backoff)";
                self.problem(&at.key("max_backoff"), what, "Write a longer one, or shorten backoff.");
                (first, longest)
            }
            (Some(first), None) => (first, longest_default.max(first)),
            (None, Some(longest)) => (first_default.min(longest), longest),
            (first, longest) => (first.unwrap_or(first_default), longest.unwrap_or(longest_default)),
        }
    }

    pub(super) fn broker(&mut self, raw: RawBroker, defaults: BrokerOptions) -> BrokerOptions {
        let at = KeyPath::of(&["broker"]);
        let key = raw.key.and_then(|slot| self.secret(&at.key("key"), &slot));
        if let Some(key) = &key
            && key.expose().len() < LEAST_SEAL_KEY
        {
            let what = format!("the key has {} bytes; {LEAST_SEAL_KEY} is the least", key.expose().len());
            self.problem(&at.key("key"), what, "Make one with: openssl rand -hex 32");
        }
        BrokerOptions { ttl: self.duration(&at, "ttl", raw.ttl, SECOND..=DAY).unwrap_or(defaults.ttl), key }
    }

    pub(super) fn authz(&mut self, raw: RawAuthz, default: bool) -> bool {
        self.leaf(&KeyPath::of(&["authz"]), "enabled", raw.enabled).unwrap_or(default)
    }

    pub(super) fn log(&mut self, raw: RawLog, defaults: Log) -> Log {
        let at = KeyPath::of(&["log"]);
        let level = self.leaf(&at, "level", raw.level).filter(|level| {
            let fits = is_log_filter(level);
            if !fits {
                let what = format!("{} is not a log filter", quoted(level));
                let remedy = "Write error, warn, info, debug or trace; or directives such as \"info,claviger::token=debug\".";
                self.problem(&at.key("level"), what, remedy);
            }
            fits
        });
        Log {
            format: self.leaf(&at, "format", raw.format).unwrap_or(defaults.format),
            level: level.unwrap_or(defaults.level),
            requests: self.leaf(&at, "requests", raw.requests).unwrap_or(defaults.requests),
        }
    }

    pub(super) fn reload(&mut self, raw: RawReload, defaults: Reload) -> Reload {
        let at = KeyPath::of(&["reload"]);
        let interval = self.duration(&at, "interval", raw.interval, Duration::ZERO..=DAY);
        Reload { interval: interval.unwrap_or(defaults.interval) }
    }

    pub(super) fn shutdown(&mut self, raw: RawShutdown, defaults: Shutdown) -> Shutdown {
        let at = KeyPath::of(&["shutdown"]);
        Shutdown {
            delay: self
                .duration(&at, "delay", raw.delay, Duration::ZERO..=10 * MINUTE)
                .unwrap_or(defaults.delay),
            drain: self.duration(&at, "drain", raw.drain, Duration::ZERO..=HOUR).unwrap_or(defaults.drain),
        }
    }
}

/// Whether only one of two listeners could be bound, or one would take the other's connections.
fn overlap(one: &Address, other: &Address) -> bool {
    match (one, other) {
        (Address::Tcp(one), Address::Tcp(other)) => {
            let same_ip = one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified();
            // Port 0 is another port each time.
            one.port() == other.port() && one.port() != 0 && same_ip
        }
        _ => one == other,
    }
}

/// A lone word must be a level here: as a filter `inof` would be right too, and show what a module `inof` says.
fn is_log_filter(text: &str) -> bool {
    let directive = |directive: &str| {
        let directive = directive.trim();
        let level = matches!(directive, "off" | "error" | "warn" | "info" | "debug" | "trace");
        level || (directive.contains('=') && !directive.contains(' '))
    };
    is_visible(text.as_bytes())
        && text.split(',').all(directive)
        && tracing_subscriber::EnvFilter::try_new(text).is_ok()
}

/// A host name or address alone, in lower case.
fn bare_host(text: &str) -> Option<String> {
    let authority: http::uri::Authority = text.parse().ok()?;
    let alone = authority.port().is_none() && authority.host() == text && !text.is_empty();
    alone.then(|| text.to_ascii_lowercase())
}
