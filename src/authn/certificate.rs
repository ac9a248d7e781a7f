//! Client certificates: SPIFFE IDs and DNS names, from the subject's alternative names alone; the common name
//! names nobody (RFC 9525 section 2). A full handshake has verified the certificate already. It is verified again
//! here, with the revocation lists and authorities of now, once a minute and at the first request of a resumed
//! session: a connection or a session may outlast both the certificate and the trust in it.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use rustls::{
    CertificateError, Error as TlsError, pki_types::CertificateDer, server::danger::ClientCertVerifier,
};
use tokio::time::Instant;
use webpki::EndEntityCert;

use super::{Authenticator, Cause, CertificateCause, Finding, Presented, identities};
use crate::{clock::Clock, config, ids::CallerIndex};

/// How long a verification counts.
const VERIFIED_FOR: Duration = Duration::from_secs(60);

/// A client's certificate, read once for each connection.
pub struct PeerIdentity {
    chain: Vec<CertificateDer<'static>>,
    uris: Vec<String>,
    /// In lower case.
    dns: Vec<String>,
    /// By whom, and when.
    verified: Mutex<Option<(Weak<dyn ClientCertVerifier>, Instant)>>,
}

impl PeerIdentity {
    /// Reads the names of a chain, the client's own certificate first; `None` where there is none to read.
    pub fn read(chain: &[CertificateDer<'_>]) -> Option<Self> {
        let leaf = EndEntityCert::try_from(chain.first()?).ok()?;
        Some(Self {
            uris: leaf.valid_uri_names().map(str::to_owned).collect(),
            dns: leaf.valid_dns_names().map(str::to_ascii_lowercase).collect(),
            chain: chain.iter().map(|certificate| certificate.clone().into_owned()).collect(),
            verified: Mutex::default(),
        })
    }

    /// The SPIFFE ID: the one URI of a certificate that has no other (X.509-SVID section 2).
    fn spiffe(&self) -> Option<&str> {
        match self.uris.as_slice() {
            [uri] if uri.starts_with("spiffe://") => Some(uri),
            _ => None,
        }
    }

    /// Notes that `by` has verified it in a handshake at `now`.
    #[must_use]
    pub fn verified(mut self, by: &Arc<dyn ClientCertVerifier>, now: Instant) -> Self {
        self.verified = Mutex::new(Some((Arc::downgrade(by), now)));
        self
    }

    fn check(&self, by: &Arc<dyn ClientCertVerifier>, clock: &Clock) -> Result<(), CertificateCause> {
        let now = clock.now();
        let mut verified = self.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((before, at)) = &*verified
            && before.ptr_eq(&Arc::downgrade(by))
            && now.instant.saturating_duration_since(*at) < VERIFIED_FOR
        {
            return Ok(());
        }
        let verified_now = self.verify(&**by, clock);
        *verified = verified_now.is_ok().then(|| (Arc::downgrade(by), now.instant));
        verified_now
    }

    fn verify(&self, by: &dyn ClientCertVerifier, clock: &Clock) -> Result<(), CertificateCause> {
        let (Some((leaf, between)), Some(now)) = (self.chain.split_first(), clock.unix_time()) else {
            return Err(CertificateCause::Untrusted);
        };
        by.verify_client_cert(leaf, between, now).map(drop).map_err(|error| cause(&error))
    }
}

fn cause(error: &TlsError) -> CertificateCause {
    let TlsError::InvalidCertificate(error) = error else { return CertificateCause::Untrusted };
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => CertificateCause::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            CertificateCause::NotYetValid
        }
        CertificateError::Revoked => CertificateCause::Revoked,
        CertificateError::ExpiredRevocationList | CertificateError::ExpiredRevocationListContext { .. } => {
            CertificateCause::ListExpired
        }
        _ => CertificateCause::Untrusted,
    }
}

impl fmt::Debug for PeerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerIdentity")
            .field("uris", &self.uris)
            .field("dns", &self.dns)
            .finish_non_exhaustive()
    }
}

pub(super) struct Certificates {
    verifier: Option<Arc<dyn ClientCertVerifier>>,
    clock: Clock,
    /// Names without a pattern.
    spiffe: HashMap<String, CallerIndex>,
    dns: HashMap<String, CallerIndex>,
    /// The configuration sees to it that no name meets two of these.
    spiffe_patterns: Vec<(Spiffe, CallerIndex)>,
    /// What follows the first label, by `*.` in front.
    dns_patterns: HashMap<String, CallerIndex>,
}

impl Certificates {
    pub(super) fn new(
        config: &[config::Caller],
        verifier: Option<Arc<dyn ClientCertVerifier>>,
        clock: Clock,
    ) -> Self {
        let mut way = Self {
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
                    way.spiffe_patterns.push((Spiffe::new(id), index));
                }
                config::Identity::Spiffe(id) => {
                    way.spiffe.insert(id.clone(), index);
                }
                config::Identity::Dns(name) => match name.strip_prefix("*.") {
                    Some(rest) => {
                        way.dns_patterns.insert(rest.to_ascii_lowercase(), index);
                    }
                    None => {
                        way.dns.insert(name.to_ascii_lowercase(), index);
                    }
                },
                _ => {}
            }
        }
        way
    }

    /// The caller that all of a certificate's names together stand for: none where they stand for two.
    fn find(&self, identity: &PeerIdentity) -> Result<CallerIndex, CertificateCause> {
        let spiffe = identity.spiffe().and_then(|id| self.by_spiffe(id));
        let dns = identity.dns.iter().filter_map(|name| self.by_dns(name));
        let mut found = spiffe.into_iter().chain(dns);
        let first = found.next().ok_or(CertificateCause::NoCaller)?;
        if found.all(|other| other == first) { Ok(first) } else { Err(CertificateCause::TwoCallers) }
    }

    fn by_spiffe(&self, id: &str) -> Option<CallerIndex> {
        let by_pattern = || self.spiffe_patterns.iter().find(|(pattern, _)| pattern.matches(id));
        self.spiffe.get(id).copied().or_else(|| by_pattern().map(|(_, index)| *index))
    }

    fn by_dns(&self, name: &str) -> Option<CallerIndex> {
        // A wildcard in a certificate speaks for names, none of which the client need have.
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

    fn authenticate(&self, presented: &Presented<'_>) -> Finding {
        let (Some(identity), Some(verifier)) = (&presented.peer.certificate, &self.verifier) else {
            return Finding::Nothing(None);
        };
        if let Err(cause) = identity.check(verifier, &self.clock) {
            return Finding::Rejected(Cause::Certificate(cause));
        }
        let nobody = |cause| Finding::Nothing(Some(Cause::Certificate(cause)));
        self.find(identity).map_or_else(nobody, Finding::Known)
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
