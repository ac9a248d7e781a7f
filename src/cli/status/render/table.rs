//! A table for a terminal: how wide its columns are, and what is shortened where they do not fit. What is in it is said above.

use crate::cli::status::paint::{Paint, Tone};

/// Between two columns.
const GAP: &str = "   ";
/// To how many characters the names in the first column are shortened at most, where the terminal is narrow.
const SHORTEST_NAME: usize = 16;

/// Columns that are as wide as what is in them. A head that begins with `>` stands to the right, an empty one is left out.
pub(super) struct Table {
    pub(super) rows: Vec<Vec<(String, Tone)>>,
    is_right: Vec<bool>,
    pub(super) notes: Vec<String>,
}

impl Table {
    pub(super) fn new(heads: &[&str]) -> Self {
        let is_right = heads.iter().map(|head| head.starts_with('>')).collect();
        let heads = heads.iter().map(|head| (head.trim_start_matches('>').to_owned(), Tone::Soft));
        Self { rows: vec![heads.collect()], is_right, notes: Vec::new() }
    }

    pub(super) fn row<const N: usize>(&mut self, cells: [(String, Tone); N]) {
        self.rows.push(cells.into());
    }

    pub(super) fn lines(&self, paint: &Paint) -> Vec<String> {
        let columns: Vec<_> =
            (0..self.is_right.len()).filter(|column| !self.rows[0][*column].0.is_empty()).collect();
        let width = |column: usize| self.rows.iter().map(|row| row[column].0.chars().count()).max();
        let mut widths: Vec<_> = columns.iter().map(|column| width(*column).unwrap_or_default()).collect();
        // A long name must not push the numbers out of the terminal, whose last column the watch erases.
        let wanted = widths.iter().sum::<usize>() + GAP.len() * widths.len().saturating_sub(1);
        let excess = paint.width.map_or(0, |width| (wanted + 1).saturating_sub(width));
        if let Some(first) = widths.first_mut().filter(|first| **first > SHORTEST_NAME) {
            *first = first.saturating_sub(excess).max(SHORTEST_NAME);
        }
        let line = |row: &Vec<(String, Tone)>| {
            let cells = columns.iter().zip(&widths).map(|(column, width)| {
                let (text, tone) = &row[*column];
                let text = &shortened(text, *width);
                let space = " ".repeat(width - text.chars().count());
                let shown = paint.text(*tone, text);
                if self.is_right[*column] { format!("{space}{shown}") } else { format!("{shown}{space}") }
            });
            cells.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
        };
        let notes = self.notes.iter().map(|note| paint.text(Tone::Soft, note));
        self.rows.iter().map(line).chain(notes).collect()
    }
}

/// At most so many characters, the last one in the place of what is left out.
fn shortened(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}
