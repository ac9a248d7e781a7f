//! A process that dies while it creates a tenant: what Logto has is known to the next one, or said.

use serde_json::Value;

use super::{
    account,
    capture::{assert_unseen, capturing},
    create,
};
use crate::{
    support::{Proxy, canary::MARK, proxy::Builder, quoted, within},
    vault::tenant,
};

pub(super) fn with_store(builder: Builder, directory: &std::path::Path) -> Builder {
    builder
        .set("vault.store", format!("{{ file = {} }}", quoted(directory.join("vault.redb").display())))
        .set("listen.admin", quoted(format!("unix:{}", directory.join("admin.sock").display())))
        .set("admin.token", quoted(format!("{MARK}admin-token-0123456789")))
        .set("admin.tenants", "true")
        .set("timeouts.deadline", "'1s'")
}

/// The tenants of the vault, once what was cut off is settled.
async fn settled(proxy: &Proxy) -> Vec<Value> {
    within("notes to be settled", async {
        loop {
            let list = tenant(&proxy.file(), &["list", "--json"]).await;
            let list: Value = serde_json::from_str(&list.assert_code(0).stdout).expect("JSON");
            let all = list["tenants"].as_array().expect("a list").clone();
            if all.iter().all(|it| it["creating"].is_null() || it["tenant_id"].is_string()) {
                return all;
            }
        }
    })
    .await
}

#[tokio::test]
async fn b52_a_program_that_dies_while_it_creates_loses_no_tenant_silently() {
    for (point, alias) in [
        ("create.noted", Some("acme")),
        ("create.answered", Some("acme")),
        ("create.stored", Some("acme")),
        ("create.noted", None),
        ("create.answered", None),
        ("create.stored", None),
    ] {
        let (cloud, token) = account().await;
        let directory = tempfile::tempdir().expect("there is a temporary directory");
        let builder = || with_store(capturing(&cloud, &token), directory.path());
        let mut proxy = builder().env("TEST_CLAVIGER_DIE_AT", point).start().await;
        let request = create("Acme");
        let request = match alias {
            Some(alias) => request.header("Claviger-Tenant", alias),
            None => request,
        };
        let mut client = proxy.connect().await;
        let whole = [request.head(), super::body("Acme").into_bytes()].concat();
        client.write(&whole).await.expect("it listens");
        assert!(!proxy.ended().await.success(), "{point}");
        drop((client, proxy));
        let exists = cloud.cloud_tenants().first().map(|(id, _)| id.clone());
        assert_eq!(exists.is_some(), point != "create.noted", "{point}");

        let proxy = builder().start().await;
        let known = settled(&proxy).await;
        match (point, exists) {
            ("create.answered", Some(id)) => {
                assert_eq!(
                    (known.len(), known[0]["tenant_id"].as_str()),
                    (1, Some(&*id)),
                    "{point}: {known:?}"
                );
                let name = known[0]["alias"].as_str().expect("a name");
                let show = tenant(&proxy.file(), &["show", name]).await;
                let said = format!("{id} exists at Logto Cloud and its credential is lost");
                assert!(show.assert_code(0).stdout.contains(&said), "{show:?}");
                // Asked for again, it is not made a second time.
                if let Some(alias) = alias {
                    let again = proxy.ask(&create("Acme").header("Claviger-Tenant", alias)).await;
                    assert!([409, 502].contains(&again.status), "{point}: {}", again.text());
                }
            }
            ("create.stored", Some(id)) => {
                assert_eq!(
                    (known.len(), known[0]["tenant_id"].as_str()),
                    (1, Some(&*id)),
                    "{point}: {known:?}"
                );
                let name = known[0]["alias"].as_str().expect("a name");
                assert_eq!(proxy.get(&format!("/t/{name}/api/applications")).await.status, 200, "{point}");
            }
            _ => {
                assert_eq!(known.len(), 0, "{point}: {known:?}");
                let again = proxy.ask(&create("Acme").header("Claviger-Tenant", "acme")).await;
                assert_eq!(again.status, 201, "{point}: {}", again.text());
            }
        }
        assert!(cloud.cloud_tenants().len() <= 1, "{point}");
        assert_unseen(&proxy);
    }
}
