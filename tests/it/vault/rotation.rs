//! Client secrets that are replaced while the program runs, under load, and by a program that dies at any point of it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use claviger_emulator::{Effect, Fault, Target};
use tokio::task::JoinSet;

use super::{Place, adopt, tenant};
use crate::support::{Logto, Proxy, Request, proxy::Builder, quoted, until, within};

/// With the vault alone: the application's secret is the one that is rotated.
fn builder(place: &Place, logto: &Logto, overlap: &str) -> Builder {
    let rotate = format!("{{ every = '30d', overlap = '{overlap}' }}");
    place.builder(logto).without("tenants.configured").set("tenant_templates.customer.rotate", rotate)
}

/// The names of the application's secrets at Logto.
async fn names(proxy: &Proxy, logto: &Logto) -> Vec<String> {
    let target = format!("/t/acme/api/applications/{}/secrets", logto.client());
    let answer = proxy.get(&target).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let all = answer.json();
    let names =
        all.as_array().expect("a list").iter().map(|it| it["name"].as_str().expect("it has one").to_owned());
    names.collect()
}

async fn works(proxy: &Proxy) -> bool {
    proxy.get("/t/acme/api/roles?page=1&page_size=1").await.status == 200
}

#[tokio::test]
async fn b54_a_secret_is_replaced_under_load_and_no_request_fails() {
    let (logto, place) = (Logto::start().await, Place::new());
    let proxy = builder(&place, &logto, "1h").start().await;
    adopt(&place, &proxy.file(), "acme", &logto, logto.secret()).await.assert_code(0);
    let (over, mut load) = (Arc::new(AtomicBool::new(false)), JoinSet::new());
    for _ in 0..4 {
        let (mut client, over) = (proxy.connect().await, over.clone());
        load.spawn(async move {
            while !over.load(SeqCst) {
                assert_eq!(
                    client.ask(&Request::get("/t/acme/api/roles?page=1&page_size=1")).await.status,
                    200
                );
            }
        });
    }
    let rotated = tenant(&proxy.file(), &["rotate", "acme", "--json"]).await;
    rotated.assert_code(0).keep(proxy.tap());
    let rotated: serde_json::Value = serde_json::from_str(&rotated.stdout).expect("JSON");
    assert!(rotated["rotation"]["step"]["retire"]["at"].is_string(), "{rotated}");
    assert_eq!(rotated["secrets"].as_array().map(Vec::len), Some(2), "both work in the overlap");
    assert_eq!(names(&proxy, &logto).await.len(), 2);
    let again = tenant(&proxy.file(), &["rotate", "acme"]).await;
    assert!(again.assert_code(1).stderr.contains("a rotation of tenant acme is under way"), "{again:?}");
    over.store(true, SeqCst);
    while let Some(done) = load.join_next().await {
        done.expect("no request failed");
    }
    assert!((proxy.metric("claviger_rotations_total{outcome=\"switched\"}").await - 1.0).abs() < 0.1);
}

#[tokio::test]
async fn after_the_overlap_the_old_secret_is_deleted_and_the_new_one_gets_tokens() {
    let (logto, place) = (Logto::start().await, Place::new());
    let audit = place.path("audit.jsonl");
    let proxy = builder(&place, &logto, "0s");
    let proxy = proxy.set("audit.output", format!("{{ file = {} }}", quoted(audit.display()))).start().await;
    adopt(&place, &proxy.file(), "acme", &logto, logto.secret()).await.assert_code(0);
    let before = names(&proxy, &logto).await.remove(0);
    tenant(&proxy.file(), &["rotate", "acme"]).await.assert_code(0).keep(proxy.tap());
    let left = names(&proxy, &logto).await;
    assert!(left.len() == 1 && left[0].starts_with("claviger-"), "{left:?}");
    // Who did it, and which secrets it is about, by their names.
    proxy.logged("deleted the client secret before at Logto: the rotation has ended").await;
    let log = proxy.log();
    let line = log
        .lines()
        .find(|line| line.contains("rotated the client secret of tenant acme: the new one is in use"));
    let line: serde_json::Value = serde_json::from_str(line.expect("a line")).expect("JSON");
    let said =
        ["level", "tenant", "secret", "before", "by"].map(|member| line[member].as_str().unwrap_or("none"));
    assert_eq!(said, ["INFO", "acme", &left[0], &before, "operator"], "{line}");
    assert!(proxy.stop().await.success());
    let audit = std::fs::read_to_string(audit).expect("it is there");
    let records = audit.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
    let rotations: Vec<_> = records
        .filter(|it| it["action"] == "rotate")
        .map(|it| {
            ["tenant", "by", "outcome", "secret"]
                .map(|member| it[member].as_str().unwrap_or("none").to_owned())
        })
        .collect();
    let expected = [("switched", &left[0]), ("retired", &before)];
    assert_eq!(
        rotations,
        expected.map(|(outcome, secret)| ["acme", "operator", outcome, secret].map(str::to_owned))
    );
    let proxy = builder(&place, &logto, "0s").start().await;
    assert!(works(&proxy).await, "with a token of the new secret");
}

/// A credential that should be dead works until somebody hears of it.
#[tokio::test]
async fn an_old_secret_that_cannot_be_deleted_is_told_of_until_it_is() {
    let (logto, place) = (Logto::start().await, Place::new());
    let proxy = builder(&place, &logto, "300ms").start().await;
    adopt(&place, &proxy.file(), "acme", &logto, logto.secret()).await.assert_code(0);
    logto.faults().add(Fault::new(Target::Api, Effect::status(500)).method("DELETE"));
    tenant(&proxy.file(), &["rotate", "acme"]).await.assert_code(0).keep(proxy.tap());
    proxy.logged("the client secret was rotated, but the old one could not be deleted at Logto yet").await;
    let log = proxy.log();
    assert!(log.contains("the Management API answers 500") && log.contains("\"next_try\":\"20"), "{log}");
    assert!(!proxy.log().contains("was not rotated"));
    let failed = "the client secret was rotated, but the old one could not be deleted at Logto yet: the Management API answers 500";
    // By the clock, whose seconds the record is kept in.
    let shown = within("it to be overdue", async {
        loop {
            let shown = tenant(&proxy.file(), &["show", "acme"]).await;
            if shown.stdout.contains("and still works there") {
                return shown;
            }
        }
    })
    .await;
    let next = format!("{failed} Internal Server Error; next try at 20");
    assert!(
        shown.stdout.contains("was to be deleted at Logto at 20") && shown.stdout.contains(&next),
        "{shown:?}"
    );
    let list = tenant(&proxy.file(), &["list"]).await;
    assert!(list.assert_code(0).stdout.contains("and still works there"), "{list:?}");
    let bearer = format!("Bearer {}", super::TOKEN);
    let status = proxy.ask_admin(&Request::get("/status").header("Authorization", &bearer)).await.json();
    let problem =
        status["problems"].as_array().expect("a list").iter().find(|it| it["about"] == "tenants.acme");
    let problem = problem.unwrap_or_else(|| panic!("{status}"));
    assert_eq!(problem["severity"], "warning");
    assert!(problem["what"].as_str().is_some_and(|what| what.starts_with(failed)), "{problem}");
    assert!(problem["remedy"].as_str().is_some_and(|it| it.contains("tried again by itself")), "{problem}");
    // Whoever asks need not wait.
    assert_eq!(names(&proxy, &logto).await.len(), 2);
}

#[tokio::test]
async fn a_rotation_without_logto_says_where_it_was_looked_for_and_what_came_of_it() {
    let (logto, place) = (Logto::start().await, Place::new());
    let proxy = builder(&place, &logto, "1h").start().await;
    adopt(&place, &proxy.file(), "acme", &logto, logto.secret()).await.assert_code(0);
    assert!(works(&proxy).await);
    let at = logto.addr();
    drop(logto);
    let refused = tenant(&proxy.file(), &["rotate", "acme"]).await;
    let says = format!("no answer from the Management API at {at}: connection refused");
    assert!(refused.assert_code(1).stderr.contains(&says), "{refused:?}");
    proxy.logged(&says).await;
    let log = proxy.log();
    assert!(log.contains("\"tenant\":\"acme\"") && !log.contains("acme/rotate"), "{log}");
}

/// Of a firewall, or of another server: what is not there counts as deleted.
#[tokio::test]
async fn a_web_page_with_404_is_not_taken_for_a_secret_that_is_gone() {
    let (logto, place) = (Logto::start().await, Place::new());
    let proxy = builder(&place, &logto, "3s").start().await;
    adopt(&place, &proxy.file(), "acme", &logto, logto.secret()).await.assert_code(0);
    tenant(&proxy.file(), &["rotate", "acme"]).await.assert_code(0).keep(proxy.tap());
    logto.api_fault(Effect::body(404, "text/html", "<html>blocked"));
    proxy.logged("the answer is not from the Management API: a web page (text/html) with status 404").await;
    logto.faults().clear();
    assert_eq!(names(&proxy, &logto).await.len(), 2, "the old one is still there, and known to be");
}

#[tokio::test]
async fn an_overlap_ends_when_it_was_said_to_and_not_at_the_next_look() {
    let (logto, place) = (Logto::start().await, Place::new());
    let proxy = builder(&place, &logto, "300ms").start().await;
    adopt(&place, &proxy.file(), "acme", &logto, logto.secret()).await.assert_code(0);
    for _ in 0..2 {
        tenant(&proxy.file(), &["rotate", "acme"]).await.assert_code(0).keep(proxy.tap());
        // Logto runs on this thread: nothing here blocks.
        within("the old secret to be deleted", async {
            while names(&proxy, &logto).await.len() > 1 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        within("the rotation to be over", async {
            while proxy.metric("claviger_rotations_total{outcome=\"retired\"}").await < 1.0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
    assert!(works(&proxy).await);
}

#[tokio::test]
async fn b48_a_program_that_dies_at_any_point_of_a_rotation_loses_no_credential_and_leaves_no_secret_behind()
{
    for point in
        ["rotate.named", "rotate.made", "rotate.stored", "rotate.proved", "rotate.switched", "rotate.deleted"]
    {
        let (logto, place) = (Logto::start().await, Place::new());
        let mut proxy = builder(&place, &logto, "0s").env("TEST_CLAVIGER_DIE_AT", point).start().await;
        adopt(&place, &proxy.file(), "acme", &logto, logto.secret()).await.assert_code(0);
        let cut = tenant(&proxy.file(), &["rotate", "acme"]).await;
        assert_ne!(cut.code, Some(0), "{point}: {cut:?}");
        assert!(!proxy.ended().await.success(), "{point}");
        drop(proxy);

        // An overlap that has yet to end, so that whoever goes on sees to its end as well.
        let proxy = builder(&place, &logto, "300ms").start().await;
        let gone_on = until("the rotation to be gone on with", || {
            Some(())
                .filter(|()| logto.api_requests_seen().iter().filter(|it| it.method == "DELETE").count() >= 1)
        });
        gone_on.await;
        // Not a command that blocks: Logto runs on this thread.
        within("it to be at rest", async {
            loop {
                let said = tenant(&proxy.file(), &["show", "acme", "--json"]).await;
                let shown: serde_json::Value = serde_json::from_str(&said.stdout).unwrap_or_default();
                let alone = shown["secrets"].as_array().is_some_and(|it| it.len() == 1);
                if alone && shown["rotation"]["step"].is_null() {
                    break;
                }
            }
        })
        .await;
        assert!(works(&proxy).await, "{point}");
        let left = names(&proxy, &logto).await;
        assert!(left.len() == 1 && left[0].starts_with("claviger-"), "{point}: {left:?}");
    }
}

#[tokio::test]
async fn a_program_that_dies_while_it_adopts_has_the_credential_or_can_be_told_again() {
    for (point, stored) in [("adopt.proved", false), ("adopt.stored", true)] {
        let (logto, place) = (Logto::start().await, Place::new());
        let mut proxy = builder(&place, &logto, "0s").env("TEST_CLAVIGER_DIE_AT", point).start().await;
        let cut = adopt(&place, &proxy.file(), "acme", &logto, logto.secret()).await;
        assert_ne!(cut.code, Some(0), "{point}: {cut:?}");
        assert!(!proxy.ended().await.success(), "{point}");
        drop(proxy);
        let proxy = builder(&place, &logto, "0s").start().await;
        assert_eq!(works(&proxy).await, stored, "{point}");
        if !stored {
            adopt(&place, &proxy.file(), "acme", &logto, logto.secret()).await.assert_code(0);
            assert!(works(&proxy).await);
        }
    }
}

#[tokio::test]
async fn when_a_secret_expires_is_learnt_from_logto_and_shown() {
    let (logto, place) = (Logto::start().await, Place::new());
    let setup = || {
        builder(&place, &logto, "1h")
            .set("policies.all.allow", "['*', 'CreateApplicationSecret']")
            .set("callers.local.reveal", "['CreateApplicationSecret']")
    };
    let proxy = setup().start().await;
    adopt(&place, &proxy.file(), "acme", &logto, logto.secret()).await.assert_code(0);
    let target = format!("/t/acme/api/applications/{}/secrets", logto.client());
    // The year 2100, in milliseconds.
    let made = proxy.ask(&Request::post(&target, "{\"name\":\"short\",\"expiresAt\":4102444800000}")).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let value = made.json()["value"].as_str().expect("it is revealed").to_owned();
    tenant(&proxy.file(), &["remove", "acme"]).await.assert_code(0);
    adopt(&place, &proxy.file(), "acme", &logto, &value).await.assert_code(0);
    assert!(proxy.stop().await.success());

    let proxy = setup().start().await;
    let metric = "claviger_client_secret_expiry_timestamp_seconds{tenant=\"acme\"}";
    within("Logto to be asked", async {
        while proxy.metric(metric).await < 4_102_444_800.0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let shown = tenant(&proxy.file(), &["show", "acme"]).await;
    assert!(
        shown.assert_code(0).stdout.contains("named \"short\", expires 2100-01-01T00:00:00Z"),
        "{shown:?}"
    );
}

#[tokio::test]
async fn of_two_tenants_that_are_one_application_neither_is_rotated_and_the_operator_is_told_at_once() {
    let (logto, place) = (Logto::start().await, Place::new());
    let proxy = builder(&place, &logto, "0s").start().await;
    adopt(&place, &proxy.file(), "acme", &logto, logto.secret()).await.assert_code(0);
    let second = adopt(&place, &proxy.file(), "beta", &logto, logto.secret()).await;
    assert!(second.assert_code(0).stdout.contains("acme is the same application at Logto"), "{second:?}");
    let refused = tenant(&proxy.file(), &["rotate", "acme"]).await;
    let said = "the tenants acme and beta are one application at Logto";
    assert!(refused.assert_code(1).stderr.contains(said), "{refused:?}");
    assert_eq!(names(&proxy, &logto).await.len(), 1, "nothing was made at Logto");
    // What Logto knows of the secrets is stored just now, and may come between.
    within("beta to be removed", async {
        while tenant(&proxy.file(), &["remove", "beta"]).await.code != Some(0) {}
    })
    .await;
    tenant(&proxy.file(), &["rotate", "acme"]).await.assert_code(0).keep(proxy.tap());
    assert!(works(&proxy).await);
}
