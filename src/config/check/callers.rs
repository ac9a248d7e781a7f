//! `[callers.NAME]`: who may call, how each proves who it is, and what it is granted.

use std::collections::BTreeMap;

use super::{Checker, KeyPath};
use crate::{
    config::{
        Caller, Identity, Issue, Origin, TenantScope,
        leaf::{HexDigest, List, Slots},
        problem::{nearest, quoted},
        raw::{RawCaller, RawWay, Ways},
    },
    ids::{CallerName, PolicyName, TenantName},
    secret::Digest,
};

/// Bytes of text in an API key; 20 random characters are out of reach of guessing.
const LEAST_API_KEY: usize = 20;

impl Checker<'_> {
    pub(super) fn callers(&mut self, raw: BTreeMap<String, RawCaller>) -> Vec<Caller> {
        let section = KeyPath::of(&["callers"]);
        if raw.is_empty() && !self.was_told(&section) {
            let remedy =
                "Write [callers.NAME] with identify and policies, such as identify = { loopback = true }.";
            self.warn(&section, "there is no caller: every request will be refused", remedy);
        }
        let mut callers = Vec::with_capacity(raw.len());
        for (name, raw) in raw {
            let at = section.key(&name);
            let identify = self.identify(&at, raw.identify);
            let tenants = self.tenant_scope(&at, raw.tenants);
            let policies = self.granted(&at, raw.policies);
            let rate = self.rate(&at, "rate", raw.rate).flatten();
            match CallerName::parse(&name) {
                Ok(name) => {
                    let origin = self.provenance.of(&at).unwrap_or_else(|| Origin("built in".into()));
                    callers.push(Caller {
                        name,
                        identify,
                        tenants,
                        policies,
                        reveal: Vec::new(),
                        issue: Issue::Claviger,
                        scopes: None,
                        organization_id: None,
                        rate,
                        origin,
                    });
                }
                Err(error) => self.problem(&at, error.to_string(), "Rename it."),
            }
        }
        callers
    }

    fn identify(&mut self, at: &KeyPath, ways: Option<Ways>) -> Vec<Identity> {
        let key = at.key("identify");
        let ways = ways.map_or_else(Vec::new, |Ways(ways)| ways);
        if ways.is_empty() {
            let remedy = "Write identify = { api_key = { file = \"…\" } }, { loopback = true } or { unix_uid = 1001 }.";
            self.missing(&key, "nothing says how this caller proves who it is", remedy);
        }
        let mut identities = Vec::new();
        for (index, way) in ways.into_iter().enumerate() {
            let way_at = key.index(index);
            identities.extend(self.way(&way_at, way));
        }
        identities
    }

    fn way(&mut self, at: &KeyPath, way: RawWay) -> Option<Identity> {
        let given = [
            ("loopback", way.loopback.is_some()),
            ("unix_uid", way.unix_uid.is_some()),
            ("api_key", way.api_key.is_some()),
            ("api_key_sha256", way.api_key_sha256.is_some()),
        ];
        let given: Vec<_> = given.iter().filter(|(_, is_given)| *is_given).map(|(key, _)| *key).collect();
        match given[..] {
            [_] => {}
            [] => {
                let what = "this way to identify a caller is empty";
                self.missing(
                    at,
                    what,
                    "Write { loopback = true }, { unix_uid = 1001 } or { api_key = { file = \"…\" } }.",
                );
                return None;
            }
            _ => {
                let what = format!(
                    "{} stand in one table, which leaves open whether all of them or any is meant",
                    given.join(" and ")
                );
                self.problem(at, what, "Write a list of tables with one key each: any of them will do.");
                return None;
            }
        }
        if let Some(leaf) = way.loopback {
            if !self.leaf(at, "loopback", Some(leaf))? {
                let remedy = "Write loopback = true, or take it out.";
                self.problem(&at.key("loopback"), "false identifies nobody", remedy);
                return None;
            }
            return Some(Identity::Loopback);
        }
        if way.unix_uid.is_some() {
            // The highest number means "no user" to the system.
            let uid = self.count(at, "unix_uid", way.unix_uid, 0..=u64::from(u32::MAX - 1))?;
            return Some(Identity::UnixUid(uid));
        }
        if let Some(Slots(slots)) = way.api_key {
            return self.api_keys(&at.key("api_key"), &slots);
        }
        let digests = self.list(at, "api_key_sha256", way.api_key_sha256)?;
        self.key_digests(&at.key("api_key_sha256"), digests)
    }

    fn api_keys(&mut self, key: &KeyPath, slots: &[usize]) -> Option<Identity> {
        const REMEDY: &str = "Make one with: openssl rand -base64 32";
        if slots.is_empty() {
            self.missing(key, "there is no key in the list", REMEDY);
        }
        let mut digests = Vec::new();
        for (path, secret) in self.up_to_two(key, slots) {
            let bytes = secret.expose();
            if bytes.len() < LEAST_API_KEY {
                let what = format!(
                    "the API key has {} bytes and could be guessed; {LEAST_API_KEY} is the least",
                    bytes.len()
                );
                self.problem(&path, what, REMEDY);
            } else if !bytes.iter().all(u8::is_ascii_graphic) {
                let what = "the API key holds spaces, line breaks or characters other than visible ASCII, which no header carries";
                self.problem(&path, what, REMEDY);
            }
            digests.push(Digest::of(bytes));
        }
        (!digests.is_empty()).then_some(Identity::ApiKey(digests))
    }

    fn key_digests(&mut self, key: &KeyPath, digests: Vec<(KeyPath, HexDigest)>) -> Option<Identity> {
        if digests.len() > 2 {
            let what = format!("there are {} keys; two is the most", digests.len());
            self.problem(key, what, "Keep the new one and the one that it replaces.");
        }
        if digests.is_empty() {
            let remedy = "Print one with: printf %s \"$KEY\" | sha256sum";
            self.missing(key, "there is no digest in the list", remedy);
            return None;
        }
        Some(Identity::ApiKey(digests.into_iter().map(|(_, HexDigest(digest))| digest).collect()))
    }

    fn tenant_scope(&mut self, at: &KeyPath, list: Option<List<String>>) -> TenantScope {
        let key = at.key("tenants");
        let known = std::mem::take(&mut self.names.tenants);
        let scope = match self.list(at, "tenants", list) {
            None => match &known[..] {
                [only] => TenantScope::Only(TenantName::parse(only).into_iter().collect()),
                // Without any tenant, that is the problem that was said.
                [] => TenantScope::Only(Vec::new()),
                _ => {
                    let what = "there are several tenants, and nothing says which ones this caller may name";
                    let remedy = format!("Write tenants = [{}], or [\"*\"] for all.", quoted(&known[0]));
                    self.missing(&key, what, remedy);
                    TenantScope::Only(Vec::new())
                }
            },
            Some(given) if given.is_empty() => {
                self.missing(
                    &key,
                    "the caller may name no tenant",
                    "Write the aliases of tenants, or [\"*\"] for all.",
                );
                TenantScope::Only(Vec::new())
            }
            Some(given) if given.iter().any(|(_, name)| name == "*") => {
                if given.len() > 1 {
                    self.warn(
                        &key,
                        "\"*\" is all tenants already",
                        "Write [\"*\"] alone, or the names alone.",
                    );
                }
                TenantScope::All
            }
            Some(given) => {
                let mut names = Vec::new();
                for (path, text) in given {
                    if let Some(name) = self.defined(&path, "tenant", &text, &known, TenantName::parse)
                        && !names.contains(&name)
                    {
                        names.push(name);
                    }
                }
                TenantScope::Only(names)
            }
        };
        self.names.tenants = known;
        scope
    }

    fn granted(&mut self, at: &KeyPath, list: Option<List<String>>) -> Vec<PolicyName> {
        let key = at.key("policies");
        const REMEDY: &str = "Write policies = [\"NAME\"], and the rules under [policies.NAME].";
        let Some(given) = self.list(at, "policies", list) else {
            self.missing(&key, "the caller has no policies, so it could call nothing", REMEDY);
            return Vec::new();
        };
        if given.is_empty() {
            self.missing(&key, "the list is empty, so the caller could call nothing", REMEDY);
        }
        let known = std::mem::take(&mut self.names.policies);
        let mut names = Vec::new();
        for (path, text) in given {
            if let Some(name) = self.defined(&path, "policy", &text, &known, PolicyName::parse)
                && !names.contains(&name)
            {
                names.push(name);
            }
        }
        self.names.policies = known;
        names
    }

    /// A name that is used, if it is defined.
    fn defined<N, E>(
        &mut self,
        path: &KeyPath,
        kind: &str,
        text: &str,
        known: &[String],
        parse: impl Fn(&str) -> Result<N, E>,
    ) -> Option<N> {
        if known.iter().any(|name| name == text) {
            // Where the name itself is wrong, that was said at its definition.
            return parse(text).ok();
        }
        let remedy = match nearest(text, known.iter().map(String::as_str)) {
            Some(near) => format!("Did you mean {}?", quoted(near)),
            None if known.is_empty() => format!("No {kind} is defined yet."),
            None => format!("There are: {}.", known.join(", ")),
        };
        self.problem(path, format!("there is no {kind} {}", quoted(text)), remedy);
        None
    }
}
