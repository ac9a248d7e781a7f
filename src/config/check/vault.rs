//! `[vault]` and `[tenant_templates.NAME]`: where captured credentials are stored, and the settings of their tenants.

use std::{path::Path, time::Duration};

use super::checker::{Checker, DAY, HOUR, SECOND};
use crate::{
    config::{
        endpoint::Endpoint,
        leaf::{BearerId, SecretId},
        node::Named,
        path::KeyPath,
        raw::{RawRotate, RawTemplate},
        raw_stores::{RawKubernetes, RawVault, RawVaultStore},
        redis::RedisOptions,
        rotate::Rotate,
        template::TenantTemplate,
        vault::{KubernetesOptions, StoreOptions, VaultOptions},
    },
    ids::TemplateName,
    secret::{Bearer, ClientSecret},
};

/// Bytes of the shortest master key; `openssl rand -hex 32` prints 64.
const LEAST_KEY: usize = 32;

impl Checker<'_> {
    pub(super) fn vault(
        &mut self,
        raw: Option<RawVault>,
        redis: Option<&RedisOptions>,
    ) -> Option<VaultOptions> {
        let raw = raw?;
        let at = KeyPath::of(&["vault"]);
        let store = self.store(&at.key("store"), raw.store, redis);
        let relist = self.duration_or(&at, "relist", raw.relist, 5 * SECOND..=DAY, VaultOptions::RELIST);
        let lease = self.duration_or(&at, "lease", raw.lease, SECOND..=HOUR, VaultOptions::LEASE);
        let key = at.key("key");
        let Some(id) = raw.key else {
            let remedy =
                "Write key = { file = \"/run/secrets/vault-key\" }; make one with: openssl rand -hex 32";
            self.missing(&key, "the vault has no key", remedy);
            return None;
        };
        let secret = self.sealing_key(&key, id)?;
        Some(VaultOptions { store: store?, key: secret, relist, lease })
    }

    /// What something is sealed with.
    pub(super) fn sealing_key(
        &mut self,
        key: &KeyPath,
        BearerId(SecretId(id)): BearerId,
    ) -> Option<ClientSecret> {
        let secret = self.client_secret(key, id)?;
        if let ClientSecret::Held(held) = &secret
            && held.expose().len() < LEAST_KEY
        {
            let what = format!("the key has {} bytes; {LEAST_KEY} is the least", held.expose().len());
            self.problem(key, what, "Make one with: openssl rand -hex 32");
        }
        Some(secret)
    }

    fn store(
        &mut self,
        at: &KeyPath,
        raw: Option<RawVaultStore>,
        options: Option<&RedisOptions>,
    ) -> Option<StoreOptions> {
        const REMEDY: &str = "Write store = { file = \"/var/lib/claviger/vault.redb\" }.";
        let raw = raw.unwrap_or_default();
        let file = self.leaf(at, "file", raw.file).map(StoreOptions::File);
        let is_redis = self.leaf(at, "redis", raw.redis).unwrap_or(false);
        if is_redis && self.tree.member("redis").is_none() {
            let what = "nothing says where the Redis is";
            self.problem(&at.key("redis"), what, "Write [redis] with url = \"redis://127.0.0.1:6379\".");
        }
        let redis =
            options.filter(|_| is_redis).map(|options| StoreOptions::Redis(Box::new(options.clone())));
        let is_kubernetes = raw.kubernetes.is_some();
        let kubernetes = raw.kubernetes.and_then(|raw| self.kubernetes(&at.key("kubernetes"), raw));
        let kubernetes = kubernetes.map(StoreOptions::Kubernetes);
        match (file, is_redis, is_kubernetes) {
            (Some(store), false, false) => Some(store),
            (None, true, false) => redis,
            (None, false, true) => kubernetes,
            (None, false, false) => {
                self.missing(at, "nothing says where the vault is", REMEDY);
                None
            }
            _ => {
                self.problem(at, "more than one store is named", "Take all but one out.");
                None
            }
        }
    }

    fn kubernetes(&mut self, at: &KeyPath, raw: RawKubernetes) -> Option<KubernetesOptions> {
        let namespace = self.leaf(at, "namespace", raw.namespace);
        let is_label = |name: &String| {
            let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
            let ends = |byte: Option<u8>| byte.is_some_and(plain);
            name.len() <= 63
                && name.bytes().all(|byte| plain(byte) || byte == b'-')
                && ends(name.bytes().next())
                && ends(name.bytes().last())
        };
        if namespace.as_ref().is_some_and(|name| !is_label(name)) {
            let what = "this is not the name of a namespace";
            let remedy = "Write 1 to 63 of a-z, 0-9 and '-', with a letter or digit at both ends, such as \"claviger\".";
            self.problem(&at.key("namespace"), what, remedy);
            return None;
        }
        if namespace.is_none() {
            let remedy = "Write the namespace that the Secrets are to be in, such as \"claviger\".";
            self.missing(&at.key("namespace"), "nothing says in which namespace", remedy);
            return None;
        }
        let server = match self.leaf(at, "server", raw.server).map(|text| Endpoint::parse(&text)) {
            None => None,
            Some(Ok(endpoint)) if endpoint.is_in_clear() => {
                let what = "over http:// anybody on the way could read the token";
                self.problem(&at.key("server"), what, "Write https://.");
                return None;
            }
            Some(Ok(endpoint)) => Some(endpoint.to_string()),
            Some(Err(_)) => {
                let what = "this is not the address of an API server";
                self.problem(
                    &at.key("server"),
                    what,
                    "Write scheme, host and port, such as \"https://10.0.0.1:6443\".",
                );
                return None;
            }
        };
        let token = || Bearer::File(Path::new(KubernetesOptions::ACCOUNT).join("token"));
        let bearer = match raw.bearer {
            Some(id) => self.reference(&at.key("bearer"), Some(id))?,
            None => token(),
        };
        let roots = match raw.tls.and_then(|tls| tls.roots) {
            Some(roots) => Some(self.roots(&at.key("tls"), Some(roots))?),
            None => None,
        };
        Some(KubernetesOptions { namespace: namespace?, server, bearer, roots })
    }

    pub(super) fn templates(&mut self, raw: Option<Named<RawTemplate>>) -> Vec<TenantTemplate> {
        let section = KeyPath::of(&["tenant_templates"]);
        let mut templates = Vec::new();
        for (name, node) in self.named("tenant_templates", raw) {
            let Some(raw) = self.table::<RawTemplate>("tenant_templates", name, node) else { continue };
            let at = section.key(name);
            match TemplateName::parse(name) {
                Ok(name) => templates.extend(self.template(&at, name, raw)),
                Err(error) => self.problem(&at, error.to_string(), "Rename it."),
            }
        }
        templates
    }

    fn template(&mut self, at: &KeyPath, name: TemplateName, raw: RawTemplate) -> Option<TenantTemplate> {
        let default = TenantTemplate::default();
        let max_in_flight = self.count(at, "max_in_flight", raw.max_in_flight, 1..=100_000);
        Some(TenantTemplate {
            labels: self.labels(at, raw.labels),
            quota: self.quota(at, raw.quota),
            max_in_flight: max_in_flight.unwrap_or(default.max_in_flight),
            compression: self.leaf(at, "compression", raw.compression),
            rotate: raw.rotate.and_then(|raw| self.rotate(&at.key("rotate"), raw)),
            tls: self.tls(&at.key("tls"), raw.tls.unwrap_or_default())?,
            name: Some(name),
        })
    }

    pub(super) fn rotate(&mut self, at: &KeyPath, raw: RawRotate) -> Option<Rotate> {
        if raw.every.is_none() {
            self.missing(&at.key("every"), "nothing says how often", "Write { every = \"30d\" }.");
        }
        let overlap = self.duration(at, "overlap", raw.overlap, Duration::ZERO..=30 * DAY);
        let every = self.duration(at, "every", raw.every, HOUR..=3650 * DAY)?;
        let overlap = overlap.unwrap_or(Rotate::OVERLAP.min(every / 2));
        if overlap >= every {
            let what = "the overlap is as long as the time between two rotations";
            self.problem(&at.key("overlap"), what, "Write a shorter one, such as \"1h\".");
        }
        Some(Rotate { every, overlap })
    }
}
