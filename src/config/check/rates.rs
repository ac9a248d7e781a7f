//! Rates: so many requests in so much time, or "off".

use super::checker::{Checker, DAY, MILLISECOND};
use crate::config::{
    leaf::{Either, Off},
    path::KeyPath,
    rate::Rate,
    raw::RawRate,
};

impl Checker<'_> {
    /// A rate that is given: `Some(None)` for "off".
    pub(super) fn rate(
        &mut self,
        section: &KeyPath,
        key: &str,
        rate: Option<Either<Off, RawRate>>,
    ) -> Option<Option<Rate>> {
        let path = section.key(key);
        let raw = match rate? {
            Either::Text(leaf) => return self.leaf(section, key, Some(leaf)).map(|Off| None),
            Either::Table(raw) => raw,
        };
        const FORM: &str = "Write { requests = 50, per = \"1s\" }.";
        if raw.requests.is_none() {
            self.missing(&path.key("requests"), "the number of requests is missing", FORM);
        }
        if raw.per.is_none() {
            self.missing(&path.key("per"), "the period is missing", FORM);
        }
        let requests = self.count(&path, "requests", raw.requests, 1..=1_000_000);
        let per = self.duration(&path, "per", raw.per, MILLISECOND..=DAY);
        let burst = self.count(&path, "burst", raw.burst, 1..=1_000_000);
        let requests = requests?;
        Some(Some(Rate { requests, per: per?, burst: burst.unwrap_or(requests) }))
    }
}
