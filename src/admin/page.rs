//! The page: three files of the program. They hold no data; what the page shows it requests like any other client, with
//! `admin.token` where one is set. Nothing that runs in it comes from elsewhere, and nothing that it is told becomes markup.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;

use super::reply::{Body, answer};

const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-ancestors 'none'; \
     base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
);
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// The file of the page at this path.
pub(super) fn file(path: &str) -> Option<(&'static str, &'static str)> {
    Some(match path {
        "/" => ("text/html; charset=utf-8", include_str!("page/page.html")),
        "/page.css" => ("text/css; charset=utf-8", include_str!("page/page.css")),
        "/page.js" => ("text/javascript; charset=utf-8", include_str!("page/page.js")),
        _ => return None,
    })
}

/// A file of the page.
pub(super) fn show((content_type, text): (&'static str, &'static str)) -> Response<Body> {
    let body = Body::Whole(Full::new(Bytes::from_static(text.as_bytes())));
    let mut response = answer(StatusCode::OK, content_type, body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(OPENER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_small_and_needs_nothing_from_elsewhere() {
        let files = ["/", "/page.css", "/page.js"].map(|path| file(path).unwrap().1);
        let size: usize = files.iter().map(|text| text.len()).sum();
        assert!(size < 40 * 1024, "{size} bytes");
        for text in files {
            let markup =
                ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function("];
            let stored = ["localStorage", "sessionStorage", "document.cookie", "indexedDB"];
            let remote = ["http://", "https://", "//cdn", "@import", "url("];
            for word in markup.into_iter().chain(stored).chain(remote) {
                assert!(!text.contains(word), "{word}");
            }
        }
        let [html, ..] = files;
        let is_handler = |word: &str| word.starts_with("on") && word.contains('=');
        assert!(!html.contains("<style") && !html.contains(" style="), "nothing inline");
        assert!(!html.split_whitespace().any(is_handler), "nothing inline");
        assert_eq!(html.matches("<script").count(), 1);
    }
}
