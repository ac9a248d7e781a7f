//! What the audit log says of changes of the vault: the same whether the process makes them or a command without it.

use serde_json::{Value, json};

use super::{Place, adopt, tenant};
use crate::support::{
    Logto,
    canary::MARK,
    command::{Finished, claviger},
    proxy::Builder,
    quoted, until,
};

fn builder(place: &Place, logto: &Logto, output: &str) -> Builder {
    let output = match output {
        "stdout" => quoted(output),
        file => format!("{{ file = {} }}", quoted(place.path(file).display())),
    };
    place.builder(logto).set("audit.output", output)
}

/// The configuration of a process that has ended.
async fn without_a_process(place: &Place, logto: &Logto, output: &str) -> std::path::PathBuf {
    let proxy = builder(place, logto, output).start().await;
    let text = std::fs::read_to_string(proxy.file()).expect("it is there");
    assert!(proxy.stop().await.success());
    let file = place.path("alone.toml");
    std::fs::write(&file, text).expect("it can be written to");
    file
}

/// Of a change of the vault: of whom, what, what came of it, and why it failed.
fn changes(text: &str) -> Vec<[Value; 4]> {
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let ours = lines.filter(|it| it["event"] == "tenant").inspect(|it| assert_eq!(it["by"], "operator"));
    ours.map(|it| ["tenant", "action", "outcome", "error"].map(|member| it[member].clone())).collect()
}

/// Of these, without why.
fn expected(all: &[(Option<&str>, &str, &str)]) -> Vec<[Value; 3]> {
    all.iter().map(|(tenant, action, outcome)| [json!(tenant), json!(action), json!(outcome)]).collect()
}

fn brief(all: &[[Value; 4]]) -> Vec<[Value; 3]> {
    all.iter().map(|[tenant, action, outcome, _]| [tenant.clone(), action.clone(), outcome.clone()]).collect()
}

#[tokio::test]
async fn what_was_done_and_what_was_not_is_in_the_audit_log_whoever_does_it() {
    let wrong = format!("{MARK}a-wrong-secret-0123456789");
    for with_process in [true, false] {
        let (logto, place) = (Logto::start().await, Place::new());
        let mut running = None;
        let file = match with_process {
            true => running.insert(builder(&place, &logto, "audit.jsonl").start().await).file(),
            false => without_a_process(&place, &logto, "audit.jsonl").await,
        };
        adopt(&place, &file, "acme", &logto, &wrong).await.assert_code(1);
        adopt(&place, &file, "acme", &logto, logto.secret()).await.assert_code(0);
        adopt(&place, &file, "acme", &logto, logto.secret()).await.assert_code(1);
        let line = json!({ "alias": "beta", "endpoint": logto.base_url(), "client_id": logto.client(), "client_secret": wrong });
        std::fs::write(place.path("import"), line.to_string()).expect("it can be written to");
        let import = place.path("import").display().to_string();
        tenant(&file, &["import", &import]).await.assert_code(1);
        tenant(&file, &["remove", "acme"]).await.assert_code(0);
        tenant(&file, &["list"]).await.assert_code(0);
        let read = || changes(&std::fs::read_to_string(place.path("audit.jsonl")).expect("it is there"));
        let all = until("the removal", || Some(read()).filter(|all| all.len() > 4)).await;
        let want = [
            (Some("acme"), "adopt", "failed"),
            (Some("acme"), "adopt", "done"),
            (Some("acme"), "adopt", "failed"),
            (Some("beta"), "adopt", "failed"),
            (Some("acme"), "remove", "done"),
        ];
        assert_eq!(brief(&all), expected(&want), "with a process: {with_process}");
        let [refused, _, taken, ..] = &all[..] else { panic!("{all:?}") };
        let why = |it: &[Value; 4]| it[3].as_str().expect("why").to_owned();
        assert!(why(refused).contains("invalid_client") && why(taken).contains("is taken"), "{all:?}");
        if let Some(proxy) = running {
            proxy.tap().keep("audit log", &std::fs::read(place.path("audit.jsonl")).expect("it is there"));
        }
    }
}

async fn vault(file: &std::path::Path, arguments: &[&str]) -> Finished {
    let file = file.display().to_string();
    claviger(&[&["vault"], arguments, &["--config", &file]].concat()).await
}

#[tokio::test]
async fn whoever_takes_all_credentials_out_or_others_in_is_in_the_audit_log() {
    let (logto, place) = (Logto::start().await, Place::new());
    let file = without_a_process(&place, &logto, "audit.jsonl").await;
    adopt(&place, &file, "acme", &logto, logto.secret()).await.assert_code(0);
    let (way, out) = (place.path("other-key").display().to_string(), place.path("out").display().to_string());
    let own = place.path("key").display().to_string();
    vault(&file, &["export", &out, "--key", &own]).await.assert_code(1);
    vault(&file, &["export", &out, "--key", &way]).await.assert_code(0);
    tenant(&file, &["remove", "acme"]).await.assert_code(0);
    vault(&file, &["import", &out, "--key", &way]).await.assert_code(0);
    vault(&file, &["verify"]).await.assert_code(0);
    vault(&file, &["rekey", "--new-key", &way]).await.assert_code(0);
    let all = changes(&std::fs::read_to_string(place.path("audit.jsonl")).expect("it is there"));
    let want = [
        (Some("acme"), "adopt", "done"),
        (None, "export", "failed"),
        (None, "export", "done"),
        (Some("acme"), "remove", "done"),
        (Some("acme"), "import", "done"),
        (None, "rekey", "done"),
    ];
    assert_eq!(brief(&all), expected(&want));
}

/// A command has no standard output to spare, and no file that a process has.
#[tokio::test]
async fn a_command_prints_what_it_cannot_write_and_changes_nothing_where_nobody_would_know() {
    let (logto, place) = (Logto::start().await, Place::new());
    let file = without_a_process(&place, &logto, "stdout").await;
    let adopted = adopt(&place, &file, "acme", &logto, logto.secret()).await;
    assert_eq!(brief(&changes(&adopted.assert_code(0).stderr)), expected(&[(Some("acme"), "adopt", "done")]));
    assert_eq!(changes(&adopted.stdout), Vec::<[Value; 4]>::new());

    let other = Place::new();
    let process = builder(&other, &logto, "audit.jsonl").start().await;
    let written = |output: String| {
        let text = std::fs::read_to_string(&file).expect("it is there").replace("'stdout'", &output);
        let file = place.path("changed.toml");
        std::fs::write(&file, text.replace("\"stdout\"", &output)).expect("it can be written to");
        file
    };
    let taken = written(format!("{{ file = {} }}", quoted(other.path("audit.jsonl").display())));
    let removed = tenant(&taken, &["remove", "acme"]).await;
    assert!(
        removed.assert_code(0).stderr.contains("is written by another process: what this"),
        "{removed:?}"
    );
    assert_eq!(brief(&changes(&removed.stderr)), expected(&[(Some("acme"), "remove", "done")]));
    assert!(process.stop().await.success());

    let nowhere = written("{ file = '/nonexistent/audit.jsonl' }".to_owned());
    let refused = adopt(&place, &nowhere, "acme", &logto, logto.secret()).await;
    let said = "Create the directory /nonexistent, writable for uid";
    assert!(refused.assert_code(1).stderr.contains(said), "{refused:?}");
    assert!(refused.stderr.contains("Nothing was changed, as no audit log would say so"), "{refused:?}");
    tenant(&file, &["show", "acme"]).await.assert_code(1);
}
