//! Client certificates: SPIFFE IDs and DNS names, from the subject's alternative names alone; the common name is
//! ignored (RFC 9525 section 2). A full handshake has verified the certificate already. It is verified again
//! (`identity`), with the revocation lists and trusted CAs of now, once a minute and at the first request of a resumed
//! session: a connection or a session may outlast both the certificate and the trust in it.

pub(super) mod identity;

use std::{collections::HashMap, sync::Arc};

use rustls::server::danger::ClientCertVerifier;

pub use identity::PeerIdentity;

use super::{
    authenticator::{Authenticator, Evidence, Finding, Known, Outcome},
    cause::Cause,
    identities::identities,
    presented::Presented,
    principal::Principal,
};
use crate::{clock::Clock, config, ids::CallerIndex};

const NO_CALLER: Cause = Cause::new("no_caller", "certificate: names no caller");
const TWO_CALLERS: Cause = Cause::new("two_callers", "certificate: names two callers");

pub(super) struct Certificates {
    verifier: Option<Arc<dyn ClientCertVerifier>>,
    clock: Clock,
    /// Names without a pattern.
    spiffe: HashMap<String, CallerIndex>,
    dns: HashMap<String, CallerIndex>,
    /// The configuration has no two that match the same name.
    spiffe_patterns: Vec<(Spiffe, CallerIndex)>,
    /// Patterns `*.NAME`, by NAME.
    dns_patterns: HashMap<String, CallerIndex>,
}

impl Certificates {
    pub(super) fn new(
        config: &[config::Caller],
        verifier: Option<Arc<dyn ClientCertVerifier>>,
        clock: Clock,
    ) -> Self {
        let mut this = Self {
            verifier,
            clock,
            spiffe: HashMap::new(),
            dns: HashMap::new(),
            spiffe_patterns: Vec::new(),
            dns_patterns: HashMap::new(),
        };
        for (index, identity) in identities(config) {
            match identity {
                config::Identity::Spiffe(id) if id.split('/').any(|segment| segment == "*") => {
                    this.spiffe_patterns.push((Spiffe::new(id), index));
                }
                config::Identity::Spiffe(id) => {
                    this.spiffe.insert(id.clone(), index);
                }
                config::Identity::Dns(name) => match name.strip_prefix("*.") {
                    Some(rest) => {
                        this.dns_patterns.insert(rest.to_ascii_lowercase(), index);
                    }
                    None => {
                        this.dns.insert(name.to_ascii_lowercase(), index);
                    }
                },
                _ => {}
            }
        }
        this
    }

    /// The caller that a certificate's names belong to, if they all belong to the same; with the first of these names.
    fn find(&self, identity: &PeerIdentity) -> Result<Known, Cause> {
        let spiffe = identity.spiffe().and_then(|id| Some((id, self.by_spiffe(id)?)));
        let dns = identity.dns().iter().filter_map(|name| Some((name, self.by_dns(name)?)));
        let mut found = spiffe.into_iter().chain(dns);
        let (name, first) = found.next().ok_or(NO_CALLER)?;
        if !found.all(|(_, other)| other == first) {
            return Err(TWO_CALLERS);
        }
        Ok(Known { principal: Some(Principal::Certificate(name.clone())), ..Known::from(first) })
    }

    fn by_spiffe(&self, id: &str) -> Option<CallerIndex> {
        let by_pattern = || self.spiffe_patterns.iter().find(|(pattern, _)| pattern.matches(id));
        self.spiffe.get(id).copied().or_else(|| by_pattern().map(|(_, index)| *index))
    }

    fn by_dns(&self, name: &str) -> Option<CallerIndex> {
        // A wildcard in a certificate covers names that the client need not have.
        if name.starts_with('*') {
            return None;
        }
        let name = name.strip_suffix('.').unwrap_or(name);
        let by_pattern = || name.split_once('.').and_then(|(_, rest)| self.dns_patterns.get(rest));
        self.dns.get(name).or_else(by_pattern).copied()
    }
}

impl Authenticator for Certificates {
    fn name(&self) -> &'static str {
        "certificate"
    }

    fn authenticate<'a>(&'a self, presented: &'a Presented<'_>) -> Outcome<'a> {
        let (Some(identity), Some(verifier)) = (&presented.peer.certificate, &self.verifier) else {
            return Finding::Pass(None).into();
        };
        if let Err(cause) = identity.check(verifier, &self.clock) {
            return Finding::Rejected(cause).into();
        }
        let pass = |cause| Finding::Pass(Some(cause));
        self.find(identity).map_or_else(pass, Finding::Known).into()
    }

    fn evidence(&self) -> Evidence {
        Evidence::Connection
    }
}

/// A SPIFFE ID whose path may have `*` for a whole segment.
struct Spiffe {
    trust_domain: String,
    path: Vec<Option<String>>,
}

impl Spiffe {
    fn new(pattern: &str) -> Self {
        let (trust_domain, path) = split(pattern);
        let segment = |segment: &str| (segment != "*").then(|| segment.to_owned());
        Self { trust_domain: trust_domain.to_owned(), path: path.map(segment).collect() }
    }

    fn matches(&self, id: &str) -> bool {
        let (trust_domain, mut path) = split(id);
        trust_domain == self.trust_domain
            && self.path.iter().all(|wanted| match (path.next(), wanted) {
                (Some(segment), Some(wanted)) => segment == wanted,
                (Some(segment), None) => is_segment(segment),
                (None, _) => false,
            })
            && path.next().is_none()
    }
}

fn split(id: &str) -> (&str, std::str::Split<'_, char>) {
    let rest = id.strip_prefix("spiffe://").unwrap_or(id);
    let (trust_domain, path) = rest.split_once('/').unwrap_or((rest, ""));
    (trust_domain, path.split('/'))
}

/// What the SPIFFE ID standard allows in a segment (section 2.2): nothing that another reader could take for a
/// delimiter, and no dot segment.
fn is_segment(segment: &str) -> bool {
    !matches!(segment, "" | "." | "..")
        && segment.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
}

#[cfg(test)]
mod tests;
