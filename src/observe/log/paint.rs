//! Colours of a terminal, by what they mean: the sixteen that every terminal has and its owner has chosen, so that they
//! can be read on dark and on light. And text that no terminal acts on.

use std::fmt;

/// Whether text is painted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// As it is.
    Plain,
    /// With colours.
    Colours,
}

/// What a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::observe) enum Ink {
    /// As any other text.
    Usual,
    /// To be looked at last.
    Dim,
    /// To be found at once.
    Bold,
    Good,
    Neutral,
    Careful,
    Bad,
}

impl Paint {
    /// `text` in `ink`.
    pub(in crate::observe) fn ink<T: fmt::Display>(self, ink: Ink, text: T) -> Painted<T> {
        let code = match (self, ink) {
            (Self::Plain, _) | (_, Ink::Usual) => "",
            (Self::Colours, Ink::Dim) => "2",
            (Self::Colours, Ink::Bold) => "1",
            (Self::Colours, Ink::Good) => "32",
            (Self::Colours, Ink::Neutral) => "36",
            (Self::Colours, Ink::Careful) => "33",
            (Self::Colours, Ink::Bad) => "1;31",
        };
        Painted { code, text }
    }
}

/// Text in a colour.
pub(in crate::observe) struct Painted<T> {
    code: &'static str,
    text: T,
}

impl<T: fmt::Display> fmt::Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            "" => self.text.fmt(f),
            code => write!(f, "\u{1b}[{code}m{}\u{1b}[0m", self.text),
        }
    }
}

/// A text from somewhere else, in which no character moves the cursor, changes a colour or turns the reading direction.
pub(in crate::observe) struct Harmless<'t>(pub(in crate::observe) &'t str);

impl fmt::Display for Harmless<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let turns =
            |c| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        for c in self.0.chars() {
            if c.is_control() || turns(c) {
                fmt::Display::fmt(&c.escape_unicode(), f)?;
            } else {
                fmt::Write::write_char(f, c)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_alone_and_texts_from_elsewhere_bring_none() {
        assert_eq!(Paint::Plain.ink(Ink::Bad, "x").to_string(), "x");
        assert_eq!(Paint::Colours.ink(Ink::Bad, "x").to_string(), "\u{1b}[1;31mx\u{1b}[0m");
        assert_eq!(Harmless("a\u{1b}[31m\n\u{202e}ü → b").to_string(), "a\\u{1b}[31m\\u{a}\\u{202e}ü → b");
    }
}
