//! The section of ARCHITECTURE.md that shows the rooms, made of the code's own imports.

use std::{fmt::Write as _, fs, path::PathBuf};

use crate::{
    imports::Code,
    layers::{self, LAYERS},
};

const BEGIN: &str = "<!-- modules:begin -->\n";
const END: &str = "<!-- modules:end -->";

/// The text between the markers.
pub(crate) fn drawn(code: &Code) -> String {
    let (rooms, arrows) = (code.rooms(), code.between_rooms());
    let mut text = String::from("<!-- Made by `make modules` of the code's imports. -->\n");
    let _ = write!(
        text,
        "A room may import rooms of lower layers:\n\n```text\n{}\n```\n\n",
        in_lines(&layers::in_words())
    );
    text += "```mermaid\nflowchart TD\n";
    for (place, layer) in LAYERS.iter().enumerate().filter(|(_, layer)| layer.len() > 1) {
        let there: Vec<&str> = layer.iter().copied().filter(|room| rooms.contains(*room)).collect();
        let _ =
            writeln!(text, "    subgraph layer{place}[\" \"]\n        {}\n    end", there.join("\n        "));
    }
    for (from, to) in arrows.reduced() {
        let _ = writeln!(text, "    {from} --> {to}");
    }
    let _ = writeln!(
        text,
        "```\n\n{} rooms, {} files, {} arrows between rooms; those that follow from others are not drawn.",
        rooms.len(),
        code.files().len(),
        arrows.iter().count(),
    );
    text
}

/// The text between the markers in ARCHITECTURE.md.
pub(crate) fn shown() -> String {
    let all = fs::read_to_string(file()).expect("ARCHITECTURE.md can be read");
    let (start, end) = section(&all);
    all[start..end].to_owned()
}

pub(crate) fn write(text: &str) {
    let mut all = fs::read_to_string(file()).expect("ARCHITECTURE.md can be read");
    let (start, end) = section(&all);
    all.replace_range(start..end, text);
    fs::write(file(), all).expect("ARCHITECTURE.md can be written");
}

fn section(all: &str) -> (usize, usize) {
    let start = all.find(BEGIN).expect("ARCHITECTURE.md has modules:begin") + BEGIN.len();
    let end = all.find(END).expect("ARCHITECTURE.md has modules:end");
    (start, end)
}

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md")
}

/// In lines of a readable length.
fn in_lines(words: &str) -> String {
    let mut lines = vec![String::new()];
    for layer in words.split_inclusive(" → ") {
        if lines.last().is_some_and(|line| line.chars().count() + layer.chars().count() > 100) {
            lines.push("  ".into());
        }
        if let Some(line) = lines.last_mut() {
            line.push_str(layer);
        }
    }
    lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n")
}
