//! `Link` and `Location` of an answer, rebuilt so that they lead back through this proxy. Logto's own `Link`
//! lacks the `/api` prefix and joins repeated query parameters with commas (fact 4.4): only the page numbers
//! in it are right. So each link is the caller's own request with another page in it.

use bytes::BytesMut;
use http::{HeaderMap, HeaderValue, header, uri::PathAndQuery};

use crate::config::Endpoint;

/// How the caller addressed us: what a link must begin with.
#[derive(Debug, Clone, Copy)]
pub struct Base<'a> {
    /// `http` or `https`; empty where `authority` says it all.
    pub scheme: &'a str,
    /// Such as `127.0.0.1:3600`; or a whole base URL; empty for relative links.
    pub authority: &'a str,
    /// What stands before `/api`: `/t/acme` where the path chose the tenant, `/cloud`, or nothing.
    pub mount: &'a str,
}

impl std::fmt::Display for Base<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = BytesMut::new();
        self.write(&mut text);
        f.write_str(&String::from_utf8_lossy(&text))
    }
}

impl Base<'_> {
    fn write(&self, to: &mut BytesMut) {
        if !self.scheme.is_empty() {
            to.extend_from_slice(self.scheme.as_bytes());
            to.extend_from_slice(b"://");
        }
        to.extend_from_slice(self.authority.as_bytes());
        to.extend_from_slice(self.mount.as_bytes());
    }
}

/// Rebuilds the links of an answer to a request for `target`.
pub fn rebuild<'b>(
    headers: &mut HeaderMap,
    base: impl Fn() -> Base<'b>,
    target: &PathAndQuery,
    upstream: &Endpoint,
) {
    if let header::Entry::Occupied(mut lines) = headers.entry(header::LINK) {
        let pages = Pages::of(base(), target.path(), target.query().unwrap_or_default());
        // One buffer for all of them: they differ in a number and a word. Nearly always there are three.
        let mut buffer = BytesMut::with_capacity(3 * (pages.before.len() + pages.after.len() + 32));
        let mut is_any_empty = false;
        for line in lines.iter_mut() {
            *line = pages.line(line.as_bytes(), &mut buffer);
            is_any_empty |= line.is_empty();
        }
        if is_any_empty {
            let lines: Vec<HeaderValue> = lines.remove_entry_mult().1.collect();
            for line in lines.into_iter().filter(|line| !line.is_empty()) {
                headers.append(header::LINK, line);
            }
        }
    }
    if let Some(location) = headers.get(header::LOCATION).and_then(|value| value.to_str().ok())
        && let Some(rest) = below_api(location, upstream)
    {
        let mut rebuilt = BytesMut::new();
        base().write(&mut rebuilt);
        rebuilt.extend_from_slice(rest.as_bytes());
        if let Ok(rebuilt) = HeaderValue::from_maybe_shared(rebuilt.freeze()) {
            headers.insert(header::LOCATION, rebuilt);
        }
    }
}

/// A link of a header line: what stands in its `<…>`, and its parameters (RFC 8288 section 3).
#[derive(Debug, PartialEq, Eq)]
struct Link<'a> {
    target: &'a [u8],
    parameters: &'a [u8],
}

/// The links of one header line: they end at commas outside `<…>` and quotes. What is no link is passed over.
fn links(line: &[u8]) -> impl Iterator<Item = Link<'_>> {
    let mut rest = line;
    std::iter::from_fn(move || {
        loop {
            rest = rest.trim_ascii_start();
            let opened = rest.strip_prefix(b"<");
            let target = match opened {
                Some(opened) => &opened[..memchr::memchr(b'>', opened)?],
                None if rest.is_empty() => return None,
                None => &[],
            };
            let parameters = opened.map_or(rest, |opened| &opened[target.len() + 1..]);
            // Few bytes, so one by one.
            let mut is_quoted = false;
            let end = parameters.iter().position(|byte| {
                is_quoted ^= *byte == b'"';
                *byte == b',' && !is_quoted
            });
            let (parameters, behind) = parameters.split_at(end.unwrap_or(parameters.len()));
            rest = behind.get(1..).unwrap_or_default();
            if opened.is_some() {
                return Some(Link { target, parameters });
            }
        }
    })
}

/// The caller's request with a place for a page's number in it.
struct Pages<'a> {
    before: BytesMut,
    after: &'a str,
}

impl<'a> Pages<'a> {
    /// `page` has its place in the query or gets one at its end; the rest stays as it is, byte for byte.
    fn of(base: Base<'_>, path: &str, query: &'a str) -> Self {
        let mut before = BytesMut::with_capacity(64 + base.authority.len() + path.len() + query.len());
        before.extend_from_slice(b"<");
        base.write(&mut before);
        before.extend_from_slice(path.as_bytes());
        before.extend_from_slice(b"?");
        let (start, after) = place_of_page(query).unwrap_or((query.len(), ""));
        let kept = query[..start].trim_end_matches('&');
        before.extend_from_slice(kept.as_bytes());
        before.extend_from_slice(if kept.is_empty() { b"page=" } else { b"&page=" });
        Self { before, after }
    }

    /// A header line with a link to the page that each of its links is about; empty where none is about a page.
    fn line(&self, line: &[u8], buffer: &mut BytesMut) -> HeaderValue {
        for link in links(line) {
            let Some(page) = page_of(link.target) else { continue };
            if !buffer.is_empty() {
                buffer.extend_from_slice(b", ");
            }
            buffer.extend_from_slice(&self.before);
            buffer.extend_from_slice(page);
            buffer.extend_from_slice(self.after.as_bytes());
            buffer.extend_from_slice(b">");
            buffer.extend_from_slice(link.parameters);
        }
        // What was taken from the upstream's line was a header value already.
        HeaderValue::from_maybe_shared(buffer.split().freeze()).unwrap_or(HeaderValue::from_static(""))
    }
}

/// The number of the page that a link leads to.
fn page_of(target: &[u8]) -> Option<&[u8]> {
    let query = &target[memchr::memchr(b'?', target)? + 1..];
    let page = query.split(|byte| *byte == b'&').find_map(|pair| pair.strip_prefix(b"page="))?;
    (!page.is_empty() && page.iter().all(u8::is_ascii_digit)).then_some(page)
}

/// Where the first `page` of a query begins, and what follows it.
fn place_of_page(query: &str) -> Option<(usize, &str)> {
    let mut start = 0;
    for pair in query.as_bytes().split(|byte| *byte == b'&') {
        let end = start + pair.len();
        if pair == b"page" || pair.starts_with(b"page=") {
            return Some((start, &query[end..]));
        }
        start = end + 1;
    }
    None
}

/// The path of a location that stands below the upstream's `/api`; others are not ours to change.
fn below_api<'a>(location: &'a str, upstream: &Endpoint) -> Option<&'a str> {
    let path = match location.split_once("://") {
        None => location,
        Some((scheme, rest)) => {
            let authority = rest.split('/').next()?;
            let same = scheme == upstream.scheme.as_str()
                && authority.eq_ignore_ascii_case(upstream.authority.as_str());
            rest.get(authority.len()..).filter(|_| same)?
        }
    };
    path.starts_with("/api/").then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rebuilt(
        name: header::HeaderName,
        values: &[&str],
        path: &str,
        query: Option<&str>,
        mount: &str,
    ) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(&name, HeaderValue::from_str(value).unwrap());
        }
        let upstream = Endpoint { scheme: http::uri::Scheme::HTTP, authority: "logto:3001".parse().unwrap() };
        let base = Base { scheme: "http", authority: "127.0.0.1:3600", mount };
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        rebuild(&mut headers, || base, &format!("{path}{query}").parse().unwrap(), &upstream);
        headers.get_all(name).iter().map(|v| v.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn b20_links_are_the_callers_own_request_with_another_page() {
        let upstream = [
            r#"<http://logto:3001/users?page=1&page_size=2>; rel="first""#,
            r#"<http://logto:3001/users?page=3&page_size=2>; rel="last", <http://logto:3001/users?page=3&page_size=2>; rel="next""#,
        ];
        let got = rebuilt(header::LINK, &upstream, "/api/users", Some("page=2&page_size=2"), "/t/acme");
        assert_eq!(
            got,
            [
                r#"<http://127.0.0.1:3600/t/acme/api/users?page=1&page_size=2>; rel="first""#,
                r#"<http://127.0.0.1:3600/t/acme/api/users?page=3&page_size=2>; rel="last", <http://127.0.0.1:3600/t/acme/api/users?page=3&page_size=2>; rel="next""#,
            ]
        );
    }

    #[test]
    fn repeated_parameters_stay_repeated_and_a_missing_page_is_added() {
        let upstream = [r#"<http://logto:3001/applications?types=A%2CB&page_size=20&page=2>; rel="next""#];
        let got = rebuilt(header::LINK, &upstream, "/api/applications", Some("types=A&types=B&q=a%20b"), "");
        assert_eq!(
            got,
            [r#"<http://127.0.0.1:3600/api/applications?types=A&types=B&q=a%20b&page=2>; rel="next""#]
        );
    }

    #[test]
    fn links_are_split_at_commas_that_are_in_no_target_and_no_quotes() {
        let split = |line: &'static str| -> Vec<(&str, &str)> {
            let text = |bytes| std::str::from_utf8(bytes).unwrap();
            links(line.as_bytes()).map(|link| (text(link.target), text(link.parameters))).collect()
        };
        assert_eq!(
            split("<a,b\">; t=\"c,<d\", <e>,,f, <g>;h"),
            [("a,b\"", "; t=\"c,<d\""), ("e", ""), ("g", ";h")]
        );
        assert_eq!(split("a>,<b>"), [("b", "")]);
        for none in ["<a,b", "\"a,<b>", "", ",", " , ", "a"] {
            assert_eq!(split(none), [], "{none}");
        }
    }

    #[test]
    fn a_link_that_is_not_about_pages_is_dropped() {
        for link in [
            "garbage",
            "<http://evil/x>; rel=next",
            "<http://evil/x?page=>; rel=next",
            "<x?page=a>",
            "<x?page=1",
        ] {
            assert_eq!(rebuilt(header::LINK, &[link], "/api/users", None, ""), [""; 0], "{link}");
            let good = "<x?page=7>";
            let got = rebuilt(header::LINK, &[link, good, link], "/api/users", None, "");
            assert_eq!(got, ["<http://127.0.0.1:3600/api/users?page=7>"], "{link}");
        }
    }

    #[test]
    fn a_location_below_the_api_leads_back_and_others_stay() {
        let location = |value: &str| rebuilt(header::LOCATION, &[value], "/api/x", None, "/t/acme").remove(0);
        assert_eq!(location("http://logto:3001/api/users/1"), "http://127.0.0.1:3600/t/acme/api/users/1");
        assert_eq!(location("/api/users/1"), "http://127.0.0.1:3600/t/acme/api/users/1");
        for other in [
            "https://logto:3001/api/x",
            "http://elsewhere/api/x",
            "/unknown-session",
            "http://logto:3001.evil/api/x",
        ] {
            assert_eq!(location(other), other);
        }
    }
}
