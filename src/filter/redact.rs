//! Masks the secrets in an answer on its way to the caller. Reads JSON (RFC 8259) as it comes, chunk by chunk and
//! wherever a chunk ends, and puts [`MASK`] in place of each string and number that the catalog says is a secret;
//! everything else it hands on byte for byte. `null`, `true` and `false` stay: one bit is no secret. Its memory
//! does not grow with the answer, but by a bit for each level of what is deeper than [`MAX_DEPTH`] and all secret or all
//! not. What is not JSON, or deeper than that, ends in an error and never passes.

mod container;
mod deep;
mod masked;
mod name;
mod number;
mod text;
mod unmaskable;
mod utf8;

use bytes::Bytes;

use crate::catalog::secrets::{Place, Secrets};

pub use self::{masked::MASK, unmaskable::Unmaskable};

use self::{
    container::{Container, Kind},
    deep::Deep,
    masked::Masked,
    name::Name,
    number::Number,
    utf8::Utf8,
};

/// Arrays and objects within each other, on the way to a secret; the answers of the Management API have fewer than ten.
/// Where there is none any more, as in `customData`, a caller may have stored more: see `deep`.
pub const MAX_DEPTH: usize = 64;

/// Masks one answer.
#[derive(Debug)]
pub struct Redactor {
    secrets: &'static Secrets,
    state: State,
    /// Of the value that is read, or comes next.
    place: Place,
    open: [Container; MAX_DEPTH],
    depth: usize,
    /// Those within `open`.
    deep: Deep,
    name: Name,
    utf8: Utf8,
}

/// What comes next.
#[derive(Debug, Clone, Copy)]
enum State {
    Value(Opening),
    Name(Opening),
    Colon,
    /// A comma or an end.
    Next,
    Text(Text, Escape),
    Number(Number),
    /// The rest of `true`, `false` or `null`.
    Word(&'static [u8]),
    Broken(Unmaskable),
}

/// Whether a container may end here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opening {
    Empty,
    Going,
}

/// What a string is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Text {
    Value,
    /// The name of a member that may be a secret or lead to one.
    Telling,
    /// The name of any other member.
    Silent,
}

#[derive(Debug, Clone, Copy)]
enum Escape {
    None,
    Begun,
    Unit { missing: u8, unit: u16 },
}

impl Redactor {
    /// For one answer.
    pub fn new(secrets: &'static Secrets) -> Self {
        Self {
            secrets,
            state: State::Value(Opening::Going),
            place: secrets.root(),
            open: [Container { kind: Kind::Array, place: Place::Plain }; MAX_DEPTH],
            depth: 0,
            deep: Deep::default(),
            name: Name::default(),
            utf8: Utf8::default(),
        }
    }

    /// The next chunk, masked. May be empty, where it was within a secret. Copies only a chunk with a secret in it.
    ///
    /// # Errors
    /// [`Unmaskable`], then and ever after.
    pub fn mask(&mut self, chunk: Bytes) -> Result<Bytes, Unmaskable> {
        let mut masked = Masked::new(&chunk, self.is_hiding());
        let read = self.utf8.read(&chunk).and_then(|()| self.read(&chunk, &mut masked));
        match read {
            Ok(()) => Ok(masked.finish().unwrap_or(chunk)),
            Err(error) => {
                self.state = State::Broken(error);
                Err(error)
            }
        }
    }

    /// To be asked at the end of the answer.
    ///
    /// # Errors
    /// [`Unmaskable`], where the answer is not whole.
    pub fn finish(&self) -> Result<(), Unmaskable> {
        let whole = match self.state {
            State::Broken(error) => return Err(error),
            // Nothing at all: there is no secret in it.
            State::Next | State::Value(_) => true,
            State::Number(number) => number.is_whole(),
            _ => false,
        };
        if whole && self.depth == 0 && self.utf8.is_whole() { Ok(()) } else { Err(Unmaskable::Unfinished) }
    }

    /// Whether the chunk before ended within a secret.
    fn is_hiding(&self) -> bool {
        self.place == Place::Secret && matches!(self.state, State::Text(Text::Value, _) | State::Number(_))
    }

    fn read(&mut self, chunk: &[u8], masked: &mut Masked<'_>) -> Result<(), Unmaskable> {
        let mut at = 0;
        while let Some(&byte) = chunk.get(at) {
            at = match self.state {
                State::Text(text, escape) => self.text(chunk, at, text, escape, masked)?,
                State::Number(number) => self.number(chunk, at, number, masked)?,
                State::Word(rest) => self.word(chunk, at, rest)?,
                State::Broken(error) => return Err(error),
                _ if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') => at + 1,
                State::Value(opening) => self.value(byte, at, opening, masked)?,
                State::Name(opening) => self.name(byte, at, opening)?,
                State::Next => self.next(byte, at)?,
                State::Colon if byte == b':' => {
                    self.state = State::Value(Opening::Going);
                    at + 1
                }
                State::Colon => return Err(Unmaskable::Malformed),
            };
        }
        Ok(())
    }

    fn value(
        &mut self,
        byte: u8,
        at: usize,
        opening: Opening,
        masked: &mut Masked<'_>,
    ) -> Result<usize, Unmaskable> {
        self.state = match byte {
            b'"' => State::Text(Text::Value, Escape::None),
            b'{' => self.opened(Kind::Object)?,
            b'[' => self.opened(Kind::Array)?,
            b']' if opening == Opening::Empty => self.closed(),
            b't' => State::Word(b"rue"),
            b'f' => State::Word(b"alse"),
            b'n' => State::Word(b"ull"),
            _ => State::Number(Number::begin(byte).ok_or(Unmaskable::Malformed)?),
        };
        if self.is_hiding() {
            masked.hide(at);
        }
        Ok(at + 1)
    }

    fn name(&mut self, byte: u8, at: usize, opening: Opening) -> Result<usize, Unmaskable> {
        self.state = match byte {
            b'"' => {
                self.name.clear();
                let telling = matches!(self.container().place, Place::Above(_));
                State::Text(if telling { Text::Telling } else { Text::Silent }, Escape::None)
            }
            b'}' if opening == Opening::Empty => self.closed(),
            _ => return Err(Unmaskable::Malformed),
        };
        Ok(at + 1)
    }

    fn next(&mut self, byte: u8, at: usize) -> Result<usize, Unmaskable> {
        if self.depth == 0 {
            return Err(Unmaskable::Malformed);
        }
        let Container { kind, place } = self.container();
        self.state = match (kind, byte) {
            (Kind::Object, b',') => State::Name(Opening::Going),
            (Kind::Array, b',') => {
                self.place = place;
                State::Value(Opening::Going)
            }
            (Kind::Object, b'}') | (Kind::Array, b']') => self.closed(),
            _ => return Err(Unmaskable::Malformed),
        };
        Ok(at + 1)
    }

    fn text(
        &mut self,
        chunk: &[u8],
        at: usize,
        text: Text,
        escape: Escape,
        masked: &mut Masked<'_>,
    ) -> Result<usize, Unmaskable> {
        let rest = &chunk[at..];
        let (read, escape) = match escape {
            Escape::None => {
                let end = text::plain(rest);
                let plain = &rest[..end];
                if text == Text::Telling {
                    self.name.push(plain);
                }
                match rest.get(end) {
                    None => return Ok(chunk.len()),
                    Some(b'"') => {
                        self.text_ended(text, at + end + 1, masked);
                        return Ok(at + end + 1);
                    }
                    Some(b'\\') => (end + 1, Escape::Begun),
                    Some(_) => return Err(Unmaskable::Malformed),
                }
            }
            Escape::Begun => match name::unescaped(rest[0]) {
                Some(plain) => {
                    if text == Text::Telling {
                        self.name.push(&[plain]);
                    }
                    (1, Escape::None)
                }
                None if rest[0] == b'u' => (1, Escape::Unit { missing: 4, unit: 0 }),
                None => return Err(Unmaskable::Malformed),
            },
            Escape::Unit { missing, unit } => {
                let digit = char::from(rest[0]).to_digit(16).ok_or(Unmaskable::Malformed)?;
                let unit = unit << 4 | u16::try_from(digit).unwrap_or_default();
                if missing > 1 {
                    (1, Escape::Unit { missing: missing - 1, unit })
                } else {
                    if text == Text::Telling {
                        self.name.push_unit(unit);
                    }
                    (1, Escape::None)
                }
            }
        };
        self.state = State::Text(text, escape);
        Ok(at + read)
    }

    fn text_ended(&mut self, text: Text, after: usize, masked: &mut Masked<'_>) {
        self.state = match text {
            Text::Value => {
                if self.place == Place::Secret {
                    masked.show(after);
                }
                State::Next
            }
            Text::Telling | Text::Silent => {
                self.place = match self.container().place {
                    Place::Above(step) => self.secrets.member(step, self.name.as_bytes()),
                    place => place,
                };
                State::Colon
            }
        };
    }

    fn number(
        &mut self,
        chunk: &[u8],
        at: usize,
        mut number: Number,
        masked: &mut Masked<'_>,
    ) -> Result<usize, Unmaskable> {
        let rest = &chunk[at..];
        for (length, byte) in rest.iter().enumerate() {
            if let Some(longer) = number.push(*byte) {
                number = longer;
                continue;
            }
            if !number.is_whole() {
                return Err(Unmaskable::Malformed);
            }
            if self.place == Place::Secret {
                masked.show(at + length);
            }
            // This byte is the next state's.
            self.state = State::Next;
            return Ok(at + length);
        }
        self.state = State::Number(number);
        Ok(chunk.len())
    }

    fn word(&mut self, chunk: &[u8], at: usize, rest: &'static [u8]) -> Result<usize, Unmaskable> {
        let read = rest.len().min(chunk.len() - at);
        let (now, later) = rest.split_at(read);
        if chunk[at..at + read] != *now {
            return Err(Unmaskable::Malformed);
        }
        self.state = if later.is_empty() { State::Next } else { State::Word(later) };
        Ok(at + read)
    }

    fn opened(&mut self, kind: Kind) -> Result<State, Unmaskable> {
        match self.open.get_mut(self.depth) {
            Some(container) => {
                *container = Container { kind, place: self.place };
                self.depth += 1;
            }
            None if matches!(self.place, Place::Above(_)) => return Err(Unmaskable::TooDeep),
            None => self.deep.push(kind, self.place)?,
        }
        Ok(match kind {
            Kind::Object => State::Name(Opening::Empty),
            // An element has the place of its array.
            Kind::Array => State::Value(Opening::Empty),
        })
    }

    fn closed(&mut self) -> State {
        if !self.deep.pop() {
            self.depth -= 1;
        }
        State::Next
    }

    /// The innermost one; there is one wherever this is asked.
    fn container(&self) -> Container {
        self.deep.last().unwrap_or_else(|| self.open[self.depth.saturating_sub(1)])
    }
}

#[cfg(test)]
mod tests;
