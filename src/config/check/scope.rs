//! `callers.NAME.tenants`: names of tenants that exist; patterns, labels and what the caller has created, which may be ahead of
//! their tenants.

use super::checker::Checker;
use crate::{
    config::{
        leaf::{Either, Leaf, Mixed},
        path::KeyPath,
        problem::{nearest, quoted},
        raw::RawGrouped,
        scope::{TenantMatch, TenantPattern, TenantScope},
    },
    ids::{Label, OPERATOR, TenantName},
};

impl Checker<'_> {
    pub(super) fn tenant_scope(
        &mut self,
        at: &KeyPath,
        list: Option<Mixed<String, RawGrouped>>,
        has_account: bool,
    ) -> TenantScope {
        let key = at.key("tenants");
        let Some(list) = list else { return self.only_tenant(&key, has_account) };
        if list.items.is_empty() && !has_account {
            let remedy = "Write the aliases of tenants, or [\"*\"] for all.";
            self.missing(&key, "the caller may name no tenant", remedy);
        }
        let is_all = |item: &Either<_, _>| matches!(item, Either::Text(Leaf(Ok(text))) if text == "*");
        if list.items.iter().any(is_all) {
            if list.items.len() > 1 {
                let remedy = "Write [\"*\"] alone, or the names alone.";
                self.warn(&key, "\"*\" is all tenants already", remedy);
            }
            return TenantScope::All;
        }
        let mut matches = Vec::with_capacity(list.items.len());
        for (index, item) in list.items.into_iter().enumerate() {
            let path = if list.alone { key.clone() } else { key.index(index) };
            let one = match item {
                Either::Text(Leaf(Ok(text))) if text.contains('*') => self.tenant_pattern(&path, &text),
                Either::Text(Leaf(Ok(text))) => self.tenant_name(&path, &text),
                Either::Text(Leaf(Err(mistake))) => {
                    self.mistake(&path, mistake);
                    None
                }
                Either::Table(RawGrouped { created: Some(created), label: None }) => {
                    self.created(at, &path, created, has_account)
                }
                Either::Table(grouped) => self.labelled(&path, grouped),
            };
            if let Some(one) = one
                && !matches.contains(&one)
            {
                matches.push(one);
            }
        }
        TenantScope::Only(matches)
    }

    /// The scope of a caller whose grant says nothing of tenants.
    fn only_tenant(&mut self, key: &KeyPath, has_account: bool) -> TenantScope {
        let known = self.names.tenants;
        // One that makes tenants need not use any.
        if let (false, None, Some(first)) = (has_account, known.only(), known.iter().next()) {
            let what = "there are several tenants, and nothing says which ones this caller may name";
            let remedy = format!("Write tenants = [{}], or [\"*\"] for all.", quoted(first));
            self.missing(key, what, remedy);
        }
        // Without any tenant, that is the problem that was reported.
        let only = known.only().and_then(|name| TenantName::parse(name).ok());
        TenantScope::Only(only.map(TenantMatch::Name).into_iter().collect())
    }

    fn tenant_name(&mut self, path: &KeyPath, text: &str) -> Option<TenantMatch> {
        if self.tree.member("vault").is_some()
            && !self.names.tenants.iter().any(|name| name == text)
            && let Ok(name) = TenantName::parse(text)
        {
            let near = nearest(text, self.names.tenants.iter());
            let what = format!("there is no tenant {} in the configuration", quoted(text));
            let remedy = match near {
                Some(near) => {
                    format!("Did you mean {}? If the vault has it, or will, leave it.", quoted(near))
                }
                None => "If the vault has it, or will, leave it; or take it out.".to_owned(),
            };
            self.warn(path, what, remedy);
            return Some(TenantMatch::Name(name));
        }
        let name = self.defined(path, "tenant", text, self.names.tenants, TenantName::parse);
        name.map(TenantMatch::Name)
    }

    fn tenant_pattern(&mut self, path: &KeyPath, text: &str) -> Option<TenantMatch> {
        let pattern = match TenantPattern::parse(text) {
            Ok(pattern) => pattern,
            Err(error) => {
                let what = format!("{} is not a pattern: {error}", quoted(text));
                self.problem(path, what, "Write a pattern such as \"customer-*\".");
                return None;
            }
        };
        if !self.names.tenants.any_matches(&pattern) {
            let literal = text.trim_matches('*').trim_end_matches(['-', '.', '_']);
            let near = nearest(literal, self.names.tenants.iter());
            self.matches_nothing(path, "no tenant's name matches this pattern", near.map(quoted));
        }
        Some(TenantMatch::Pattern(pattern))
    }

    /// `{ created = true }`
    fn created(
        &mut self,
        caller: &KeyPath,
        path: &KeyPath,
        created: Leaf<bool>,
        has_account: bool,
    ) -> Option<TenantMatch> {
        if !self.leaf(path, "created", Some(created))? {
            let remedy = "Write { created = true }, or take it out.";
            self.problem(&path.key("created"), "this means nothing: no tenant is meant by it", remedy);
            return None;
        }
        if caller.steps().last() == Some(&OPERATOR) {
            let what =
                "a caller of this name cannot be told from the operator, who creates and adopts tenants too";
            self.problem(&path.key("created"), what, "Rename the caller.");
            return None;
        }
        if !has_account {
            let remedy = "Write cloud = \"NAME\" and let its policies allow cloud:CreateTenant.";
            self.warn(path, "the caller may use no account at Logto Cloud, so it creates no tenant", remedy);
        }
        Some(TenantMatch::Created)
    }

    fn labelled(&mut self, path: &KeyPath, raw: RawGrouped) -> Option<TenantMatch> {
        if raw.created.is_some() {
            let remedy = "Write two elements: { label = \"…\" }, { created = true }.";
            self.problem(path, "label and created stand together, and either would do", remedy);
            return None;
        }
        let Some(leaf) = raw.label else {
            self.missing(&path.key("label"), "the label is missing", "Write { label = \"customer\" }.");
            return None;
        };
        let text = self.leaf(path, "label", Some(leaf))?;
        let path = path.key("label");
        let label = match Label::parse(&text) {
            Ok(label) => label,
            Err(error) => {
                let what = format!("{} is not a label: {error}", quoted(&text));
                self.problem(&path, what, "Write it as the tenants have it in labels.");
                return None;
            }
        };
        if !self.names.labels.contains(&label) {
            let near = nearest(&text, self.names.labels.iter().map(Label::as_str));
            self.matches_nothing(&path, "no tenant has this label", near.map(quoted));
        }
        Some(TenantMatch::Label(label))
    }

    /// Not wrong: the tenants may be added later. But it may be a slip.
    fn matches_nothing(&mut self, path: &KeyPath, what: &str, near: Option<String>) {
        let remedy = match near {
            Some(near) => format!("Did you mean {near}? If its tenants are added later, leave it."),
            None => "If its tenants are added later, leave it; or take it out.".to_owned(),
        };
        self.warn(path, format!("{what} today"), remedy);
    }
}
