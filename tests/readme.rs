//! Holds the tables of docs/ and the configurations of its pages against the program: every key with its default, every error code, every metric.
//! Links are followed in `readme/links.rs`.

#[path = "readme/links.rs"]
mod links;

use std::{collections::BTreeMap, path::PathBuf};

use claviger::{
    config::{self, LoadRequest, References},
    policy::CatalogCheck,
};
use serde_json::Value;

const PAGES: [&str; 3] = [
    include_str!("../docs/reference/commands.md"),
    include_str!("../docs/reference/errors.md"),
    include_str!("../docs/reference/metrics.md"),
];
const KEYS: &str = include_str!("../docs/reference/configuration.md");
const ERRORS: &str = include_str!("../src/proxy/error/table.rs");
const METRICS: &str = include_str!("../src/observe/metrics.rs");

/// The cells of the table that follows `<!-- {name}:`, without its head.
fn table(name: &str) -> Vec<Vec<&'static str>> {
    let marker = format!("<!-- {name}: held");
    let (_, after) = PAGES.iter().find_map(|page| page.split_once(&marker)).expect("the table is marked");
    after
        .lines()
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .skip(2)
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect()
}

/// The cells of the tables of keys, without their heads.
fn key_table() -> Vec<Vec<&'static str>> {
    let rows = KEYS.lines().filter(|line| line.starts_with("| `"));
    rows.map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect()).collect()
}

/// The text of a cell that is code and nothing else.
fn code(cell: &str) -> Option<&str> {
    cell.strip_prefix('`')?.strip_suffix('`').filter(|inner| !inner.contains('`'))
}

/// Every key of a schema, as in the table.
fn keys(schema: &Value, node: &Value, path: &str, into: &mut Vec<String>) {
    let node = match node["$ref"].as_str().and_then(|name| name.rsplit('/').next()) {
        Some(name) => &schema["$defs"][name],
        None => node,
    };
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    if let Some(members) = node["properties"].as_object() {
        members.iter().for_each(|(key, member)| keys(schema, member, &below(key), into));
    } else if node["additionalProperties"].is_object() && !path.contains('.') {
        keys(schema, &node["additionalProperties"], &below("NAME"), into);
    } else {
        into.push(path.to_owned());
    }
}

#[test]
fn every_key_is_in_the_table_and_no_other() {
    let schema = config::schema();
    let mut known = Vec::new();
    keys(&schema, &schema, "", &mut known);
    known.sort();
    let mut written: Vec<_> =
        key_table().iter().map(|row| code(row[0]).expect("a key is code").to_owned()).collect();
    written.sort();
    assert_eq!(written, known);
}

#[test]
fn every_default_is_the_programs() {
    let directory = tempfile::tempdir().expect("there is a temporary directory");
    let path = directory.path().join("minimal.toml");
    std::fs::write(&path, filled_in(include_str!("../config/minimal.toml"))).expect("it can be written");
    let request = LoadRequest {
        paths: vec![path],
        search: Vec::new(),
        env: BTreeMap::from([
            ("ACME_SECRET".into(), "a secret of the test".into()),
            ("CLAVIGER_ISSUERS__X__ISSUER".into(), "https://issuer.example".into()),
            ("CLAVIGER_ISSUERS__X__AUDIENCE".into(), "claviger".into()),
            ("CLAVIGER_CLOUD__X__TOKEN".into(), "a token of the test".into()),
        ]),
        rule_check: &CatalogCheck,
        references: References::Needed,
    };
    let loaded = config::load(&request).expect("minimal.toml is valid");
    let effective = serde_json::to_value(&loaded.config).expect("it can be shown");
    let named = |key: &str| match key.split('.').next() {
        Some("issuers" | "cloud") => key.replace("NAME", "x"),
        Some("tenants") => key.replace("NAME", "acme"),
        Some("callers") => key.replace("NAME", "local"),
        _ => key.to_owned(),
    };
    let mut compared = 0;
    for row in key_table() {
        let key = code(row[0]).expect("a key is code");
        let Some(default) = code(row[2]).filter(|default| !default.contains("NAME")) else { continue };
        let pointer = format!("/{}", named(key).replace('.', "/"));
        let found =
            effective.pointer(&pointer).unwrap_or_else(|| panic!("{key} is not in the configuration"));
        let default: Value =
            serde_json::from_str(default).unwrap_or_else(|_| panic!("{key}: {default} is no value"));
        assert!(
            same(&default, found),
            "{key}: docs/reference/configuration.md says {default}, the program {found}"
        );
        compared += 1;
    }
    assert!(compared > 35, "only {compared} defaults were compared");
}

/// Equal, or the same length of time, size or number written in another way.
fn same(written: &Value, found: &Value) -> bool {
    let (Some(written), Some(found)) = (written.as_str(), Some(found)) else {
        return match (written.as_f64(), found.as_f64()) {
            (Some(written), Some(found)) => (written - found).abs() < 1e-6,
            _ => written == found,
        };
    };
    let size =
        |unit: &str, bytes: u64| written.strip_suffix(unit)?.parse::<u64>().ok().map(|number| number * bytes);
    if let Some(bytes) = size("KiB", 1024).or_else(|| size("MiB", 1024 * 1024)) {
        return found.as_u64() == Some(bytes);
    }
    let Some(found) = found.as_str() else { return false };
    match (humantime::parse_duration(written), humantime::parse_duration(found)) {
        (Ok(written), Ok(found)) => written == found,
        _ => written == found,
    }
}

/// The table of commands has every option that `--help` has, and no other.
#[test]
fn every_option_is_in_the_table_of_commands() {
    let options = |text: &str| {
        let words = text.split(|c: char| !(c.is_ascii_lowercase() || c == '-'));
        let mut options: Vec<_> = words.filter(|word| word.starts_with("--") && word.len() > 2).collect();
        options.sort_unstable();
        options.dedup();
        options.into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let rows = table("commands");
    assert!(rows.len() >= 9);
    for row in rows {
        let usage = row[0].trim_matches('`').strip_prefix("claviger ").expect("a command");
        let words = usage.split('`').next().unwrap_or_default().split(' ');
        let words = words.take_while(|word| word.bytes().all(|byte| byte.is_ascii_lowercase()));
        let command: Vec<_> = words.collect();
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_claviger"))
            .args(&command)
            .arg("-h")
            .output()
            .expect("the program can be run");
        assert!(output.status.success(), "{command:?}");
        let help = String::from_utf8(output.stdout).expect("it is text");
        // An option stands at the beginning of a line.
        let offered: String = help
            .lines()
            .filter(|line| line.trim_start().starts_with('-'))
            .filter_map(|line| line.split("--").nth(1)?.split_whitespace().next())
            .filter(|name| *name != "help")
            .map(|name| format!("--{name} "))
            .collect();
        assert_eq!(options(usage), options(&offered), "{command:?}");
    }
}

#[test]
fn every_error_code_is_in_the_table_with_its_status_and_side() {
    // The status and the side of each row of the table in error.rs.
    let mut known: BTreeMap<&str, Vec<(&str, String)>> = BTreeMap::new();
    for line in ERRORS.lines() {
        let Some((_, row)) = line.split_once("= row(") else { continue };
        let cells: Vec<_> = row.splitn(4, ',').map(str::trim).collect();
        let code = cells[1].trim_matches('"');
        known.entry(code).or_default().push((cells[0], cells[2].to_ascii_lowercase()));
    }
    let rows = table("errors");
    let written: Vec<_> = rows.iter().map(|row| code(row[1]).expect("a code is code")).collect();
    assert_eq!(written.len(), known.len(), "{written:?}\n{known:?}");
    for row in &rows {
        let code = code(row[1]).expect("a code is code");
        let rows = known.get(code).unwrap_or_else(|| panic!("{code} is not in table.rs"));
        let fits = rows.iter().any(|(status, side)| *status == row[0] && side == row[3]);
        assert!(fits, "{code}: docs/reference/errors.md says {} {}, table.rs {rows:?}", row[0], row[3]);
        let told = include_str!("../docs/reference/errors.md").matches(code).count();
        assert!(told > 1, "{code} is only in the table of docs/reference/errors.md");
    }
}

#[test]
fn every_metric_is_in_the_table_and_no_other() {
    let mut written: Vec<_> = table("metrics")
        .iter()
        .flat_map(|row| row[0].split(',').filter_map(|cell| cell.split('`').nth(1)))
        .collect();
    written.sort_unstable();
    // The first string of each call that declares one: of whatever kind, since nothing else has the registry.
    let mut known: Vec<_> = METRICS
        .split(" families.")
        .skip(1)
        .map(|call| call.split_once('(').expect("a call").1.trim_start())
        .map(|arguments| arguments.strip_prefix('"').expect("its name").split('"').next().expect("its name"))
        .collect();
    assert!(known.len() >= 30, "{known:?}");
    known.sort_unstable();
    assert_eq!(written, known);
}

/// The labels of each metric that a question may be about, by the table of all of them.
fn labels() -> BTreeMap<String, Vec<&'static str>> {
    let mut labels = BTreeMap::new();
    for row in table("metrics") {
        let cell = row.get(1).copied().unwrap_or_default();
        let mut depth = 0;
        // Without what is said of their values, in brackets or after a colon.
        let plain: String = cell
            .chars()
            .filter(|c| {
                depth += i32::from(*c == '(');
                let outside = depth == 0;
                depth -= i32::from(*c == ')');
                outside
            })
            .collect();
        let names = plain.split(':').next().unwrap_or_default().split(',').map(|name| name.trim().to_owned());
        let names: Vec<&'static str> =
            names.filter(|name| !name.is_empty()).map(|name| &*name.leak()).collect();
        for metric in row[0].split(',').filter_map(|cell| cell.split('`').nth(1)) {
            labels.insert(format!("claviger_{metric}"), names.clone());
        }
    }
    let process = include_str!("../src/observe/metrics/process.rs").split("\"process_").skip(1);
    labels.extend(
        process.filter_map(|rest| Some((format!("process_{}", rest.split_once('"')?.0), Vec::new()))),
    );
    labels
}

#[test]
fn every_question_about_metrics_is_answered_by_metrics_that_there_are() {
    let labels = labels();
    let rows = table("questions");
    let mut asked = std::collections::BTreeSet::new();
    for row in &rows {
        assert!(row[0].ends_with('?'), "{row:?}");
        let query = code(row[1]).expect("PromQL is code");
        let count = |c: char| query.matches(c).count();
        assert!(count('(') == count(')') && count('{') == count('}') && count('[') == count(']'), "{query}");
        let words: Vec<&str> = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
        let mut own = vec!["le"];
        for word in words.iter().filter(|word| word.starts_with("claviger_") || word.starts_with("process_"))
        {
            let of_histogram = ["_bucket", "_sum", "_count"].iter().find_map(|end| word.strip_suffix(end));
            let name = of_histogram.filter(|name| name.ends_with("_seconds")).unwrap_or(word);
            own.extend(labels.get(name).unwrap_or_else(|| panic!("{query}: there is no {word}")));
            asked.insert(name.to_owned());
        }
        assert!(own.len() > 1 || query.contains("process_") || labels.values().any(Vec::is_empty), "{query}");
        let named = query
            .split("by (")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
            .flat_map(|it| it.split(", "));
        let matched = query.split('{').skip(1).filter_map(|rest| rest.split('}').next());
        let matched = matched.flat_map(|it| it.split(',')).filter_map(|it| it.split(['=', '!']).next());
        for label in named.chain(matched) {
            assert!(own.contains(&label), "{query}: {label} is none of {own:?}");
        }
    }
    assert!(rows.len() > 25 && asked.len() > 22, "{asked:?}");
}

#[test]
fn every_fact_that_is_cited_is_listed() {
    let facts = include_str!("../docs/logto.md");
    let mut files = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut cited = 0;
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(
                std::fs::read_dir(&path).expect("a directory").map(|entry| entry.expect("an entry").path()),
            );
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        for (at, found) in text.match_indices("fact ").chain(text.match_indices("facts ")) {
            let rest = &text[at + found.len()..];
            let number: String = rest.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
            let number = number.trim_end_matches('.');
            if number.is_empty() {
                continue;
            }
            cited += 1;
            let listed = facts.contains(&format!("| {number} |")) || facts.contains(&format!("## {number} "));
            assert!(listed, "{}: fact {number} is not in docs/logto.md", path.display());
        }
    }
    assert!(cited > 30, "only {cited} facts were found");
}

#[test]
fn the_sidecars_configuration_is_that_of_its_manifest() {
    let manifest = include_str!("../deploy/kubernetes/sidecar.yaml");
    let page = include_str!("../docs/sidecar.md");
    let (_, after) = page.split_once("# claviger.toml, in a ConfigMap\n").expect("the excerpt is marked");
    let excerpt = after.split("```").next().unwrap_or_default();
    for line in excerpt.lines().filter(|line| !line.is_empty()) {
        assert!(manifest.contains(&format!("\n    {line}\n")), "{line:?} is not in sidecar.yaml");
    }
}

/// The text of each block of `language` of a page.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    page.split(&fence).skip(1).filter_map(|after| after.split("```").next()).collect()
}

/// With an App ID and the digest of a key where the examples have placeholders, which are refused.
fn filled_in(text: &str) -> String {
    text.replace("\"replace-me\"", "\"app\"")
        .replace("\"REPLACE_WITH_APP_ID\"", "\"app\"")
        .replace(&"0".repeat(64), &"5a".repeat(32))
}

/// Loads the text as a configuration; what it names need not be there.
fn load(text: &str) -> Result<config::Loaded, config::Problems> {
    let directory = tempfile::tempdir().expect("there is a temporary directory");
    let path = directory.path().join("claviger.toml");
    std::fs::write(&path, filled_in(text)).expect("it can be written");
    config::load(&LoadRequest {
        paths: vec![path],
        search: Vec::new(),
        env: BTreeMap::new(),
        rule_check: &CatalogCheck,
        references: References::MayBeAbsent,
    })
}

#[test]
fn the_examples_of_the_pages_load() {
    const MINIMAL: &str = include_str!("../config/minimal.toml");
    let audit = blocks(include_str!("../docs/audit.md"), "toml");
    let authz = blocks(include_str!("../docs/authz.md"), "toml");
    let logs = blocks(include_str!("../docs/logs.md"), "toml");
    assert_eq!((audit.len(), authz.len(), logs.len()), (1, 1, 1));
    for example in [audit, authz, logs].concat() {
        let loaded = load(&format!("{MINIMAL}\n{example}"));
        loaded.unwrap_or_else(|problems| panic!("{example}\n{problems}"));
    }
    let gateway = blocks(include_str!("../docs/gateway.md"), "toml");
    assert_eq!(gateway.len(), 1);
    load(gateway[0]).unwrap_or_else(|problems| panic!("{problems}"));
    let callers = blocks(include_str!("../docs/callers.md"), "toml");
    let (every, examples) = callers.split_first().expect("there are examples");
    assert!(every.starts_with("# every example\n") && examples.len() > 5, "{callers:?}");
    for example in examples {
        assert!(example.starts_with("# example: "), "{example}");
        let loaded = load(&format!("{every}\n{example}"));
        loaded.unwrap_or_else(|problems| panic!("{example}\n{problems}"));
    }
}
