//! Without a running Claviger: the same operations through a pipeline of the command's own process.

use std::{process::Stdio, time::Duration};

use claviger_emulator::{Effect, Fault, Target};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::{Desk, crashes::killed, nameless, user};
use crate::support::{Finished, Logto, Proxy, Settings, canary::Canary, quoted, soon, tap::Tap};

/// A desk with a configuration beside it, by which the operations are sent as a caller that has a key.
fn desk(logto: &Logto, change: impl FnOnce(Settings) -> Settings) -> Desk {
    let desk = Desk::to("--caller", "importer");
    change(settings(&desk, logto)).write(&desk.path("claviger.toml"));
    desk
}

fn settings(desk: &Desk, logto: &Logto) -> Settings {
    // A port that is taken is no matter: none is opened. It stays taken until the test ends.
    let taken = Box::leak(Box::new(std::net::TcpListener::bind("127.0.0.1:0").expect("a port")));
    let address = taken.local_addr().expect("it is bound");
    Settings::usual()
        .tenant("acme", logto)
        .set("listen.proxy", format!("['{address}']"))
        .set("policies.import.allow", "['users:*']")
        .set("policies.import.deny", "['DeleteUser']")
        .set("callers.importer.identify", "{ api_key = 'CANARY-held-key-of-the-importer' }")
        .set("callers.importer.policies", "['import']")
        .set("audit.output", file(desk))
}

fn file(desk: &Desk) -> String {
    format!("{{ file = {} }}", quoted(desk.path("audit").display()))
}

async fn there(logto: &Logto, member: &str, begins: &str) -> Vec<String> {
    let mut names = Proxy::of(logto).await.users(member).await;
    names.retain(|name| name.starts_with(begins));
    names
}

async fn run(desk: &Desk, more: &[&str]) -> Finished {
    let (finished, tap) = (desk.run(more).await, Tap::default());
    finished.keep(&tap);
    Canary::common().assert_silent(&tap);
    finished
}

fn audited(desk: &Desk) -> Vec<Value> {
    let text = std::fs::read_to_string(desk.path("audit")).expect("it is there");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[tokio::test]
async fn b61_in_process_the_pipeline_is_the_same_and_the_caller_is_the_one_that_is_named() {
    let logto = Logto::start().await;
    let desk = desk(&logto, |settings| settings);
    desk.write([
        user("here_ada"),
        json!({ "id": "denied", "operation": "DeleteUser", "params": { "userId": "x" } }),
        json!({ "id": "ungranted", "operation": "ListRoles" }),
        json!({ "operation": "ListUsers", "query": { "search.username": "here_ada" } }),
    ]);
    let finished = run(&desk, &["--concurrency", "1"]).await;
    finished.assert_code(1);
    assert_eq!(finished.stdout, "2 of 4 done, 2 failed, 0 unknown. Results: ops.results\n");
    assert!(
        finished.stderr.starts_with("claviger: the first that failed is line 2: 403 "),
        "{}",
        finished.stderr
    );
    assert_eq!(finished.stderr.lines().count(), 1, "{}", finished.stderr);
    let results = desk.results();
    assert_eq!(results[0]["body"]["username"], "here_ada");
    for denied in [1, 2] {
        let told = (&results[denied]["status"], &results[denied]["body"]["code"]);
        assert_eq!(told, (&403.into(), &"claviger.not_permitted".into()), "{}", results[denied]);
    }
    assert_eq!(logto.api_requests_seen().len(), 2, "what is refused is not sent");
    let records = audited(&desk);
    let requests: Vec<_> = records.iter().filter(|it| it["event"] == "request").collect();
    assert_eq!(requests.len(), 4, "{records:?}");
    let uid = rustix::process::getuid().as_raw();
    for record in requests {
        assert_eq!(
            (&record["caller"], &record["identified_by"], &record["peer_uid"]),
            (&"importer".into(), &"command_line".into(), &uid.into()),
        );
    }
}

#[tokio::test]
async fn b61_in_process_a_creation_whose_answer_is_lost_is_settled_in_the_same_run() {
    let logto = Logto::start().await;
    let desk = desk(&logto, |settings| settings);
    desk.write((0..12).map(|n| user(&format!("lost_{n:02}"))));
    logto.faults().add(Fault::new(Target::Api, Effect::TruncateReset { after: 0 }).method("POST").times(2));
    logto.faults().add(Fault::new(Target::Api, Effect::too_many(1)).method("POST").times(1));
    run(&desk, &[]).await.assert_code(0);
    let results = desk.results();
    let settled = results.iter().filter(|it| !it["settled"].is_null()).count();
    assert!(results.iter().all(|it| it["outcome"] == "done") && settled == 2, "{results:?}");
    assert_eq!(there(&logto, "username", "lost_").await.len(), 12);
}

/// The keys of what was sent died with the process.
#[tokio::test]
async fn b61_in_process_a_run_that_is_killed_goes_on_where_it_was() {
    let logto = Logto::start().await;
    let desk = desk(&logto, |settings| settings);
    desk.write((0..200).map(|n| match n % 10 {
        0 => nameless(&format!("crash-{n:03}")),
        _ => user(&format!("crash_{n:03}")),
    }));
    let killed = killed(&desk, &logto, 8, 40, &[]).await;
    assert!(killed.times > 4, "it was killed {} times only", killed.times);
    let names = there(&logto, "username", "crash_").await;
    let want: Vec<_> = (0..200).filter(|n| n % 10 != 0).map(|n| format!("crash_{n:03}")).collect();
    assert_eq!(names, want, "each once");
    let nameless = there(&logto, "name", "crash-").await;
    assert!(nameless.windows(2).all(|two| two[0] != two[1]), "{nameless:?}");
    let results = desk.results();
    assert_eq!(results.len(), 200);
    for result in results {
        let line = result["line"].as_u64().expect("a number") - 1;
        let may_be_unknown = line % 10 == 0;
        assert!(result["outcome"] == "done" || may_be_unknown && result["outcome"] == "unknown", "{result}");
    }
}

/// Whoever presses Ctrl-C leaves nothing behind of which nobody knows.
#[tokio::test]
async fn b61_in_process_a_run_that_is_interrupted_waits_for_what_is_under_way() {
    let logto = Logto::start().await;
    let desk = desk(&logto, |settings| settings);
    desk.write((0..40).map(|n| nameless(&format!("stop-{n:02}"))));
    logto
        .faults()
        .add(Fault::new(Target::Api, Effect::latency(Duration::from_millis(700))).method("POST").times(8));
    let mut command = desk.command(&["--concurrency", "4"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    soon("operations under way", || logto.api_requests_seen().len() >= 4).await;
    let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed())).expect("it runs");
    kill_process(pid, Signal::TERM).expect("it is ours");
    let output = child.wait_with_output().await.expect("it ends");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert_eq!(stdout, "4 of 40 done, 0 failed, 0 unknown, 36 left. Results: ops.results\n");
    assert_eq!(
        stderr,
        "claviger: 4 under way: waiting for their answers\nclaviger: interrupted. The same command goes on where it was\n"
    );
    let records = audited(&desk);
    assert_eq!(records.iter().filter(|it| it["event"] == "request").count(), 4, "{records:?}");
    logto.faults().clear();
    run(&desk, &[]).await.assert_code(0);
    assert_eq!(there(&logto, "name", "stop-").await.len(), 40);
    assert!(desk.results().iter().all(|it| it["settled"].is_null()), "{:?}", desk.results());
}

#[tokio::test]
async fn b61_in_process_what_keeps_a_run_from_beginning_is_said() {
    let logto = Logto::start().await;
    let mut one = desk(&logto, |settings| settings);
    one.write([user("a")]);
    let importer = std::mem::replace(&mut one.whom, "imporetr".into());
    let said = run(&one, &[]).await;
    said.assert_code(2);
    assert_eq!(said.stderr, "claviger: there is no caller \"imporetr\". Did you mean importer?\n");
    one.whom = importer;
    let both = run(&one, &["--url", "http://127.0.0.1:1"]).await;
    assert!(both.assert_code(2).stderr.contains("cannot be used with"), "{}", both.stderr);

    let invalid = desk(&logto, |settings| settings.set("timeouts.hed", "'1s'"));
    invalid.write([user("a")]);
    let said = run(&invalid, &[]).await;
    assert!(said.assert_code(64).stderr.contains("timeouts.hed"), "{}", said.stderr);

    let running = Proxy::builder().tenant("acme", &logto).set("audit.output", file(&one)).start().await;
    let said = run(&one, &[]).await;
    assert!(said.assert_code(1).stderr.contains("--url in place of --caller"), "{}", said.stderr);
    drop(running);

    let vault = |desk: &Desk| format!("{{ file = {} }}", quoted(desk.path("vault.redb").display()));
    let key = "'CANARY-held-vault-key-0123456789-0123456789'";
    let vaulted = Desk::to("--caller", "importer");
    let both = settings(&vaulted, &logto).set("vault.store", vault(&vaulted)).set("vault.key", key);
    both.write(&vaulted.path("claviger.toml"));
    vaulted.write([user("a")]);
    let running = Proxy::builder()
        .tenant("acme", &logto)
        .set("vault.store", vault(&vaulted))
        .set("vault.key", key)
        .start()
        .await;
    let said = run(&vaulted, &[]).await.assert_code(1).stderr.clone();
    assert!(said.ends_with("vault.redb open: send through it, with --url in place of --caller\n"), "{said}");
    drop(running);

    let refused = desk(&logto, |settings| settings.set("tenants.acme.client_secret", "'CANARY-held-wrong'"));
    refused.write((0..3).map(|n| user(&format!("no_{n}"))));
    let said = run(&refused, &[]).await;
    said.assert_code(1);
    assert!(said.stdout.starts_with("0 of 3 done, 0 failed, 0 unknown, 3 left."), "{}", said.stdout);
    for says in ["invalid_client", "as caller importer: 502 ", "The same command goes on where it was"] {
        assert!(said.stderr.contains(says), "{says}: {}", said.stderr);
    }
    // Once it is mended, nothing is in doubt.
    settings(&refused, &logto).write(&refused.path("claviger.toml"));
    run(&refused, &[]).await.assert_code(0);
    assert!(refused.results().iter().all(|it| it["settled"].is_null()), "{:?}", refused.results());
}
