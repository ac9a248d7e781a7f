//! `claviger batch`: what is sent, what comes of it, and that neither a crash nor a lost answer makes or loses anything.

#[path = "batch/crashes.rs"]
mod crashes;
#[path = "batch/in_process.rs"]
mod in_process;
#[path = "batch/set_up.rs"]
mod set_up;

use std::path::PathBuf;

use claviger_emulator::{Effect, Fault, Target};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::{
    Cut, Cutter, Finished, Logto, Proxy, Reaction, Scripted,
    command::{finish, program},
};

/// A desk with an operation file.
struct Desk {
    directory: tempfile::TempDir,
    /// `--url`, or `--caller`.
    way: &'static str,
    whom: String,
}

impl Desk {
    fn at(proxy: &Proxy) -> Self {
        Self::to("--url", &format!("http://{}", proxy.authority()))
    }

    fn to(way: &'static str, whom: &str) -> Self {
        let directory = tempfile::tempdir().expect("there is a temporary directory");
        Self { directory, way, whom: whom.to_owned() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, lines: impl IntoIterator<Item = Value>) {
        let text: String = lines.into_iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(self.path("ops"), text).expect("it can be written");
    }

    fn command(&self, more: &[&str]) -> Command {
        let mut command = program();
        command.current_dir(&self.directory).args(["batch", "ops", self.way, &self.whom]).args(more);
        command
    }

    async fn run(&self, more: &[&str]) -> Finished {
        finish(&mut self.command(more)).await
    }

    /// In order of lines; each is there once.
    fn results(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.path("ops.results")).expect("it is there");
        let mut results: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("whole lines of JSON")).collect();
        results.sort_by_key(|it| it["line"].as_u64());
        assert!(results.windows(2).all(|two| two[0]["line"] != two[1]["line"]), "{results:?}");
        results
    }
}

fn user(name: &str) -> Value {
    json!({ "operation": "CreateUser", "body": { "username": name } })
}

/// One that nothing keeps from being made twice.
fn nameless(name: &str) -> Value {
    json!({ "operation": "CreateUser", "body": { "name": name } })
}

#[tokio::test]
async fn b61_operations_are_carried_out_and_their_answers_kept() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    let desk = Desk::at(&proxy);
    let mut lines: Vec<Value> = (0..40).map(|n| user(&format!("batch_{n:02}"))).collect();
    lines.push(
        json!({ "id": "taken", "operation": "CreateRole", "body": { "name": "batch", "description": "x" } }),
    );
    lines.push(json!({ "id": "none", "operation": "GetUser", "params": { "userId": "nobody" } }));
    lines.push(json!({ "id": "read", "method": "GET", "path": "/api/roles?page_size=1" }));
    desk.write(lines);
    let finished = desk.run(&[]).await;
    finished.assert_code(1);
    assert_eq!(finished.stdout, "42 of 43 done, 1 failed, 0 unknown. Results: ops.results\n");
    let none = "claviger: the first that failed is line 42: 404 ";
    assert!(finished.stderr.starts_with(none), "no bar where there is no terminal: {}", finished.stderr);
    assert_eq!(finished.stderr.lines().count(), 1, "{}", finished.stderr);
    let results = desk.results();
    assert_eq!(results.len(), 43);
    let first = &results[0];
    assert_eq!(
        (&first["line"], &first["outcome"], &first["status"]),
        (&1.into(), &"done".into(), &200.into())
    );
    assert_eq!(first["body"]["username"], "batch_00");
    assert_eq!(
        (&results[41]["id"], &results[41]["outcome"], &results[41]["status"]),
        (&"none".into(), &"failed".into(), &404.into())
    );
    assert!(results[42]["body"].is_array());
    assert_eq!(proxy.users("username").await.iter().filter(|name| name.starts_with("batch_")).count(), 40);
    assert!(proxy.metric("claviger_idempotency_keys_total{outcome=\"first\"}").await > 40.0);
    // What is over is over.
    logto.clear_recorded();
    let again = desk.run(&[]).await;
    assert_eq!((again.code, &again.stdout), (Some(1), &finished.stdout));
    let said = "claviger: all 43 were settled by an earlier run; nothing was sent now.";
    assert!(again.stderr.starts_with(said) && again.stderr.contains(none), "{}", again.stderr);
    assert!(logto.api_requests_seen().is_empty());
}

#[tokio::test]
async fn b61_wrong_lines_are_all_named_and_nothing_is_sent() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    let desk = Desk::at(&proxy);
    desk.write([
        user("a"),
        json!({ "operation": "CreateUsr" }),
        user("b"),
        json!({ "method": "GET" }),
        user("a"),
    ]);
    let finished = desk.run(&[]).await;
    finished.assert_code(2);
    for says in ["ops:2: ", "Did you mean CreateUser?", "ops:4: ", "ops:5: line 1 creates"] {
        assert!(finished.stderr.contains(says), "{}", finished.stderr);
    }
    assert!(logto.api_requests_seen().is_empty() && !desk.path("ops.journal").exists());
    let stdin = finish(program().args(["batch", "-"])).await;
    assert!(stdin.assert_code(2).stderr.contains("--journal"), "{}", stdin.stderr);
    std::fs::write(desk.path("ops"), "{\"operation\":\"ListUsers\"},\n").expect("it can be written");
    let said = desk.run(&[]).await;
    let comma = "ops:1: this is no JSON object: trailing characters at column 26. Write one object a line, without commas between them\n";
    assert!(said.assert_code(2).stderr.ends_with(comma), "{}", said.stderr);
}

#[tokio::test]
async fn b61_a_caller_that_nobody_knows_is_no_result() {
    let logto = Logto::start().await;
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set("callers.local.identify", "{ api_key = 'CANARY-held-key-of-who-runs-batches' }")
        .start()
        .await;
    let desk = Desk::at(&proxy);
    desk.write([user("a"), user("b")]);
    let finished = desk.run(&[]).await;
    assert!(finished.assert_code(1).stderr.contains("goes on where it was"), "{}", finished.stderr);
    let says = ": 401 The caller could not be authenticated: give the caller's key with --key-file or --key-env; Claviger's log says why it \
                refuses one (request ";
    assert!(finished.stderr.contains(says), "{}", finished.stderr);
    assert_eq!(desk.results(), Vec::<Value>::new());
    std::fs::write(desk.path("key"), "CANARY-held-key-of-who-runs-batches\n").expect("it can be written");
    let finished = desk.run(&["--key-file", "key"]).await;
    finished.assert_code(0);
    finished.keep(proxy.tap());
    let mut with_variable = desk.command(&["--key-env", "KEY"]);
    finish(with_variable.env("KEY", "CANARY-held-key-of-who-runs-batches")).await.assert_code(0);
}

#[tokio::test]
async fn b61_what_was_refused_for_the_key_is_carried_out_with_the_right_one() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    let desk = Desk::at(&proxy);
    desk.write((0..20).map(|n| nameless(&format!("late-{n}"))));
    std::fs::write(desk.path("wrong"), "cvk_wrong_0123456789abcdefghijklmnop").expect("it can be written");
    let wrong = desk.path("wrong").display().to_string();
    let refused = desk.run(&["--key-file", &wrong]).await;
    assert!(refused.assert_code(1).stderr.contains("goes on where it was"), "{refused:?}");
    desk.run(&[]).await.assert_code(0);
    let results = desk.results();
    assert_eq!(results.len(), 20);
    assert!(results.iter().all(|it| it["outcome"] == "done" && it["settled"].is_null()), "{results:?}");
}

/// Logto answers what it does not know with 200 and its sign-in page (fact 3.4).
#[tokio::test]
async fn b61_what_answers_must_be_claviger() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    for (url, tenant) in [
        (logto.base_url(), &["--tenant", "acme"][..]),
        (logto.base_url(), &[]),
        (format!("http://{}", proxy.admin_authority()), &[]),
    ] {
        let desk = Desk::to("--url", &url);
        desk.write((0..3).map(|n| user(&format!("nobody_{n}"))));
        let said = desk.run(tenant).await;
        let want = format!("{url}: what answers there is not Claviger's proxy");
        assert!(said.assert_code(1).stderr.contains(&want), "{said:?}");
        assert!(said.stderr.ends_with(" in --url. Nothing was sent\n"), "{said:?}");
        assert!(said.stdout.starts_with("0 of 3 done, 0 failed, 0 unknown"), "{said:?}");
    }
    let redis = Scripted::start(&logto, Reaction::Bytes(b"-ERR unknown command\r\n".to_vec())).await;
    let desk = Desk::to("--url", &redis.base_url());
    desk.write([user("nobody")]);
    let said = desk.run(&[]).await;
    let want = "such as a database or SSH: look at host and port. Nothing was sent\n";
    assert!(said.assert_code(1).stderr.ends_with(want), "{said:?}");
    let seen = logto.api_requests_seen();
    assert!(!seen.is_empty() && seen.iter().all(|it| it.method == "GET"), "{seen:?}");
}

#[tokio::test]
async fn b61_a_pause_that_is_asked_for_is_kept_and_nothing_is_lost() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    let desk = Desk::at(&proxy);
    desk.write((0..20).map(|n| user(&format!("paused_{n:02}"))));
    logto.faults().add(Fault::new(Target::Api, Effect::too_many(1)).method("POST").times(1));
    logto.faults().add(Fault::new(Target::Api, Effect::status(429)).method("POST").times(3));
    let finished = desk.run(&[]).await;
    finished.assert_code(0);
    assert!(finished.stdout.starts_with("20 of 20 done"), "{}", finished.stdout);
}

#[tokio::test]
async fn b61_a_creation_whose_answer_is_lost_is_settled_by_what_is_unique() {
    let logto = Logto::start().await;
    let cutter = Cutter::to(&logto).await;
    let proxy = cutter.proxy(&logto).await;
    let mut settled = Vec::new();
    for (n, cut) in [
        Cut::Request(20),
        Cut::Request(900),
        Cut::Answer(0),
        Cut::Answer(5),
        Cut::Answer(400),
        Cut::Answer(700),
    ]
    .into_iter()
    .enumerate()
    {
        let desk = Desk::at(&proxy);
        desk.write([user(&format!("lost_{n}"))]);
        cutter.plan(cut);
        let finished = desk.run(&[]).await;
        finished.assert_code(0);
        let result = &desk.results()[0];
        assert_eq!(result["body"]["username"], format!("lost_{n}"), "{cut:?}: {result}");
        settled.push(result["settled"].as_str().unwrap_or("-").to_owned());
        // The same of one that nothing is unique about: it is not sent again.
        let desk = Desk::at(&proxy);
        desk.write([nameless(&format!("lost_{n}"))]);
        cutter.plan(cut);
        let finished = desk.run(&[]).await;
        let result = &desk.results()[0];
        match result["outcome"].as_str() {
            Some("done") => finished.assert_code(0),
            _ => finished.assert_code(1),
        };
        let there = proxy.users("name").await.iter().filter(|name| **name == format!("lost_{n}")).count();
        assert!(there <= 1, "{cut:?}");
        if result["outcome"] == "done" {
            assert_eq!(there, 1, "{cut:?}: {result}");
        } else {
            assert_eq!(result["outcome"], "unknown", "{cut:?}: {result}");
        }
    }
    assert!(settled.iter().any(|how| how.contains("found by its identifiers")), "{settled:?}");
    assert!(settled.iter().any(|how| how.contains("sent again")), "{settled:?}");
}

#[tokio::test]
async fn b61_what_was_there_before_is_no_success() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    let desk = Desk::at(&proxy);
    desk.write([user("ada"), user("ada2")]);
    desk.run(&[]).await.assert_code(0);
    let other = Desk::at(&proxy);
    other.write([user("ada"), user("bob")]);
    other.run(&[]).await.assert_code(1);
    assert_eq!(other.results()[0]["status"], 422);
    // Nor one that was there long before the batch, and whose creation got no answer.
    let mut third = Desk::at(&proxy);
    third.write([user("ada")]);
    let url = std::mem::replace(&mut third.whom, "http://127.0.0.1:1".into());
    third.run(&["--patience", "1ms"]).await.assert_code(1);
    third.whom = url;
    let journal = std::fs::read_to_string(third.path("ops.journal")).expect("it is there");
    let mut lines: Vec<Value> =
        journal.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let begun = lines[0]["begun"].as_u64().expect("a number");
    lines[0]["begun"] = (begun + 3_600_000).into();
    let journal: String = lines.into_iter().map(|line| format!("{line}\n")).collect();
    std::fs::write(third.path("ops.journal"), journal).expect("it can be written");
    third.run(&[]).await.assert_code(1);
    assert_eq!(third.results()[0]["status"], 422);
    // An unknown outcome may be repeated where that is asked for.
    let repeated = Desk::at(&proxy);
    repeated.write([nameless("twice")]);
    logto.faults().set(vec![Fault::new(Target::Api, Effect::Reset).method("POST").times(1)]);
    repeated.run(&["--repeat-unknown"]).await.assert_code(0);
    assert_eq!(proxy.users("name").await.iter().filter(|name| *name == "twice").count(), 1);
}
