//! TLS on the proxy's TCP listeners: TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1 by ALPN, and client certificates where
//! `listen.tls.client_ca` names who issues them. A client may do without one: it may yet show a key or a token.
//! One that is shown must be good, or the handshake fails. Each connection takes the [`Tls`] of the pipeline that
//! is current when it arrives, so a reload changes certificates without ending a connection.

pub mod dates;
pub mod failure;

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use rustls::{
    HandshakeKind, RootCertStore, ServerConfig,
    pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, UnixTime, pem::PemObject},
    server::{Acceptor, VerifierBuilderError, WebPkiClientVerifier, danger::ClientCertVerifier},
    time_provider::TimeProvider,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_rustls::{LazyConfigAcceptor, server::TlsStream};

use self::{dates::Dates, failure::HandshakeFailure};
use super::connection::Protocol;
use crate::{
    authn::PeerIdentity,
    clock::Clock,
    config::{ListenTls, PemFile},
    trust::provider,
};

/// What the connections of one configuration are secured with.
pub struct Tls {
    server: Arc<ServerConfig>,
    clients: Option<Arc<dyn ClientCertVerifier>>,
    dates: Dates,
    clock: Clock,
}

/// Why a listener cannot have TLS.
#[derive(Debug, thiserror::Error)]
pub enum ListenTlsError {
    /// A file that is not what its key wants.
    #[error("listen.tls.{key}: {}: {what}", .path.display())]
    File {
        /// `cert`, `client_ca` or `crl`.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The private key is invalid.
    #[error("listen.tls.key: {0}")]
    Key(String),
    /// Two files that do not belong together.
    #[error("listen.tls: the private key of `key` does not belong to the certificate in {}", .0.display())]
    Mismatch(PathBuf),
    /// rustls refuses its own provider.
    #[error("listen.tls: TLS cannot be set up: {0}")]
    Setup(rustls::Error),
}

/// A secured connection.
pub struct Secured<IO> {
    /// The stream.
    pub stream: TlsStream<IO>,
    /// What ALPN chose.
    pub protocol: Protocol,
    /// The client's certificate, where it showed one.
    pub certificate: Option<Arc<PeerIdentity>>,
}

impl Tls {
    /// Makes it of the files as read. Also what `claviger check` asks.
    ///
    /// # Errors
    /// [`ListenTlsError`], naming key and file.
    pub fn new(config: &ListenTls, clock: &Clock) -> Result<Self, ListenTlsError> {
        let chain = certificates("cert", &config.cert)?;
        let key = PrivateKeyDer::from_pem_slice(config.key.expose()).map_err(|_| {
            ListenTlsError::Key("no private key in PEM form (PKCS #8, SEC 1 or PKCS #1)".into())
        })?;
        let clients = config.client_ca.as_ref().map(|ca| verifier(ca, config.crl.as_ref())).transpose()?;
        let time = Arc::new(WallTime(clock.clone()));
        let builder = ServerConfig::builder_with_details(provider(), time)
            .with_safe_default_protocol_versions()
            .map_err(ListenTlsError::Setup)?;
        let builder = match &clients {
            Some(verifier) => builder.with_client_cert_verifier(verifier.clone()),
            None => builder.with_no_client_auth(),
        };
        let mut server = builder.with_single_cert(chain, key).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => ListenTlsError::Mismatch(config.cert.path.clone()),
            rustls::Error::InvalidCertificate(_) => {
                file("cert", &config.cert)("the first certificate cannot be read".into())
            }
            other => ListenTlsError::Key(other.to_string()),
        })?;
        server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { server: Arc::new(server), clients, dates: Dates::of(config), clock: clock.clone() })
    }

    /// Who judges client certificates; `None` where none is asked for.
    pub fn clients(&self) -> Option<Arc<dyn ClientCertVerifier>> {
        self.clients.clone()
    }

    /// Until when its certificates and revocation lists are good.
    pub fn dates(&self) -> &Dates {
        &self.dates
    }

    /// Shakes hands within `patience`; `heard` is told when the client's hello is there.
    ///
    /// # Errors
    /// Why that failed: for the log alone, since there is nobody to answer to then.
    pub async fn accept<IO>(
        &self,
        io: IO,
        patience: Duration,
        heard: impl FnOnce(),
    ) -> Result<Secured<IO>, HandshakeFailure>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        let shaken = async {
            let begun = LazyConfigAcceptor::new(Acceptor::default(), io).await?;
            heard();
            begun.into_stream(self.server.clone()).await
        };
        let stream = timeout(patience, shaken)
            .await
            .map_err(|_| HandshakeFailure::too_slow())?
            .map_err(|error| HandshakeFailure::of(&error))?;
        let (_, session) = stream.get_ref();
        let protocol = match session.alpn_protocol() {
            Some(b"h2") => Protocol::Http2,
            _ => Protocol::Http1,
        };
        let certificate = session.peer_certificates().and_then(PeerIdentity::read);
        let certificate = certificate.map(|certificate| match &self.clients {
            // Not a resumed one, which goes by what was verified then.
            Some(verifier) if is_full(session.handshake_kind()) => {
                Arc::new(certificate.verified(verifier, self.clock.now().instant))
            }
            _ => Arc::new(certificate),
        });
        Ok(Secured { stream, protocol, certificate })
    }
}

/// Whether the certificate was verified in this very handshake.
fn is_full(kind: Option<HandshakeKind>) -> bool {
    matches!(kind, Some(HandshakeKind::Full | HandshakeKind::FullWithHelloRetryRequest))
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("client_certificates", &self.clients.is_some()).finish_non_exhaustive()
    }
}

/// The passed-in clock for rustls.
#[derive(Debug)]
struct WallTime(Clock);

impl TimeProvider for WallTime {
    fn current_time(&self) -> Option<UnixTime> {
        self.0.unix_time()
    }
}

/// Judges client certificates by `ca`. With revocation lists a certificate (and every authority between it and
/// the root) must be covered by one that is not past its `nextUpdate`: a list that is missing or stale says
/// nothing, and nothing is not enough.
fn verifier(ca: &PemFile, crl: Option<&PemFile>) -> Result<Arc<dyn ClientCertVerifier>, ListenTlsError> {
    let bad_ca = file("client_ca", ca);
    let mut roots = RootCertStore::empty();
    for certificate in certificates("client_ca", ca)? {
        roots.add(certificate).map_err(|error| bad_ca(error.to_string()))?;
    }
    let mut builder =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).allow_unauthenticated();
    if let Some(crl) = crl {
        let lists = sections::<CertificateRevocationListDer<'static>>("crl", crl, "X509 CRL")?;
        builder = builder.with_crls(lists).enforce_revocation_expiration();
    }
    builder.build().map_err(|error| match (error, crl) {
        (VerifierBuilderError::InvalidCrl(error), Some(crl)) => {
            file("crl", crl)(rustls::Error::from(error).to_string())
        }
        (other, _) => bad_ca(other.to_string()),
    })
}

fn certificates(key: &'static str, from: &PemFile) -> Result<Vec<CertificateDer<'static>>, ListenTlsError> {
    sections(key, from, "CERTIFICATE")
}

fn sections<T: PemObject>(
    key: &'static str,
    from: &PemFile,
    label: &'static str,
) -> Result<Vec<T>, ListenTlsError> {
    let bad = file(key, from);
    let found = T::pem_slice_iter(&from.pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| bad(error.to_string()))?;
    if found.is_empty() {
        Err(bad(format!("no {label} in PEM form (-----BEGIN {label}-----)")))
    } else {
        Ok(found)
    }
}

fn file(key: &'static str, from: &PemFile) -> impl Fn(String) -> ListenTlsError {
    let path = from.path.clone();
    move |what| ListenTlsError::File { key, path: path.clone(), what }
}

#[cfg(test)]
#[path = "tls/tests/pki.rs"]
pub(crate) mod pki;
#[cfg(test)]
mod tests;
