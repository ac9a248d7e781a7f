//! Splits source text into words: identifiers, `::`, and single signs. Comments, string and character
//! literals, lifetimes and whatever stands under `#[cfg(test)]` are left out.

const TEST: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];

/// The words of the code that is shipped.
pub(crate) fn shipped(text: &str) -> Vec<&str> {
    let all = words(text);
    let (mut kept, mut at) = (Vec::with_capacity(all.len()), 0);
    while at < all.len() {
        if all[at..].starts_with(&TEST) {
            at = end_of_item(&all, at + TEST.len());
        } else {
            kept.push(all[at]);
            at += 1;
        }
    }
    kept
}

pub(crate) fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

/// Behind the item, statement or field that begins here, its attributes included.
fn end_of_item(words: &[&str], mut at: usize) -> usize {
    while words.get(at) == Some(&"#") {
        at = end_of_group(words, at + 1);
    }
    let is_field = words.get(at + 1) == Some(&":");
    while let Some(word) = words.get(at) {
        match *word {
            ";" => return at + 1,
            "," if is_field => return at + 1,
            "}" => return at,
            "{" => {
                let end = end_of_group(words, at);
                return if words.get(end) == Some(&";") { end + 1 } else { end };
            }
            "(" | "[" => at = end_of_group(words, at),
            _ => at += 1,
        }
    }
    at
}

/// Behind the bracket that closes the one at `at`.
fn end_of_group(words: &[&str], at: usize) -> usize {
    let mut depth = 0_usize;
    for (place, word) in words.iter().enumerate().skip(at) {
        match *word {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return place + 1;
        }
    }
    words.len()
}

fn words(text: &str) -> Vec<&str> {
    let (mut words, mut rest) = (Vec::new(), text);
    while let Some(first) = rest.chars().next() {
        let name = name_length(rest);
        let length = if first.is_whitespace() {
            first.len_utf8()
        } else if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment_length(rest)
        } else if let Some(length) = string_length(rest) {
            length
        } else if first == '\'' {
            quote_length(rest)
        } else if name > 0 {
            words.push(&rest[..name]);
            name
        } else {
            let length = if rest.starts_with("::") { 2 } else { first.len_utf8() };
            words.push(&rest[..length]);
            length
        };
        rest = &rest[length..];
    }
    words
}

fn name_length(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len())
}

fn block_comment_length(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        if text[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if text[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// Of a string literal of any kind, if one begins here.
fn string_length(text: &str) -> Option<usize> {
    let prefix = ["br", "cr", "r", "b", "c", ""].into_iter().find(|prefix| {
        text.strip_prefix(prefix).is_some_and(|rest| rest.trim_start_matches('#').starts_with('"'))
    })?;
    let rest = &text[prefix.len()..];
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    if prefix.ends_with('r') {
        let end = format!("\"{}", &rest[..hashes]);
        let body = &rest[hashes + 1..];
        let length = body.find(&end).map_or(body.len(), |at| at + end.len());
        return Some(prefix.len() + hashes + 1 + length);
    }
    (hashes == 0).then(|| prefix.len() + until_unescaped(rest, '"'))
}

/// Of a character literal or a lifetime.
fn quote_length(text: &str) -> usize {
    let mut next = text.chars().skip(1);
    match (next.next(), next.next()) {
        (Some('\\'), _) => until_unescaped(text, '\''),
        (Some(c), Some('\'')) => 2 + c.len_utf8(),
        _ => 1 + name_length(&text[1..]),
    }
}

/// Behind the next `sign` that no backslash takes away, the first character left out.
fn until_unescaped(text: &str, sign: char) -> usize {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            c if c == sign => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

#[test]
fn comments_literals_and_tests_are_left_out() {
    let text = r###"
        //! Doc. crate::doc
        /* a /* nested crate::comment */ one */
        #[cfg(test)]
        use crate::only_in_tests::{a, b};
        #[cfg(test)]
        #[derive(Debug)]
        pub struct T { x: u8 }
        fn f<'a>(x: &'a str) -> char { g("crate::s \" {", r#"a " b"#, b'"', '\'', '{', br"\"); 'x' }
        #[cfg(test)]
        mod tests { fn t() { crate::x() } }
        fn last() {}
    "###;
    let words = shipped(text).join(" ");
    assert_eq!(words, "fn f < > ( x : & str ) - > char { g ( , , b , , , ) ; } fn last ( ) { }");
}
