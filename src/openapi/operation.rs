//! One operation of a document, as a caller may use it: the conditions of its grant, what is masked, how callers show who
//! they are. And what Logto's document has that other programs stumble over.

use serde_json::{Map, Value};

use super::{conditions, words};
use crate::{
    config::Conditions,
    policy::{Extent, Hidden, decide::Verdict},
};

/// Brings an operation's object into the form that the caller gets.
pub(super) fn adapt(
    operation: &mut Map<String, Value>,
    extent: &Extent<'_>,
    hidden: &Hidden,
    resolve: &dyn Fn(&str) -> Option<Value>,
) {
    // What is asked for is the same everywhere; another address would lead past the rules.
    for key in ["security", "servers", "callbacks"] {
        operation.remove(key);
    }
    if let Some(conditions) = the_one(extent) {
        conditions::apply(operation, conditions, resolve);
    }
    let about = words::about(extent, hidden);
    if !about.is_empty() {
        let before =
            operation.get("description").or_else(|| operation.get("summary")).and_then(Value::as_str);
        let text = before.map_or_else(|| about.clone(), |before| format!("{before}\n\n{about}"));
        operation.insert("description".into(), text.into());
    }
    operation.values_mut().for_each(mend);
}

/// The conditions that hold for every request of the operation.
fn the_one<'r>(extent: &Extent<'r>) -> Option<&'r Conditions> {
    let Verdict::Conditional(candidates) = extent.everywhere else { return None };
    let mut rules = candidates.rules();
    match (rules.next(), rules.next(), extent.parts.is_empty()) {
        (Some(rule), None, true) => rule.rule.conditions.as_ref(),
        _ => None,
    }
}

/// Takes out a default that its own schema refuses: Logto has `{}` where there are members that are required.
pub(super) fn mend(value: &mut Value) {
    match value {
        Value::Object(members) => {
            let lacks = |required: &Vec<Value>, default: &Map<String, Value>| {
                required.iter().any(|name| name.as_str().is_some_and(|name| !default.contains_key(name)))
            };
            if let (Some(Value::Array(required)), Some(Value::Object(default))) =
                (members.get("required"), members.get("default"))
                && lacks(required, default)
            {
                members.remove("default");
            }
            members.values_mut().for_each(mend);
        }
        Value::Array(items) => items.iter_mut().for_each(mend),
        _ => {}
    }
}
