//! Holds the source to ARCHITECTURE.md: which room may know which, and how large and how loud a file may be.
//! The layers are in `architecture/layers.rs`; imports are read from the code, file by file.

#[path = "architecture/graph.rs"]
mod graph;
#[path = "architecture/imports.rs"]
mod imports;
#[path = "architecture/layers.rs"]
mod layers;
#[path = "architecture/module.rs"]
mod module;
#[path = "architecture/picture.rs"]
mod picture;
#[path = "architecture/source.rs"]
mod source;
#[path = "architecture/tests.rs"]
mod tests;
#[path = "architecture/words.rs"]
mod words;

use std::collections::BTreeSet;

use imports::Code;
use source::{File, files, sources};

/// What only the pipeline knows all of.
const STAGES: [&str; 4] = ["authn", "policy", "limit", "upstream"];

const HARD_LIMIT: usize = 600;
const SOFT_LIMIT: usize = 400;
/// Files above the soft limit. This list may only get shorter.
const LARGE: &[&str] =
    &["src/config/tests/gateway.rs", "src/config/tests/problems.rs", "tests/policy_properties.rs"];
const MEDIAN: usize = 150;

fn code() -> Code {
    Code::read(&sources())
}

#[test]
fn there_is_no_import_cycle_between_files() {
    let cycles = code().between_files().cycles();
    assert!(cycles.is_empty(), "cycles between files:\n\n{}", cycles.join("\n"));
}

#[test]
fn there_is_no_import_cycle_between_rooms() {
    let cycles = code().between_rooms().cycles();
    assert!(cycles.is_empty(), "cycles between rooms:\n\n{}", cycles.join("\n"));
}

#[test]
fn a_room_imports_only_rooms_of_lower_layers() {
    let code = code();
    let listed: BTreeSet<String> = layers::LAYERS.concat().into_iter().map(str::to_owned).collect();
    let rooms = code.rooms();
    let mut complaints: Vec<String> = rooms
        .symmetric_difference(&listed)
        .map(|room| format!("`{room}` is in the layers or in src/, but not in both"))
        .collect();
    complaints.extend(layers::complaints(&code.between_rooms()));
    assert!(complaints.is_empty(), "{complaints:#?}");
}

#[test]
fn only_the_pipeline_knows_the_order_and_only_app_wires() {
    let code = code();
    let (rooms, arrows) = (code.rooms(), code.between_rooms());
    let knows_all = |room: &&String| STAGES.iter().all(|stage| arrows.has(room, stage));
    assert_eq!(rooms.iter().filter(knows_all).collect::<Vec<_>>(), ["proxy"], "who knows all stages");
    assert_eq!(arrows.who_knows("admin"), ["app"]);
    assert_eq!(arrows.who_knows("app"), ["cli"]);
    assert_eq!(arrows.who_knows("cli"), ["main"]);
    assert_eq!(arrows.who_knows("claviger_emulator"), ["cli"]);
}

#[test]
fn the_picture_in_architecture_shows_the_code() {
    let (drawn, shown) = (picture::drawn(&code()), picture::shown());
    assert!(drawn == shown, "run `make modules`: ARCHITECTURE.md does not show the code's imports:\n{drawn}");
}

#[test]
#[ignore = "writes ARCHITECTURE.md; `make modules` runs it"]
fn draw_the_picture_in_architecture() {
    picture::write(&picture::drawn(&code()));
}

#[test]
fn files_stay_small() {
    let all: Vec<File> = ["src", "crates", "tests", "benches"].into_iter().flat_map(files).collect();
    let over: Vec<_> = all.iter().filter(|file| file.lines() > HARD_LIMIT).map(|file| &file.path).collect();
    assert!(over.is_empty(), "over {HARD_LIMIT} lines: {over:?}");
    let large: BTreeSet<&str> =
        all.iter().filter(|file| file.lines() > SOFT_LIMIT).map(|file| file.path.as_str()).collect();
    let new: Vec<_> = large.iter().filter(|path| !LARGE.contains(path)).collect();
    assert!(new.is_empty(), "over {SOFT_LIMIT} lines: break them up: {new:?}");
    let shrunk: Vec<_> = LARGE.iter().filter(|path| !large.contains(*path)).collect();
    assert!(shrunk.is_empty(), "no longer over {SOFT_LIMIT} lines: good; take them off the list: {shrunk:?}");
    // What is shipped: tests stand beside it in files of their own.
    let shipped = sources().into_iter().filter(|file| !file.path.contains("tests"));
    let mut lines: Vec<usize> = shipped.map(|file| file.lines()).collect();
    lines.sort_unstable();
    assert!(lines[lines.len() / 2] <= MEDIAN, "half of what is shipped has more than {MEDIAN} lines");
}

#[test]
fn nothing_panics_prints_or_is_unsafe_where_it_must_not() {
    let mut complaints = Vec::new();
    let all = sources();
    for file in &all {
        let mut complain = |what: &str| complaints.push(format!("{}: {what}", file.path));
        if !file.text.starts_with("//!") && !file.path.ends_with("/tests.rs") {
            complain("does not begin with what it decides (//!)");
        }
        if file.path.ends_with("/mod.rs") {
            complain("is a mod.rs");
        }
        let code = file.code();
        let prints = ["println!", "print!(", "eprintln!", "eprint!("].iter().any(|word| code.contains(word));
        if prints && file.module() != "cli" {
            complain("prints");
        }
        for (word, what) in [
            (".unwrap()", "unwraps"),
            (".expect(\"\")", "expects without a reason"),
            ("dbg!", "debugs"),
            ("todo!", "is not done"),
            ("unimplemented!", "is not done"),
            ("unsafe ", "is unsafe"),
            ("process::exit", "exits"),
        ] {
            let second_signal = what == "exits" && file.path == "src/cli/serve.rs";
            if code.contains(word) && !second_signal {
                complain(what);
            }
        }
    }
    assert!(complaints.is_empty(), "{complaints:#?}");
    for root in ["src/lib.rs", "crates/claviger-emulator/src/lib.rs"] {
        let root = all.iter().find(|file| file.path == root).expect("there is a library");
        assert!(root.text.contains("#![forbid(unsafe_code)]"), "{}", root.path);
    }
}

#[test]
fn nothing_refers_to_a_place_that_only_one_machine_has() {
    // In two parts, so that this file does not.
    let foreign = [concat!("/wo", "rk/"), concat!("/ro", "ot/")];
    for file in ["src", "crates", "tests"].into_iter().flat_map(files) {
        for place in foreign {
            assert!(!file.text.contains(place), "{}: {place}", file.path);
        }
    }
}
