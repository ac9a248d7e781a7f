//! Placeholders of examples that were left in a configuration. Everybody can read them, so none may stay: as a key it would let
//! everybody in. So would the digest of a text that anybody tries first.

use std::{collections::HashSet, sync::LazyLock};

use crate::secret::Digest;

/// What they begin with; a word more may follow.
const BEGINNINGS: [&[&[u8]]; 5] =
    [&[b"replace", b"me"], &[b"replace", b"with"], &[b"replaceme"], &[b"change", b"me"], &[b"changeme"]];

pub(super) fn is_placeholder(value: &[u8]) -> bool {
    let words = value.split(|byte| matches!(byte, b'-' | b'_' | b' ' | b'.'));
    let begins = |beginning: &&[&[u8]]| {
        let first = words.clone().take(beginning.len());
        first.count() == beginning.len()
            && words.clone().zip(*beginning).all(|(word, known)| word.eq_ignore_ascii_case(known))
    };
    BEGINNINGS.iter().any(begins) || (value.starts_with(b"<") && value.ends_with(b">"))
}

/// What an attacker tries first, as keys of examples and tests are.
const WELL_KNOWN: [&str; 36] = [
    "$KEY",
    "123456",
    "1234567890",
    "12345678",
    "123456789",
    "KEY",
    "abc",
    "abc123",
    "admin",
    "api-key",
    "api_key",
    "apikey",
    "change-me",
    "changeme",
    "claviger",
    "demo",
    "dev",
    "example",
    "foo",
    "foobar",
    "hello",
    "hello world",
    "key",
    "letmein",
    "local",
    "logto",
    "my-key",
    "mykey",
    "mysecret",
    "password",
    "qwerty",
    "replace-me",
    "replace-me-with-64-random-hexadecimal-digits",
    "secret",
    "test",
    "token",
];

/// Their digests, each with and without the line end that `echo` adds.
static DIGESTS: LazyLock<HashSet<Digest>> = LazyLock::new(|| {
    let both = |text: &&str| [Digest::of(text.as_bytes()), Digest::of(format!("{text}\n").as_bytes())];
    WELL_KNOWN.iter().flat_map(both).collect()
});

/// What is wrong with a digest that is no secret key's.
pub(super) fn of_no_key(digest: &Digest) -> Option<&'static str> {
    if digest.as_bytes() == &[0; 32] {
        return Some("this is the placeholder of an example");
    }
    if [Digest::of(b""), Digest::of(b"\n")].contains(digest) {
        return Some("this is the SHA-256 of nothing, as it is printed where $KEY is not set");
    }
    DIGESTS.contains(digest).then_some("this is the SHA-256 of a text that everybody knows")
}
