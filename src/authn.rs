//! Whose a request is. The authentication methods are tried in a fixed order, each in a file of its own:
//!
//! 1. a Claviger token from the broker (`claviger_token`)
//! 2. an API key (`api_key`)
//! 3. a JWT of a configured issuer (`jwt`)
//! 4. a client certificate (`certificate`)
//! 5. the user, then the group, of a Unix socket's peer (`unix`)
//! 6. locality: a loopback or Unix listener (`loopback`)
//!
//! A request of a command of the operator's is the caller's whom the command line names, and no method is asked.
//! What a request carries goes before what its connection says. Keys go before JWTs as no key can be mistaken for one,
//! and both before certificates, so that a mesh's certificate does not hide who speaks in it.
//!
//! A method that finds nothing of its kind passes to the next; one that finds something invalid ends the search. The
//! result is a [`Caller`], which only this file can make. The one who asks never learns which part was wrong; the
//! operator does (`cause`).

mod api_key;
mod authenticator;
mod cause;
mod certificate;
mod claviger_token;
mod error;
mod identities;
pub mod jwt;
mod key;
mod loopback;
mod peer;
mod presented;
mod principal;
mod seal;
mod sealing_secrets;
mod trial;
mod unix;

use std::{fmt, sync::Arc};

use rustls::server::danger::ClientCertVerifier;

pub use certificate::PeerIdentity;
pub use error::AuthnError;
pub use key::{ApiKey, KeyUsage};
pub use peer::{Peer, Reach};
pub use presented::{Client, Presented};
pub use principal::{Principal, Subject};
pub use seal::{Seal, SealError, TenantSecrets};
pub use sealing_secrets::SealingSecrets;
pub use trial::{Found, Trial};

use self::{
    authenticator::{Authenticator, Evidence, Finding, Known, Outcome},
    cause::Cause,
    presented::Credential,
};
use crate::{
    clock::Clock,
    config,
    ids::{CallerIndex, IssuerName, TenantName},
    secret::Digest,
};

/// An authenticated caller.
#[derive(Debug, Clone)]
pub struct Caller {
    index: CallerIndex,
    method: &'static str,
    tenant: Option<TenantName>,
    principal: Option<Principal>,
}

impl Caller {
    /// Its index in the configuration.
    pub fn index(&self) -> CallerIndex {
        self.index
    }

    /// The name of the authentication method that it used.
    pub fn method(&self) -> &'static str {
        self.method
    }

    /// The only tenant that what it presented is good at, if there is just one.
    pub fn tenant(&self) -> Option<&TenantName> {
        self.tenant.as_ref()
    }

    /// What it authenticated as, beside its name; `None` after it was taken, and where there is nothing more to say.
    pub fn take_principal(&mut self) -> Option<Principal> {
        self.principal.take()
    }
}

/// What the authentication methods need beside the callers' own configuration.
pub struct Deps {
    /// Opens the broker's tokens.
    pub seal: Seal,
    /// For expiry of tokens and certificates.
    pub clock: Clock,
    /// Verifies client certificates; `None` where no listener asks for them.
    pub clients: Option<Arc<dyn ClientCertVerifier>>,
    /// Issuers of JWTs, with their keys.
    pub issuers: Vec<jwt::Trusted>,
    /// When API keys were last used.
    pub usage: KeyUsage,
}

/// The authentication methods, with the callers of a configuration.
pub struct Authenticators {
    methods: Vec<Box<dyn Authenticator>>,
    keys: Vec<Arc<ApiKey>>,
    keyrings: Vec<Arc<jwt::Keyring>>,
    /// Issuers whose tokens some caller is known by.
    relied_on: Vec<jwt::Trusted>,
}

impl Authenticators {
    /// For the callers of `config`.
    pub fn new(config: &[config::Caller], deps: Deps) -> Self {
        let Deps { seal, clock, clients, issuers, usage } = deps;
        let keys = usage.keys(config);
        let keyrings = issuers.iter().map(|(_, keyring)| keyring.clone()).collect();
        let named: Vec<_> =
            config.iter().flat_map(|caller| &caller.identify).filter_map(|method| method.issuer()).collect();
        let is_relied_on = |(issuer, _): &&jwt::Trusted| named.contains(&&issuer.name);
        let relied_on = issuers.iter().filter(is_relied_on).cloned().collect();
        let methods: Vec<Box<dyn Authenticator>> = vec![
            Box::new(claviger_token::ClavigerToken::new(config, &keys, seal, clock.clone())),
            Box::new(api_key::ApiKeys::new(config, &keys)),
            Box::new(jwt::Jwts::new(config, issuers, clock.clone())),
            Box::new(certificate::Certificates::new(config, clients, clock)),
            Box::new(unix::UnixUids::new(config)),
            Box::new(unix::UnixGids::new(config)),
            Box::new(loopback::Loopback::new(config)),
        ];
        Self { methods, keys: keys.into_iter().map(|(_, key)| key).collect(), keyrings, relied_on }
    }

    /// Authenticates the sender of a request. Waits only for a JWT whose key is not known yet: that is fetched, for
    /// three seconds at most and once in ten seconds for all that ask.
    ///
    /// # Errors
    /// [`AuthnError`].
    pub async fn authenticate(&self, presented: &Presented<'_>) -> Result<Caller, AuthnError> {
        if let Reach::CommandLine(index) = presented.peer.listener {
            return Ok(Caller { index, method: COMMAND_LINE, tenant: None, principal: None });
        }
        self.try_methods(presented, |_, _| {}).await.map_err(|error| error.of(presented))
    }

    /// The same, and what each method that was asked said of it: for an operator who wants to know.
    pub async fn explain(&self, presented: &Presented<'_>) -> (Vec<Trial>, Result<Caller, AuthnError>) {
        let mut trials = Vec::new();
        let result = self.try_methods(presented, |name, finding| trials.push(Trial::of(name, finding))).await;
        (trials, result.map_err(|error| error.of(presented)))
    }

    async fn try_methods(
        &self,
        presented: &Presented<'_>,
        mut note: impl FnMut(&'static str, &Finding),
    ) -> Result<Caller, AuthnError> {
        let (mut request, mut connection) = (None, None);
        match presented.credential {
            Some(Credential::Ambiguous) => return Err(AuthnError::new(NO_METHOD, SEVERAL)),
            Some(Credential::Other) if presented.asks_for_token => request = Some((NO_METHOD, NOT_BASIC)),
            Some(Credential::Other) => request = Some((NO_METHOD, SCHEME)),
            Some(Credential::Elsewhere) => request = Some((NO_METHOD, ELSEWHERE)),
            _ => {}
        }
        for method in &self.methods {
            let finding = match method.authenticate(presented) {
                Outcome::Now(finding) => finding,
                Outcome::Later(finding) => finding.await,
            };
            note(method.name(), &finding);
            match finding {
                Finding::Known(Known { caller: index, tenant, principal }) => {
                    return Ok(Caller { index, method: method.name(), tenant, principal });
                }
                Finding::Pass(None) => {}
                Finding::Pass(Some(cause)) => match method.evidence() {
                    Evidence::Request => request = Some((method.name(), cause)),
                    Evidence::Connection => connection = Some((method.name(), cause)),
                },
                Finding::Rejected(cause) => return Err(AuthnError::new(method.name(), cause)),
            }
        }
        // In a mesh every connection has a certificate: it does not hide what the request itself presented.
        Err(match (request, connection) {
            (Some((method, cause)), connection) => {
                AuthnError::new(method, cause).with_connection(connection.map(|(_, cause)| cause))
            }
            (None, Some((method, cause))) => AuthnError::new(method, cause),
            (None, None) => AuthnError::new(NO_METHOD, nothing_sent(presented.peer.listener)),
        })
    }

    /// The API key that `presented` authenticates with, if that is how it does.
    pub fn key_of(&self, presented: &Presented<'_>) -> Option<Digest> {
        self.methods.iter().find_map(|method| method.key(presented))
    }

    /// Whether `text`, from a request's id or a part of its path, is a caller's key, or looks like one of its tokens:
    /// then it must not be logged.
    pub fn are_given_away_by(&self, text: &str) -> bool {
        self.methods.iter().any(|method| method.is_credential(text.as_bytes()))
    }

    /// The API keys of all callers, in the order of the configuration: whose each is, its label, and its last use.
    pub fn keys(&self) -> &[Arc<ApiKey>] {
        &self.keys
    }

    /// Begins to fetch the keys of issuers, on the current runtime.
    pub fn start(&self) {
        for keyring in &self.keyrings {
            keyring.start();
        }
    }

    /// The issuers whose tokens some caller is known by, and of whom no key is held.
    pub fn issuers_without_keys(&self) -> Vec<IssuerName> {
        let without = self.relied_on.iter().filter(|(_, keyring)| keyring.is_empty());
        without.map(|(issuer, _)| issuer.name.clone()).collect()
    }

    /// The keys of issuers, in the order of the configuration.
    pub fn keyrings(&self) -> &[Arc<jwt::Keyring>] {
        &self.keyrings
    }
}

impl fmt::Debug for Authenticators {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.methods.iter().map(|method| method.name())).finish()
    }
}

/// What is reported as the method where the request presented nothing that any method reads.
const NO_METHOD: &str = "none";
/// What is reported as the method where a command sends.
const COMMAND_LINE: &str = "command_line";

const SEVERAL: Cause = Cause::new("several", "more than one credential was sent, where one is allowed");
const SCHEME: Cause = Cause::new("scheme", "the scheme of Authorization is not supported here");
const ELSEWHERE: Cause =
    Cause::new("scheme", "no credential was sent where one is read: X-API-Key and Api-Key are not");
const NOT_BASIC: Cause =
    Cause::new("scheme", "the Authorization of a token request is not HTTP Basic with a name and a key");

fn nothing_sent(listener: Reach) -> Cause {
    Cause::new(
        "none_sent",
        match listener {
            Reach::Unix => {
                "no credential was sent, no caller has the peer's user or group, and this listener accepts no caller by locality"
            }
            Reach::Loopback | Reach::Network | Reach::CommandLine(_) => {
                "no credential was sent, and this listener accepts no caller by locality"
            }
        },
    )
}

#[cfg(test)]
pub(crate) mod tests;
