//! What a cut says of an operation beside what it is: the conditions of a grant, the paths that it is about, what is masked.
//! In CommonMark, for people; programs go by the parameters and schemas.

use std::fmt::Write as _;

use crate::policy::{Extent, Hidden, conditions::Words, decide::Verdict};

/// More paths than anyone reads.
const MOST_PATHS: usize = 20;

/// What is to be known of an operation; empty where there is nothing.
pub(super) fn about(extent: &Extent<'_>, hidden: &Hidden) -> String {
    let mut text = String::new();
    let conditions = conditions(extent.everywhere);
    if !conditions.is_empty() {
        paragraph(&mut text, "granted under ", &conditions);
    }
    if !extent.parts.is_empty() {
        let before = if conditions.is_empty() {
            "granted on these paths alone:"
        } else {
            "granted further on these paths:"
        };
        paragraph(&mut text, before, "");
        for (path, verdict) in extent.parts.iter().take(MOST_PATHS) {
            let _: std::fmt::Result = write!(text, "\n- `{path}`");
            let conditions = self::conditions(*verdict);
            if !conditions.is_empty() {
                let _: std::fmt::Result = write!(text, " under {}", conditions.replace('\n', "\n  "));
            }
        }
        if let Some(more) = extent.parts.len().checked_sub(MOST_PATHS).filter(|more| *more > 0) {
            let _: std::fmt::Result = write!(text, "\n- and {more} more");
        }
    }
    match hidden {
        Hidden::Nothing => {}
        Hidden::Places(secrets) => paragraph(&mut text, "masks in the answer: ", &listed(&secrets.places())),
        Hidden::WhenAsked(parameter, secrets) => {
            let asked = format!("masks in the answer, where `{parameter}` asks for it: ");
            paragraph(&mut text, &asked, &listed(&secrets.places()));
        }
        Hidden::ByName => {
            paragraph(
                &mut text,
                "masks in the answer whatever has the name of a secret, such as `clientSecret`.",
                "",
            );
        }
    }
    text
}

fn paragraph(text: &mut String, begins: &str, ends: &str) {
    if !text.is_empty() {
        text.push_str("\n\n");
    }
    let _: std::fmt::Result = write!(text, "**Claviger:** {begins}{ends}");
}

/// The conditions of a verdict: any one of them will do.
fn conditions(verdict: Verdict<'_>) -> String {
    let Verdict::Conditional(candidates) = verdict else { return String::new() };
    let conditions = candidates.rules().filter_map(|rule| rule.rule.conditions.as_ref());
    let all: Vec<_> = conditions.map(|conditions| Words(conditions).to_string()).collect();
    match &*all {
        [] => String::new(),
        [one] => format!("a condition: {one}."),
        several => format!("any one of these conditions:\n- {}", several.join("\n- ")),
    }
}

fn listed(places: &[String]) -> String {
    let quoted: Vec<_> = places.iter().map(|place| format!("`{place}`")).collect();
    format!("{}.", quoted.join(", "))
}
