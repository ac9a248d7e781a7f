//! Puts the parts of a log entry on as many lines as the terminal's width asks for: what does not fit goes below, indented, and
//! no word is broken.

use std::fmt;

use super::paint::{Ink, Paint};

/// An entry while it is written.
pub(in crate::observe) struct Layout<'o, W> {
    pub(in crate::observe) out: &'o mut W,
    pub(in crate::observe) paint: Paint,
    /// The terminal's columns.
    pub(in crate::observe) width: usize,
    /// Of further lines.
    pub(in crate::observe) indent: usize,
    /// The column.
    pub(in crate::observe) at: usize,
}

impl<W: fmt::Write> Layout<'_, W> {
    /// A part, two spaces behind the one before.
    pub(in crate::observe) fn piece(&mut self, ink: Ink, text: &str) -> fmt::Result {
        self.room(2 + text.trim_end().chars().count(), "  ")?;
        self.text(ink, text)
    }

    /// A name with its value, two spaces behind the part before.
    pub(in crate::observe) fn pair(&mut self, name: &str, value: &str) -> fmt::Result {
        self.room(3 + name.chars().count() + value.chars().count(), "  ")?;
        self.text(Ink::Dim, &format!("{name}="))?;
        self.text(Ink::Usual, value)
    }

    /// Words, one behind the other.
    pub(in crate::observe) fn words(&mut self, text: &str) -> fmt::Result {
        for word in text.split(' ') {
            if self.at > self.indent {
                self.room(1 + word.chars().count(), " ")?;
            }
            self.text(Ink::Usual, word)?;
        }
        Ok(())
    }

    /// On the next line.
    pub(in crate::observe) fn below(&mut self) -> fmt::Result {
        self.at = self.indent;
        write!(self.out, "\n{:1$}", "", self.indent)
    }

    /// Right here.
    pub(in crate::observe) fn text(&mut self, ink: Ink, text: &str) -> fmt::Result {
        self.at += text.chars().count();
        write!(self.out, "{}", self.paint.ink(ink, text))
    }

    /// For so many characters: behind `space`, or on the next line.
    fn room(&mut self, characters: usize, space: &str) -> fmt::Result {
        if self.at + characters > self.width && self.at > self.indent {
            self.below()
        } else {
            self.text(Ink::Usual, space)
        }
    }
}
