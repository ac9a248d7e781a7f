//! Whose a request is and how urgent, where a tenant's quota is short: by its caller, and by its own `Priority` field (RFC 9218),
//! which may lower what the caller has and never raises it.

use http::HeaderMap;

use crate::{config::Class, headers, ids::CallerId};

/// What the order among requests that wait is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// Whose.
    pub caller: CallerId,
    /// How urgent.
    pub class: Class,
    /// The share among the callers of the class; at least 1.
    pub weight: u32,
}

impl Turn {
    /// Of what Claviger does on its own: it is seldom, and others wait for it.
    pub(super) const OURSELVES: Self =
        Self { caller: CallerId::OURSELVES, class: Class::Interactive, weight: 1 };

    /// The same, as far as the request itself says that it can wait.
    #[must_use]
    pub fn lowered(self, headers: &HeaderMap) -> Self {
        Self { class: self.class.max(asked(headers)), ..self }
    }
}

/// RFC 9218 section 4.1: urgency from 0 to 7, 3 where nothing is said, 7 for what runs in the background.
fn asked(headers: &HeaderMap) -> Class {
    let members = headers.get_all(headers::PRIORITY).iter();
    let members = members.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    // Of members of one name the last counts (RFC 9651 section 3.2); a parameter of one means nothing here.
    let mut urgency = members.filter_map(|member| {
        let (name, value) = member.split_once('=')?;
        (name.trim() == "u").then(|| value.split(';').next().unwrap_or_default().trim())
    });
    match urgency.next_back() {
        Some("4" | "5") => Class::Normal,
        Some("6" | "7") => Class::Batch,
        _ => Class::Interactive,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn lowered(class: Class, fields: &[&'static str]) -> Class {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(headers::PRIORITY, HeaderValue::from_static(field));
        }
        Turn { caller: CallerId::numbered(0), class, weight: 1 }.lowered(&headers).class
    }

    #[test]
    fn a_request_can_be_less_urgent_than_its_caller_and_never_more() {
        use Class::{Batch, Interactive, Normal};
        for (class, fields, want) in [
            (Interactive, &[][..], Interactive),
            (Interactive, &["u=3"], Interactive),
            (Interactive, &["u=4"], Normal),
            (Interactive, &["u=5, i"], Normal),
            (Interactive, &["i, u=7;x=1"], Batch),
            (Interactive, &["u=0", "u=6"], Batch),
            (Normal, &["u=0"], Normal),
            (Batch, &["u=0"], Batch),
            (Normal, &["u=6"], Batch),
            (Interactive, &["u=8", "urgency=7", "u", "=", ",,"], Interactive),
        ] {
            assert_eq!(lowered(class, fields), want, "{class:?} {fields:?}");
        }
    }
}
