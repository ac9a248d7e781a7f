//! A peer's certificate: the names in it, read once for each connection, and whether it is still to be trusted, which
//! is verified again once a minute. Decides nothing about whose the names are.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use rustls::{
    CertificateError, Error as TlsError, pki_types::CertificateDer, server::danger::ClientCertVerifier,
};
use tokio::time::Instant;
use webpki::EndEntityCert;

use crate::{authn::cause::Cause, clock::Clock, x509};

/// How long a verification is relied on.
pub(super) const VERIFIED_FOR: Duration = Duration::from_secs(60);

/// A client's certificate, read once for each connection.
pub struct PeerIdentity {
    chain: Vec<CertificateDer<'static>>,
    /// Those that are valid.
    uris: Vec<Arc<str>>,
    /// Whether there are no others.
    all_valid: bool,
    /// In lower case.
    dns: Vec<Arc<str>>,
    /// The last verification: which verifier's, and when.
    verified: Mutex<Option<(Weak<dyn ClientCertVerifier>, Instant)>>,
}

impl PeerIdentity {
    /// Reads the names of a chain, the client's own certificate first; `None` where there is none to read.
    pub fn read(chain: &[CertificateDer<'_>]) -> Option<Self> {
        let leaf = EndEntityCert::try_from(chain.first()?).ok()?;
        let uris: Vec<_> = leaf.valid_uri_names().map(Arc::from).collect();
        Some(Self {
            all_valid: x509::uri_names(chain.first()?) == Some(uris.len()),
            uris,
            dns: leaf.valid_dns_names().map(|name| name.to_ascii_lowercase().into()).collect(),
            chain: chain.iter().map(|certificate| certificate.clone().into_owned()).collect(),
            verified: Mutex::default(),
        })
    }

    /// The SPIFFE ID: the one URI of a certificate that has no other (X.509-SVID section 2).
    pub fn spiffe(&self) -> Option<&Arc<str>> {
        match self.uris.as_slice() {
            [uri] if self.all_valid && uri.starts_with("spiffe://") => Some(uri),
            _ => None,
        }
    }

    /// The DNS names, in lower case.
    pub fn dns(&self) -> &[Arc<str>] {
        &self.dns
    }

    /// Notes that `by` has verified it in a handshake at `now`.
    #[must_use]
    pub fn verified(mut self, by: &Arc<dyn ClientCertVerifier>, now: Instant) -> Self {
        self.verified = Mutex::new(Some((Arc::downgrade(by), now)));
        self
    }

    /// Verifies it for now, unless `by` did so less than a minute ago.
    pub(super) fn check(&self, by: &Arc<dyn ClientCertVerifier>, clock: &Clock) -> Result<(), Cause> {
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

    fn verify(&self, by: &dyn ClientCertVerifier, clock: &Clock) -> Result<(), Cause> {
        let (Some((leaf, between)), Some(now)) = (self.chain.split_first(), clock.unix_time()) else {
            return Err(UNTRUSTED);
        };
        by.verify_client_cert(leaf, between, now).map(drop).map_err(|error| cause(&error))
    }
}

const UNTRUSTED: Cause = Cause::new("untrusted", "certificate: not trusted by `listen.tls.client_ca`");

fn cause(error: &TlsError) -> Cause {
    let TlsError::InvalidCertificate(error) = error else { return UNTRUSTED };
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            Cause::new("expired", "certificate: expired")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            Cause::new("not_yet_valid", "certificate: not yet valid")
        }
        CertificateError::Revoked => Cause::new("revoked", "certificate: revoked"),
        CertificateError::ExpiredRevocationList | CertificateError::ExpiredRevocationListContext { .. } => {
            Cause::new("revocation_list", "certificate: its revocation list has expired")
        }
        CertificateError::UnknownIssuer => {
            Cause::new("untrusted", "certificate: no CA in `listen.tls.client_ca` signed it")
        }
        // webpki's own: the certificate of a CA, or one that is signed by itself, in the place of a client's.
        CertificateError::Other(_) => Cause::new(
            "untrusted",
            "certificate: a CA's own or self-signed (CA:TRUE), not one that a CA in `listen.tls.client_ca` issued",
        ),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            Cause::new("untrusted", "certificate: not made for clients (extended key usage clientAuth)")
        }
        _ => UNTRUSTED,
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
