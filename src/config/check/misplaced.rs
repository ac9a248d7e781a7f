//! Keys of a tenant, caller, policy or issuer that stand where its name is wanted. What the rest of such a file says is not
//! guessed at: all of it would be about the wrong names.

use super::checker::Checker;
use crate::config::{
    path::KeyPath,
    raw::{RawCaller, RawIssuer, RawPolicy, RawTenant},
    tree::Node,
};

impl Checker<'_> {
    /// Whether some key is, which is said once for each section.
    pub(super) fn misplaced(&mut self) -> bool {
        let sections = [
            ("tenants", "a tenant", RawTenant::KEYS),
            ("callers", "a caller", RawCaller::KEYS),
            ("policies", "a policy", RawPolicy::KEYS),
            ("issuers", "an issuer", RawIssuer::KEYS),
        ];
        let before = self.remarks.problems.len();
        for (section, whose, keys) in sections {
            let members = self.tree.member(section).and_then(Node::members);
            let members = members.into_iter().flat_map(|members| members.iter());
            let astray: Vec<_> =
                members.filter(|(name, node)| keys.contains(name) && !is_one(node, keys)).collect();
            let Some(((first, _), others)) = astray.split_first() else { continue };
            let others: Vec<_> = others.iter().map(|(name, _)| *name).collect();
            let them = match &others[..] {
                [] => "it".to_owned(),
                others => format!("it, and {},", others.join(", ")),
            };
            let key = KeyPath::of(&[section, first]);
            let place = self.tree.place(&key);
            let remedy = match place.as_ref().map_or("", |place| place.source()) {
                yaml if yaml.ends_with(".yaml") || yaml.ends_with(".yml") => {
                    format!("Indent {them} below the name.")
                }
                toml if toml.ends_with(".toml") => {
                    format!("Write {them} below [{section}.NAME].")
                }
                _ => format!("Put {them} into a table under the name."),
            };
            let what = format!("this is a key of {whose}, and stands where the name of one is wanted");
            self.problem(&key, what, remedy);
        }
        self.remarks.problems.len() > before
    }
}

/// Whether what stands under a name is a table of these keys, so that the name may be one that only looks like a key.
fn is_one(node: &Node, keys: &[&str]) -> bool {
    let members = node.members();
    members.is_some_and(|members| members.len() == 0 || members.iter().any(|(key, _)| keys.contains(&key)))
}
