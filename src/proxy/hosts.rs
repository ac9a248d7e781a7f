//! Keeps web pages away from listeners whose callers are known by locality alone: a browser on the same machine is as
//! local as any service, whatever page it shows. Only pages of `listen.allowed_origins` get through.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::{HeaderMap, Uri, header};

use super::origins::{self, Origins};
use crate::authn::Reach;

/// As much of a host or an origin as is shown, in characters: the longest name of a host, with its scheme and port.
const MOST_SHOWN: usize = 280;

/// A web page, or a name that is not ours. What the request says of itself is in it as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// A loopback listener was addressed by a foreign name: DNS rebinding.
    #[error("this listener does not answer to {}", .0.as_ref().map_or("a request without one Host".into(), |host| format!("Host {host:?}")))]
    Host(Option<Box<str>>),
    /// A web page sends the request, and its origin is not listed; without `Origin` it is `Sec-Fetch-Site` that says so.
    #[error("the request comes from a web page{}, which is not listed", .0.as_ref().map_or(" of another origin (Sec-Fetch-Site)".into(), |origin| format!(" of origin {origin:?}")))]
    Origin(Option<Box<str>>),
}

/// What a request says of itself, as `show` cleans it, and no more of it than a name can need.
fn said(text: &str, show: impl Fn(&str) -> String) -> Box<str> {
    show(text).chars().take(MOST_SHOWN).collect()
}

/// Which names a loopback listener answers to, and which web pages.
#[derive(Debug)]
pub struct Hosts {
    names: Vec<String>,
    origins: Origins,
}

impl Hosts {
    /// `localhost`, loopback addresses, and these names; pages of these origins.
    pub fn new(names: &[String], origins: &[String]) -> Self {
        let names = names.iter().map(|name| name.to_ascii_lowercase()).collect();
        Self { names, origins: Origins::new(origins) }
    }

    /// The web pages that may call.
    pub(super) fn origins(&self) -> &Origins {
        &self.origins
    }

    /// A page under a rebound name shows itself by `Host`, any other by `Origin` or `Sec-Fetch-Site`. `show` makes of what a
    /// request says what may be logged.
    ///
    /// # Errors
    /// [`HostError::Host`], [`HostError::Origin`].
    pub fn check(
        &self,
        reach: Reach,
        uri: &Uri,
        headers: &HeaderMap,
        show: impl Fn(&str) -> String,
    ) -> Result<(), HostError> {
        if reach != Reach::Loopback {
            return Ok(());
        }
        let Some(host) = host(uri, headers) else { return Err(HostError::Host(None)) };
        if !self.is_ours(host) {
            return Err(HostError::Host(Some(said(host, show))));
        }
        if self.origins.refuses(headers, host) {
            let origin = headers.get(header::ORIGIN).map(|it| String::from_utf8_lossy(it.as_bytes()));
            return Err(HostError::Origin(origin.map(|origin| said(&origin, show))));
        }
        Ok(())
    }

    /// The same on a listener that has a page of its own, which may ask it as well.
    ///
    /// # Errors
    /// [`HostError::Host`], [`HostError::Origin`].
    pub fn check_beside_own_page(
        &self,
        reach: Reach,
        uri: &Uri,
        headers: &HeaderMap,
        show: impl Fn(&str) -> String,
    ) -> Result<(), HostError> {
        match self.check(reach, uri, headers, show) {
            Err(HostError::Origin(_))
                if host(uri, headers).is_some_and(|host| origins::is_of(headers, host)) =>
            {
                Ok(())
            }
            checked => checked,
        }
    }

    /// Whether this is a name of a loopback listener, with or without a port.
    pub fn is_ours(&self, host: &str) -> bool {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') => {
                if port.is_empty() || !port.bytes().all(|b| b.is_ascii_digit()) {
                    return false;
                }
                name
            }
            _ => host,
        };
        let ip = match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
            Some(v6) => v6.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
            None => name.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        };
        ip.is_some_and(|ip| ip.is_loopback())
            || name.eq_ignore_ascii_case("localhost")
            || self.names.iter().any(|allowed| name.eq_ignore_ascii_case(allowed))
    }
}

/// The host that a request is addressed to; none where it is not said, or said twice.
pub(super) fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    let mut values = headers.get_all(header::HOST).iter();
    match (values.next(), values.next(), uri.authority()) {
        (Some(value), None, _) => value.to_str().ok(),
        (None, _, Some(authority)) => Some(authority.as_str()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn check(headers: &[(&str, &str)]) -> Result<(), HostError> {
        let mut request = Request::get("/api/users");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        Hosts::new(&["Claviger.Test".into()], &["http://localhost:5173".into(), "http://own:1".into()]).check(
            Reach::Loopback,
            &head.uri,
            &head.headers,
            str::to_owned,
        )
    }

    #[test]
    fn b18_a_loopback_listener_answers_to_its_own_names() {
        for host in
            ["127.0.0.1:3600", "127.9.9.9", "localhost:80", "LOCALHOST", "[::1]:3600", "claviger.test:1"]
        {
            assert_eq!(check(&[("host", host)]), Ok(()), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.nip.io",
            "u@localhost",
            "",
            "a b",
            "10.0.0.1",
        ] {
            assert_eq!(check(&[("host", host)]), Err(HostError::Host(Some(host.into()))), "{host}");
        }
        assert_eq!(check(&[]), Err(HostError::Host(None)));
        assert_eq!(check(&[("host", "localhost"), ("host", "evil.example")]), Err(HostError::Host(None)));
        let long = "a".repeat(400);
        let Err(HostError::Host(Some(said))) = check(&[("host", &long)]) else { panic!("it is refused") };
        assert_eq!(said.len(), MOST_SHOWN);
    }

    #[test]
    fn b18_a_page_of_the_listener_itself_may_ask_it_and_no_other() {
        let own = |headers: &[(&str, &str)]| {
            let mut request = Request::get("/status").header("host", "localhost:3601");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let (head, ()) = request.body(()).unwrap().into_parts();
            Hosts::new(&[], &[]).check_beside_own_page(
                Reach::Loopback,
                &head.uri,
                &head.headers,
                str::to_owned,
            )
        };
        let (origin, site) = ("origin", "sec-fetch-site");
        for headers in [
            &[][..],
            &[(site, "none")],
            &[(site, "same-origin")],
            &[(origin, "http://localhost:3601")],
            &[(origin, "http://localhost:3601"), (site, "same-origin")],
        ] {
            assert_eq!(own(headers), Ok(()), "{headers:?}");
        }
        for headers in [
            &[(origin, "http://localhost:3602")][..],
            &[(origin, "http://localhost:3602"), (site, "same-origin")],
            &[(origin, "http://localhost:3601"), (site, "same-site")],
            &[(origin, "http://localhost:3601"), (origin, "http://evil.example")],
            &[(site, "same-origin"), (site, "cross-site")],
            &[(origin, "null")],
            &[(site, "same-site")],
            &[(site, "cross-site")],
        ] {
            assert!(matches!(own(headers), Err(HostError::Origin(_))), "{headers:?}");
        }
    }

    #[test]
    fn a_web_page_elsewhere_is_not_a_local_service() {
        let with = |name, value| check(&[("host", "localhost:3600"), (name, value)]);
        for origin in [
            "https://evil.example",
            "null",
            "http://localhost:3000",
            "http://localhost:3600",
            "HTTP://localhost:5173",
        ] {
            let refused = HostError::Origin(Some(origin.into()));
            assert_eq!(with("origin", origin), Err(refused), "{origin}");
        }
        for site in ["cross-site", "same-site", "same-origin", "", "any"] {
            assert_eq!(with("sec-fetch-site", site), Err(HostError::Origin(None)), "{site}");
        }
        assert_eq!(with("origin", "http://localhost:5173"), Ok(()));
        assert_eq!(with("sec-fetch-site", "none"), Ok(()));
        let of_own_page = [("host", "localhost:5173"), ("sec-fetch-site", "same-origin")];
        assert_eq!(check(&of_own_page), Ok(()), "listed");
    }
}
