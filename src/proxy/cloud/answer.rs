//! Logto's answer to a creation with what its caller needs to know of the tenant here. The rest stays as it came through the
//! filter, byte for byte.

use serde_json::{json, value::RawValue};
use std::collections::BTreeMap;

use super::creation::Kept;

/// The answer with a member `claviger` at its end and, where `leads_here`, with `indicator` leading to `base`. `None`: it is
/// no object.
pub(super) fn with_tenant(body: &[u8], kept: &Kept, base: &str, leads_here: bool) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(body).ok()?.trim_end();
    let end = text.strip_suffix('}')?.trim_end();
    let members: BTreeMap<&str, &RawValue> = serde_json::from_str(text).ok()?;
    let mut whole = end.to_owned();
    if leads_here && let Some(indicator) = members.get("indicator") {
        // What was parsed borrows from the text, so this is where it stands.
        let at = indicator.get().as_ptr() as usize - text.as_ptr() as usize;
        whole.replace_range(at..at + indicator.get().len(), &json!(base).to_string());
    }
    let mut claviger =
        json!({ "tenant": kept.alias.as_str(), "base_url": base, "usable": kept.unproved.is_none() });
    if let Some(why) = &kept.unproved {
        claviger["detail"] = json!(why);
    }
    let comma = if members.is_empty() { "" } else { "," };
    Some(format!("{whole}{comma}\"claviger\":{claviger}}}").into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::TenantName;

    fn with(body: &str, leads_here: bool) -> Option<String> {
        let kept = Kept { alias: TenantName::parse("acme").unwrap(), unproved: None };
        let base = "http://127.0.0.1:3600/t/acme";
        with_tenant(body.as_bytes(), &kept, base, leads_here).map(|body| String::from_utf8(body).unwrap())
    }

    #[test]
    fn the_answer_keeps_its_bytes_and_gets_a_member() {
        let member =
            r#""claviger":{"base_url":"http://127.0.0.1:3600/t/acme","tenant":"acme","usable":true}}"#;
        let logtos = r#"{ "z": 1.0, "indicator" : "https://abc123.logto.app", "a": [ ] }"#;
        let head = r#"{ "z": 1.0, "indicator" : "https://abc123.logto.app", "a": [ ],"#;
        assert_eq!(with(logtos, false).unwrap(), format!("{head}{member}"));
        let here = head.replace("https://abc123.logto.app", "http://127.0.0.1:3600/t/acme");
        assert_eq!(with(logtos, true).unwrap(), format!("{here}{member}"));
        assert_eq!(with("{}\n", true).unwrap(), format!("{{{member}"));
        for other in ["", "[]", "null", "{", "\"}\""] {
            assert_eq!(with(other, true), None, "{other}");
        }
    }
}
