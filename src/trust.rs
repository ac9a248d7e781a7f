//! TLS towards upstreams and issuers: rustls with one provider, TLS 1.2 and 1.3, and the roots that the
//! tenant names. Verification cannot be switched off. What a failure means is told in `trust/explain.rs`.

use std::{sync::Arc, time::Duration};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, pem::PemObject as _},
};

use crate::config::Roots;

mod explain;

pub use self::explain::{
    NO_HTTP, PROXY_LOGIN, REFUSED, RESET, describe, explain, look_closer, no_address, of_page, plainly,
    plainly_of_answer, says_what_to_do, tls_error, unconnected,
};

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
