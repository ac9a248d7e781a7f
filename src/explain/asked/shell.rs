//! The words of a command as a shell would see them: quotes, escapes, continued lines, and where the command ends. Nothing
//! is carried out, expanded or read: what a shell would put something else in place of is marked and stays as it is written.

use std::{iter::Peekable, str::Chars};

/// A word of a command.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    /// A shell would put a variable or the output of a command into it.
    pub(super) expands: bool,
}

/// The words of the first command in a text.
pub(super) fn words(text: &str) -> Vec<Word> {
    let plain;
    // As browsers copy a command for cmd.exe, which escapes by "^".
    let text = if text.contains("^\"") {
        plain = without_carets(text);
        &plain
    } else {
        text
    };
    let mut reader = Reader { text: text.chars().peekable(), words: Vec::new(), word: None };
    reader.read();
    reader.words
}

fn without_carets(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '^' => match chars.next() {
                Some('\r') => drop(chars.next_if_eq(&'\n')),
                Some('\n') => {}
                other => plain.extend(other),
            },
            c => plain.push(c),
        }
    }
    plain
}

struct Reader<'t> {
    text: Peekable<Chars<'t>>,
    words: Vec<Word>,
    /// The one that is being read.
    word: Option<Word>,
}

impl Reader<'_> {
    fn read(&mut self) {
        while let Some(c) = self.text.next() {
            match c {
                '\\' => match self.text.next() {
                    Some('\r') => drop(self.text.next_if_eq(&'\n')),
                    Some('\n') => {}
                    Some(c) => self.push(c),
                    None => {}
                },
                '\'' => self.literally(),
                '"' => self.in_double_quotes(),
                '$' if self.text.peek() == Some(&'\'') => self.in_ansi_quotes(),
                '$' | '`' => self.expanding(c),
                '\n' | '|' | ';' | '(' | ')' | '<' | '>' => {
                    let is_redirection = matches!(c, '<' | '>');
                    let is_number = |word: &Word| word.text.bytes().all(|b| b.is_ascii_digit());
                    // The number of what is redirected is no word.
                    self.word = self.word.take().filter(|word| !is_redirection || !is_number(word));
                    self.end();
                    if !self.words.is_empty() {
                        return;
                    }
                }
                '&' if self.text.peek().is_none_or(|next| *next == '&' || next.is_whitespace()) => {
                    self.end();
                    if !self.words.is_empty() {
                        return;
                    }
                }
                '#' if self.word.is_none() => while self.text.next_if(|c| *c != '\n').is_some() {},
                c if c.is_whitespace() => self.end(),
                c => self.push(c),
            }
        }
        self.end();
    }

    fn end(&mut self) {
        self.words.extend(self.word.take());
    }

    fn current(&mut self) -> &mut Word {
        self.word.get_or_insert_default()
    }

    fn push(&mut self, c: char) {
        self.current().text.push(c);
    }

    fn expanding(&mut self, c: char) {
        self.push(c);
        self.current().expands = true;
    }

    fn literally(&mut self) {
        self.current();
        while let Some(c) = self.text.next().filter(|c| *c != '\'') {
            self.push(c);
        }
    }

    fn in_double_quotes(&mut self) {
        self.current();
        while let Some(c) = self.text.next().filter(|c| *c != '"') {
            match c {
                '\\' => match self.text.next() {
                    Some('\n') | None => {}
                    Some(c @ ('"' | '\\' | '$' | '`')) => self.push(c),
                    Some(c) => {
                        self.push('\\');
                        self.push(c);
                    }
                },
                '$' | '`' => self.expanding(c),
                c => self.push(c),
            }
        }
    }

    /// `$'…'`, as browsers copy what has special characters.
    fn in_ansi_quotes(&mut self) {
        self.text.next();
        self.current();
        while let Some(c) = self.text.next().filter(|c| *c != '\'') {
            let c = if c == '\\' { self.escape() } else { Some(c) };
            if let Some(c) = c {
                self.push(c);
            }
        }
    }

    fn escape(&mut self) -> Option<char> {
        Some(match self.text.next()? {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'x' => self.number(16, 2)?,
            'u' => self.number(16, 4)?,
            'U' => self.number(16, 8)?,
            '0' => self.number(8, 3).unwrap_or('\0'),
            c => c,
        })
    }

    fn number(&mut self, radix: u32, most: usize) -> Option<char> {
        let mut value = 0_u32;
        for _ in 0..most {
            let Some(digit) = self.text.next_if(|c| c.is_digit(radix)).and_then(|c| c.to_digit(radix)) else {
                break;
            };
            value = value.checked_mul(radix)?.checked_add(digit)?;
        }
        char::from_u32(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<String> {
        words(text).into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn words_are_those_of_a_shell() {
        for (text, expected) in [
            ("a 'b c' \"d e\"f", &["a", "b c", "d ef"][..]),
            ("a \\\n  b \\\r\n c", &["a", "b", "c"]),
            ("\n\n# a comment\na ''", &["a", ""]),
            ("a | jq .", &["a"]),
            ("a 2>/dev/null", &["a"]),
            ("a && b; c", &["a"]),
            ("a &", &["a"]),
            ("a x?b=1&c=2", &["a", "x?b=1&c=2"]),
            ("a\nb", &["a"]),
            (r#"a "x \"y\" \n""#, &["a", "x \"y\" \\n"]),
            (r"a $'it\'s \u0041\x42\n'", &["a", "it's AB\n"]),
            ("a 'open", &["a", "open"]),
            ("a ^\"x^\" ^\r\n ^\"{^\\^\"b^\\^\":1}^\"", &["a", "x", "{\"b\":1}"]),
            ("", &[]),
        ] {
            assert_eq!(texts(text), expected, "{text}");
        }
    }

    #[test]
    fn what_a_shell_would_replace_is_marked_and_left_as_it_is() {
        for text in ["\"k: $KEY\"", "k:$(cat key)", "`cat key`"] {
            assert!(words(text)[0].expands && words(text)[0].text.contains(['$', '`']), "{text}");
        }
        for text in ["'k: $KEY'", "\"k: \\$KEY\"", "a", "$'a'"] {
            assert!(!words(text)[0].expands, "{text}");
        }
    }
}
