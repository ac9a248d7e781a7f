//! A request for any path of a template, `DELETE /api/users/{userId}`. The pipeline is asked about one path, with names in it
//! that no rule has, so that what it says holds wherever no rule is about a path of its own.

use super::asked::placeholder;
use crate::config::Config;

/// What stands in the path, and for which placeholder of the template.
#[derive(Default)]
pub(super) struct AnyPath(Vec<(String, String)>);

impl AnyPath {
    /// Puts names into the places of `target`'s placeholders.
    pub(super) fn settle(target: &mut String, config: &Config) -> Self {
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, format!("?{query}")),
            None => (target.as_str(), String::new()),
        };
        let mut named = Vec::new();
        let segments = path.split('/').enumerate().map(|(at, segment)| {
            let Some(name) = placeholder(at, segment) else { return segment.to_owned() };
            let mut free = name.to_owned();
            while is_in_a_rule(&free, config) {
                free.push('0');
            }
            named.push((free.clone(), segment.to_owned()));
            free
        });
        *target = segments.collect::<Vec<_>>().join("/") + &query;
        Self(named)
    }

    pub(super) fn is_some(&self) -> bool {
        !self.0.is_empty()
    }

    /// The template again, of a path that was made of it.
    pub(super) fn shown(&self, path: &str) -> String {
        let mut named = self.0.iter().peekable();
        let segments = path.split('/').map(|segment| {
            let of_template = named.next_if(|(free, _)| free == segment);
            of_template.map_or(segment, |(_, placeholder)| placeholder)
        });
        segments.collect::<Vec<_>>().join("/")
    }
}

fn is_in_a_rule(name: &str, config: &Config) -> bool {
    let mut rules = config.policies.iter().flat_map(|policy| policy.allow.iter().chain(&policy.deny));
    rules.any(|rule| rule.text.split('/').any(|segment| segment.eq_ignore_ascii_case(name)))
}
