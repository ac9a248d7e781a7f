//! Entries of `reveal` lists that reveal nothing: a reviewer takes each for a secret that leaves the process.

use super::{decide::Verdict, grants::Grants};
use crate::{
    catalog::Api,
    config::{Config, Problem, RuleText},
    ids::CallerIndex,
};

/// A warning for each.
pub fn idle_reveals(grants: &Grants, config: &Config) -> Vec<Problem> {
    let mut idle = Vec::new();
    for (index, caller) in config.callers.iter().enumerate() {
        for RuleText { text, origin, .. } in &caller.reveal {
            let api = Api::of_rule(text);
            let catalog = grants.catalog(api);
            let Some(op) = catalog.by_id(text) else { continue };
            let (verdict, in_part) = grants.rules(CallerIndex(index), api).about(op, catalog.operation(op));
            let is_granted = in_part || matches!(verdict, Verdict::Allowed(_) | Verdict::Conditional(_));
            let masks = catalog.secrets(op).is_some() || catalog.secret_asked_by(op).is_some();
            let (what, remedy) = match (is_granted, masks) {
                (false, _) => (
                    format!("no policy of this caller allows {text}, so there is nothing to reveal"),
                    format!("Add {text:?} to `allow` of one of its policies, or take it out here."),
                ),
                (true, false) => (
                    format!("the answers of {text} hold no secrets that are masked"),
                    "Take it out.".to_owned(),
                ),
                (true, true) => continue,
            };
            let key = format!("callers.{}.reveal", caller.name);
            idle.push(Problem { key, origin: Some(origin.clone()), what, remedy });
        }
    }
    idle
}
