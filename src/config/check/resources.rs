//! `tenants.NAME.resources`: API resources beside the Management API that the broker may hand out tokens for.

use super::checker::Checker;
use crate::config::{
    leaf::{Either, Leaf, Mixed},
    path::KeyPath,
    problem::quoted,
    raw::RawResource,
    tenant::Resource,
};

impl Checker<'_> {
    pub(super) fn resources(
        &mut self,
        at: &KeyPath,
        list: Option<Mixed<String, RawResource>>,
        own: Option<&str>,
    ) -> Vec<Resource> {
        let Some(list) = list else { return Vec::new() };
        let key = at.key("resources");
        let mut resources: Vec<Resource> = Vec::with_capacity(list.items.len());
        for (index, item) in list.items.into_iter().enumerate() {
            let path = if list.alone { key.clone() } else { key.index(index) };
            let found = match item {
                Either::Text(Leaf(Ok(text))) => self.resource(&path, text).map(|it| (it, Vec::new())),
                Either::Text(Leaf(Err(mistake))) => {
                    self.mistake(&path, mistake);
                    None
                }
                Either::Table(raw) => self.resource_with_scopes(&path, raw),
            };
            let Some((resource, scopes)) = found else { continue };
            if own == Some(&*resource) {
                let what = format!("{} is the tenant's `resource` already", quoted(&resource));
                self.problem(&path, what, "Take it out: tokens for it are handed out by default.");
            } else if resources.iter().any(|other| other.resource == resource) {
                let what = format!("{} is there twice", quoted(&resource));
                self.problem(&path, what, "Write it once, with all scopes that are wanted.");
            } else {
                resources.push(Resource { resource, scopes });
            }
        }
        resources
    }

    fn resource_with_scopes(&mut self, path: &KeyPath, raw: RawResource) -> Option<(String, Vec<String>)> {
        let scopes = {
            let given = raw.scopes.filter(|list| !list.items.is_empty());
            self.given_scopes(path, given).unwrap_or_default()
        };
        if raw.resource.is_none() {
            let remedy = "Copy the API identifier from the Logto Console.";
            self.missing(&path.key("resource"), "there is no API identifier", remedy);
        }
        let text = self.leaf(path, "resource", raw.resource)?;
        Some((self.resource(&path.key("resource"), text)?, scopes))
    }
}
