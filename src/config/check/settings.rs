//! The sections of plain keys: what is asked of several keys together, or of a text. What is asked of each is
//! declared with it, in `config/sections.rs`.

use std::time::Duration;

use super::checker::{Checker, is_visible};
use crate::config::{
    leaf::Leaf,
    path::KeyPath,
    problem::{nearest, quoted},
    sections::{
        AdminOptions, Breaker, BrokerOptions, Log, OpenApiOptions, RawAdmin, RawBreaker, RawBroker, RawLog,
        RawOpenApi, RawRetry, RawTimeouts, RawToken, Retry, Timeouts, TokenOptions,
    },
};

/// Bytes of text that seal a token; `openssl rand -hex 32` prints 64.
const LEAST_SEAL_KEY: usize = 32;

/// The keys of a first wait and the longest one.
const BACKOFF: [&str; 2] = ["backoff", "max_backoff"];

/// Bytes of the token that opens `/status` and `/config`.
const LEAST_ADMIN_TOKEN: usize = 16;

impl Checker<'_> {
    pub(super) fn timeouts(&mut self, raw: RawTimeouts) -> Timeouts {
        let at = KeyPath::of(&["timeouts"]);
        let gives_quota = matches!(raw.quota, Some(Leaf(Ok(_))));
        let timeouts = Timeouts::checked(raw, self);
        if timeouts.upstream_idle > Duration::from_secs(5) {
            let what = "Logto closes idle connections after 5 to 6 s: a request may meet a connection that is just closing";
            self.warn(&at.key("upstream_idle"), what, "Write at most \"5s\"; the default is \"4s\".");
        }
        // That a shorter deadline ends a wait for the quota that nobody wrote is as it should be.
        let quota = if gives_quota { timeouts.quota } else { Duration::ZERO };
        for (key, value) in [("connect", timeouts.connect), ("response", timeouts.response), ("quota", quota)]
        {
            if value > timeouts.deadline {
                let deadline = humantime::format_duration(timeouts.deadline);
                let what =
                    format!("it is longer than timeouts.deadline ({deadline}), which ends the wait first");
                self.warn(&at.key(key), what, "Shorten it, or lengthen the deadline.");
            }
        }
        timeouts
    }

    pub(super) fn retry(&mut self, raw: RawRetry) -> Retry {
        let given = Given::of(&raw.backoff, &raw.max_backoff);
        let mut retry = Retry::checked(raw, self);
        self.backoff(("retry", BACKOFF), given, &mut retry.backoff, &mut retry.max_backoff);
        retry
    }

    pub(super) fn breaker(&mut self, raw: RawBreaker) -> Breaker {
        let given = Given::of(&raw.open, &raw.max_open);
        let mut breaker = Breaker::checked(raw, self);
        self.backoff(("breaker", ["open", "max_open"]), given, &mut breaker.open, &mut breaker.max_open);
        breaker
    }

    pub(super) fn token(&mut self, raw: RawToken) -> TokenOptions {
        let given = Given::of(&raw.backoff, &raw.max_backoff);
        let mut token = TokenOptions::checked(raw, self);
        self.backoff(("token", BACKOFF), given, &mut token.backoff, &mut token.max_backoff);
        token
    }

    /// A first wait and the longest one; where only one of them is given, the other's default gives way.
    fn backoff(
        &mut self,
        (section, [one, most]): (&str, [&str; 2]),
        given: Given,
        first: &mut Duration,
        longest: &mut Duration,
    ) {
        if first <= longest {
            return;
        }
        match given {
            Given::First => *longest = *first,
            Given::Longest => *first = *longest,
            Given::Neither => {}
            Given::Both => {
                let key = KeyPath::of(&[section, most]);
                let what = format!("the longest wait is shorter than the first ({one})");
                self.problem(&key, what, format!("Write a longer one, or shorten {one}."));
            }
        }
    }

    pub(super) fn broker(&mut self, raw: RawBroker) -> BrokerOptions {
        let broker = BrokerOptions::checked(raw, self);
        if let Some(key) = &broker.key
            && key.expose().len() < LEAST_SEAL_KEY
        {
            let what = format!("the key has {} bytes; {LEAST_SEAL_KEY} is the least", key.expose().len());
            let at = KeyPath::of(&["broker", "key"]);
            self.problem(&at, what, "Make one with: openssl rand -hex 32");
        }
        broker
    }

    pub(super) fn admin(&mut self, raw: RawAdmin) -> AdminOptions {
        // One that cannot be read is there all the same.
        let has_token = raw.token.is_some();
        let admin = AdminOptions::checked(raw, self);
        if admin.tenants {
            let at = KeyPath::of(&["admin", "tenants"]);
            if !has_token {
                let what = "whoever reaches the admin listener could change tenants: there is no admin.token";
                self.missing(&KeyPath::of(&["admin", "token"]), what, "Write token = { file = \"…\" }.");
            }
            if self.tree.member("vault").is_none() {
                let remedy = "Write [vault] with store and key, or take it out.";
                self.warn(&at, "it has no effect: there is no [vault]", remedy);
            }
        }
        if let Some(token) = &admin.token {
            let (length, at) = (token.expose().len(), KeyPath::of(&["admin", "token"]));
            let lines = token.expose().split(|byte| *byte == b'\n').count();
            if lines > 1 {
                let what = format!("the token has {lines} lines");
                self.problem(&at, what, "Write it in one line, with nothing else beside it.");
            } else if length < LEAST_ADMIN_TOKEN {
                let what = format!("the token has {length} bytes; {LEAST_ADMIN_TOKEN} is the least");
                self.problem(&at, what, "Make one with: openssl rand -hex 32");
            } else if !is_visible(token.expose()) {
                let what = "the token has characters other than visible ASCII";
                self.problem(&at, what, "Make one with: openssl rand -hex 32");
            }
        }
        admin
    }

    pub(super) fn openapi(&mut self, raw: RawOpenApi) -> OpenApiOptions {
        let (most, memory) = (raw.max_bytes.is_some(), raw.memory.is_some());
        let mut openapi = OpenApiOptions::checked(raw, self);
        if openapi.memory < openapi.max_bytes {
            match (most, memory) {
                (true, false) => openapi.memory = openapi.max_bytes,
                (false, true) => openapi.max_bytes = openapi.memory,
                _ => {
                    let what = format!(
                        "there is no room for a document of openapi.max_bytes, {} bytes",
                        openapi.max_bytes
                    );
                    let remedy = "Write as many bytes or more, or lower openapi.max_bytes.";
                    self.problem(&KeyPath::of(&["openapi", "memory"]), what, remedy);
                }
            }
        }
        openapi
    }

    pub(super) fn log(&mut self, raw: RawLog) -> Log {
        let log = Log::checked(raw, self);
        if !is_log_filter(&log.level) {
            let what = format!("{} is not a log filter", quoted(&log.level));
            let remedy = "Write error, warn, info, debug or trace; or directives such as \"info,claviger::token=debug\".";
            self.problem(&KeyPath::of(&["log", "level"]), what, remedy);
        }
        for module in without_effect(&log.level) {
            let what = format!(
                "{} has no effect: Claviger has no such module",
                quoted(&format!("claviger::{module}"))
            );
            let remedy = match nearest(module, MODULES) {
                Some(near) => format!("Did you mean claviger::{near}?"),
                None => format!("There are: {}.", MODULES.join(", ")),
            };
            self.warn(&KeyPath::of(&["log", "level"]), what, remedy);
        }
        log
    }
}

/// Which of two waits a file gives, and rightly.
#[derive(Clone, Copy)]
enum Given {
    Neither,
    First,
    Longest,
    Both,
}

impl Given {
    fn of(first: &Option<Leaf<Duration>>, longest: &Option<Leaf<Duration>>) -> Self {
        let is_given = |leaf: &Option<Leaf<Duration>>| matches!(leaf, Some(Leaf(Ok(_))));
        match (is_given(first), is_given(longest)) {
            (false, false) => Self::Neither,
            (true, false) => Self::First,
            (false, true) => Self::Longest,
            (true, true) => Self::Both,
        }
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
        && text.parse::<tracing_subscriber::filter::Targets>().is_ok()
}

/// What `claviger::NAME` may be in a filter: the modules of the program, and `request`, of the lines about requests.
const MODULES: [&str; 35] = [
    "activity",
    "admin",
    "app",
    "authn",
    "catalog",
    "cli",
    "clock",
    "config",
    "explain",
    "filter",
    "headers",
    "idempotency",
    "idle_timeout",
    "ids",
    "limit",
    "listen",
    "observe",
    "openapi",
    "policy",
    "proxy",
    "redis",
    "regular_file",
    "reply",
    "request",
    "rotation",
    "sealer",
    "secret",
    "simulate",
    "tenants",
    "token",
    "trust",
    "upstream",
    "usage",
    "vault",
    "x509",
];

/// The names of a filter that are no module of ours.
fn without_effect(filter: &str) -> impl Iterator<Item = &str> {
    filter.split(',').filter_map(|directive| {
        let rest = directive.trim().strip_prefix("claviger::")?;
        let name = rest.split(['=', ':', '[']).next()?;
        // As a target is compared: by its beginning.
        let is_known = MODULES.iter().any(|module| module.starts_with(name));
        (!is_known).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_modules_that_a_filter_may_name_are_those_that_there_are() {
        let lib = include_str!("../../lib.rs").lines();
        let modules =
            lib.filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'));
        let mut modules: Vec<&str> = modules.chain(["request"]).collect();
        modules.sort_unstable();
        assert_eq!(modules, MODULES);
    }
}
