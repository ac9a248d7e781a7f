//! A caller that may use the tenants which it had created, and no others.

use super::{account, capture::capturing, create};
use crate::{
    support::{Request, canary::MARK, quoted},
    vault::tenant,
};

#[tokio::test]
async fn a_caller_uses_what_it_created_and_nothing_else() {
    let (cloud, token) = account().await;
    let builder = capturing(&cloud, &token);
    let store = builder.directory().join("vault.redb");
    let key = |name: &str| format!("{MARK}api-key-of-{name}-0123456789");
    let mut builder = builder
        .set("vault.store", format!("{{ file = {} }}", quoted(store.display())))
        .set("listen.admin", quoted(format!("unix:{}", store.with_file_name("admin.sock").display())))
        .set("admin.token", quoted(format!("{MARK}admin-token-0123456789")))
        .set("admin.tenants", "true");
    for name in ["one", "other"] {
        builder = builder
            .set(&format!("callers.{name}.identify.api_key"), quoted(key(name)))
            .set(&format!("callers.{name}.cloud"), "'default'")
            .set(&format!("callers.{name}.tenants"), "[{ created = true }]")
            .set(&format!("callers.{name}.policies"), "['all']");
    }
    let proxy = builder.start().await;
    for name in ["one", "other"] {
        let request = create(name).key(&key(name)).header("Claviger-Tenant", &format!("of-{name}"));
        assert_eq!(proxy.ask(&request).await.status, 201);
    }
    let made = tenant(&proxy.file(), &["create", "of-operator", "--name", "x", "--region", "EU"]).await;
    made.assert_code(0).keep(proxy.tap());
    let asks =
        |name: &str, alias: &str| Request::get(&format!("/t/{alias}/api/applications")).key(&key(name));
    for (name, alias, allowed) in [
        ("one", "of-one", true),
        ("other", "of-other", true),
        ("one", "of-other", false),
        ("other", "of-one", false),
        ("one", "of-operator", false),
    ] {
        let answer = proxy.ask(&asks(name, alias)).await;
        match allowed {
            true => assert_eq!(answer.status, 200, "{name} {alias}: {}", answer.text()),
            false => answer.assert_problem(403, "not_permitted"),
        }
    }
    let matrix = crate::support::command::claviger(&[
        "policy",
        "matrix",
        "--caller",
        "one",
        "--config",
        &proxy.file().display().to_string(),
    ])
    .await;
    assert!(matrix.assert_code(0).stdout.contains("tenants: those that it had created"), "{matrix:?}");
}
