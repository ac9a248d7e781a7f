//! Holds the source to ARCHITECTURE.md: which module may know which, and how large and how loud a file may be.
//! The map below is the code as it is. A new arrow is a decision: it is drawn here, or it is not made.

#[path = "architecture/source.rs"]
mod source;

use std::collections::{BTreeMap, BTreeSet};

use source::{File, files};

/// What each module knows of the others, tests left out.
const IMPORTS: &[(&str, &[&str])] = &[
    // Leaves know only leaves.
    ("clock", &[]),
    ("headers", &[]),
    ("ids", &[]),
    ("secret", &[]),
    ("silence", &[]),
    ("x509", &[]),
    // Facts, and a Logto that must know nothing of what it tests.
    ("catalog", &[]),
    ("config", &["ids", "secret"]),
    ("emulator", &[]),
    // Roots and the one provider of TLS, for whoever dials or listens.
    ("trust", &["config"]),
    // The stages, in the order of a request.
    ("caller", &["clock", "config", "headers", "ids", "secret", "trust"]),
    ("policy", &["caller", "catalog", "config", "ids"]),
    ("limit", &["caller", "config", "ids", "policy"]),
    ("token", &["clock", "config", "ids", "secret", "trust"]),
    (
        "upstream",
        &["catalog", "clock", "config", "error", "headers", "ids", "limit", "observe", "silence", "token"],
    ),
    ("broker", &["caller", "clock", "ids", "reply", "secret", "token"]),
    ("authz", &["config", "ids", "policy", "token"]),
    (
        "reply",
        &[
            "catalog", "config", "error", "headers", "limit", "listen", "observe", "secret", "silence",
            "token", "upstream",
        ],
    ),
    // Around them.
    ("error", &["broker", "caller", "edge", "limit", "policy", "reply", "token", "upstream"]),
    ("observe", &["config", "headers", "ids", "policy"]),
    ("edge", &["caller", "error", "headers", "listen", "observe", "pipeline", "reply"]),
    ("listen", &["caller", "clock", "config", "edge", "observe", "pipeline", "trust", "x509"]),
    // Who knows the order.
    (
        "pipeline",
        &[
            "authz", "broker", "caller", "catalog", "clock", "config", "edge", "error", "headers", "ids",
            "limit", "listen", "observe", "policy", "reply", "secret", "token", "trust", "upstream",
        ],
    ),
    // Who wires, and who shows.
    ("admin", &["caller", "clock", "ids", "listen", "pipeline", "token", "upstream"]),
    ("app", &["admin", "clock", "config", "ids", "listen", "observe", "pipeline", "secret", "token"]),
    (
        "cli",
        &[
            "app", "catalog", "clock", "config", "emulator", "error", "ids", "observe", "pipeline", "policy",
            "secret", "token", "upstream",
        ],
    ),
    ("main", &["cli"]),
];

const LEAVES: [&str; 6] = ["clock", "headers", "ids", "secret", "silence", "x509"];
const STAGES: [&str; 4] = ["caller", "policy", "limit", "upstream"];

/// Arrows that ARCHITECTURE.md does not intend, and what would take each away. This list may only get shorter.
const WORSE_THAN_INTENDED: &[(&str, &str, &str)] = &[
    ("limit", "caller", "Admitted hands `Caller` through; it could hand on the index alone"),
    (
        "upstream",
        "error",
        "its loop returns Failure for token, quota and body alike; an error of its own would do",
    ),
    ("upstream", "observe", "its loop writes attempts and retries into the Record; it could return them"),
];

/// Modules that know each other in a circle. Each of these is to be broken up; none is to be added.
const CIRCLES: &[&[&str]] = &[
    // The table of failures names every stage's error, and upstream, broker and edge speak in failures and
    // answers themselves; reply holds the connection's Busy; the door and the pipeline know each other.
    &["broker", "edge", "error", "listen", "pipeline", "reply", "upstream"],
];

const HARD_LIMIT: usize = 600;
const SOFT_LIMIT: usize = 400;
/// Files above the soft limit. This list may only get shorter.
const LARGE: &[&str] = &[
    "src/config/tests/gateway.rs",
    "src/config/tests/problems.rs",
    "src/emulator.rs",
    "src/emulator/token.rs",
    "src/emulator/users.rs",
    "tests/policy_properties.rs",
];
const MEDIAN: usize = 150;

fn actual() -> BTreeMap<String, BTreeSet<String>> {
    let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files("src").iter().filter(|file| file.path != "src/lib.rs") {
        imports.entry(file.module().to_owned()).or_default().extend(file.imports());
    }
    imports
}

#[test]
fn each_module_knows_whom_the_map_says_and_nobody_else() {
    let wanted: BTreeMap<String, BTreeSet<String>> = IMPORTS
        .iter()
        .map(|(module, known)| ((*module).to_owned(), known.iter().map(|name| (*name).to_owned()).collect()))
        .collect();
    let actual = actual();
    let mut complaints = Vec::new();
    for module in wanted.keys().chain(actual.keys()).collect::<BTreeSet<_>>() {
        let (wanted, actual) = (wanted.get(module), actual.get(module));
        let (Some(wanted), Some(actual)) = (wanted, actual) else {
            complaints.push(format!("`{module}` is on the map or in src/, but not in both"));
            continue;
        };
        complaints.extend(actual.difference(wanted).map(|new| {
            format!(
                "`{module}` has come to know `{new}`: find another way, or draw it on the map and say why"
            )
        }));
        complaints.extend(
            wanted
                .difference(actual)
                .map(|gone| format!("`{module}` no longer knows `{gone}`: good; take it off the map")),
        );
    }
    assert!(complaints.is_empty(), "{complaints:#?}");
}

#[test]
fn a_stage_knows_leaves_the_configuration_and_the_stage_before_it() {
    let actual = actual();
    let mut unexpected = Vec::new();
    for (place, stage) in STAGES.iter().enumerate() {
        let before = place.checked_sub(1).map(|place| STAGES[place]);
        // Upstream works hand in hand with the token engine.
        let beside = (*stage == "upstream").then_some("token");
        for known in &actual[*stage] {
            let fine = LEAVES.contains(&known.as_str())
                || ["catalog", "config", "trust"].contains(&known.as_str())
                || [before, beside].contains(&Some(known.as_str()));
            let conceded = WORSE_THAN_INTENDED.iter().any(|(from, to, _)| from == stage && to == known);
            if !fine && !conceded {
                unexpected.push(format!("{stage} → {known}"));
            }
        }
    }
    assert!(unexpected.is_empty(), "{unexpected:?}");
    for (from, to, why) in WORSE_THAN_INTENDED {
        assert!(actual[*from].contains(*to), "{from} → {to} is gone: good; take it off the list ({why})");
    }
    for leaf in LEAVES {
        let not_leaves: Vec<_> =
            actual[leaf].iter().filter(|known| !LEAVES.contains(&known.as_str())).collect();
        assert!(not_leaves.is_empty(), "{leaf} is a leaf and knows {not_leaves:?}");
    }
}

#[test]
fn only_the_pipeline_knows_the_order_and_only_app_wires() {
    let actual = actual();
    let who = |knows: &dyn Fn(&BTreeSet<String>) -> bool| -> Vec<&str> {
        actual.iter().filter(|(_, known)| knows(known)).map(|(module, _)| module.as_str()).collect()
    };
    let all_stages = |known: &BTreeSet<String>| STAGES.iter().all(|stage| known.contains(*stage));
    assert_eq!(
        who(&all_stages),
        ["error", "pipeline"],
        "who knows all stages (the table of failures knows their errors)"
    );
    assert_eq!(who(&|known| known.contains("app")), ["cli"]);
    assert_eq!(who(&|known| known.contains("cli")), ["main"]);
    assert_eq!(who(&|known| known.contains("admin")), ["app"]);
    assert_eq!(who(&|known| known.contains("emulator")), ["cli"]);
    assert_eq!(who(&|known| known.contains("broker")), ["error", "pipeline"]);
}

#[test]
fn no_circle_is_added() {
    let actual = actual();
    let reach = |from: &str| {
        let (mut seen, mut ahead) = (BTreeSet::new(), vec![from.to_owned()]);
        while let Some(module) = ahead.pop() {
            for known in actual.get(&module).into_iter().flatten() {
                if seen.insert(known.clone()) {
                    ahead.push(known.clone());
                }
            }
        }
        seen
    };
    let reached: BTreeMap<&str, _> = actual.keys().map(|module| (module.as_str(), reach(module))).collect();
    let circles: BTreeSet<Vec<&str>> = reached
        .iter()
        .filter(|(module, reached)| reached.contains(**module))
        .map(|(module, from_here)| {
            let is_mutual = |other: &&str| from_here.contains(*other) && reached[*other].contains(*module);
            reached.keys().copied().filter(is_mutual).collect()
        })
        .collect();
    let conceded: BTreeSet<Vec<&str>> = CIRCLES.iter().map(|circle| circle.to_vec()).collect();
    assert_eq!(circles, conceded);
}

#[test]
fn files_stay_small() {
    let all: Vec<File> = ["src", "tests", "benches"].into_iter().flat_map(files).collect();
    let over: Vec<_> = all.iter().filter(|file| file.lines() > HARD_LIMIT).map(|file| &file.path).collect();
    assert!(over.is_empty(), "over {HARD_LIMIT} lines: {over:?}");
    let large: BTreeSet<&str> =
        all.iter().filter(|file| file.lines() > SOFT_LIMIT).map(|file| file.path.as_str()).collect();
    let new: Vec<_> = large.iter().filter(|path| !LARGE.contains(path)).collect();
    assert!(new.is_empty(), "over {SOFT_LIMIT} lines: break them up: {new:?}");
    let shrunk: Vec<_> = LARGE.iter().filter(|path| !large.contains(*path)).collect();
    assert!(shrunk.is_empty(), "no longer over {SOFT_LIMIT} lines: good; take them off the list: {shrunk:?}");
    // What is shipped: tests stand beside it in files of their own.
    let shipped = files("src").into_iter().filter(|file| !file.path.contains("tests"));
    let mut lines: Vec<usize> = shipped.map(|file| file.lines()).collect();
    lines.sort_unstable();
    assert!(lines[lines.len() / 2] <= MEDIAN, "half of what is shipped has more than {MEDIAN} lines");
}

#[test]
fn nothing_panics_prints_or_is_unsafe_where_it_must_not() {
    let mut complaints = Vec::new();
    for file in files("src") {
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
    let root = files("src").into_iter().find(|file| file.path == "src/lib.rs").expect("there is a library");
    assert!(root.text.contains("#![forbid(unsafe_code)]"));
}

#[test]
fn nothing_refers_to_a_place_that_only_one_machine_has() {
    // In two parts, so that this file does not.
    let foreign = [concat!("/wo", "rk/"), concat!("/ro", "ot/")];
    for file in ["src", "tests"].into_iter().flat_map(files) {
        for place in foreign {
            assert!(!file.text.contains(place), "{}: {place}", file.path);
        }
    }
}
