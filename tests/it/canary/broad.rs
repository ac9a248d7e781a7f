//! Rules that name no operation, all of them at once: whatever they grant, no answer shows a secret.

use claviger::catalog::{Catalog, Operation, Risk};
use serde_json::json;

use super::{Fate, MASK, SECRETS, ask, assert_fate, granted, key, loud, path, request, shapes, sown, ways};
use crate::support::{Logto, Reaction, Request, Scripted, Told, canary::Canary, quoted};

/// `*`, every tag, and templates for all there is.
fn every_broad_rule() -> String {
    let tags = Catalog::logto().tags().iter().map(|tag| format!("{tag}:*"));
    // Some tags have nothing that a rule can grant without naming it, and such a rule is a mistake.
    let tags = tags.filter(|rule| claviger::policy::rules::Brings::of(Catalog::logto(), rule).is_some());
    let templates = ["GET", "POST", "PUT", "PATCH", "DELETE"].map(|method| format!("{method} /api/**"));
    format!("{:?}", ["*".to_owned()].into_iter().chain(tags).chain(templates).collect::<Vec<_>>())
}

#[tokio::test]
async fn no_answer_shows_a_secret_to_whom_broad_rules_grant_everything() {
    let logto = Logto::start().await;
    let told = Told::default();
    let upstream = Scripted::start(&logto, Reaction::AsTold(told.clone())).await;
    let proxy = loud("'stdout'")
        .tenant("acme", &logto)
        .set("tenants.acme.endpoint", quoted(upstream.base_url()))
        .set("policies.every.allow", every_broad_rule())
        .set("callers.all.identify", format!("{{ api_key = '{}' }}", key("all")))
        .set("callers.all.policies", "['every']")
        .without("callers.local")
        .start()
        .await;
    let (tap, body) = (proxy.tap().clone(), json!({"name": "n"}));
    let (mut masked, mut refused) = (Vec::new(), 0);
    for operation in granted() {
        let ask = async |request: Request| ask(&proxy, &request.key(&key("all")), &tap).await;
        let path = path(operation, |_| "x".into());
        for shape in shapes::of(operation.id) {
            let answer = sown(shape, SECRETS);
            for way in ways(&answer, SECRETS) {
                let bytes = way.bytes.clone();
                told.answers(move |_| bytes.clone());
                let got = ask(request(operation, &path, &body)).await;
                if operation.is_sensitive() {
                    assert_eq!(got.0.outcome(), (403, "claviger.not_permitted".into()), "{}", operation.id);
                    refused += 1;
                    continue;
                }
                assert_fate(operation, &way, &got);
                if matches!(way.fate, Fate::Masked) && !masked.contains(&operation.id) {
                    assert!(got.0.text().contains(MASK), "{}", operation.id);
                    masked.push(operation.id);
                }
            }
        }
    }
    let with_secrets = |operation: &&Operation| operation.risks.contains(&Risk::Secrets);
    let readable = granted().into_iter().filter(with_secrets).filter(|operation| !operation.is_sensitive());
    assert_eq!(masked, readable.map(|operation| operation.id).collect::<Vec<_>>());
    assert!(masked.len() == 18 && refused > 100, "{} masked, {refused} refused", masked.len());

    assert!(proxy.stop().await.success());
    let mut canary = Canary::default();
    canary.watch("a secret in an answer", SECRETS.text);
    canary.watch_as_it_is("a number in an answer", SECRETS.number);
    canary.assert_silent(&tap);
}
