//! Tenants of the vault as text, from the same JSON that `--json` prints.

use std::time::SystemTime;

use serde_json::Value;

/// As a table, or line by line for one, `now`.
pub(super) fn text(value: &Value, now: SystemTime) -> String {
    if let Some(all) = value["tenants"].as_array() {
        return list(all, now);
    }
    if let Some(alias) = value["removed"].as_str() {
        return format!("removed {alias} from the vault; at Logto nothing was changed\n");
    }
    let mut lines = vec![
        ("alias", word(&value["alias"])),
        ("endpoint", word(&value["endpoint"])),
        ("tenant ID", word(&value["tenant_id"])),
        ("resource", word(&value["resource"])),
        ("client ID", word(&value["client_id"])),
        ("template", word(&value["template"])),
        ("labels", labels(value)),
        ("created", format!("{} by {}", word(&value["created_at"]), word(&value["created_by"]))),
        ("rotated", word(&value["rotation"]["last"])),
    ];
    for secret in value["secrets"].as_array().into_iter().flatten() {
        let name = secret["name"].as_str().map(|name| format!(", named {name:?}")).unwrap_or_default();
        let end = secret["expires_at"].as_str().map(|end| format!(", expires {end}")).unwrap_or_default();
        lines.push(("secret", format!("since {}{name}{end}", word(&secret["since"]))));
    }
    if let Some(step) = step(value, now) {
        lines.push(("under way", step));
    }
    let failure = &value["rotation"]["failure"];
    if let Some(why) = failure["message"].as_str() {
        let (at, next, remedy) = (word(&failure["at"]), word(&failure["next_try"]), &failure["remedy"]);
        let remedy =
            remedy.as_str().filter(|it| !it.is_empty()).map(|it| format!(". {it}")).unwrap_or_default();
        lines.push(("failed", format!("{at}: {why}; next try at {next}{remedy}")));
    }
    if let Some(base) = value["base_url"].as_str() {
        lines.push(("live at", base.to_owned()));
    }
    if let Some(detail) = value["detail"].as_str() {
        lines.push(("usable", format!("not yet: {detail}")));
    }
    if let Some(others) = value["same_application_as"].as_array() {
        let others: Vec<_> = others.iter().filter_map(Value::as_str).collect();
        lines.push(("rotation", format!("never: {} is the same application at Logto", others.join(", "))));
    }
    if value["no_caller"] == true {
        const NOBODY: &str =
            "none may use it: no callers.NAME.tenants has its alias, a pattern for it, or one of its labels";
        lines.push(("callers", NOBODY.into()));
    }
    if value["in_force"] == false {
        let why = match value["creating"].is_object() {
            true => "no: it has no credential",
            false => "no: the configuration has a tenant of this name",
        };
        lines.push(("in force", why.into()));
    }
    lines.iter().map(|(key, value)| format!("{key:<10} {value}\n")).collect()
}

fn list(all: &[Value], now: SystemTime) -> String {
    let head = ["ALIAS", "ENDPOINT", "TEMPLATE", "SECRET SINCE", "UNDER WAY"].map(str::to_owned);
    let row = |value: &Value| {
        let since = word(&value["secrets"][0]["since"]);
        let step = step(value, now).unwrap_or_default();
        [word(&value["alias"]), word(&value["endpoint"]), word(&value["template"]), since, step]
    };
    let rows: Vec<_> = std::iter::once(head).chain(all.iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or_default();
    let widths = [0, 1, 2, 3].map(width);
    let line = |row: &[String; 5]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}  "));
        let line: String = cells.chain([row[4].clone()]).collect();
        format!("{}\n", line.trim_end())
    };
    rows.iter().map(line).collect()
}

/// How far a rotation has come, or a creation.
fn step(value: &Value, now: SystemTime) -> Option<String> {
    if let Some(account) = value["creating"]["account"].as_str() {
        let alias = word(&value["alias"]);
        let template =
            value["template"].as_str().map(|name| format!(" --template {name}")).unwrap_or_default();
        return Some(match value["tenant_id"].as_str() {
            Some(id) => format!(
                "creation cut off: {id} exists at Logto Cloud and its credential is lost; make a secret in its Console, then: \
                 claviger tenant adopt {alias} --tenant-id {id}{template} --client-id …"
            ),
            None => format!(
                "being created at Logto Cloud by account {account}; if that takes too long, Claviger looks for it there"
            ),
        });
    }
    let step = &value["rotation"]["step"];
    if let Some(name) = step["create"]["name"].as_str() {
        return Some(format!("rotation: the secret {name:?} will be created at Logto"));
    }
    if step["prove"].is_object() {
        return Some("rotation: the new secret will be tested with a token request".into());
    }
    let at = step["retire"]["at"].as_str()?;
    Some(match humantime::parse_rfc3339(at) {
        Ok(due) if due < now => {
            format!("rotation: the old secret was to be deleted at Logto at {at}, and still works there")
        }
        _ => format!("rotation: the old secret is deleted after {at}"),
    })
}

/// Its own, and those of its template.
fn labels(value: &Value) -> String {
    let all = ["labels", "template_labels"].map(|member| value[member].as_array());
    let mut all: Vec<_> = all.into_iter().flatten().flatten().filter_map(Value::as_str).collect();
    all.sort_unstable();
    all.dedup();
    if all.is_empty() { "-".into() } else { all.join(", ") }
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or("-").to_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    #[test]
    fn a_creation_that_was_cut_off_has_no_credential_and_is_adopted_with_its_template() {
        let mut value = json!({
            "alias": "acme", "tenant_id": "abc123", "template": "customer", "creating": { "account": "default" }, "in_force": false,
        });
        let said = text(&value, SystemTime::UNIX_EPOCH);
        assert!(
            said.contains("claviger tenant adopt acme --tenant-id abc123 --template customer --client-id …"),
            "{said}"
        );
        assert!(said.ends_with("in force   no: it has no credential\n"), "{said}");
        value["creating"].take();
        let said = text(&value, SystemTime::UNIX_EPOCH);
        assert!(said.ends_with("in force   no: the configuration has a tenant of this name\n"), "{said}");
    }

    #[test]
    fn a_secret_that_should_be_deleted_by_now_is_said_to_work_still() {
        let due = humantime::parse_rfc3339("2026-11-29T12:00:00Z").unwrap();
        let mut value = json!({ "alias": "acme", "rotation": { "step": { "retire": { "at": "2026-11-29T12:00:00Z" } } } });
        let said = text(&value, due);
        assert!(
            said.contains("under way  rotation: the old secret is deleted after 2026-11-29T12:00:00Z\n"),
            "{said}"
        );
        let late = due + Duration::from_secs(1);
        let overdue = "rotation: the old secret was to be deleted at Logto at 2026-11-29T12:00:00Z, and still works there\n";
        assert!(text(&value, late).contains(&format!("under way  {overdue}")));
        assert!(text(&json!({ "tenants": [value] }), late).ends_with(overdue));
        value["rotation"]["failure"] = json!({
            "message": "it was rotated, and not deleted", "remedy": "Wait.", "at": "2026-11-29T12:00:01Z", "next_try": "2026-11-29T12:10:01Z",
        });
        let said = text(&value, late);
        let failed = "failed     2026-11-29T12:00:01Z: it was rotated, and not deleted; next try at 2026-11-29T12:10:01Z. Wait.\n";
        assert!(said.contains(failed), "{said}");
    }
}
