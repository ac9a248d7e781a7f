//! What may be asked of `/status`: which tenants, and how many at most, as there may be ten thousand.

use crate::{config::TenantPattern, ids::TenantName};

/// Without `limit`.
const USUAL: usize = 100;
/// The most that is asked for.
const MOST: usize = 1000;

/// Which tenants, and how many of each thing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Query {
    tenants: Wanted,
    /// The most tenants, callers and problems.
    pub(super) limit: usize,
}

#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    All,
    One(TenantName),
    Pattern(TenantPattern),
}

impl Query {
    /// Of the text behind the question mark.
    ///
    /// # Errors
    /// What may be asked.
    pub(super) fn parse(query: Option<&str>) -> Result<Self, &'static str> {
        let mut parsed = Self { tenants: Wanted::All, limit: USUAL };
        for (key, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            match &*key {
                "tenant" => {
                    let pattern = || TenantPattern::parse(&value).map(Wanted::Pattern);
                    let name = TenantName::parse(&value).map(Wanted::One).or_else(|_| pattern());
                    parsed.tenants = name.map_err(|_| "tenant is a name, or a pattern such as acme-*\n")?;
                }
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| (1..=MOST).contains(limit));
                    parsed.limit = limit.ok_or("limit is a number from 1 to 1000\n")?;
                }
                _ => return Err("the query is ?tenant=NAME&limit=NUMBER, each of which may be left out\n"),
            }
        }
        Ok(parsed)
    }

    /// Whether a tenant is asked for.
    pub(super) fn wants(&self, tenant: &TenantName) -> bool {
        match &self.tenants {
            Wanted::All => true,
            Wanted::One(name) => name == tenant,
            Wanted::Pattern(pattern) => pattern.matches(tenant.as_str()),
        }
    }

    /// Whether a problem with a part of the configuration is worth telling whoever asks for these tenants.
    pub(super) fn concerns(&self, about: &str) -> bool {
        match (about.split_once('.'), &self.tenants) {
            (_, Wanted::All) => true,
            (Some(("tenants", name)), _) => TenantName::parse(name).is_ok_and(|name| self.wants(&name)),
            (Some(("cloud", _)), _) => false,
            _ => true,
        }
    }

    /// The one tenant that is asked for by its name.
    pub(super) fn one(&self) -> Option<&TenantName> {
        match &self.tenants {
            Wanted::One(name) => Some(name),
            Wanted::All | Wanted::Pattern(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_asked() {
        let name = |text| TenantName::parse(text).unwrap();
        let usual = Query::parse(None).unwrap();
        assert!(usual.wants(&name("acme")) && usual.one().is_none() && usual.limit == 100);
        assert!(usual.concerns("tenants.other") && usual.concerns("cloud.main"));
        let one = Query::parse(Some("tenant=acme&limit=7")).unwrap();
        assert!(
            one.concerns("tenants.acme") && !one.concerns("tenants.other") && !one.concerns("cloud.main")
        );
        assert!(one.concerns("audit") && one.concerns("listen.tls.cert") && one.concerns("issuers.acme"));
        assert!(one.wants(&name("acme")) && !one.wants(&name("acme2")) && one.limit == 7);
        let some = Query::parse(Some("tenant=acme-%2A")).unwrap();
        assert!(some.wants(&name("acme-1")) && !some.wants(&name("acme")) && some.one().is_none());
        for bad in ["tenant=", "tenant=A", "limit=0", "limit=1001", "limit=x", "tenants=a", "x", "limit"] {
            assert!(Query::parse(Some(bad)).is_err(), "{bad}");
        }
    }
}
