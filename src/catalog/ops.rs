//! Sets of operations, and tables with a value for some of them. An operation is a small number, so a set is a few
//! words of bits; a table is such a set with its values side by side, found by counting bits. Neither costs more
//! to ask than an array over the whole catalog, and a table of five operations is as small as it sounds.

use std::ops::{BitOr, BitOrAssign, Sub};

use super::operation::Op;

const WORDS: usize = 6;

/// The most operations that a catalog may have. More take another word in each set.
pub(super) const MAX_OPS: usize = WORDS * u64::BITS as usize;

/// A set of operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OpSet([u64; WORDS]);

impl OpSet {
    /// The set of one operation.
    pub fn only(op: Op) -> Self {
        let mut set = Self::default();
        let (word, bit) = place(op);
        set.0[word] = bit;
        set
    }

    /// Whether `op` is in it.
    pub fn contains(&self, op: Op) -> bool {
        let (word, bit) = place(op);
        self.0[word] & bit != 0
    }

    /// Whether it has no operation.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// Its operations, in the catalog's order.
    pub fn iter(&self) -> impl Iterator<Item = Op> {
        let words = self.0.into_iter().zip((0..).step_by(u64::BITS as usize));
        words.flat_map(|(mut word, first)| {
            std::iter::from_fn(move || {
                let bit = u16::try_from(word.trailing_zeros()).ok().filter(|_| word != 0)?;
                word &= word - 1;
                Some(Op(first + bit))
            })
        })
    }
}

impl FromIterator<Op> for OpSet {
    fn from_iter<I: IntoIterator<Item = Op>>(ops: I) -> Self {
        ops.into_iter().fold(Self::default(), |set, op| set | Self::only(op))
    }
}

impl BitOr for OpSet {
    type Output = Self;

    fn bitor(mut self, other: Self) -> Self {
        self |= other;
        self
    }
}

impl BitOrAssign for OpSet {
    fn bitor_assign(&mut self, other: Self) {
        for (ours, theirs) in self.0.iter_mut().zip(other.0) {
            *ours |= theirs;
        }
    }
}

impl Sub for OpSet {
    type Output = Self;

    fn sub(mut self, other: Self) -> Self {
        for (ours, theirs) in self.0.iter_mut().zip(other.0) {
            *ours &= !theirs;
        }
        self
    }
}

/// A value for each operation of a set.
#[derive(Debug)]
pub struct OpMap<V> {
    keys: OpSet,
    /// How many operations are in the words before each.
    before: [u16; WORDS],
    /// In the order of the keys.
    values: Box<[V]>,
}

impl<V: Copy> OpMap<V> {
    /// The table with the value that `value` gives for each of `keys`.
    pub fn new(keys: OpSet, value: impl FnMut(Op) -> V) -> Self {
        let mut before = [0; WORDS];
        for word in 1..WORDS {
            before[word] = before[word - 1] + ones(keys.0[word - 1]);
        }
        Self { keys, before, values: keys.iter().map(value).collect() }
    }

    /// The value for `op`, if it is in the table.
    pub fn get(&self, op: Op) -> Option<V> {
        let (word, bit) = place(op);
        if self.keys.0[word] & bit == 0 {
            return None;
        }
        let at = self.before[word] + ones(self.keys.0[word] & (bit - 1));
        self.values.get(usize::from(at)).copied()
    }
}

fn place(op: Op) -> (usize, u64) {
    (op.index() / u64::BITS as usize, 1 << (op.index() % u64::BITS as usize))
}

/// At most 64.
fn ones(word: u64) -> u16 {
    word.count_ones() as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(ops: &[u16]) -> OpSet {
        ops.iter().map(|op| Op(*op)).collect()
    }

    #[test]
    fn a_set_has_what_was_put_into_it() {
        let ops = [0, 1, 63, 64, 127, 200, 319];
        let all = set(&ops);
        assert_eq!(all.iter().map(|op| op.0).collect::<Vec<_>>(), ops);
        for op in 0..384 {
            assert_eq!(all.contains(Op(op)), ops.contains(&op), "{op}");
        }
        assert_eq!(all - set(&[1, 2, 64]), set(&[0, 63, 127, 200, 319]));
        assert_eq!(set(&[3]) | OpSet::only(Op(70)), set(&[3, 70]));
        assert!(!all.is_empty() && (all - all).is_empty());
    }

    #[test]
    fn a_table_has_the_values_of_its_keys_and_no_others() {
        let ops = [0, 1, 63, 64, 127, 200, 319];
        let doubled = OpMap::new(set(&ops), |op| op.0 * 2);
        for op in 0..384 {
            assert_eq!(doubled.get(Op(op)), ops.contains(&op).then_some(op * 2), "{op}");
        }
    }
}
