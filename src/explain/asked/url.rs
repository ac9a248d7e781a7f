//! A URL or a path as it was written. Nothing in path and query is decoded, repaired or left out: that is what is judged.

use std::net::Ipv6Addr;

use super::unclear::Unclear;

pub(super) struct Url {
    /// In lower case, without user, password, and the scheme's own port.
    pub(super) authority: Option<String>,
    /// Path and query.
    pub(super) target: String,
}

impl Url {
    /// Reads a path that begins with a slash, or a URL.
    pub(super) fn read(text: &str) -> Result<Self, Unclear> {
        // What follows is never sent.
        let text = text.split('#').next().unwrap_or_default();
        if text.starts_with('/') {
            return Ok(Self { authority: None, target: text.to_owned() });
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(Unclear("a path begins with \"/\": write /api/users".into()));
        };
        let own_port = match scheme.to_ascii_lowercase().as_str() {
            "http" => ":80",
            "https" => ":443",
            _ => return Err(Unclear("a URL begins with http:// or https://".into())),
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let host = authority.rsplit('@').next().unwrap_or_default().to_ascii_lowercase();
        let host = host.strip_suffix(own_port).unwrap_or(&host);
        if host.is_empty() {
            return Err(Unclear("the URL has no host".into()));
        }
        if !is_host(host) {
            return Err(Unclear(
                "this is no URL: an IPv6 address stands in brackets, as in http://[::1]:3600/api/users"
                    .into(),
            ));
        }
        let slash = if target.starts_with('/') { "" } else { "/" };
        Ok(Self { authority: Some(host.to_owned()), target: format!("{slash}{target}") })
    }

    /// The same without dot segments, which curl resolves before it sends (RFC 3986 section 5.2.4).
    pub(super) fn without_dot_segments(mut self) -> Self {
        let (path, query) = match self.target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (self.target.as_str(), None),
        };
        let is_dot = |segment: &str| matches!(segment, "." | "..");
        if !path.split('/').any(is_dot) {
            return self;
        }
        let mut kept: Vec<&str> = Vec::new();
        for segment in path.split('/').skip(1) {
            match segment {
                "." => {}
                ".." => drop(kept.pop()),
                segment => kept.push(segment),
            }
        }
        let ends_in_dot = path.rsplit('/').next().is_some_and(is_dot);
        let end = if ends_in_dot && !kept.is_empty() { "/" } else { "" };
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        self.target = format!("/{}{end}{query}", kept.join("/"));
        self
    }
}

/// Whether brackets, where there are any, hold an IPv6 address, with nothing but a port behind it.
fn is_host(authority: &str) -> bool {
    if !authority.contains(['[', ']']) {
        return true;
    }
    let Some((address, rest)) = authority.strip_prefix('[').and_then(|it| it.split_once(']')) else {
        return false;
    };
    let port = rest.strip_prefix(':').unwrap_or(rest);
    address.parse::<Ipv6Addr>().is_ok() && (rest.is_empty() || port.parse::<u16>().is_ok() && rest != port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Option<String>, String) {
        let Url { authority, target } = Url::read(text).unwrap();
        (authority, target)
    }

    #[test]
    fn a_url_is_a_host_and_what_is_sent_to_it() {
        let at = |host: &str, target: &str| (Some(host.to_owned()), target.to_owned());
        assert_eq!(
            read("https://ACME.logto.app:443/api/Users?x=%2F#top"),
            at("acme.logto.app", "/api/Users?x=%2F")
        );
        assert_eq!(read("http://localhost:3600"), at("localhost:3600", "/"));
        assert_eq!(read("http://localhost:80?x"), at("localhost", "/?x"));
        assert_eq!(read("http://user:secret@h/api"), at("h", "/api"));
        assert_eq!(read("http://[::1]:3600/api"), at("[::1]:3600", "/api"));
        assert_eq!(read("/api/../x#y"), (None, "/api/../x".into()));
        for bad in ["", "users", "ftp://h/api", "https:///api", "http://u@/api"] {
            assert!(Url::read(bad).is_err(), "{bad}");
        }
        for bad in [
            "http://[::1/api",
            "http://::1]/api",
            "http://[acme]/api",
            "http://[::1]x/api",
            "http://[::1]:x/api",
        ] {
            let why = Url::read(bad).err().map(|why| why.to_string()).unwrap_or_default();
            assert!(why.starts_with("this is no URL: an IPv6 address stands in brackets"), "{bad}: {why}");
        }
    }

    #[test]
    fn curl_resolves_dot_segments_and_nothing_else() {
        for (given, sent) in [
            ("/api/users/../roles?a=/../b", "/api/roles?a=/../b"),
            ("/api/./users/", "/api/users/"),
            ("/api/users/..", "/api/"),
            ("/../../api", "/api"),
            ("/..", "/"),
            ("/api/users/..%2froles//x", "/api/users/..%2froles//x"),
        ] {
            assert_eq!(Url::read(given).unwrap().without_dot_segments().target, sent, "{given}");
        }
    }
}
