//! What makes two tokens the same.

use std::collections::HashSet;

use super::*;

#[tokio::test(start_paused = true)]
async fn b09_equal_needs_share_a_token_and_others_do_not() {
    let world = World::new(Reply::Token(3600));
    let scopes = |scopes: &str| key("acme").with_scopes(scopes);
    assert_eq!(scopes("a b"), scopes("b  a a"));
    let base = TokenKey { client_id: "x".into(), ..scopes("yz") };
    let others = [
        TokenKey { client_id: "xy".into(), ..scopes("z") },
        TokenKey { client_id: "x".into(), ..scopes("y z") },
        TokenKey { resource: "https://other/api".into(), ..base.clone() },
        TokenKey { tenant: TenantName::parse("other").unwrap(), ..base.clone() },
        TokenKey { organization_id: Some("org".into()), ..base.clone() },
        TokenKey { organization_id: Some("org2".into()), ..base.clone() },
        TokenKey { client_auth: ClientAuth::Post, ..base.clone() },
        TokenKey { parameters: [("p".into(), "v".into())].into(), ..base.clone() },
        TokenKey {
            endpoint: Endpoint { authority: "b.logto.app".parse().unwrap(), ..base.endpoint.clone() },
            ..base.clone()
        },
    ];
    let identities: HashSet<_> = others.iter().chain([&base]).map(TokenKey::identity).collect();
    assert_eq!(identities.len(), 1 + others.len());
    assert_eq!(scopes("a b").identity(), scopes("b  a a").identity());
    let mut handles = Vec::new();
    for key in std::iter::once(&base).chain(&others) {
        let handle = world.tokens.handle(TokenSource { key: key.clone().into(), ..world.source("acme") });
        handle.warm();
        handles.push(handle);
    }
    assert_eq!(world.tokens.status().len(), 1 + others.len());
    pass(SECOND).await;
    assert_eq!(world.issuer.count(), 1 + others.len());
    let same =
        world.tokens.handle(TokenSource { key: base.with_scopes("yz yz").into(), ..world.source("acme") });
    same.warm();
    pass(SECOND).await;
    assert_eq!(world.issuer.count(), 1 + others.len(), "the same need, the same token");
}

#[test]
fn a_tenants_key_holds_all_that_the_request_says() {
    let tenant = crate::config::Tenant {
        name: TenantName::parse("acme").unwrap(),
        labels: Vec::new(),
        endpoint: key("acme").endpoint,
        resource: "https://acme.logto.app/api".into(),
        client_id: "app".into(),
        client_secrets: vec![crate::secret::ClientSecret::Held(Secret::new(b"s3cret".to_vec()))],
        client_auth: ClientAuth::Basic,
        scopes: vec!["b a".into(), "b".into()],
        resources: vec![],
        organization_id: Some("org".into()),
        parameters: vec![("k".into(), "v".into())],
        quota: None,
        compression: true,
        max_in_flight: 1,
        tls: crate::config::UpstreamTls::default(),
        rotate: None,
        created_by: None,
    };
    let made = TokenKey::of(&tenant);
    let expected = TokenKey {
        organization_id: Some("org".into()),
        parameters: [("k".into(), "v".into())].into(),
        ..key("acme").with_scopes("a b")
    };
    assert_eq!(made, expected);
    assert_eq!(made.token_url(), "https://acme.logto.app/oidc/token");
    assert!(!format!("{made:?}").contains("s3cret"));
}

#[tokio::test(start_paused = true)]
async fn the_index_does_not_grow_with_keys_that_are_gone() {
    let world = World::new(Reply::Token(3600));
    for n in 0..10_000 {
        drop(world.tokens.handle(world.source(&format!("t{n}"))));
    }
    let held = world.tokens.handle(world.source("held"));
    assert!(world.tokens.index_len() <= 128, "{} entries", world.tokens.index_len());
    drop(held);
}
