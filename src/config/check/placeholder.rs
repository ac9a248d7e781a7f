//! Placeholders of examples that were left in a configuration. Everybody can read them, so none may stay: as a key it would let
//! everybody in.

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
