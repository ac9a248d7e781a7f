//! `[catalog]`: a file that adds operations to those that rules are about.

use super::*;
use crate::{config::PolicyVersion, policy::CatalogCheck};

const LINE: &str = "GET\t/api/users/{userId}/devices\tListDevices\tusers\t-\t-\ttoken\tkind";

fn bench(allow: &str) -> Bench {
    let text = GOOD.replace("allow = [\"users:read\"]", allow);
    Bench::new().with("c.toml", format!("{text}\n[catalog]\nfile = \"more.tsv\"\n")).env("S", "secret")
}

fn loaded(bench: &Bench) -> Loaded {
    bench.load_by(&CatalogCheck).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn rules_are_about_what_the_file_adds() {
    let rule = "allow = [{ operation = \"ListDevices\", query = { kind = { one_of = [\"phone\"] } } }]";
    let bench = bench(rule);
    bench.write("more.tsv", LINE);
    let loaded = loaded(&bench);
    assert_eq!(loaded.config.catalog.catalog.added(), 1);
    assert!(loaded.files.iter().any(|path| path.ends_with("more.tsv")), "it is watched");
    assert_eq!(
        in_effect(&loaded.config)["catalog"]["file"],
        bench.path().join("more.tsv").display().to_string()
    );

    // Another catalog is another policy: it says what `users:read` is.
    let version = PolicyVersion::of(&loaded.config);
    bench.write("more.tsv", "# reviewed\n".to_owned() + LINE);
    assert_eq!(PolicyVersion::of(&self::loaded(&bench).config), version, "comments say nothing");
    bench.write("more.tsv", LINE.replace("kind", "kind,name"));
    assert_ne!(PolicyVersion::of(&self::loaded(&bench).config), version);

    let wrong = self::bench("allow = [{ operation = \"ListDevices\", query = { knd = \"forbidden\" } }]");
    wrong.write("more.tsv", LINE);
    let problems = wrong.problems_by(&CatalogCheck);
    assert!(
        problems[0].ends_with("\"knd\" is not a query parameter of ListDevices. Did you mean \"kind\"?"),
        "{problems:?}"
    );

    let without = Bench::new().with("c.toml", GOOD.replace("users:read", "ListDevices")).env("S", "secret");
    assert!(without.problems_by(&CatalogCheck)[0].contains("no operation is called \"ListDevices\""));
}

#[test]
fn every_problem_of_the_file_is_said_with_its_line() {
    let bench = bench("allow = [\"users:read\"]");
    bench.write(
        "more.tsv",
        format!("# reviewed\n{}\n{}\n", LINE.replace("\t-\t-", "\t?\t-"), LINE.replace("GET", "GOT")),
    );
    assert_eq!(
        bench.problems_by(&CatalogCheck),
        [
            "more.tsv:2: catalog.file: nobody has judged the risks of this operation yet. Write those that it has, separated by \
             commas, or - for none: secrets (answers with secrets in clear), elevation (gives permissions or lifts a check), keys \
             (touches keys or credentials), fetch (makes the server request a URL), impersonation (lets the caller act as a user), \
             destruction (destroys what holds secrets, or a whole collection), spending (spends money).",
            "more.tsv:3: catalog.file: \"GOT\" is not a method. Write GET, POST, PUT, PATCH or DELETE.",
        ]
    );
    bench.write("more.tsv", b"\xff\xfe");
    assert!(bench.problems_by(&CatalogCheck)[0].contains("is not UTF-8"));
}

/// The rules would be about something else without it, so it is missed by a reviewer's command as well.
#[test]
fn a_file_that_is_missing_is_always_a_problem() {
    let bench = bench("allow = [\"users:read\"]");
    assert!(bench.problems()[0].contains("cannot read the file"), "{:?}", bench.problems());
    let request = LoadRequest {
        paths: vec![bench.path().join("c.toml")],
        search: Vec::new(),
        env: [("S".into(), "secret".into())].into(),
        rule_check: &CatalogCheck,
        references: References::MayBeAbsent,
    };
    let problems = bench.short(&load(&request).unwrap_err().problems);
    assert!(problems[0].contains("there is no file more.tsv"), "{problems:?}");
}

#[test]
fn a_changed_file_is_a_changed_configuration_and_a_changed_comment_is_none() {
    let bench = bench("allow = [\"users:read\"]");
    bench.write("more.tsv", LINE);
    let first = loaded(&bench);
    bench.write("more.tsv", format!("# reviewed again\n{LINE}\n"));
    let same = loaded(&bench);
    assert!(first.digest != same.digest && first.config.is_same_but_for_tenants(&same.config));
    bench.write("more.tsv", LINE.replace("ListDevices", "ListUserDevices"));
    let other = loaded(&bench);
    assert_eq!(changed(&first.config, &other.config), ["catalog.file"]);
    assert!(!first.config.is_same_but_for_tenants(&other.config));
    assert!(needs_restart(&first.config, &other.config).is_empty());
}
