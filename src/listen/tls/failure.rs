//! Why a handshake failed, in a closed set for metrics and log. A connection that ends without a byte is a probe, and no warning.

use std::{fmt, io, net::SocketAddr};

use rustls::{AlertDescription, CertificateError, Error};
use tokio::time::Instant;

use crate::listen::told::Told;

/// Why, as the label `reason` of the metric has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The client's certificate is past its end, or before its beginning.
    CertificateExpired = 0,
    /// It is of none of the authorities in `client_ca`.
    UnknownAuthority,
    /// It is on a revocation list.
    Revoked,
    /// No list, or one that counts no more, says whether it was revoked.
    RevocationList,
    /// It is invalid for another reason: not for clients, not readable.
    CertificateRefused,
    /// No version, cipher or protocol is known to both sides.
    NothingShared,
    /// What came is not TLS, or not as it should be.
    NotTls,
    /// It took longer than `timeouts.head`.
    TooSlow,
    /// The peer sent an alert; mostly it does not believe the server's certificate.
    RefusedByPeer,
    /// The peer went away in the middle.
    Closed,
    /// Not one byte came.
    Silent,
    /// None of these.
    Other,
}

impl Reason {
    const COUNT: usize = Self::Other as usize + 1;

    /// The metric label.
    pub fn label(self) -> &'static str {
        match self {
            Self::CertificateExpired => "certificate_expired",
            Self::UnknownAuthority => "unknown_authority",
            Self::Revoked => "revoked",
            Self::RevocationList => "revocation_list",
            Self::CertificateRefused => "certificate_refused",
            Self::NothingShared => "nothing_shared",
            Self::NotTls => "not_tls",
            Self::TooSlow => "too_slow",
            Self::RefusedByPeer => "refused_by_peer",
            Self::Closed => "closed",
            Self::Silent => "silent",
            Self::Other => "other",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::CertificateExpired => "the client certificate has expired or is not valid yet",
            Self::UnknownAuthority => {
                "the client certificate is of none of the authorities in listen.tls.client_ca"
            }
            Self::Revoked => "the client certificate is revoked",
            Self::RevocationList => {
                "listen.tls.crl holds no list of the client certificate's authority that is still good"
            }
            Self::CertificateRefused => "the client certificate is not one for clients",
            Self::NothingShared => "no TLS version, cipher or protocol in common",
            Self::NotTls => "it was not TLS",
            Self::TooSlow => "it took longer than timeouts.head",
            Self::RefusedByPeer => "the peer refused our certificate or our TLS",
            Self::Closed => "the peer closed the connection",
            Self::Silent => "the peer sent nothing",
            Self::Other => "it failed",
        }
    }
}

/// A handshake that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandshakeFailure {
    /// Why.
    pub reason: Reason,
    /// What the TLS library says; nothing of it is the peer's text.
    pub detail: String,
}

impl HandshakeFailure {
    /// The handshake was not over in time.
    pub fn too_slow() -> Self {
        Self { reason: Reason::TooSlow, detail: String::new() }
    }

    /// Nothing came.
    pub fn silent() -> Self {
        Self { reason: Reason::Silent, detail: String::new() }
    }

    /// A request of plain HTTP came.
    pub fn plain_http() -> Self {
        Self { reason: Reason::NotTls, detail: "plain HTTP; the client must write https://".into() }
    }

    /// What accepting ended with.
    pub fn of(error: &io::Error) -> Self {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
        let reason = match (inner, error.kind()) {
            (Some(error), _) => reason(error),
            (None, io::ErrorKind::TimedOut) => Reason::TooSlow,
            (None, _) => Reason::Closed,
        };
        let detail = match inner {
            Some(Error::AlertReceived(alert)) => match of_own_certificate(*alert) {
                Some(remedy) => format!("alert {alert:?}: {remedy}"),
                None => format!("alert {alert:?}"),
            },
            // The one case of many that is not our mistake, and the library has no words for it.
            Some(Error::InvalidCertificate(error)) if format!("{error:?}").contains("CaUsedAsEndEntity") => {
                "it is an authority's own, CA:TRUE; issue one for the client".to_owned()
            }
            _ => error.to_string(),
        };
        Self { reason, detail }
    }
}

/// What to do where the peer says this of the listener's certificate.
fn of_own_certificate(alert: AlertDescription) -> Option<&'static str> {
    Some(match alert {
        AlertDescription::UnknownCA => {
            "the client has to trust the authority of listen.tls.cert; are the intermediate certificates in that file?"
        }
        AlertDescription::CertificateExpired => "renew listen.tls.cert, or set the client's clock",
        // rustls says so of names, OpenSSL of what it finds no other word for.
        AlertDescription::BadCertificate | AlertDescription::CertificateUnknown => {
            "has listen.tls.cert the name that the client writes, as subjectAltName?"
        }
        AlertDescription::UnsupportedCertificate => "is listen.tls.cert made for servers?",
        _ => return None,
    })
}

fn reason(error: &Error) -> Reason {
    match error {
        Error::InvalidCertificate(error) => of_certificate(error),
        Error::InvalidCertRevocationList(_) => Reason::RevocationList,
        Error::PeerIncompatible(_) | Error::NoApplicationProtocol => Reason::NothingShared,
        Error::AlertReceived(AlertDescription::HandshakeFailure | AlertDescription::ProtocolVersion) => {
            Reason::NothingShared
        }
        Error::AlertReceived(AlertDescription::CloseNotify | AlertDescription::UserCanceled) => {
            Reason::Closed
        }
        Error::AlertReceived(_) => Reason::RefusedByPeer,
        Error::InvalidMessage(_)
        | Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. }
        | Error::PeerMisbehaved(_)
        | Error::PeerSentOversizedRecord
        | Error::DecryptError => Reason::NotTls,
        _ => Reason::Other,
    }
}

fn of_certificate(error: &CertificateError) -> Reason {
    use CertificateError as E;
    match error {
        E::Expired | E::ExpiredContext { .. } | E::NotValidYet | E::NotValidYetContext { .. } => {
            Reason::CertificateExpired
        }
        // Another authority may have the name of ours, but not its key.
        E::UnknownIssuer | E::BadSignature => Reason::UnknownAuthority,
        E::Revoked => Reason::Revoked,
        E::UnknownRevocationStatus | E::ExpiredRevocationList | E::ExpiredRevocationListContext { .. } => {
            Reason::RevocationList
        }
        _ => Reason::CertificateRefused,
    }
}

impl fmt::Display for HandshakeFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason.text())?;
        if !self.detail.is_empty() {
            write!(f, " ({})", self.detail)?;
        }
        Ok(())
    }
}

/// The failures of all listeners, as far as they were written.
#[derive(Debug, Default)]
pub struct HandshakeFailures(Told<{ Reason::COUNT }>);

impl HandshakeFailures {
    /// Writes a failure, unless one like it was written a moment ago.
    pub fn log(&self, failure: &HandshakeFailure, peer: Option<SocketAddr>, now: Instant) {
        let peer = peer.map(tracing::field::display);
        let reason = failure.reason.label();
        match self.suppressed(failure, now) {
            Some(suppressed) => {
                tracing::warn!(peer, reason, suppressed, "a caller's TLS handshake failed: {failure}");
            }
            None => tracing::debug!(peer, reason, "a caller's TLS handshake failed: {failure}"),
        }
    }

    /// How many like it were not written since the last that was; `None` where this is one of them.
    fn suppressed(&self, failure: &HandshakeFailure, now: Instant) -> Option<u64> {
        match failure.reason {
            Reason::Silent => None,
            reason => self.0.suppressed(reason as usize, &failure.detail, now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_says_of_our_certificate_says_what_to_do() {
        for (alert, remedy) in [
            (
                AlertDescription::UnknownCA,
                "the client has to trust the authority of listen.tls.cert; are the intermediate certificates in that file?",
            ),
            (AlertDescription::CertificateExpired, "renew listen.tls.cert, or set the client's clock"),
        ] {
            let failure = HandshakeFailure::of(&io::Error::other(Error::AlertReceived(alert)));
            let whole = format!("the peer refused our certificate or our TLS (alert {alert:?}: {remedy})");
            assert_eq!(failure.to_string(), whole);
        }
    }

    #[test]
    fn a_connection_without_a_byte_is_no_warning() {
        assert_eq!(
            HandshakeFailures::default().suppressed(&HandshakeFailure::silent(), Instant::now()),
            None
        );
    }
}
