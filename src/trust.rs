//! TLS towards upstreams and issuers: rustls with one provider, TLS 1.2 and 1.3, and the roots that the
//! tenant names. Verification cannot be switched off.

use std::{error::Error, io, sync::Arc, time::Duration};

use rustls::{
    CertificateError, ClientConfig, RootCertStore,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, pem::PemObject as _},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::config::Roots;

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A CA file without a usable certificate.
    #[error("{path}: {what}")]
    CaFile {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// rustls refuses its own provider.
    #[error("TLS cannot be set up")]
    Setup(#[from] rustls::Error),
}

/// The one provider of this process.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// A client configuration that trusts `roots`; ALPN is the connector's business.
///
/// # Errors
/// [`TlsError`] when a CA file holds no certificate.
pub fn client(roots: &Roots) -> Result<ClientConfig, TlsError> {
    Ok(ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(store(roots)?)
        .with_no_client_auth())
}

fn store(roots: &Roots) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    match roots {
        Roots::System => {
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if store.is_empty() {
                store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
            }
        }
        Roots::Bundled => store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Roots::File { path, pem } => {
            let bad = |what: String| TlsError::CaFile { path: path.clone(), what };
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|error| bad(error.to_string()))?;
                store.add(certificate).map_err(|error| bad(error.to_string()))?;
            }
            if store.is_empty() {
                return Err(bad("no certificate in PEM form (-----BEGIN CERTIFICATE-----)".into()));
            }
        }
    }
    Ok(store)
}

/// What makes the seldom calls, to issuers of tokens and of keys. Every default of reqwest that is wrong for
/// credentials is switched off here: redirects, the environment's proxies, retries of its own. HTTP/1.1: one
/// request an hour has no use for another, and a preconfigured TLS keeps its own ALPN list.
pub fn cold_client(mut tls: ClientConfig, connect: Duration) -> reqwest::ClientBuilder {
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .http1_only()
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
        .no_proxy()
        .connect_timeout(connect)
}

/// What a failed connection comes to in the user's terms, with what to write instead; `None` where the error says it all.
pub fn explain(error: &(dyn Error + 'static)) -> Option<&'static str> {
    first(error, |error| {
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            return Some(of_tls(error));
        }
        let error = error.downcast_ref::<hyper::Error>()?;
        // What comes before it is asked for, such as SSH's first line, has no predicate.
        let is_other = error.is_parse() || error.to_string().starts_with("received unexpected message");
        is_other.then_some(Some(NO_HTTP))
    })
    .flatten()
    // tokio-rustls' own, which has no type.
    .or_else(|| first(error, |error| (error.to_string() == "tls handshake eof").then_some(HUNG_UP)))
}

/// What a failed request comes to, in one line: in the user's terms where they are known, else the chain of causes without the
/// outermost, which only says that a request failed.
pub fn describe(error: reqwest::Error) -> String {
    let unconnected = unconnected(&error);
    let error = error.without_url();
    if let Some(known) = plainly_of_answer(&error).or(unconnected) {
        return known.to_owned();
    }
    let mut causes = Vec::new();
    let mut cause = error.source();
    while let Some(inner) = cause {
        causes.push(inner.to_string());
        cause = inner.source();
    }
    if causes.is_empty() {
        causes.push(error.to_string());
    }
    let mut text = causes.join(": ");
    text.truncate(text.floor_char_boundary(300));
    text
}

/// What it comes to that there was no connection in time; `None` where that is not what happened.
pub fn unconnected(error: &reqwest::Error) -> Option<&'static str> {
    let is_tls = error.url().is_some_and(|url| url.scheme() == "https");
    (error.is_timeout() && error.is_connect()).then_some(if is_tls {
        "no TLS connection in time (`timeouts.connect`): nobody answers at this address, or what listens there does not speak TLS: look at host \
         and port"
    } else {
        "no connection in time (`timeouts.connect`): nobody answers at this address"
    })
}

/// What a request that nobody answered comes to in the user's terms, where it was the first on its connection; `None` where the error
/// says it all.
pub fn plainly_of_answer(error: &(dyn Error + 'static)) -> Option<&'static str> {
    let closed = |error: &(dyn Error + 'static)| {
        let cut = error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_incomplete_message);
        cut.then_some("the server closed the connection without an answer, as a port does that does not speak HTTP: look at host and port")
    };
    explain(error).or_else(|| plainly(error)).or_else(|| first(error, closed))
}

/// What TLS says, where that is the cause.
pub fn tls_error<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e rustls::Error> {
    first(error, |error| error.downcast_ref())
}

/// What is found of the first cause of which something is.
fn first<'e, T>(
    error: &'e (dyn Error + 'static),
    find: impl Fn(&'e (dyn Error + 'static)) -> Option<T>,
) -> Option<T> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        // One in another, which is none of its sources.
        let mut inner = error;
        while let Some(wrapped) = inner.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            inner = wrapped;
        }
        if let Some(found) = find(inner) {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

/// Why there is no answer, where it was `why` and `url` was asked: with what its server proves to speak, if that was left open. It is
/// asked once more for that, in plain HTTP and without a credential.
pub async fn look_closer(why: String, url: &reqwest::Url) -> String {
    // A TLS alert, or the beginning of a status line.
    let (sign, says): (&[u8], _) = match &*why {
        NO_HTTP => (&[0x15, 0x03], SPEAKS_TLS),
        NO_TLS => (b"HTTP/", "the port speaks plain HTTP: write http:// in place of https://"),
        _ => return why,
    };
    let first = async {
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let mut stream = TcpStream::connect((host, url.port_or_known_default()?)).await.ok()?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.ok()?;
        let mut first = [0; 5];
        let first = first.get_mut(..sign.len())?;
        stream.read_exact(first).await.ok()?;
        (first == sign).then_some(())
    };
    match timeout(CLOSER, first).await {
        Ok(Some(())) => says.to_owned(),
        _ => why,
    }
}

/// How long a server may take that is asked once more.
const CLOSER: Duration = Duration::from_secs(1);
const NO_HTTP: &str = "what answers there does not speak HTTP: if the port speaks TLS, write https:// in place of http://; else another service \
                       listens there, such as a database or SSH: look at host and port";
const NO_TLS: &str = "what answers there does not speak TLS: if the port speaks plain HTTP, write http:// in place of https://; else look at host and port";
/// Of plain HTTP at a port that speaks TLS.
pub const SPEAKS_TLS: &str = "the port speaks TLS: write https:// in place of http://";

/// Whether a page says that it was asked in plain HTTP at such a port, as nginx, Apache and Go do with 400.
pub fn is_of_tls_port(status: http::StatusCode, page: &[u8]) -> bool {
    status == http::StatusCode::BAD_REQUEST && memchr::memmem::find(page, b"HTTPS").is_some()
}

const HUNG_UP: &str = "the server closed the connection during the TLS handshake, as a port does that does not speak TLS: look at host and port";
/// Nobody takes connections at the port.
pub const REFUSED: &str = "connection refused";

/// The other side broke it off.
pub const RESET: &str = "connection reset";

/// What the system said of a connection, in the words that people know; `None` where it is something else.
pub fn plainly(error: &(dyn Error + 'static)) -> Option<&'static str> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        match error.downcast_ref::<io::Error>().map(io::Error::kind) {
            Some(io::ErrorKind::ConnectionRefused) => return Some(REFUSED),
            Some(io::ErrorKind::ConnectionReset) => return Some(RESET),
            Some(io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable) => {
                return Some("no route to the host");
            }
            Some(io::ErrorKind::TimedOut) => return Some("the connection timed out"),
            _ => cause = error.source(),
        }
    }
    None
}

fn of_tls(error: &rustls::Error) -> Option<&'static str> {
    Some(match error {
        rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType) => NO_TLS,
        rustls::Error::InvalidCertificate(error) => match error {
            CertificateError::UnknownIssuer => {
                "the certificate's authority is not trusted: name its file in `tls.roots`"
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "the server's certificate has expired, or this machine's clock is wrong"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "the server's certificate is for another host name"
            }
            // The library has no variant of its own for it.
            error if format!("{error:?}").contains("CaUsedAsEndEntity") => {
                "the certificate is one of an authority (CA:TRUE) and cannot be a server's: make one with basicConstraints=CA:FALSE"
            }
            _ => return None,
        },
        _ => return None,
    })
}
