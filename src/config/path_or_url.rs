//! A path where a URL is wanted, and a URL where a path is.

use super::problem::Mistake;

/// What is wrong with a path in the place of a URL.
pub(super) const NO_URL: &str = "this is a path, not a URL";

/// The path that stands in the place of a URL: as it is, or as a `file:` URL.
pub(super) fn path_in(text: &str) -> Option<&str> {
    let text = text.trim();
    let is_path = || ["/", "./", "../", "~/"].iter().any(|start| text.starts_with(start));
    of_file_url(text).or_else(|| is_path().then_some(text))
}

/// The path in a `file:` URL (RFC 8089).
pub(super) fn of_file_url(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once(':')?;
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let path = rest.strip_prefix("localhost").filter(|path| path.starts_with('/')).unwrap_or(rest);
    scheme.eq_ignore_ascii_case("file").then_some(path)
}

/// What is wrong with a URL in the place of a path, which `as_written` writes as its key has it.
pub(super) fn no_path(text: &str, as_written: impl Fn(&str) -> String) -> Option<Mistake> {
    if let Some(path) = of_file_url(text).filter(|path| !path.is_empty()) {
        return Some(Mistake::new("this is a URL, not a path", format!("Write {}.", as_written(path))));
    }
    let (scheme, _) = text.split_once("://")?;
    // Not repeated: it may hold a password.
    scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()).then(|| {
        let what = "this is a URL, not a path, and nothing is fetched from one here";
        Mistake::new(what, "Save what it leads to as a file, and write the path of that.")
    })
}
