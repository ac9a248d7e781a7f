//! Where a key belongs that was written in another table.

/// Keys that one kind of table alone has: whose they are, and how one is written.
const PLACES: [(&str, &str, &str); 15] = [
    ("endpoint", "a tenant", "tenants.NAME.endpoint = \"https://…\""),
    ("client_id", "a tenant", "tenants.NAME.client_id = \"…\""),
    ("client_secret", "a tenant", "tenants.NAME.client_secret = { file = \"…\" }"),
    ("quota", "a tenant", "tenants.NAME.quota = { requests = 200, per = \"10s\" }"),
    ("max_in_flight", "a tenant", "tenants.NAME.max_in_flight = 16"),
    ("identify", "a caller", "callers.NAME.identify = { loopback = true }, or another authentication method"),
    ("reveal", "a caller", "callers.NAME.reveal = [\"…\"]"),
    ("rate", "a caller", "callers.NAME.rate = { requests = 100, per = \"10s\" }"),
    ("priority", "a caller", "callers.NAME.priority = \"batch\""),
    ("weight", "a caller", "callers.NAME.weight = 2"),
    ("allow", "a policy", "policies.NAME.allow = [\"users:read\"]"),
    ("deny", "a policy", "policies.NAME.deny = [\"…\"]"),
    ("cache", "a rule of a policy", "policies.NAME.allow = [{ operation = \"ListRoles\", cache = \"5s\" }]"),
    ("query", "a rule of a policy", "policies.NAME.allow = [{ operation = \"…\", query = { … } }]"),
    ("body", "a rule of a policy", "policies.NAME.allow = [{ operation = \"…\", body = [\"…\"] }]"),
];

/// What to write in place of a key that stands elsewhere.
pub(super) fn belongs(key: &str) -> Option<String> {
    let (_, whose, written) = PLACES.iter().find(|(known, ..)| *known == key)?;
    Some(format!("`{key}` belongs to {whose}: write {written}."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::raw::{RawCaller, RawPolicy, RawRule, RawTenant};

    #[test]
    fn every_key_is_one_of_those_to_whom_it_belongs() {
        for (key, whose, written) in PLACES {
            let keys = match whose {
                "a tenant" => RawTenant::KEYS,
                "a caller" => RawCaller::KEYS,
                "a policy" => RawPolicy::KEYS,
                _ => RawRule::KEYS,
            };
            assert!(keys.contains(&key) && written.contains(&format!("{key} = ")), "{key}");
        }
    }
}
