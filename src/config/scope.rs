//! Which tenants a caller may name: by name, by pattern, by label, or because it had them created. All but a name also cover
//! tenants that do not exist yet, so they are asked again for every tenant that appears. Decides nothing but that.

use std::fmt;

use serde::{Serialize, Serializer, ser::SerializeMap};

use super::tenant::Tenant;
use crate::ids::{CallerName, Label, TenantName};

/// `callers.NAME.tenants`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TenantScope {
    /// `["*"]`
    All,
    /// Those that any of these matches.
    Only(Vec<TenantMatch>),
}

impl TenantScope {
    /// Whether a tenant is within the scope of this caller.
    pub fn matches(&self, caller: &CallerName, tenant: &Tenant) -> bool {
        match self {
            Self::All => true,
            Self::Only(any) => any.iter().any(|one| one.matches(caller, tenant)),
        }
    }

    /// Whether those are within it that the caller had created.
    pub fn has_created(&self) -> bool {
        matches!(self, Self::Only(any) if any.contains(&TenantMatch::Created))
    }
}

/// One element of a scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TenantMatch {
    /// `"acme"`: a tenant that is configured.
    Name(TenantName),
    /// `"customer-*"`
    Pattern(TenantPattern),
    /// `{ label = "customer" }`
    Label(Label),
    /// `{ created = true }`: those that the caller had created at Logto Cloud.
    Created,
}

impl TenantMatch {
    /// Whether a tenant is meant, in the scope of this caller.
    pub fn matches(&self, caller: &CallerName, tenant: &Tenant) -> bool {
        match self {
            Self::Name(one) => *one == tenant.name,
            Self::Pattern(pattern) => pattern.matches(tenant.name.as_str()),
            Self::Label(label) => tenant.labels.contains(label),
            Self::Created => tenant.created_by.as_ref() == Some(caller),
        }
    }
}

impl Serialize for TenantScope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::All => serializer.collect_seq(["*"]),
            Self::Only(any) => serializer.collect_seq(any),
        }
    }
}

impl Serialize for TenantMatch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Name(name) => name.serialize(serializer),
            Self::Pattern(pattern) => serializer.serialize_str(pattern.as_str()),
            Self::Label(label) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("label", label)?;
                map.end()
            }
            Self::Created => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("created", &true)?;
                map.end()
            }
        }
    }
}

/// A tenant's name in which each `*` stands for any number of characters, none included. The case counts.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TenantPattern(String);

/// The longest pattern, and the most `*` in it: a tenant's name has at most 63 characters.
const MOST_BYTES: usize = 64;
const MOST_STARS: usize = 4;

/// Why a text is no pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a pattern is up to 64 of a-z, 0-9, '-', '_', '.' and '*', with one to four '*' of which no two are neighbours"
)]
pub struct InvalidPattern;

impl TenantPattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// [`InvalidPattern`]; a text without `*` is not one either.
    pub fn parse(text: &str) -> Result<Self, InvalidPattern> {
        let fits = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*');
        let stars = text.bytes().filter(|b| *b == b'*').count();
        let is_pattern = text.len() <= MOST_BYTES
            && (1..=MOST_STARS).contains(&stars)
            && !text.contains("**")
            && text.bytes().all(fits);
        is_pattern.then(|| Self(text.to_owned())).ok_or(InvalidPattern)
    }

    /// The pattern as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What every name begins with that the pattern stands for.
    pub fn prefix(&self) -> &str {
        self.0.split('*').next().unwrap_or_default()
    }

    /// Whether a name is one that the pattern stands for.
    pub fn matches(&self, name: &str) -> bool {
        let Some((start, rest)) = self.0.split_once('*') else { return false };
        let Some(name) = name.strip_prefix(start) else { return false };
        let (between, end) = rest.rsplit_once('*').unwrap_or(("", rest));
        let Some(mut name) = name.strip_suffix(end) else { return false };
        // The first place for each part leaves the most for those behind it.
        for part in between.split('*') {
            let Some(at) = name.find(part) else { return false };
            name = &name[at + part.len()..];
        }
        true
    }
}

impl fmt::Display for TenantPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TenantPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_number_of_characters() {
        for (pattern, yes, no) in [
            (
                "customer-*",
                &["customer-1", "customer-", "customer-a-b"][..],
                &["customer", "a-customer-1"][..],
            ),
            ("*-eu", &["acme-eu", "-eu"], &["acme-eu-1", "eu"]),
            ("a*a", &["aa", "aba", "aaa"], &["a", "ab", "ba"]),
            ("a*b*c", &["abc", "axbxc", "abbc", "abcbc"], &["acb", "ac", "abcx"]),
            ("*b*c*", &["bc", "abxcx"], &["cb", "b"]),
            ("a*bc*bc", &["abcbc", "axbcbc"], &["abc", "abcb"]),
        ] {
            let parsed = TenantPattern::parse(pattern).unwrap();
            let matches = |name: &&&str| parsed.matches(name);
            assert_eq!(yes.iter().find(|name| !matches(name)), None, "{pattern}");
            assert_eq!(no.iter().find(matches), None, "{pattern}");
        }
    }

    #[test]
    fn a_pattern_is_short_and_holds_what_names_hold() {
        for bad in ["", "acme", "A*", "a/*", "a b*", "a**", "*a*b*c*d*", &format!("{}*", "a".repeat(64))] {
            assert_eq!(TenantPattern::parse(bad), Err(InvalidPattern), "{bad:?}");
        }
    }

    #[test]
    fn any_of_a_scope_will_do() {
        let name = |text: &str| TenantName::parse(text).unwrap();
        let label = |text: &str| Label::parse(text).unwrap();
        let caller = |text: &str| CallerName::parse(text).unwrap();
        let tenant = |alias, labels: &[&str], creator: Option<&str>| Tenant {
            name: name(alias),
            labels: labels.iter().map(|it| label(it)).collect(),
            created_by: creator.map(caller),
            ..crate::config::tests::tenant()
        };
        let scope = TenantScope::Only(vec![
            TenantMatch::Name(name("acme")),
            TenantMatch::Pattern(TenantPattern::parse("c-*").unwrap()),
            TenantMatch::Label(label("eu")),
        ]);
        let (us, other) = (caller("us"), caller("other"));
        let is_in = |tenant| scope.matches(&us, &tenant);
        assert!(is_in(tenant("acme", &[], None)) && is_in(tenant("c-1", &[], None)));
        assert!(is_in(tenant("x", &["big", "eu"], None)));
        assert!(!is_in(tenant("acme2", &["e"], Some("us"))));
        assert!(TenantScope::All.matches(&us, &tenant("x", &[], None)));
        let created = TenantScope::Only(vec![TenantMatch::Created]);
        let ours = tenant("x", &["eu"], Some("us"));
        assert!(created.matches(&us, &ours) && !created.matches(&other, &ours));
        assert!(
            !created.matches(&us, &tenant("us", &["us"], None)),
            "of the configuration, or the operator's"
        );
    }
}
