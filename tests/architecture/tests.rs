//! The reader of imports, on small trees with cycles planted in them.

use crate::{imports::Code, source::File};

fn code(files: &[(&str, &str)]) -> Code {
    let file = |(path, text): &(&str, &str)| File { path: (*path).into(), text: (*text).into() };
    // A root that the tree has itself takes this one's place.
    Code::read(&[("src/lib.rs", "")].iter().chain(files).map(file).collect::<Vec<_>>())
}

fn arrows(files: &[(&str, &str)]) -> Vec<String> {
    let line = |(from, to, names): (&str, &str, &std::collections::BTreeSet<String>)| {
        format!("{from} -> {to}: {}", names.iter().cloned().collect::<Vec<_>>().join(", "))
    };
    code(files).between_files().iter().map(line).collect()
}

fn cycles(files: &[(&str, &str)]) -> Vec<String> {
    code(files).between_files().cycles()
}

const NONE: [&str; 0] = [];

#[test]
fn a_cycle_by_paths_from_the_crate_is_found() {
    let files = [
        ("src/a.rs", "use crate::b::{self, B};\npub struct A;\n"),
        ("src/b.rs", "pub struct B;\nfn f() -> crate::a::A { todo() }\n"),
    ];
    assert_eq!(cycles(&files), ["src/a.rs -> src/b.rs: B\nsrc/b.rs -> src/a.rs: A\n"]);
}

#[test]
fn a_cycle_of_a_child_and_its_parent_is_found() {
    for child in [
        "use super::Parent;\npub fn make() {}",
        "use super::*;\npub fn make() -> Parent { x }",
        "pub fn make() -> super::Parent { x }",
        "pub fn make() -> crate::p::Parent { x }",
        "fn f() { use super::{Parent as P, child}; }\npub fn make() {}",
    ] {
        let parent = "mod child;\npub struct Parent;\nfn f() { child::make() }\n";
        let found = cycles(&[("src/p.rs", parent), ("src/p/child.rs", child)]);
        assert_eq!(
            found,
            ["src/p.rs -> src/p/child.rs: make\nsrc/p/child.rs -> src/p.rs: Parent\n"],
            "{child}"
        );
    }
}

#[test]
fn a_cycle_through_a_re_export_is_found() {
    let files = [
        ("src/a.rs", "use crate::door::B;\npub enum A { One }\n"),
        ("src/door.rs", "mod inner;\npub use inner::*;\n"),
        ("src/door/inner.rs", "mod b;\npub(crate) use self::b::B as B;\n"),
        ("src/door/inner/b.rs", "pub struct B;\nfn f(a: crate::door::A) {}\nuse crate::a::A;\n"),
    ];
    assert_eq!(cycles(&files), ["src/a.rs -> src/door/inner/b.rs: B\nsrc/door/inner/b.rs -> src/a.rs: A\n"]);
}

#[test]
fn a_cycle_of_three_is_found_as_one() {
    let files = [
        ("src/a.rs", "use crate::b::b;\npub const A: u8 = 1;\n"),
        ("src/b.rs", "pub fn b() { crate::c::C::new() }\n"),
        ("src/c.rs", "pub struct C([u8; crate::a::A]);\n"),
        ("src/d.rs", "use crate::a;\nfn f() { a::A }\n"),
    ];
    assert_eq!(
        cycles(&files),
        ["src/a.rs -> src/b.rs: b\nsrc/b.rs -> src/c.rs: C\nsrc/c.rs -> src/a.rs: A\n"]
    );
}

#[test]
fn a_facade_is_no_party() {
    let files = [
        ("src/room.rs", "//! Doc.\nmod one;\nmod two;\npub use one::One;\npub use two::{Two, two};\n"),
        ("src/room/one.rs", "use super::Two;\npub struct One(Two);\nfn f() { super::two() }\n"),
        ("src/room/two.rs", "pub struct Two;\npub fn two() {}\n"),
    ];
    assert_eq!(arrows(&files), ["src/room/one.rs -> src/room/two.rs: Two, two"]);
}

#[test]
fn a_door_that_is_used_or_leads_elsewhere_is_an_import() {
    let files = [
        ("src/a.rs", "mod b;\npub use b::{B, C};\npub struct A(B);\n"),
        ("src/a/b.rs", "pub struct B;\npub struct C;\npub use super::c::D;\n"),
        ("src/a/c.rs", "pub struct D;\n"),
    ];
    assert_eq!(arrows(&files), ["src/a.rs -> src/a/b.rs: B", "src/a/b.rs -> src/a/c.rs: D"]);
}

#[test]
fn what_only_looks_like_a_name_is_none() {
    let files = [
        (
            "src/p.rs",
            "mod c;\npub use c::{Body, key, make};\nenum E { Body(u8), Other { key: u8 } }\nfn f(key: u8) { x.make() }\n",
        ),
        ("src/p/c.rs", "//! See [`super::E`].\npub struct Body;\npub fn key() {}\npub fn make() {}\n"),
    ];
    assert_eq!(arrows(&files), NONE);
}

#[test]
fn tests_comments_and_literals_are_left_out() {
    let files = [
        (
            "src/a.rs",
            "// crate::b::B\nconst X: &str = \"crate::b::B\";\n#[cfg(test)]\nmod tests {\n use crate::b::B;\n}\n",
        ),
        ("src/a/tests.rs", "use crate::b::B;\n"),
        ("src/a/tests/more.rs", "use crate::b::B;\n"),
        ("src/b.rs", "pub struct B;\n"),
    ];
    assert_eq!(arrows(&files), NONE);
}

#[test]
fn what_a_macro_makes_belongs_to_its_module() {
    let files = [
        ("src/a.rs", "use crate::ids::Name;\n"),
        ("src/ids.rs", "macro_rules! id { ($name:ident) => { pub struct $name; } }\nid!(Name);\n"),
    ];
    assert_eq!(arrows(&files), ["src/a.rs -> src/ids.rs: Name"]);
}

#[test]
fn modules_within_a_file_are_part_of_it() {
    let files = [
        ("src/a.rs", "pub mod inner {\n    use super::A;\n    pub struct Inner;\n}\npub struct A;\n"),
        ("src/b.rs", "use crate::a::inner::Inner;\n"),
    ];
    assert_eq!(arrows(&files), ["src/b.rs -> src/a.rs: Inner"]);
}

#[test]
fn a_name_of_another_crate_is_told_from_a_module() {
    let files = [
        ("src/config.rs", "mod toml;\npub use toml::parse;\npub struct Config;\n"),
        ("src/config/toml.rs", "use ::toml::Value;\nuse serde::Config;\nuse std::fmt;\npub fn parse() {}\n"),
        ("src/main.rs", "fn main() { claviger::cli::main() }\n"),
        ("src/lib.rs", "pub mod cli;\npub mod config;\n"),
        ("src/cli.rs", "use claviger_emulator::{Emulator, token};\npub fn main() { token::grant() }\n"),
        ("crates/claviger-emulator/src/lib.rs", "mod server;\npub mod token;\npub use server::Emulator;\n"),
        ("crates/claviger-emulator/src/server.rs", "pub struct Emulator;\nuse crate::token::grant;\n"),
        ("crates/claviger-emulator/src/token.rs", "pub fn grant() {}\n"),
    ];
    assert_eq!(
        arrows(&files),
        [
            "crates/claviger-emulator/src/server.rs -> crates/claviger-emulator/src/token.rs: grant",
            "src/cli.rs -> crates/claviger-emulator/src/server.rs: Emulator",
            "src/cli.rs -> crates/claviger-emulator/src/token.rs: grant",
            "src/main.rs -> src/cli.rs: main",
        ]
    );
    let rooms = code(&files).between_rooms();
    assert_eq!(
        rooms.iter().map(|(from, to, _)| (from, to)).collect::<Vec<_>>(),
        [("cli", "claviger_emulator"), ("main", "cli")]
    );
}

#[test]
fn a_room_knows_a_room_whose_door_it_uses() {
    let files = [
        ("src/a.rs", "use crate::b::C;\n"),
        ("src/b.rs", "pub use crate::c::C;\n"),
        ("src/c.rs", "pub struct C;\n"),
    ];
    let rooms = code(&files).between_rooms();
    assert_eq!(
        rooms.iter().map(|(from, to, _)| (from, to)).collect::<Vec<_>>(),
        [("a", "b"), ("a", "c"), ("b", "c")]
    );
}

#[test]
fn what_follows_is_not_drawn() {
    let files = [
        ("src/a.rs", "use crate::{b::B, c::C};\n"),
        ("src/b.rs", "use crate::c::C;\npub struct B;\n"),
        ("src/c.rs", "pub struct C;\n"),
    ];
    assert_eq!(code(&files).between_rooms().reduced(), [("a", "b"), ("b", "c")]);
}
