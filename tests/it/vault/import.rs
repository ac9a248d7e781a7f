//! Many tenants at once: taken in from a file, left as they are the second time, and written out without their secrets.

use std::time::Duration;

use claviger_emulator::Effect;
use serde_json::{Value, json};

use super::{Place, tenant};
use crate::support::{Logto, Request, canary::MARK, command::Finished};

/// A file with these lines.
fn written(place: &Place, lines: &[Value]) -> String {
    let path = place.path("tenants.ndjson");
    std::fs::write(&path, lines.iter().map(|line| format!("{line}\n")).collect::<String>())
        .expect("it can be written to");
    path.display().to_string()
}

fn entry(logto: &Logto, alias: &str, secret: Value) -> Value {
    json!({
        "alias": alias,
        "endpoint": logto.base_url(),
        "client_id": logto.client(),
        "client_secret": secret,
        "template": "customer",
    })
}

fn outcomes(finished: &Finished) -> Vec<(u64, String, String)> {
    let lines = finished.stdout.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let mut all: Vec<_> = lines
        .map(|it| (it["line"].as_u64().expect("a number"), text(&it["alias"]), text(&it["outcome"])))
        .collect();
    all.sort();
    all
}

#[tokio::test]
async fn an_import_adopts_what_works_says_what_does_not_and_can_be_given_again() {
    let (logto, place) = (Logto::start().await, Place::new());
    let proxy = place.builder(&logto).start().await;
    place.secret_file(logto.secret());
    let wrong = format!("{MARK}a-wrong-secret-0123456789");
    let lines = |third: Value| {
        vec![
            entry(&logto, "one", json!(logto.secret())),
            entry(&logto, "two", json!({ "file": "app-secret" })),
            entry(&logto, "three", third),
            entry(&logto, "configured", json!(logto.secret())),
            json!({ "alias": "four", "client_id": "x", "client_secret": null }),
            entry(&logto, "two", json!(logto.secret())),
        ]
    };
    let file = written(&place, &lines(json!(wrong)));
    let first = tenant(&proxy.file(), &["import", &file, "--json"]).await;
    first.assert_code(1).keep(proxy.tap());
    let told = |all: &[(u64, &str, &str)]| {
        all.iter()
            .map(|(line, alias, word)| (*line, (*alias).to_owned(), (*word).to_owned()))
            .collect::<Vec<_>>()
    };
    let expected = [
        (1, "one", "adopted"),
        (2, "two", "adopted"),
        (3, "three", "failed"),
        (4, "configured", "failed"),
        (5, "four", "failed"),
        (6, "two", "failed"),
    ];
    assert_eq!(outcomes(&first), told(&expected));
    assert!(
        first.stdout.contains("invalid_client") && first.stdout.contains("the configuration has a tenant")
    );
    assert!(first.stdout.contains("is not filled in") && first.stdout.contains("twice"));
    assert!(!first.stdout.contains(MARK) && first.stderr.contains("2 adopted, 0 unchanged, 4 failed"));

    let file = written(&place, &lines(json!(logto.secret()))[..3]);
    let again = tenant(&proxy.file(), &["import", &file]).await;
    again.assert_code(0).keep(proxy.tap());
    assert!(again.stderr.contains("1 adopted, 2 unchanged, 0 failed"), "{again:?}");
    assert_eq!(proxy.get("/t/three/api/roles").await.status, 200);
    let mut other = entry(&logto, "one", json!(logto.secret()));
    other["client_id"] = json!("another");
    let differs = tenant(&proxy.file(), &["import", &written(&place, &[other])]).await;
    assert!(
        differs.assert_code(1).stderr.contains("with another client ID; it stays as it is"),
        "{differs:?}"
    );

    let exported = tenant(&proxy.file(), &["export"]).await;
    exported.assert_code(0).keep(proxy.tap());
    let lines: Vec<_> = exported.stdout.lines().collect();
    assert_eq!((lines.len(), lines[5]), (6, "# end of the export: 3 tenants"), "{exported:?}");
    assert!(lines[1].starts_with("# Fill in each client_secret"), "{exported:?}");
    let shown: Value = serde_json::from_str(lines[2]).expect("JSON");
    assert_eq!(shown, {
        let mut shown = entry(&logto, "one", Value::Null);
        shown["resource"] = json!(shown["endpoint"].as_str().map(|_| "https://default.logto.app/api"));
        shown
    });
    assert!(proxy.stop().await.success());

    // Without a process it goes to the file, and what was exported is what is taken in.
    let alone = place.path("alone.toml");
    let text = std::fs::read_to_string(proxy_file(&place, &logto).await).expect("it is there");
    std::fs::write(&alone, text).expect("it can be written to");
    let filled = exported.stdout.replace("null", "{\"file\":\"app-secret\"}");
    // Cut off after a whole line, as by a full disk, nothing of it is taken in.
    let two = filled.lines().take(4).map(|line| format!("{line}\n")).collect::<String>();
    std::fs::write(place.path("cut"), two.replace("\"one\"", "\"new\"")).expect("it can be written to");
    let cut = tenant(&alone, &["import", &place.path("cut").display().to_string()]).await;
    let said = "this export was cut off: it has 2 tenants, and no last line";
    assert!(cut.assert_code(1).stderr.contains(said), "{cut:?}");
    tenant(&alone, &["show", "new"]).await.assert_code(1);
    std::fs::write(place.path("filled"), filled).expect("it can be written to");
    let filled = place.path("filled").display().to_string();
    let same = tenant(&alone, &["import", &filled]).await;
    assert!(same.assert_code(0).stderr.contains("0 adopted, 3 unchanged"), "{same:?}");
    tenant(&alone, &["remove", "one"]).await.assert_code(0);
    let one = tenant(&alone, &["import", &filled]).await;
    assert!(one.assert_code(0).stderr.contains("1 adopted, 2 unchanged"), "{one:?}");
}

/// The configuration of a process that has ended.
async fn proxy_file(place: &Place, logto: &Logto) -> std::path::PathBuf {
    let proxy = place.builder(logto).start().await;
    let text = std::fs::read_to_string(proxy.file()).expect("it is there");
    assert!(proxy.stop().await.success());
    let kept = place.path("kept.toml");
    std::fs::write(&kept, text).expect("it can be written to");
    kept
}

#[tokio::test]
async fn two_imports_of_one_file_at_once_take_each_tenant_in_once() {
    let (logto, place) = (Logto::start().await, Place::new());
    let proxy = place.builder(&logto).start().await;
    // Both are at the same tenants while these are proved.
    logto.token_fault(Effect::latency(Duration::from_millis(100)));
    let lines: Vec<_> = (0..12).map(|n| entry(&logto, &format!("t-{n:02}"), json!(logto.secret()))).collect();
    let file = written(&place, &lines);
    let (config, arguments) = (proxy.file(), ["import", &file, "--json"]);
    let (one, other) = tokio::join!(tenant(&config, &arguments), tenant(&config, &arguments));
    let all = [outcomes(one.assert_code(0)), outcomes(other.assert_code(0))].concat();
    let counted = |word: &str| all.iter().filter(|(_, _, outcome)| outcome == word).count();
    assert_eq!((counted("adopted"), counted("unchanged")), (12, 12), "{all:?}");
}

#[tokio::test]
async fn the_admin_listener_adopts_once_however_often_it_is_asked() {
    let (logto, place) = (Logto::start().await, Place::new());
    let proxy = place.builder(&logto).start().await;
    let put = |alias: &str| {
        Request::new("PUT", &format!("/tenants/{alias}"))
            .body("application/json", entry(&logto, "acme", json!(logto.secret())).to_string())
            .header("Authorization", &format!("Bearer {}", super::TOKEN))
    };
    for unchanged in [false, true] {
        let answer = proxy.ask_admin(&put("acme")).await;
        assert_eq!(
            (answer.status, &answer.json()["unchanged"]),
            (200, &json!(unchanged)),
            "{}",
            answer.text()
        );
    }
    assert_eq!(proxy.ask_admin(&put("other")).await.status, 400);
}

/// The vault is the process's, and there is nothing to ask either for.
#[tokio::test]
async fn an_import_without_a_valid_line_says_so_and_no_more() {
    let (logto, place) = (Logto::start().await, Place::new());
    let proxy = place.builder(&logto).start().await;
    let path = place.path("bad.ndjson");
    let not_an_alias = entry(&logto, "Not An Alias", json!(logto.secret())).to_string();
    for (text, failed, code) in [("", 1, 1), ("{bad\n", 1, 1), (&*not_an_alias, 1, 1)] {
        std::fs::write(&path, text).expect("it can be written to");
        let done = tenant(&proxy.file(), &["import", &path.display().to_string()]).await;
        let counts = format!("0 adopted, 0 unchanged, {failed} failed");
        assert!(done.assert_code(code).stderr.contains(&counts), "{text}: {done:?}");
        assert!(!done.stderr.contains("vault is unavailable"), "{text}: {done:?}");
    }
}
