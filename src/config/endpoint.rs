//! Where a tenant is: scheme and authority, and what follows from it where the configuration says nothing.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use http::uri::{Authority, Scheme};
use serde::{Serialize, Serializer};

use super::path_or_url::{NO_URL, path_in};
use crate::secret::looks_random;

/// Scheme and authority of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// `http` or `https`.
    pub scheme: Scheme,
    /// Host, and port where it is not the scheme's own.
    pub authority: Authority,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority)
    }
}

/// Why a text is no endpoint, and what to write instead. The text is not quoted, as it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct InvalidEndpoint {
    /// What is wrong.
    pub what: &'static str,
    /// What to write instead.
    pub remedy: String,
}

/// Of a URL that a browser would show so: what is wrong with it, and what to write.
pub(super) const NOT_ASCII: (&str, &str) = (
    "a URL is written in ASCII here, and this has other characters",
    "Write the host as DNS has it, with xn-- in it, as the address bar of a browser copies it: \"xn--bcher-kva.example\" for bücher.example.",
);

/// Of a URL that a shell would have to expand.
pub(super) const NOT_EXPANDED: &str = "variables are not expanded here";

impl Endpoint {
    /// Reads scheme and authority, such as `https://acme.logto.app`.
    ///
    /// # Errors
    /// [`InvalidEndpoint`].
    pub fn parse(text: &str) -> Result<Self, InvalidEndpoint> {
        const FORM: &str = "Write scheme and host, such as \"https://acme.logto.app\".";
        let invalid = |what, remedy: &str| InvalidEndpoint { what, remedy: remedy.to_owned() };
        if text.contains('$') && !text.contains('@') {
            return Err(invalid(NOT_EXPANDED, FORM));
        }
        if path_in(text).is_some() {
            return Err(invalid(NO_URL, FORM));
        }
        let inner = text.trim().trim_matches(['"', '\'']);
        if inner.len() + 1 < text.trim().len()
            && let Ok(endpoint) = Self::parse(inner)
        {
            let remedy = format!("Take the inner ones away: \"{endpoint}\".");
            return Err(invalid("the URL is in quotation marks twice", &remedy));
        }
        let Ok(url) = text.trim().parse::<http::Uri>() else {
            let (what, remedy) = match text.is_ascii() {
                true => ("this is not a URL", FORM),
                false => NOT_ASCII,
            };
            return Err(invalid(what, remedy));
        };
        let (Some(scheme), Some(authority)) = (url.scheme(), url.authority()) else {
            let remedy = match text.trim().trim_end_matches('/') {
                random if looks_random(random) => FORM.into(),
                id if is_label(id) => {
                    format!(
                        "Write \"https://{id}.logto.app\" for the tenant of Logto Cloud, or \"https://{id}\"."
                    )
                }
                host if !host.is_empty() && !host.contains(['/', '@', ' ']) => {
                    format!("Write \"https://{host}\".")
                }
                _ => FORM.into(),
            };
            return Err(invalid("the endpoint has no scheme", &remedy));
        };
        if *scheme != Scheme::HTTP && *scheme != Scheme::HTTPS {
            return Err(invalid("the scheme is neither https nor http", "Write \"https://…\"."));
        }
        if authority.as_str().contains('@') {
            let remedy = "Take the part before the @ out: credentials have keys of their own.";
            return Err(invalid("the endpoint holds a user name or password", remedy));
        }
        if authority.port_u16() == Some(0) {
            let remedy = "Write the port that Logto listens on, or leave it out.";
            return Err(invalid("nobody can be reached at port 0", remedy));
        }
        let Some(authority) = plain_authority(scheme, authority) else {
            return Err(invalid("host and port cannot be read", FORM));
        };
        let endpoint = Self { scheme: scheme.clone(), authority };
        if !url.path().trim_end_matches('/').is_empty() || url.query().is_some() || text.contains('#') {
            let remedy = format!("Write \"{endpoint}\": Claviger adds /api and /oidc itself.");
            return Err(invalid("the endpoint goes on after the host", &remedy));
        }
        Ok(endpoint)
    }

    /// The API resource indicator of the Management API there: that of Logto Cloud, or the built-in one of every installation
    /// of one's own (fact 1.14).
    pub fn own_resource(&self) -> String {
        if self.is_logto_app() { format!("{self}/api") } else { "https://default.logto.app/api".to_owned() }
    }

    /// Whether answers are asked for compressed, where nothing else is said: bytes that do not leave the machine are cheaper
    /// than decompressing them.
    pub fn compresses(&self) -> bool {
        !is_loopback(self.authority.host())
    }

    /// Whether secrets cross a network in clear on the way there.
    pub fn is_in_clear(&self) -> bool {
        self.scheme == Scheme::HTTP && !is_loopback(self.authority.host())
    }

    /// Whether it is where somebody listens on this machine: of other names and of other machines' addresses nothing is known.
    pub(super) fn reaches(&self, listener: SocketAddr) -> bool {
        let usual = if self.scheme == Scheme::HTTPS { 443 } else { 80 };
        let host = self.authority.host();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let own = listener.ip();
        let is_own = match bare.parse::<IpAddr>() {
            Ok(ip) => ip == own || (own.is_unspecified() && (ip.is_loopback() || ip.is_unspecified())),
            Err(_) => is_loopback(host) && (own.is_loopback() || own.is_unspecified()),
        };
        is_own && self.authority.port_u16().unwrap_or(usual) == listener.port()
    }

    pub(super) fn is_logto_app(&self) -> bool {
        self.authority.host().ends_with(".logto.app")
    }
}

/// Whether a text may be the ID of a tenant of Logto Cloud, and is no host that DNS knows.
fn is_label(text: &str) -> bool {
    !text.is_empty() && text != "localhost" && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Whether a host is this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host.ends_with(".localhost")
        || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

impl Serialize for Endpoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Host and port in lower case, without the port that the scheme implies.
fn plain_authority(scheme: &Scheme, authority: &Authority) -> Option<Authority> {
    let host = authority.host().to_ascii_lowercase();
    if host.is_empty() {
        return None;
    }
    let own = if *scheme == Scheme::HTTPS { 443 } else { 80 };
    match (authority.port_u16(), authority.as_str().len() == authority.host().len()) {
        (Some(port), _) if port != own => format!("{host}:{port}").parse().ok(),
        (Some(_), _) | (None, true) => host.parse().ok(),
        // A colon without a port, or with something that is none.
        (None, false) => None,
    }
}
