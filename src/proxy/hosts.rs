//! Keeps web pages away from listeners whose callers are known by locality alone: a browser on the same machine is as
//! local as any service.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::{HeaderMap, Uri, header};

use crate::authn::Reach;

/// A web page, or a name that is not ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// A loopback listener was addressed by a foreign name: DNS rebinding.
    #[error("this listener does not answer to that Host")]
    Host,
    /// A web page of another origin sends the request.
    #[error("the request comes from a web page of another origin")]
    CrossSite,
}

/// Which names a loopback listener answers to.
#[derive(Debug)]
pub struct Hosts(Vec<String>);

impl Hosts {
    /// `localhost`, loopback addresses, and these.
    pub fn new(allowed: &[String]) -> Self {
        Self(allowed.iter().map(|name| name.to_ascii_lowercase()).collect())
    }

    /// A page under a rebound name shows itself by `Host`, a page elsewhere by `Origin` or `Sec-Fetch-Site`.
    ///
    /// # Errors
    /// [`HostError::Host`], [`HostError::CrossSite`].
    pub fn check(&self, reach: Reach, uri: &Uri, headers: &HeaderMap) -> Result<(), HostError> {
        if reach != Reach::Loopback {
            return Ok(());
        }
        let host = host(uri, headers).ok_or(HostError::Host)?;
        if !self.is_ours(host) {
            return Err(HostError::Host);
        }
        let foreign_site = headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site");
        let foreign_origin = headers.get(header::ORIGIN).is_some_and(|origin| !self.is_our_origin(origin));
        if foreign_site || foreign_origin { Err(HostError::CrossSite) } else { Ok(()) }
    }

    fn is_our_origin(&self, origin: &http::HeaderValue) -> bool {
        let host = origin.to_str().ok().and_then(|text| text.split_once("://")).map(|(_, host)| host);
        host.is_some_and(|host| self.is_ours(host))
    }

    fn is_ours(&self, host: &str) -> bool {
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
            || self.0.iter().any(|allowed| name.eq_ignore_ascii_case(allowed))
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
        Hosts::new(&["Claviger.Test".into()]).check(Reach::Loopback, &head.uri, &head.headers)
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
            assert_eq!(check(&[("host", host)]), Err(HostError::Host), "{host}");
        }
        assert_eq!(check(&[]), Err(HostError::Host));
        assert_eq!(check(&[("host", "localhost"), ("host", "evil.example")]), Err(HostError::Host));
    }

    #[test]
    fn a_web_page_elsewhere_is_not_a_local_service() {
        let with = |name, value| check(&[("host", "localhost:3600"), (name, value)]);
        assert_eq!(with("origin", "https://evil.example"), Err(HostError::CrossSite));
        assert_eq!(with("origin", "null"), Err(HostError::CrossSite));
        assert_eq!(with("sec-fetch-site", "cross-site"), Err(HostError::CrossSite));
        assert_eq!(with("origin", "http://localhost:3000"), Ok(()));
        assert_eq!(with("sec-fetch-site", "same-origin"), Ok(()));
    }
}
