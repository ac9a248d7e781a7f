//! Containers so deep in an answer that no secret can begin or end there: all of them have the place of the outermost.
//! One bit for each tells an object from an array, so that a caller who may store what it likes in `customData` cannot
//! keep the others from their lists.

use super::{
    container::{Container, Kind},
    unmaskable::Unmaskable,
};
use crate::catalog::secrets::Place;

/// More than PostgreSQL takes into a `jsonb` (about 7,000 levels, by its stack).
pub(super) const MOST: usize = 16 * 1024;

#[derive(Debug, Default)]
pub(super) struct Deep {
    /// A bit is set for an object.
    kinds: Vec<u64>,
    depth: usize,
    place: Place,
}

impl Deep {
    pub(super) fn push(&mut self, kind: Kind, place: Place) -> Result<(), Unmaskable> {
        if self.depth == MOST {
            return Err(Unmaskable::TooDeep);
        }
        if self.depth == 0 {
            self.place = place;
        }
        let (word, bit) = (self.depth / 64, self.depth % 64);
        if word == self.kinds.len() {
            self.kinds.push(0);
        }
        self.kinds[word] &= !(1 << bit);
        self.kinds[word] |= u64::from(kind == Kind::Object) << bit;
        self.depth += 1;
        Ok(())
    }

    /// Takes the innermost out; whether there was one.
    pub(super) fn pop(&mut self) -> bool {
        let was_one = self.depth > 0;
        self.depth = self.depth.saturating_sub(1);
        was_one
    }

    pub(super) fn last(&self) -> Option<Container> {
        let at = self.depth.checked_sub(1)?;
        let is_object = self.kinds[at / 64] >> (at % 64) & 1 == 1;
        Some(Container { kind: if is_object { Kind::Object } else { Kind::Array }, place: self.place })
    }
}
