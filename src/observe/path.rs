//! A path as it may be written down, in log and audit log and wherever else a request is shown: without a credential that
//! its sender put there, bounded, and of characters that no terminal acts on. There is no other cleaner of paths. What is said
//! of a request in words is cleaned of credentials as well.

use std::borrow::Cow;

/// The longest path that is shown, in bytes, all of them ASCII; what is left out is marked.
pub(super) const MAX_PATH: usize = 512;

const REDACTED: &str = "[redacted]";
const LEFT_OUT: &str = "…";

/// What may stand between a credential and the rest of its segment.
const DELIMITERS: [char; 17] =
    [';', '=', ',', ':', '@', '!', '$', '\'', '(', ')', '*', '+', '&', '/', '\\', '?', '#'];
/// The same, where it may be part of a credential as well.
const MARKS: [char; 4] = ['.', '-', '_', '~'];

/// `path` as it may be shown; `is_credential` says of a text whether it must not be. What that is asked about is bounded by
/// [`MAX_PATH`] and one segment.
pub(super) fn shown(path: &str, is_credential: impl Fn(&str) -> bool) -> String {
    let mut shown = String::with_capacity(path.len().min(MAX_PATH));
    let mut is_whole = true;
    for (index, segment) in path.split('/').enumerate() {
        if shown.len() >= MAX_PATH {
            is_whole = false;
            break;
        }
        if index > 0 {
            shown.push('/');
        }
        if gives_away(segment, &is_credential) {
            shown.push_str(REDACTED);
        } else {
            push_harmless(&mut shown, segment);
        }
    }
    if shown.len() > MAX_PATH || !is_whole {
        shown.truncate(MAX_PATH);
        shown.push_str(LEFT_OUT);
    }
    shown
}

/// `text` without words that are or hold credentials, as where one was sent in the place of a name that is repeated.
pub(super) fn told(text: &str, is_credential: impl Fn(&str) -> bool) -> String {
    let is_between = |c: char| c.is_whitespace() || c == '"' || c == '`';
    let mut told = String::with_capacity(text.len());
    for piece in text.split_inclusive(is_between) {
        let word = piece.trim_end_matches(is_between);
        if gives_away(word, &is_credential) {
            told.push_str(REDACTED);
            told.push_str(&piece[word.len()..]);
        } else {
            told.push_str(piece);
        }
    }
    told
}

/// Whether a segment is a credential, or holds one beside something else, as it is or percent-encoded.
fn gives_away(segment: &str, is_credential: &impl Fn(&str) -> bool) -> bool {
    let is_or_ends = |text: &str| {
        let bare = text.trim_matches(MARKS);
        is_credential(text)
            || (bare.len() < text.len() && is_credential(bare))
            || (bare.contains('.') && bare.split('.').any(|part| is_credential(part.trim_matches(MARKS))))
    };
    let holds = |text: &str| {
        is_or_ends(text) || (text.contains(DELIMITERS) && text.split(DELIMITERS).any(is_or_ends))
    };
    holds(segment) || decoded(segment).is_some_and(|decoded| holds(&decoded))
}

/// Without percent-encoding, where there is any.
fn decoded(segment: &str) -> Option<Cow<'_, str>> {
    if !segment.contains('%') {
        return None;
    }
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let pair = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match pair.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    Some(String::from_utf8_lossy(&bytes).into_owned().into())
}

/// As it came where that is printable ASCII; anything else percent-encoded, as it should have been.
fn push_harmless(shown: &mut String, segment: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in segment.bytes() {
        if shown.len() > MAX_PATH {
            return;
        }
        if byte.is_ascii_graphic() {
            shown.push(byte.into());
        } else {
            shown.push('%');
            shown.push(HEX[usize::from(byte >> 4)].into());
            shown.push(HEX[usize::from(byte & 15)].into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "key-of-billing-0123456789";

    fn clean(path: &str) -> String {
        shown(path, |text| text == KEY || text.starts_with("eyJ"))
    }

    #[test]
    fn a_credential_is_cut_out_wherever_it_stands() {
        assert_eq!(clean("/api/users/u1"), "/api/users/u1");
        assert_eq!(clean(&format!("/api/users/{KEY}")), "/api/users/[redacted]");
        assert_eq!(clean(&format!("/{KEY}/x/{KEY}")), "/[redacted]/x/[redacted]");
        assert_eq!(clean("/api/users/eyJhbGciOi.e30.x/roles"), "/api/users/[redacted]/roles");
        // Beside something else, or in another spelling.
        assert_eq!(clean(&format!("/api/users;key={KEY}")), "/api/[redacted]");
        assert_eq!(clean(&format!("/api/users:{KEY}@x")), "/api/[redacted]");
        let encoded = KEY.replace('k', "%6b").replace('-', "%2D");
        assert_eq!(clean(&format!("/api/users/{encoded}")), "/api/users/[redacted]");
        assert_eq!(clean("/api/users/token%3DeyJx"), "/api/users/[redacted]");
        for embedded in [".{}", "%2e{}", "x.{}", "{}.json", "..%2f{}", "a%5C{}", "%3f{}"] {
            let path = format!("/api/{}", embedded.replace("{}", KEY));
            assert_eq!(clean(&path), "/api/[redacted]", "{path}");
        }
    }

    #[test]
    fn what_is_told_of_a_request_repeats_no_credential() {
        let told = |text: &str| told(text, |word| word == KEY);
        let text = |name: &str| format!("there is no tenant \"{name}\"; caller a may use: acme, {name}.");
        assert_eq!(told(&text(KEY)), text("[redacted]").replace("[redacted].", "[redacted]"));
        assert_eq!(told(&text("prod")), text("prod"));
    }

    #[test]
    fn no_terminal_acts_on_a_path() {
        assert_eq!(clean("/api/\u{9b}31m\u{7f}ü"), "/api/%C2%9B31m%7F%C3%BC");
        assert_eq!(clean("/api/..%2froles/%00%zz%"), "/api/..%2froles/%00%zz%");
        assert_eq!(clean("*"), "*");
        assert_eq!(clean(""), "");
    }

    #[test]
    fn a_path_is_bounded_and_a_credential_at_the_bound_shows_no_part() {
        let long = clean(&format!("/{}", "ü".repeat(4000)));
        assert_eq!(long.len(), MAX_PATH + LEFT_OUT.len());
        assert!(long.ends_with(LEFT_OUT));
        for before in MAX_PATH - 30..MAX_PATH + 3 {
            let path = format!("/{}/{KEY}/more", "x".repeat(before));
            assert!(!clean(&path).contains("key-"), "{before}");
            assert!(clean(&path).len() <= MAX_PATH + LEFT_OUT.len());
        }
    }

    #[test]
    fn what_a_long_path_costs_is_bounded() {
        let asked = std::cell::Cell::new(0);
        let count = |text: &str| {
            asked.set(asked.get() + text.len());
            false
        };
        shown(&"/a".repeat(100_000), count);
        assert!(asked.get() <= MAX_PATH, "{}", asked.get());
        asked.set(0);
        shown(&format!("/{}", "/;".repeat(100_000)), count);
        assert!(asked.get() <= 8 * MAX_PATH, "{}", asked.get());
    }
}
