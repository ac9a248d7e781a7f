//! `--url`: scheme, host and port of a running Claviger, or what to write instead.

use http::Uri;

/// The port of Claviger's own configuration.
const PORT: u16 = 3600;

/// Says what is wrong with a URL to which paths such as `/api/users` are to be added.
pub(super) fn check(url: &str) -> Result<(), String> {
    if url.contains('@') {
        return Err("--url has a credential in front of its host: write it without, and name the API key by --key-file".into());
    }
    let wrong = |what: String| Err(format!("--url {url:?}: {what}"));
    let is_http = url.starts_with("http://") || url.starts_with("https://");
    let Some(uri) = url.parse::<Uri>().ok().filter(|_| is_http) else { return wrong(meant(url)) };
    let base = |path: &str| {
        let scheme = uri.scheme_str().unwrap_or("http");
        format!("{scheme}://{}{path}", uri.authority().map_or("", |it| it.as_str()))
    };
    if uri.query().is_some() {
        return wrong(format!("it has a query: write {}", base(uri.path().trim_end_matches('/'))));
    }
    let path = uri.path();
    // What is added begins with it.
    for own in ["/api", "/cloud", "/oidc"] {
        let mut ends = path.match_indices(own).map(|(at, _)| (at, path[at + own.len()..].chars().next()));
        if let Some((at, _)) = ends.find(|(_, next)| matches!(next, None | Some('/'))) {
            let base = base(&path[..at]);
            return wrong(format!(
                "paths such as /api/users are added to it: write it without {own}, {base}"
            ));
        }
    }
    Ok(())
}

/// What to say where nobody answers at a URL without a port.
pub(super) fn no_port(url: &str) -> String {
    match url.parse::<Uri>() {
        Ok(uri) if uri.port().is_none() => {
            let (scheme, host) = (uri.scheme_str().unwrap_or_default(), uri.host().unwrap_or_default());
            let usual = if scheme == "https" { 443 } else { 80 };
            format!(
                "; without a port it is port {usual} that is asked. Claviger's usual one is {scheme}://{host}:{PORT}"
            )
        }
        _ => String::new(),
    }
}

/// The URL that was meant, as far as it can be told.
fn meant(url: &str) -> String {
    if url.starts_with("unix:") || url.starts_with('/') && !url.starts_with("//") {
        return format!(
            "no Unix socket is spoken to: write the http:// URL of a TCP address in listen.proxy, such as http://127.0.0.1:{PORT}"
        );
    }
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest).trim_start_matches('/');
    let uri = format!("http://{rest}").parse::<Uri>().ok();
    let meant = uri.as_ref().and_then(|uri| uri.authority()).filter(|it| !it.host().is_empty());
    match meant {
        Some(meant) if meant.port().is_some() => format!("write http://{meant}"),
        Some(meant) => format!("write http://{meant}:{PORT}"),
        None => format!("write http://127.0.0.1:{PORT}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{check, no_port};

    const NO_SOCKET: &str = "no Unix socket is spoken to: write the http:// URL of a TCP address in listen.proxy, such as http://127.0.0.1:3600";

    #[test]
    fn the_port_that_a_url_leaves_out_is_named_where_nobody_answers() {
        let said = no_port("http://h/front");
        assert_eq!(
            said,
            "; without a port it is port 80 that is asked. Claviger's usual one is http://h:3600"
        );
        assert!(
            no_port("https://[::1]").contains("port 443")
                && no_port("https://[::1]").ends_with("https://[::1]:3600")
        );
        assert_eq!(no_port("http://h:80"), "");
    }

    #[test]
    fn a_url_is_one_to_which_paths_can_be_added() {
        for good in ["http://h", "https://h:1", "http://[::1]:1/apis", "http://h/front", "http://h/t/acme"] {
            check(good).unwrap_or_else(|why| panic!("{why}"));
        }
        for (url, says) in [
            ("127.0.0.1:3750", "--url \"127.0.0.1:3750\": write http://127.0.0.1:3750"),
            ("localhost", "write http://localhost:3600"),
            ("//h:9", "write http://h:9"),
            ("ftp://h:9/x", "write http://h:9"),
            ("unix:/run/x", NO_SOCKET),
            ("unix://run/x", NO_SOCKET),
            ("/tmp/x", NO_SOCKET),
            ("", "write http://127.0.0.1:3600"),
            ("http://", "write http://127.0.0.1:3600"),
            ("http://h:1/api", "write it without /api, http://h:1"),
            ("https://h:1/t/acme/api/users", "write it without /api, https://h:1/t/acme"),
            ("http://h/cloud/api", "write it without /api, http://h/cloud"),
            ("http://h/x?y", "write http://h/x"),
        ] {
            let why = check(url).unwrap_err();
            assert!(why.ends_with(says), "{url}: {why}");
        }
        for secret in ["http://a:b@h", "a:b@h"] {
            let why = check(secret).unwrap_err();
            assert!(why.contains("write it without") && !why.contains(secret), "{why}");
        }
    }
}
