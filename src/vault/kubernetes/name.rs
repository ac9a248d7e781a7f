//! What the Secret of a tenant is called. An alias may have what a name of Kubernetes (RFC 1123) may not, at places where it
//! may not: such a character becomes `--` and a letter. No two aliases come to the same name, and each name leads back.

use crate::ids::TenantName;

/// The Secret with the proof of the key.
pub(super) const PROOF: &str = "claviger-vault-key";
const PREFIX: &str = "claviger-tenant-";

/// At most 205 bytes; a name has 253.
pub(super) fn of(alias: &TenantName) -> String {
    let alias = alias.as_str();
    let mut name = String::with_capacity(PREFIX.len() + alias.len() + 8);
    name.push_str(PREFIX);
    for (at, byte) in alias.bytes().enumerate() {
        let is_before_plain = alias.as_bytes().get(at + 1).is_some_and(u8::is_ascii_alphanumeric);
        match byte {
            b'_' => name.push_str("--u"),
            b'.' => name.push_str("--d"),
            b'-' if !is_before_plain => name.push_str("--h"),
            other => name.push(other.into()),
        }
    }
    name
}

/// The alias of a Secret of this name; `None` where it is that of no tenant.
pub(super) fn alias(name: &str) -> Option<TenantName> {
    let mut rest = name.strip_prefix(PREFIX)?;
    let mut alias = String::with_capacity(rest.len());
    while let Some(first) = rest.chars().next() {
        if let Some(escaped) = rest.strip_prefix("--") {
            alias.push(match escaped.chars().next()? {
                'u' => '_',
                'd' => '.',
                'h' => '-',
                _ => return None,
            });
            rest = &escaped[1..];
        } else {
            alias.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    let alias = TenantName::parse(&alias).ok()?;
    // Another spelling of the same alias would be a second record of it.
    (of(&alias) == name).then_some(alias)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 1123, as the API server checks it.
    fn is_a_label(name: &str) -> bool {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        name.len() <= 253
            && name.bytes().all(|byte| plain(byte) || byte == b'-')
            && name.bytes().next().is_some_and(plain)
            && name.bytes().last().is_some_and(plain)
    }

    #[test]
    fn names_are_read_by_people() {
        for (alias, want) in [
            ("acme", "claviger-tenant-acme"),
            ("customer-1", "claviger-tenant-customer-1"),
            ("a_b.c", "claviger-tenant-a--ub--dc"),
            ("a-", "claviger-tenant-a--h"),
            ("a--u", "claviger-tenant-a--h-u"),
        ] {
            assert_eq!(of(&TenantName::parse(alias).unwrap()), want);
        }
        for none in [PROOF, "claviger-tenant-", "claviger-tenant-a--x", "claviger-tenant-a--hb", "x"] {
            assert_eq!(alias(none), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn each_alias_has_a_name_of_its_own_and_comes_back(text in "[a-z0-9][a-z0-9._-]{0,62}") {
            let name = TenantName::parse(&text).unwrap();
            prop_assert!(is_a_label(&of(&name)));
            prop_assert_eq!(alias(&of(&name)), Some(name));
        }

        #[test]
        fn a_name_that_is_read_is_the_one_that_is_written(rest in "[a-z0-9-]{1,20}") {
            let name = format!("{PREFIX}{rest}");
            if let Some(alias) = alias(&name) {
                prop_assert_eq!(of(&alias), name);
            }
        }
    }
}
