//! `[vault]` and `[tenant_templates.NAME]`: where captured credentials rest, and the settings of their tenants.

use std::time::Duration;

use super::checker::{Checker, DAY, HOUR};
use crate::{
    config::{
        leaf::SecretId,
        node::Named,
        path::KeyPath,
        raw::{RawRotate, RawTemplate, RawVault},
        rotate::Rotate,
        template::TenantTemplate,
        vault::VaultOptions,
    },
    ids::TemplateName,
    secret::ClientSecret,
};

/// Bytes of the shortest master key; `openssl rand -hex 32` prints 64.
const LEAST_KEY: usize = 32;

impl Checker<'_> {
    pub(super) fn vault(&mut self, raw: Option<RawVault>) -> Option<VaultOptions> {
        let raw = raw?;
        let at = KeyPath::of(&["vault"]);
        let store = at.key("store");
        let file = raw.store.and_then(|store| store.file);
        if file.is_none() {
            let remedy = "Write store = { file = \"/var/lib/claviger/vault.redb\" }.";
            self.missing(&store, "nothing says where the vault is", remedy);
        }
        let file = self.leaf(&store, "file", file);
        let key = at.key("key");
        let Some(id) = raw.key else {
            let remedy =
                "Write key = { file = \"/run/secrets/vault-key\" }; make one with: openssl rand -hex 32";
            self.missing(&key, "the vault has no key", remedy);
            return None;
        };
        let SecretId(id) = id.0;
        let secret = self.client_secret(&key, id)?;
        if let ClientSecret::Held(held) = &secret
            && held.expose().len() < LEAST_KEY
        {
            let what = format!("the key has {} bytes; {LEAST_KEY} is the least", held.expose().len());
            self.problem(&key, what, "Make one with: openssl rand -hex 32");
        }
        Some(VaultOptions { file: file?, key: secret })
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
            quota: self.rate(at, "quota", raw.quota),
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
