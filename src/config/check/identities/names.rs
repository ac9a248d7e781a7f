//! Names in client certificates, as patterns: SPIFFE IDs and DNS names, in the one form that they are compared in.

use std::net::IpAddr;

use crate::config::problem::{Mistake, quoted};

/// A DNS label in lower case.
pub(super) fn is_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&text.len())
        && text.bytes().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// A SPIFFE ID (SPIFFE-ID section 2), where `*` may stand for one whole segment of the path.
pub(super) fn spiffe(text: &str) -> Result<String, Mistake> {
    const FORM: &str = "Write \"spiffe://TRUST-DOMAIN/path\"; `*` stands for one whole segment of the path.";
    let wrong = |what: &str| Err(Mistake::new(format!("{} {what}", quoted(text)), FORM));
    let Some(rest) = text.strip_prefix("spiffe://") else { return wrong("does not begin with spiffe://") };
    if text.len() > 2048 {
        return wrong("is longer than a SPIFFE ID, which has at most 2048 bytes");
    }
    let (domain, path) = rest.split_once('/').unwrap_or((rest, ""));
    if domain.contains('*') {
        return wrong("has a `*` in its trust domain: whoever runs another domain could be this caller");
    }
    let of_domain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.');
    if domain.is_empty() || domain.len() > 255 || !domain.bytes().all(of_domain) {
        return wrong("has no trust domain in lower case");
    }
    if path.is_empty() {
        return wrong("has no path: it is the trust domain itself and no workload");
    }
    for segment in path.split('/') {
        let of_segment = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        match segment {
            "*" => {}
            _ if segment.contains('*') => return wrong("has a `*` that is only a part of a segment"),
            "" | "." | ".." => return wrong("has an empty segment, or one of dots"),
            _ if !segment.bytes().all(of_segment) => {
                return wrong(
                    "has characters that no SPIFFE ID has: letters, digits, '-', '_' and '.' are allowed",
                );
            }
            _ => {}
        }
    }
    Ok(text.to_owned())
}

/// A DNS name in lower case, where `*.` in front stands for one label.
pub(super) fn dns(text: &str) -> Result<String, Mistake> {
    const FORM: &str = "Write \"billing.internal\", or \"*.internal\" for any one label in front.";
    let name = text.to_ascii_lowercase();
    let literal = name.strip_prefix("*.").unwrap_or(&name);
    let label = |label: &str| is_label(&label.replace('_', "x"));
    // The last label of a name is never a number: that would be an address.
    let is_number = literal
        .rsplit('.')
        .next()
        .is_some_and(|last| !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit()));
    if name.parse::<IpAddr>().is_ok() || is_number {
        return Err(Mistake::new(format!("{} is an address, not a DNS name", quoted(text)), FORM));
    }
    if name.len() > 253 || !literal.split('.').all(label) {
        return Err(Mistake::new(format!("{} is not a DNS name", quoted(text)), FORM));
    }
    Ok(name)
}
