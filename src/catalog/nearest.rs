//! The name that somebody probably meant, for messages about names that do not exist.

/// The candidate with the fewest edits from `text`, where that is few enough to be a slip: a third of its
/// letters. A difference of case alone counts as none.
pub fn nearest<'n>(text: &str, candidates: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let text = text.to_ascii_lowercase();
    let (distance, name) =
        candidates.map(|name| (edits(&text, &name.to_ascii_lowercase()), name)).min_by_key(|(d, _)| *d)?;
    (distance <= text.len() / 3 + 1).then_some(name)
}

/// Levenshtein distance, in bytes: the names are ASCII.
pub(super) fn edits(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (y, above) in b.bytes().zip(&mut row[1..]) {
            let cost = (diagonal + usize::from(x != y)).min(left + 1).min(*above + 1);
            (diagonal, left, *above) = (*above, cost, cost);
        }
        row[0] = i + 1;
    }
    row.last().copied().unwrap_or_default()
}
