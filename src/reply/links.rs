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
pub fn rebuild(headers: &mut HeaderMap, base: Base<'_>, target: &PathAndQuery, upstream: &Endpoint) {
    if let header::Entry::Occupied(links) = headers.entry(header::LINK) {
        let lines: Vec<HeaderValue> = links.remove_entry_mult().1.collect();
        let pages = Pages::of(base, target.path(), target.query().unwrap_or_default());
        // One buffer for all of them: they differ in a number and a word.
        let mut buffer = BytesMut::with_capacity(lines.len() * (pages.before.len() + pages.after.len() + 32));
        for link in lines.iter().flat_map(|line| split_links(line.as_bytes())) {
            if let Some(link) = pages.link(link, &mut buffer) {
                headers.append(header::LINK, link);
            }
        }
    }
    if let Some(location) = headers.get(header::LOCATION).and_then(|value| value.to_str().ok())
        && let Some(rest) = below_api(location, upstream)
    {
        let mut rebuilt = BytesMut::new();
        base.write(&mut rebuilt);
        rebuilt.extend_from_slice(rest.as_bytes());
        if let Ok(rebuilt) = HeaderValue::from_maybe_shared(rebuilt.freeze()) {
            headers.insert(header::LOCATION, rebuilt);
        }
    }
}

/// The links of one header line: split at commas outside `<…>` and quotes (RFC 8288 section 3).
fn split_links(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let line = rest.take()?;
        let mut at = 0;
        while let Some(found) = memchr::memchr3(b',', b'"', b'<', &line[at..]) {
            let sign = at + found;
            let closing = match line[sign] {
                b'<' => b'>',
                b'"' => b'"',
                _ => {
                    rest = Some(&line[sign + 1..]);
                    return Some(&line[..sign]);
                }
            };
            at = sign + 1;
            at += memchr::memchr(closing, &line[at..]).map_or(line.len() - at, |length| length + 1);
        }
        Some(line)
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

    /// A link to the page that `link` is about; `None` for one that is about something else.
    fn link(&self, link: &[u8], buffer: &mut BytesMut) -> Option<HeaderValue> {
        let link = link.trim_ascii().strip_prefix(b"<")?;
        let end = memchr::memchr(b'>', link)?;
        let (target, parameters) = (&link[..end], &link[end..]);
        let query = &target[memchr::memchr(b'?', target)? + 1..];
        let page = query.split(|b| *b == b'&').find_map(|pair| pair.strip_prefix(b"page="))?;
        if page.is_empty() || !page.iter().all(u8::is_ascii_digit) {
            return None;
        }
        buffer.extend_from_slice(&self.before);
        buffer.extend_from_slice(page);
        buffer.extend_from_slice(self.after.as_bytes());
        buffer.extend_from_slice(parameters);
        HeaderValue::from_maybe_shared(buffer.split().freeze()).ok()
    }
}

/// Where the first `page` of a query begins, and what follows it.
fn place_of_page(query: &str) -> Option<(usize, &str)> {
    let mut start = 0;
    for pair in query.split('&') {
        let end = start + pair.len();
        if pair == "page" || pair.starts_with("page=") {
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
        rebuild(&mut headers, base, &format!("{path}{query}").parse().unwrap(), &upstream);
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
                r#"<http://127.0.0.1:3600/t/acme/api/users?page=3&page_size=2>; rel="last""#,
                r#"<http://127.0.0.1:3600/t/acme/api/users?page=3&page_size=2>; rel="next""#,
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
        let split = |line: &'static str| {
            split_links(line.as_bytes()).map(|link| std::str::from_utf8(link).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(split("<a,b\">; t=\"c,<d\", <e>,,f"), ["<a,b\">; t=\"c,<d\"", " <e>", "", "f"]);
        assert_eq!(split("<a,b"), ["<a,b"]);
        assert_eq!(split("\"a,b"), ["\"a,b"]);
        assert_eq!(split("a>,b"), ["a>", "b"]);
        assert_eq!(split(""), [""]);
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
