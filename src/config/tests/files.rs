//! What is said of whole files: many problems at once, syntax, and files that are none.

use super::*;

#[test]
fn all_problems_of_a_file_at_once() {
    let text = "workers = 0\ntenant = 1\n[timeouts]\nhead = \"10\"\nidel = \"1s\"\nbody = [1]\n[limits]\nbody = \"1 MB\"\n\
                [retry]\nbudget = 2\nbackoff = \"3s\"\nmax_backoff = \"1s\"\n[log]\nformat = \"jsn\"\nlevel = \"inof\"\n[broker]\nkey = { env = \"S\" }\n\
                [tenants.acme]\nclient_idd = \"x\"\n[tenants.other]\nclient_secret = \"s\"\n[policies]\np = \"*\"\n\
                [callers.c]\nidentify = [\"x\", { unix_uid = -1 }]\npolicies = [\"p\"]\nlimits = 1\n";
    let bench = Bench::new().with("c.toml", text).env("S", "secret");
    assert_eq!(
        bench.problems(),
        [
            "c.toml:1: workers: 0 is out of range. Write a whole number from 1 to 256.",
            "c.toml:2: tenant: there is no such section. Did you mean `tenants`?",
            "c.toml:4: timeouts.head: the duration \"10\" has no unit. Write \"10s\" for seconds or \"10ms\" for milliseconds.",
            "c.toml:5: timeouts.idel: there is no such key. Did you mean `idle`?",
            "c.toml:6: timeouts.body: found a list where a duration is wanted",
            "c.toml:8: limits.body: \"1 MB\" is not a size. Write a number of bytes, or a number with a unit, such as \"64KiB\" or \"1MiB\".",
            "c.toml:10: retry.budget: 2 is out of range. Write a fraction from 0 to 1.",
            "c.toml:12: retry.max_backoff: the longest wait is shorter than the first (backoff). Write a longer one, or shorten backoff.",
            "c.toml:14: log.format: \"jsn\" is not a log format. Did you mean \"json\"?",
            "c.toml:15: log.level: \"inof\" is not a log filter. Write error, warn, info, debug or trace; or directives such as \"info,claviger::token=debug\".",
            "c.toml:17: broker.key: the key has 6 bytes; 32 is the least. Make one with: openssl rand -hex 32",
            "c.toml:18: tenants.acme.client_secret: the tenant has no client_secret. Write client_secret = { file = \"/run/secrets/…\" } or { env = \"NAME\" }.",
            "c.toml:19: tenants.acme.client_idd: there is no such key. Did you mean `client_id`?",
            "c.toml:20: tenants.other.client_id: the tenant has no client_id. Copy the App ID of a machine-to-machine application from the Logto Console.",
            "c.toml:23: policies.p: found a single value where a table is wanted. Write [policies.p] and its keys below it.",
            "c.toml:24: callers.c.tenants: there are several tenants, and nothing says which ones this caller may name. Write tenants = [\"acme\"], or [\"*\"] for all.",
            "c.toml:25: callers.c.identify[0]: found a single value where a table is wanted. Write identify = { loopback = true }, or another authentication method.",
            "c.toml:25: callers.c.identify[1].unix_uid: \"-1\" is out of range. Write a whole number from 0 to 4294967294.",
            "c.toml:27: callers.c.limits: there is no such key. `limits` stands at the top, before the first [section] or as [limits].",
        ]
    );
}

#[test]
fn what_is_there_twice_is_named_with_both_lines() {
    let bench = Bench::new()
        .with("a.toml", "[policies.support]\nallow = []\n[callers.c]\n[policies.support]\nallow = []\ndeny = []\n[log]\nlevel = \"info\"\nformat = \"json\"\nlevel = \"warn\"\n")
        .with("b.toml", "[tenants.acme]\nHUSH-hush = 1\nHUSH-hush = 2\n");
    assert_eq!(
        bench.problems(),
        [
            "a.toml:4: [policies.support] is defined twice: lines 1 and 4. Write all of its keys below one of them.",
            "a.toml:10: `level` is defined twice: lines 8 and 10. Leave one of them out.",
            "b.toml:3: this is not TOML: duplicate key. Text goes in double quotes, a key and its value on one line.",
        ]
    );
}

#[test]
fn what_is_wrong_many_times_on_one_line_is_said_once() {
    let bench = Bench::new().with("a.toml", "[policies.p]\nallow = [null, null, null]\n");
    let said = "a.toml:2: this is not TOML: invalid float, expected `nan`. Text goes in double quotes, a key and its value on one line.";
    assert_eq!(bench.problems(), [said]);
}

#[test]
fn a_key_that_slipped_out_of_its_yaml_table_is_told_to_look_at_the_indentation() {
    let bench =
        Bench::new().with("c.yaml", "tenants:\n  acme:\n   endpoint: https://acme.logto.app\n  other: x\n");
    let said = "c.yaml:4: tenants.other: found a single value where a table is wanted. Each key below `tenants:` is a name: indent `other` so that it is below one.";
    assert!(bench.problems().iter().any(|problem| problem == said), "{:#?}", bench.problems());
}

#[test]
fn all_syntax_errors_of_all_files_at_once() {
    let bench = Bench::new()
        .with("a.toml", "[listen\nproxy = \n[tenants.acme]\nclient_id = app\nclient_id = \"app\"\n")
        .with("b.yaml", "listen:\n  admin: off\n  admin: on\n  proxy: *x\n  other: &a 1\n  third: !!str 1\n")
        .with("c.yaml", "a: [1\n")
        .with("d.yaml", "a: 1\n---\nb: 1\n")
        .with("e.yaml", "- a\n")
        .with("f.json", "{\"a\": {\"b\": 1, \"b\": 2}}")
        .with("g.yaml", "{a: b}: 1\n")
        .with("h.conf", "")
        .with("i.toml", b"a = 1\nb = \"\xff\"\n");
    std::fs::create_dir(bench.path().join("j.toml")).unwrap();
    let mut bench = bench;
    bench.paths.push(bench.path().join("j.toml"));
    bench.paths.push(bench.path().join("k.toml"));
    bench.paths.push("/dev/null.toml".into());
    let problems = bench.problems();
    let has = |text: &str| {
        assert!(problems.iter().any(|problem| problem.starts_with(text)), "{text}\n{problems:#?}")
    };
    has("a.toml:1: this is not TOML: unclosed table, expected `]`. ");
    has("a.toml:4: this is not TOML: ");
    has("b.yaml:3: listen.admin: the key is given twice, first at ");
    has("b.yaml:4: ");
    has("c.yaml:");
    has("d.yaml:3: a second document begins here. ");
    has("e.yaml:1: the file is not a map of keys to values. ");
    has("f.json:1: a.b: the key is given twice, first at f.json:1. Keep one of the two.");
    has("g.yaml:1: a key is not text. ");
    has(
        "h.conf: the name does not say what the file is written in. Let it end in .toml, .yaml, .yml or .json.",
    );
    has("i.toml: line 2 is not UTF-8. Save the file as UTF-8; is it perhaps a binary file?");
    has("j.toml: this is a directory. Name a file in it.");
    has("k.toml: there is no such file. Look at the path, and at what is mounted there.");
}

#[test]
fn yaml_that_would_mean_something_else_is_refused() {
    for (text, want) in [
        (
            "a: &x 1\n",
            "c.yaml:1: an anchor (&name) is not read here. Write each value out where it is used; a value that begins with & goes in quotes.",
        ),
        (
            "\nlisten: { admin: !!str 1 }\n",
            "c.yaml:2: a tag (!name) is not read here. Leave it out; a value that begins with ! goes in quotes.",
        ),
        ("listen:\n  proxy: [,]\n", "c.yaml:2: "),
    ] {
        let problems = Bench::new().with("c.yaml", text).problems();
        assert!(problems[0].starts_with(want), "{problems:?}");
    }
    let deep = format!("a: {}1{}", "[".repeat(40), "]".repeat(40));
    let problems = Bench::new().with("c.yaml", deep).problems();
    assert_eq!(
        problems,
        [
            "c.yaml:1: more than 16 levels or 1000000 values: this is not a configuration of Claviger. Is this the right file?"
        ]
    );
    let deep = format!("a = {}1{}", "[".repeat(40), "]".repeat(40));
    let problems = Bench::new().with("c.toml", deep).problems();
    assert_eq!(
        problems,
        [
            "c.toml:1: more than 16 levels or 1000000 values: this is not a configuration of Claviger. Is this the right file?"
        ]
    );
    let many = format!("a = [{}]", "1,".repeat(1_000_001));
    assert_eq!(Bench::new().with("c.toml", many).problems().len(), 1);
    let large = vec![b'#'; 16 * 1024 * 1024 + 1];
    assert_eq!(
        Bench::new().with("c.toml", large).problems(),
        ["c.toml: the file is larger than 16 MiB. Is this the right file?"]
    );
}

#[test]
fn yaml_says_what_an_empty_tenant_lacks() {
    let bench = Bench::new().with("c.yaml", "# nothing\ntenants:\n  acme:\npolicies:\n");
    assert_eq!(
        bench.problems(),
        [
            "c.yaml:3: tenants.acme.client_id: the tenant has no client_id. Copy the App ID of a machine-to-machine application from the Logto Console.",
            "c.yaml:3: tenants.acme.client_secret: the tenant has no client_secret. Write client_secret = { file = \"/run/secrets/…\" } or { env = \"NAME\" }.",
        ]
    );
}

#[test]
fn nothing_at_all() {
    let bench = Bench::new();
    let [problem] = &bench.problems()[..] else { panic!() };
    assert_eq!(
        problem.replace(&bench.path().display().to_string(), "."),
        "nothing is configured: no file at claviger.toml or etc.toml, and nothing in the environment. Write a \
         claviger.toml (config/minimal.toml is one), or set LOGTO_ENDPOINT, LOGTO_M2M_APP_ID and LOGTO_M2M_APP_SECRET. \
         To look around without a Logto tenant: claviger demo."
    );
    let gone = Bench::new().load().unwrap_err().problems.remove(0).while_running().to_string();
    assert!(
        gone.ends_with(
            "nothing in the environment. What this process was started with is gone from there: put it back."
        ),
        "{gone}"
    );
    assert!(Bench::new().with("c.toml", "# later\n").problems()[0].contains("c.toml configures nothing. "));
    let bench = Bench::new().with("c.toml", "workers = 1\n");
    assert_eq!(
        bench.problems(),
        [
            "tenants: there is no tenant. Write [tenants.NAME] with client_id and client_secret, or set LOGTO_ENDPOINT, \
          LOGTO_M2M_APP_ID and LOGTO_M2M_APP_SECRET."
        ]
    );
}

#[test]
fn secret_files() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let text = GOOD.replace("{ env = \"S\" }", "{ file = \"s\" }");
    let bench = Bench::new().with("c.toml", &text);
    let at = |what: &str| format!("c.toml:4: tenants.acme.client_secret: {what}");
    assert_eq!(
        bench.problems(),
        [at(
            "cannot read the file s: there is no such file. Look at the path, and at what is mounted there."
        )]
    );
    let path = bench.write("s", "\n");
    assert_eq!(
        bench.problems(),
        [at(
            "the file s is empty. Write the secret into it, without anything else; if it is being written just now, wait."
        )]
    );
    bench.write("s", "hush\n");
    bench.config();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(bench.warnings(), [at("every user of this machine may read s (mode 0644). Run: chmod o= s")]);
    // As Kubernetes mounts it.
    std::fs::create_dir(bench.path().join("..2026")).unwrap();
    std::fs::rename(&path, bench.path().join("..2026/s")).unwrap();
    symlink("..2026", bench.path().join("..data")).unwrap();
    symlink("..data/s", &path).unwrap();
    bench.config();
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert_eq!(
        bench.problems(),
        [at("cannot read the file s: it is a directory. Name the file in it that holds the value.")]
    );
}

#[test]
fn no_caller_is_worth_a_warning() {
    let text = GOOD.split("[callers").next().unwrap();
    let bench = Bench::new().with("c.toml", text).env("S", "secret");
    assert_eq!(
        bench.warnings(),
        [
            "callers: there is no caller: every request will be refused. Write [callers.NAME] with identify and policies, such as identify = { loopback = true }."
        ]
    );
}

#[test]
fn a_file_that_is_something_else() {
    let text: String = (0..500).map(|i| format!("key{i} = 1\n")).collect();
    let problems = Bench::new().with("c.toml", text).problems();
    assert_eq!(problems.len(), 101);
    assert_eq!(
        problems[100],
        "there are more than 100 keys and tables that do not fit; the rest was not looked at. Is this a configuration \
         of Claviger? See config/example.toml."
    );
}
