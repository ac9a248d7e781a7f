//! `callers.NAME.identify`: the methods to prove who one is, each of them right and complete. Whether two callers
//! could be taken for each other is seen in `look_alikes`.

use super::{checker::Checker, placeholder::of_no_key};
use crate::{
    config::{
        caller::{ClaimMatch, Identity},
        inputs::References,
        leaf::{HexDigest, Leaf, SecretId, SecretIds},
        methods::{METHODS, Methods, RawJwt, RawMethod},
        path::KeyPath,
        problem::{Mistake, quoted},
    },
    ids::KeyLabel,
    secret::Digest,
};

mod names;

use names::{dns, is_label, spiffe};

/// Bytes of text in an API key; 20 random characters are out of reach of guessing.
const LEAST_API_KEY: usize = 20;

impl Checker<'_> {
    pub(super) fn identify(&mut self, at: &KeyPath, methods: Option<Methods>) -> Vec<Identity> {
        let key = at.key("identify");
        let methods = methods.map_or_else(Vec::new, |Methods(methods)| methods);
        if methods.is_empty() {
            let remedy = "Write identify = { api_key = { file = \"…\" } }, { loopback = true } or { unix_uid = 1001 }.";
            self.missing(&key, "nothing says how this caller proves who it is", remedy);
        }
        let mut identities = Vec::new();
        for (index, method) in methods.into_iter().enumerate() {
            let method_at = key.index(index);
            identities.extend(self.method(&method_at, method));
        }
        self.labels_differ(&key, &identities);
        identities
    }

    fn labels_differ(&mut self, key: &KeyPath, identities: &[Identity]) {
        let mut seen = Vec::new();
        for (index, identity) in identities.iter().enumerate() {
            let Identity::ApiKey { keys, label: Some(label) } = identity else { continue };
            if keys.contains(&Digest::of(label.as_str().as_bytes())) {
                self.problem(
                    &key.index(index).key("label"),
                    "this is the key itself, and log, audit log and status show labels",
                    "Write a name for the key, such as \"2026-11\".",
                );
            }
            if seen.contains(&label) {
                let what = format!("two keys have the label {}", quoted(label.as_str()));
                self.problem(
                    &key.index(index).key("label"),
                    what,
                    "Give each key a label of its own: log and status tell them apart by it.",
                );
            }
            seen.push(label);
        }
    }

    fn method(&mut self, at: &KeyPath, method: RawMethod) -> Option<Identity> {
        let is_given = [
            method.loopback.is_some(),
            method.unix_uid.is_some(),
            method.unix_gid.is_some(),
            method.api_key.is_some(),
            method.api_key_sha256.is_some(),
            method.service_account.is_some(),
            method.jwt.is_some(),
            method.spiffe.is_some(),
            method.dns.is_some(),
        ];
        let given: Vec<_> =
            METHODS.into_iter().zip(is_given).filter(|(_, given)| *given).map(|(key, _)| key).collect();
        match given[..] {
            [_] => {}
            [] if method.label.is_some() => {
                let remedy = "Write { api_key = { file = \"…\" }, label = \"…\" }.";
                self.missing(at, "there is a label, and no key that it is for", remedy);
                return None;
            }
            [] if method.issuer.is_some() => {
                let remedy = "Write { service_account = \"NAMESPACE/NAME\", issuer = \"…\" }.";
                self.missing(at, "an issuer alone identifies nobody", remedy);
                return None;
            }
            [] => {
                let what = "this authentication method is empty";
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
        let is_key = method.api_key.is_some() || method.api_key_sha256.is_some();
        if method.label.is_some() && !is_key {
            let remedy = "Take it out; a label tells API keys apart.";
            self.problem(&at.key("label"), "only an API key has a label", remedy);
        }
        if let Some(leaf) = method.service_account {
            let account = self.leaf(at, "service_account", Some(leaf));
            let account = account.and_then(|text| self.service_account(&at.key("service_account"), &text));
            let issuer = self.vouching(at, method.issuer, Some("kubernetes"))?;
            let (namespace, name) = account?;
            return Some(Identity::ServiceAccount { namespace, name, issuer });
        }
        if method.issuer.is_some() {
            let what = "an issuer stands beside service_account alone";
            self.problem(
                &at.key("issuer"),
                what,
                "Take it out; for jwt, write jwt = { issuer = \"…\", claims = { … } }.",
            );
        }
        if let Some(jwt) = method.jwt {
            return self.jwt(&at.key("jwt"), jwt);
        }
        if let Some(leaf) = method.spiffe {
            let text = self.leaf(at, "spiffe", Some(leaf))?;
            return self.certificate(&at.key("spiffe"), spiffe(&text)).map(Identity::Spiffe);
        }
        if let Some(leaf) = method.dns {
            let text = self.leaf(at, "dns", Some(leaf))?;
            return self.certificate(&at.key("dns"), dns(&text)).map(Identity::Dns);
        }
        if let Some(leaf) = method.loopback {
            if !self.leaf(at, "loopback", Some(leaf))? {
                let remedy = "Write loopback = true, or take it out.";
                self.problem(&at.key("loopback"), "false identifies nobody", remedy);
                return None;
            }
            return Some(Identity::Loopback);
        }
        // The highest number means "no user" and "no group" to the system.
        const IDS: std::ops::RangeInclusive<u64> = 0..=u32::MAX as u64 - 1;
        if method.unix_uid.is_some() {
            return self.count(at, "unix_uid", method.unix_uid, IDS).map(Identity::UnixUid);
        }
        if method.unix_gid.is_some() {
            return self.count(at, "unix_gid", method.unix_gid, IDS).map(Identity::UnixGid);
        }
        if let Some(SecretIds(ids)) = method.api_key {
            let keys = match self.api_keys(&at.key("api_key"), &ids) {
                // A review shows the method all the same.
                None if self.settings.references == References::MayBeAbsent => Vec::new(),
                keys => keys?,
            };
            return Some(self.key_with_label(at, keys, method.label));
        }
        let digests = self.list(at, "api_key_sha256", method.api_key_sha256)?;
        let keys = self.key_digests(&at.key("api_key_sha256"), digests)?;
        Some(self.key_with_label(at, keys, method.label))
    }

    fn key_with_label(&mut self, at: &KeyPath, keys: Vec<Digest>, label: Option<Leaf<String>>) -> Identity {
        let key = at.key("label");
        let label = self.leaf(at, "label", label).and_then(|text| match KeyLabel::parse(&text) {
            Ok(label) => Some(label),
            Err(error) => {
                let what = format!("{} is not a label: {error}", quoted(&text));
                self.problem(&key, what, "Write something like label = \"2026-11\".");
                None
            }
        });
        if label.is_some() && keys.len() > 1 {
            const REMEDY: &str = "Write a table for each key: identify = [{ api_key = …, label = \"2026-11\" }, { api_key = …, label = \"2026-05\" }].";
            self.problem(&key, "one label stands beside two keys", REMEDY);
        }
        Identity::ApiKey { keys, label }
    }

    fn service_account(&mut self, key: &KeyPath, text: &str) -> Option<(String, Option<String>)> {
        // A namespace is a DNS label, a service account a DNS subdomain (both in lower case).
        let (namespace, name) = text.split_once('/').unwrap_or(("", text));
        let fits = is_label(namespace) && (name == "*" || name.split('.').all(is_label)) && name.len() <= 253;
        if !fits {
            let what = format!("{} is not a service account", quoted(text));
            self.problem(key, what, "Write \"NAMESPACE/NAME\", or \"NAMESPACE/*\" for any in the namespace.");
            return None;
        }
        Some((namespace.to_owned(), (name != "*").then(|| name.to_owned())))
    }

    fn jwt(&mut self, at: &KeyPath, raw: RawJwt) -> Option<Identity> {
        const FORM: &str = "Write claims = { sub = \"…\" }, or what else tells this caller from others.";
        let issuer = self.vouching(at, raw.issuer, None);
        let section = at.key("claims");
        let raw = raw.claims.unwrap_or_default();
        if !raw.keys().any(|claim| !matches!(claim.as_str(), "iss" | "aud")) {
            let what = "nothing tells this caller from all others with a token of this issuer";
            self.missing(&section, what, FORM);
        }
        let mut claims = Vec::with_capacity(raw.len());
        for (claim, list) in raw {
            let key = section.key(&claim);
            if claim.split('.').any(str::is_empty) {
                let what = "this is not the name of a claim";
                self.problem(&key, what, "Write a name, with dots for nested ones: \"realm_access.roles\".");
            }
            let given = self.list(&section, &claim, Some(list)).unwrap_or_default();
            if given.is_empty() {
                self.missing(&key, "there is no value in the list, so no token would do", FORM);
            }
            let mut values = Vec::with_capacity(given.len());
            for (path, value) in given {
                if value.is_empty() {
                    self.problem(&path, "the value is empty", FORM);
                    continue;
                }
                if value.contains('*') {
                    let what = "`*` is no pattern in a claim: only a token with a * in this claim would do";
                    self.warn(&path, what, "Write each value in full, as a list if there are several.");
                }
                if !values.contains(&value) {
                    values.push(value);
                }
            }
            claims.push((claim, ClaimMatch(values)));
        }
        Some(Identity::Jwt { issuer: issuer?, claims })
    }

    /// A name in a client certificate.
    fn certificate(&mut self, key: &KeyPath, name: Result<String, Mistake>) -> Option<String> {
        match name {
            Ok(name) => Some(name),
            Err(mistake) => {
                self.mistake(key, mistake);
                None
            }
        }
    }

    fn api_keys(&mut self, key: &KeyPath, ids: &[usize]) -> Option<Vec<Digest>> {
        const REMEDY: &str = "Make one with: openssl rand -hex 32";
        if ids.is_empty() {
            self.missing(key, "there is no key in the list", REMEDY);
        }
        let secrets = self.up_to_two(key, ids, |checker, path, id| checker.secret_at(path, &SecretId(id)));
        let mut digests = Vec::with_capacity(secrets.len());
        for (path, secret) in secrets {
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
        (!digests.is_empty()).then_some(digests)
    }

    fn key_digests(&mut self, key: &KeyPath, digests: Vec<(KeyPath, HexDigest)>) -> Option<Vec<Digest>> {
        if digests.len() > 2 {
            let what = format!("there are {} keys; two is the most", digests.len());
            self.problem(key, what, "Keep the new one and the one that it replaces.");
        }
        if digests.is_empty() {
            let remedy = "Print one with: printf %s \"$KEY\" | sha256sum";
            self.missing(key, "there is no digest in the list", remedy);
            return None;
        }
        for (path, HexDigest(digest)) in &digests {
            if let Some(what) = of_no_key(digest) {
                let remedy = "Make a key with: claviger caller key NAME. It prints the digest to write here.";
                self.problem(path, what, remedy);
            }
        }
        Some(digests.into_iter().map(|(_, HexDigest(digest))| digest).collect())
    }
}
