//! What a request presents to prove whose it is: at most one credential, taken from its headers or, at the token
//! endpoint, from its client authentication. Decides what is ambiguous; verifies nothing.

use std::fmt;

use http::{HeaderMap, header};

use super::peer::Peer;
use crate::headers::CLAVIGER_KEY;

/// What a request says about its sender, and the connection that it came by.
#[derive(Debug)]
pub struct Presented<'a> {
    pub(super) peer: &'a Peer,
    pub(super) credential: Option<Credential<'a>>,
    /// Whether it asks for a token: other credentials are read there.
    pub(super) asks_for_token: bool,
}

pub(super) enum Credential<'a> {
    /// `Claviger-Key`: meant for Claviger, so an unknown one is rejected.
    Key(&'a [u8]),
    /// `Authorization: Bearer`: where locality is enough, SDKs send one that is not meant for Claviger.
    Bearer(&'a [u8]),
    /// Client authentication of a token request.
    Client(Client<'a>),
    /// `Authorization` with another scheme.
    Other,
    /// None that is read, and a header that other gateways take a key from.
    Elsewhere,
    /// Several, so none.
    Ambiguous,
}

/// How the client of a token request authenticates.
#[derive(Clone, Copy)]
pub enum Client<'a> {
    /// `client_id` and `client_secret`. A pair that fits no caller is ignored: SDKs insist on sending one.
    Secret {
        /// The caller's name.
        id: &'a str,
        /// Decoded as in RFC 6749 section 2.3.1.
        secret: &'a [u8],
        /// The same as it came: many clients, curl among them, leave the encoding out.
        raw: &'a [u8],
    },
    /// `client_assertion` (RFC 7523 section 2.2): meant for Claviger, so an invalid one is rejected.
    Assertion {
        /// `client_id`, which is optional (RFC 7521 section 4.2); where it is sent, it must be the caller's name.
        id: Option<&'a str>,
        /// A JWT of a configured issuer.
        jwt: &'a [u8],
    },
}

impl<'a> Presented<'a> {
    /// For a request that authenticates by its headers: `Claviger-Key`, else `Authorization`.
    pub fn by_headers(peer: &'a Peer, headers: &'a HeaderMap) -> Self {
        let mut keys = headers.get_all(CLAVIGER_KEY).iter();
        let mut authorizations = headers.get_all(header::AUTHORIZATION).iter();
        let credential = match (keys.next(), keys.next(), authorizations.next(), authorizations.next()) {
            (Some(key), None, _, _) => Some(Credential::Key(key.as_bytes())),
            (None, _, Some(value), None) => {
                Some(bearer(value.as_bytes()).map_or(Credential::Other, Credential::Bearer))
            }
            (None, _, None, _) => is_elsewhere(headers).then_some(Credential::Elsewhere),
            _ => Some(Credential::Ambiguous),
        };
        Self { peer, credential, asks_for_token: false }
    }

    /// For a token request: its client authentication, or `Claviger-Key`. A bearer token is not accepted: with a
    /// token of the broker one could renew it for ever.
    pub fn by_client(peer: &'a Peer, headers: &'a HeaderMap, client: Option<Client<'a>>) -> Self {
        let mut keys = headers.get_all(CLAVIGER_KEY).iter();
        let credential = match (keys.next(), keys.next(), client) {
            (None, _, Some(client)) => Some(Credential::Client(client)),
            (None, _, None) => headers.contains_key(header::AUTHORIZATION).then_some(Credential::Other),
            (Some(key), None, None) => Some(Credential::Key(key.as_bytes())),
            _ => Some(Credential::Ambiguous),
        };
        Self { peer, credential, asks_for_token: true }
    }
}

fn is_elsewhere(headers: &HeaderMap) -> bool {
    ["x-api-key", "api-key"].into_iter().any(|name| headers.contains_key(name))
}

/// The token of a `Bearer` value; the scheme is matched without regard to case (RFC 9110 section 11.1).
pub(super) fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token.trim_ascii())
}

impl fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(..)")
    }
}
