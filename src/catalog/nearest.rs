//! The name that somebody probably meant, for messages about names that do not exist.

/// The candidate with the fewest edits from `text`, where that is few enough to be a slip: one, or a quarter
/// of its letters. A difference of case alone counts as none.
pub fn nearest<'n>(text: &str, candidates: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let text = text.to_ascii_lowercase();
    let (distance, name) =
        candidates.map(|name| (edits(&text, &name.to_ascii_lowercase()), name)).min_by_key(|(d, _)| *d)?;
    (distance <= (text.len() / 4).max(1)).then_some(name)
}

/// Edits from one name to the other, in bytes, as the names are ASCII: letters that are left out, added or exchanged, and two
/// neighbours that changed places, which is one slip of the fingers (optimal string alignment distance).
pub(super) fn edits(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut before = vec![0; b.len() + 1];
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let exchanged = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = exchanged.min(row[j - 1] + 1).min(above[j] + 1);
            let swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if swapped {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}
