//! Tenants of the vault as text, from the same JSON that `--json` prints.

use std::collections::BTreeSet;

use serde_json::Value;

/// As a table, or line by line for one.
pub(super) fn text(value: &Value) -> String {
    if let Some(all) = value["tenants"].as_array() {
        return list(all);
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
    if let Some(step) = step(value) {
        lines.push(("under way", step));
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
    if value["in_force"] == false {
        lines.push(("in force", "no: the configuration has a tenant of this name".into()));
    }
    lines.iter().map(|(key, value)| format!("{key:<10} {value}\n")).collect()
}

fn list(all: &[Value]) -> String {
    let head = ["ALIAS", "ENDPOINT", "TEMPLATE", "SECRET SINCE", "UNDER WAY"].map(str::to_owned);
    let row = |value: &Value| {
        let since = word(&value["secrets"][0]["since"]);
        let step = step(value).unwrap_or_default();
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
fn step(value: &Value) -> Option<String> {
    if let Some(account) = value["creating"]["account"].as_str() {
        let alias = word(&value["alias"]);
        return Some(match value["tenant_id"].as_str() {
            Some(id) => format!(
                "creation cut off: {id} exists at Logto Cloud and its credential is lost; make a secret in its Console, then: \
                 claviger tenant adopt {alias} --tenant-id {id} --client-id …"
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
    Some(format!("rotation: the old secret is deleted after {at}"))
}

/// Its own, and those of its template.
fn labels(value: &Value) -> String {
    let all = ["labels", "template_labels"].map(|member| value[member].as_array());
    let all: BTreeSet<_> = all.into_iter().flatten().flatten().filter_map(Value::as_str).collect();
    if all.is_empty() { "-".into() } else { all.into_iter().collect::<Vec<_>>().join(", ") }
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or("-").to_owned()
}
