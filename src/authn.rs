//! Who sends a request. The ways to prove it are tried in a fixed order, each in a file of its own:
//!
//! 1. a Claviger token from the broker (`claviger_token`)
//! 2. an API key (`api_key`)
//! 3. a JWT of a configured issuer (`jwt`)
//! 4. a client certificate (`certificate`)
//! 5. the user, then the group, of a Unix socket's peer (`unix`)
//! 6. locality: a loopback or Unix listener (`loopback`)
//!
//! What a request carries thus goes before what its connection says. Keys go before JWTs as no key can be
//! mistaken for one, and both before certificates, so that a mesh's certificate does not hide who speaks in it.
//!
//! A way that finds nothing passes on to the next; a way that finds something false ends the search. What
//! comes out is a [`Caller`], which only this module can make. The one who asks never learns which part was wrong; the
//! operator does (`cause`).

mod api_key;
mod cause;
mod certificate;
mod claviger_token;
pub mod jwt;
mod loopback;
mod unix;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use http::{HeaderMap, header};

use rustls::server::danger::ClientCertVerifier;

pub use cause::{AuthnError, Cause, CertificateCause, TokenCause};
pub use certificate::PeerIdentity;
pub use claviger_token::{Seal, SealError};

use crate::{clock::Clock, config, headers::CLAVIGER_KEY, ids::CallerIndex, secret::Digest};

/// The other end of a connection, and which listener it came in by.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The listener's reach.
    pub listener: Reach,
    /// Address of a TCP peer.
    pub address: Option<SocketAddr>,
    /// User id of a Unix peer (`SO_PEERCRED`).
    pub uid: Option<u32>,
    /// Primary group id of a Unix peer (`SO_PEERCRED`).
    pub gid: Option<u32>,
    /// The certificate of a TLS peer, where it showed one.
    pub certificate: Option<Arc<PeerIdentity>>,
}

/// Who can reach a listener. Decided by the address that it is bound to, not by the peer's: a service mesh
/// hands on traffic from anywhere with a loopback source address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Bound to a loopback address.
    Loopback,
    /// A Unix socket.
    Unix,
    /// Anything else.
    Network,
}

impl Peer {
    /// A peer of whom nothing is known but the listener.
    pub const fn at(listener: Reach) -> Self {
        Self { listener, address: None, uid: None, gid: None, certificate: None }
    }

    /// The address that failed identifications are counted against.
    pub fn ip(&self) -> Option<IpAddr> {
        self.address.map(|address| address.ip().to_canonical()).filter(|ip| !ip.is_loopback())
    }
}

/// What a request says about its sender.
#[derive(Debug)]
pub struct Presented<'a> {
    peer: &'a Peer,
    credential: Option<Credential<'a>>,
}

enum Credential<'a> {
    /// `Claviger-Key`: meant for us, so a wrong one is an error.
    Key(&'a [u8]),
    /// `Authorization: Bearer`: SDKs send one that means nothing to us where locality is enough.
    Bearer(&'a [u8]),
    /// What a token request says of its client.
    Client(Client<'a>),
    /// `Authorization` in a form that means nothing here.
    Other,
    /// Several, so none.
    Ambiguous,
}

/// How the client of a token request proves who it is.
#[derive(Clone, Copy)]
pub enum Client<'a> {
    /// `client_id` and `client_secret`. A pair that fits no caller means nothing: SDKs insist on sending one.
    Secret {
        /// The caller's name.
        id: &'a str,
        /// Decoded as RFC 6749 section 2.3.1 has it.
        secret: &'a [u8],
        /// The same as it came: many clients, curl among them, leave the encoding out.
        raw: &'a [u8],
    },
    /// `client_assertion` (RFC 7523 section 2.2): meant for us, so a wrong one is an error.
    Assertion {
        /// `client_id`, which is optional (RFC 7521 section 4.2), and the caller's name where it is there.
        id: Option<&'a str>,
        /// A JWT of a configured issuer.
        jwt: &'a [u8],
    },
}

impl std::fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credential(..)")
    }
}

impl<'a> Presented<'a> {
    /// By headers.
    pub fn by_headers(peer: &'a Peer, headers: &'a HeaderMap) -> Self {
        let mut keys = headers.get_all(CLAVIGER_KEY).iter();
        let mut authorizations = headers.get_all(header::AUTHORIZATION).iter();
        let credential = match (keys.next(), keys.next(), authorizations.next(), authorizations.next()) {
            (Some(key), None, _, _) => Some(Credential::Key(key.as_bytes())),
            (None, _, Some(value), None) => {
                Some(bearer(value.as_bytes()).map_or(Credential::Other, Credential::Bearer))
            }
            (None, _, None, _) => None,
            _ => Some(Credential::Ambiguous),
        };
        Self { peer, credential }
    }

    /// By what a token request says of its client, or by `Claviger-Key`. A bearer does not count: with a token
    /// of the broker one could renew it for ever.
    pub fn by_client(peer: &'a Peer, headers: &'a HeaderMap, client: Option<Client<'a>>) -> Self {
        let mut keys = headers.get_all(CLAVIGER_KEY).iter();
        let credential = match (keys.next(), keys.next(), client) {
            (None, _, Some(client)) => Some(Credential::Client(client)),
            (None, _, None) => headers.contains_key(header::AUTHORIZATION).then_some(Credential::Other),
            (Some(key), None, None) => Some(Credential::Key(key.as_bytes())),
            _ => Some(Credential::Ambiguous),
        };
        Self { peer, credential }
    }
}

/// The token of a `Bearer` value; the scheme is matched without regard to case (RFC 9110 section 11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token.trim_ascii())
}

/// What one way has to say.
enum Finding {
    Known(CallerIndex),
    /// Nothing for this way to judge; what may be said of it where no other way knows more.
    Nothing(Option<Cause>),
    /// Not to be said before this has ended; then it is to be asked once more. What is wrong as things are.
    Later(jwt::Refreshing, Cause),
    /// Something false.
    Rejected(Cause),
}

/// One way to identify.
trait Authenticator: Send + Sync {
    fn name(&self) -> &'static str;
    fn authenticate(&self, presented: &Presented<'_>) -> Finding;

    /// The key that a caller was identified by, to which a token that it gets is bound.
    fn key(&self, _presented: &Presented<'_>) -> Option<Digest> {
        None
    }

    /// Whether a text that stands elsewhere is what this way goes by.
    fn is_credential(&self, _text: &[u8]) -> bool {
        false
    }
}

/// An identified caller.
#[derive(Debug, Clone, Copy)]
pub struct Caller {
    index: CallerIndex,
    method: &'static str,
}

impl Caller {
    /// Its place in the configuration.
    pub fn index(&self) -> CallerIndex {
        self.index
    }

    /// How it was identified.
    pub fn method(&self) -> &'static str {
        self.method
    }
}

/// What the ways to identify rest on, beside the callers' own configuration.
pub struct Deps {
    /// Opens the broker's tokens.
    pub seal: Seal,
    /// Time.
    pub clock: Clock,
    /// Judges client certificates.
    pub clients: Option<Arc<dyn ClientCertVerifier>>,
    /// Issuers of JWTs, with their keys.
    pub issuers: Vec<jwt::Trusted>,
}

/// The callers of a configuration.
pub struct Authenticators {
    authenticators: Vec<Box<dyn Authenticator>>,
    /// In the order in which the JWTs' way knows the issuers.
    keyrings: Vec<Arc<jwt::Keyring>>,
}

impl Authenticators {
    /// The callers of `config`.
    pub fn new(config: &[config::Caller], deps: Deps) -> Self {
        let Deps { seal, clock, clients, issuers } = deps;
        let keyrings = issuers.iter().map(|(_, keyring)| keyring.clone()).collect();
        let authenticators: Vec<Box<dyn Authenticator>> = vec![
            Box::new(claviger_token::ClavigerToken::new(config, seal, clock.clone())),
            Box::new(api_key::ApiKeys::new(config)),
            Box::new(jwt::Jwts::new(config, issuers, clock.clone())),
            Box::new(certificate::Certificates::new(config, clients, clock)),
            Box::new(unix::UnixUids::new(config)),
            Box::new(unix::UnixGids::new(config)),
            Box::new(loopback::Loopback::new(config)),
        ];
        Self { authenticators, keyrings }
    }

    /// The keys of issuers, in the order of the configuration.
    pub fn keyrings(&self) -> &[Arc<jwt::Keyring>] {
        &self.keyrings
    }

    /// Begins to fetch the keys of issuers, on the current runtime.
    pub fn start(&self) {
        for keyring in &self.keyrings {
            keyring.start();
        }
    }

    /// The API key that `presented` identifies by, if that is how it does.
    pub fn key_of(&self, presented: &Presented<'_>) -> Option<Digest> {
        self.authenticators.iter().find_map(|authenticator| authenticator.key(presented))
    }

    /// Whether `text`, which stands where a request's id or a part of its path stands, is a caller's key, or is written
    /// like one of its tokens: then it must not be written down.
    pub fn are_given_away_by(&self, text: &str) -> bool {
        self.authenticators.iter().any(|authenticator| authenticator.is_credential(text.as_bytes()))
    }

    /// Identifies the sender of a request. Does not wait, but for a JWT whose key is not known yet: that is
    /// fetched, for three seconds at most and once in ten seconds for all that ask.
    ///
    /// # Errors
    /// [`AuthnError`].
    pub async fn authenticate(&self, presented: &Presented<'_>) -> Result<Caller, AuthnError> {
        let (mut passed, mut certificate) = (None, None);
        match presented.credential {
            Some(Credential::Ambiguous) => return Err(self.unauthenticated(NO_METHOD, Cause::Several, None)),
            Some(Credential::Other) => passed = Some((NO_METHOD, Cause::Scheme)),
            _ => {}
        }
        for authenticator in &self.authenticators {
            let mut finding = authenticator.authenticate(presented);
            if let Finding::Later(wait, _) = finding {
                wait.await;
                finding = authenticator.authenticate(presented);
            }
            match finding {
                Finding::Known(index) => return Ok(Caller { index, method: authenticator.name() }),
                Finding::Nothing(None) => {}
                // In a mesh there is always one: it does not hide what was shown for the request itself.
                Finding::Nothing(Some(Cause::Certificate(cause))) => certificate = Some(cause),
                Finding::Nothing(Some(cause)) => passed = Some((authenticator.name(), cause)),
                Finding::Rejected(cause) | Finding::Later(_, cause) => {
                    return Err(self.unauthenticated(authenticator.name(), cause, None));
                }
            }
        }
        Err(match (passed, certificate) {
            (Some((way, cause)), certificate) => self.unauthenticated(way, cause, certificate),
            (None, Some(cause)) => self.unauthenticated("certificate", Cause::Certificate(cause), None),
            (None, None) => self.unauthenticated(NO_METHOD, Cause::NoneSent(presented.peer.listener), None),
        })
    }

    fn unauthenticated(
        &self,
        tried: &'static str,
        cause: Cause,
        certificate: Option<CertificateCause>,
    ) -> AuthnError {
        let keyring = match cause {
            Cause::Jwt { issuer: Some(place), .. } => self.keyrings.get(place),
            _ => None,
        };
        if let (Some(keyring), Cause::Jwt { wrong: jwt::JwtError::KeyUnknown(_), .. }) = (keyring, cause) {
            keyring.missed();
        }
        let issuer = keyring.map(|keyring| keyring.issuer().name.clone());
        AuthnError { tried, cause, issuer, certificate }
    }
}

impl std::fmt::Debug for Authenticators {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.authenticators.iter().map(|authenticator| authenticator.name())).finish()
    }
}

/// What was tried where nothing was shown that a way could judge.
const NO_METHOD: &str = "none";

/// Every identity of every caller, with the caller's place.
fn identities(config: &[config::Caller]) -> impl Iterator<Item = (CallerIndex, &config::Identity)> {
    config.iter().enumerate().flat_map(|(index, caller)| {
        caller.identify.iter().map(move |identity| (CallerIndex(index), identity))
    })
}

#[cfg(test)]
mod tests;
