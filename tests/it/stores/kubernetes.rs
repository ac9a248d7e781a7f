//! A double of a Kubernetes API server.

use std::{sync::Arc, time::Duration};

use claviger::{
    config::Roots,
    secret::Bearer,
    trust,
    vault::{KubernetesSecrets, Notice, Server, Store as _, Vault, VaultError},
};

use super::{
    alias, creations::reserve_once, goes_over_when_all_are_there, has_one_winner, is_told, keeps_records,
    key, record, takes_another_key,
};
use crate::support::{
    canary::MARK,
    kubernetes::{ApiServer, NAMESPACE, TOKEN},
};

pub(super) struct Token(tempfile::TempDir);

impl Token {
    fn new() -> Self {
        let this = Self(tempfile::tempdir().expect("there is a temporary directory"));
        this.is(TOKEN);
        this
    }

    fn is(&self, token: &str) {
        std::fs::write(self.0.path().join("token"), token).expect("it can be written to");
    }

    fn server(&self, api: &ApiServer) -> Server {
        Server {
            base: api.base(),
            namespace: NAMESPACE.into(),
            bearer: Bearer::File(self.0.path().join("token")).provider(Duration::from_secs(5)),
            tls: trust::client(&Roots::Bundled).expect("they are bundled"),
        }
    }

    async fn opened(&self, api: &ApiServer) -> Arc<KubernetesSecrets> {
        Arc::new(KubernetesSecrets::open(self.server(api), key("k")).await.expect("it can be opened"))
    }
}

#[tokio::test]
async fn records_are_sealed_secrets_with_labels_and_versions_are_compared() {
    let (api, token) = (ApiServer::start().await, Token::new());
    assert!(
        KubernetesSecrets::open_existing(token.server(&api), key("k")).await.expect("it answers").is_none()
    );
    let (one, other) = (token.opened(&api).await, token.opened(&api).await);
    keeps_records(&*one, &*other).await;
    has_one_winner(&*one, &*other).await;
    let secrets = api.secrets();
    let names: Vec<_> = secrets.iter().map(|it| it["metadata"]["name"].as_str().expect("a name")).collect();
    assert!(
        names.contains(&"claviger-tenant-a--u2--h") && names.contains(&"claviger-vault-key"),
        "{names:?}"
    );
    for secret in &secrets {
        assert_eq!(secret["metadata"]["labels"]["app.kubernetes.io/managed-by"], "claviger");
        let text = secret.to_string();
        assert!(!text.contains(MARK) && !text.contains("logto.app"));
    }
    let why = KubernetesSecrets::open(token.server(&api), key("x")).await.expect_err("it is another key");
    assert!(why.to_string().contains("vault.key is not the key"), "{why}");
    let mut vaults = Vec::new();
    for _ in 0..2 {
        let store = KubernetesSecrets::open(token.server(&api), key("k")).await.expect("it can be opened");
        vaults.push(Vault::new(store));
    }
    reserve_once(vaults.try_into().expect("two")).await;
    takes_another_key(&*one, &*other, 5).await;
    let new = KubernetesSecrets::open(token.server(&api), key("n")).await.expect("the new one");
    assert_eq!(new.list().await.map(|it| it.len()), Ok(5));
}

#[tokio::test]
async fn a_vault_that_is_gone_is_no_empty_one() {
    let (api, token) = (ApiServer::start().await, Token::new());
    let store = token.opened(&api).await;
    let known = store.create(record("acme", "s")).await.expect("it is free");
    api.lose_all();
    let gone = |error: VaultError| {
        assert!(error.to_string().contains("the vault in Kubernetes is gone"), "{error}");
    };
    gone(store.list().await.expect_err("nobody knows"));
    gone(store.get(&alias("acme")).await.expect_err("nobody knows"));
    gone(store.create(record("beta", "s")).await.expect_err("there is no vault"));
    gone(store.replace(record("acme", "t"), known).await.expect_err("there is no vault"));
    gone(store.remove(&alias("acme"), known).await.expect_err("there is no vault"));
    gone(store.verify().await.expect_err("there is no vault"));
    assert_eq!(api.secrets().len(), 0, "nothing is made in its place");
    goes_over_when_all_are_there(&*store, &*token.opened(&api).await, known).await;
}

#[tokio::test]
async fn a_watch_tells_of_changes_and_a_forgotten_place_of_all() {
    let (api, token) = (ApiServer::start().await, Token::new());
    let (one, other) = (token.opened(&api).await, token.opened(&api).await);
    let mut notices = other.notices().expect("it is shared");
    is_told(&mut notices, Notice::Any).await;
    let version = one.create(record("acme", "s")).await.expect("it is free");
    is_told(&mut notices, Notice::One(alias("acme"))).await;
    one.remove(&alias("acme"), version).await.expect("it is there");
    is_told(&mut notices, Notice::One(alias("acme"))).await;
    api.forget();
    is_told(&mut notices, Notice::Any).await;
    one.create(record("beta", "s")).await.expect("it is free");
    is_told(&mut notices, Notice::One(alias("beta"))).await;
    // A watch that ends without a word goes on where it was, by its bookmarks.
    api.away(true);
    assert!(one.create(record("gamma", "s")).await.is_err());
    api.away(false);
    one.create(record("gamma", "s")).await.expect("it is free");
    is_told(&mut notices, Notice::One(alias("gamma"))).await;
    let watches = api.requests().into_iter().filter(|it| it.contains("watch=1")).count();
    assert!(watches >= 3, "{watches}");
}

#[tokio::test]
async fn a_list_comes_in_pages_and_one_that_expires_is_begun_anew() {
    let (api, token) = (ApiServer::start().await, Token::new());
    let store = token.opened(&api).await;
    let records = (0..1201).map(|n| record(&format!("tenant-{n}"), "s")).collect();
    assert_eq!(store.import(records).await.expect("it answers").added.len(), 1201);
    api.expire_next_page();
    assert_eq!(store.list().await.expect("it answers").len(), 1201);
    let pages: Vec<_> = api.requests().into_iter().filter(|it| it.contains("limit=500")).collect();
    assert_eq!(pages.len(), 2 + 3, "{pages:#?}");
}

#[tokio::test]
async fn the_token_is_read_anew_and_what_is_refused_is_said() {
    let (api, token) = (ApiServer::start().await, Token::new());
    let store = token.opened(&api).await;
    token.is("another");
    let why = store.list().await.expect_err("it is refused");
    assert!(why.to_string().contains("the API server does not accept the token"), "{why}");
    token.is(TOKEN);
    assert_eq!(store.list().await, Ok(Vec::new()));
    let elsewhere = Server { namespace: "other".into(), ..token.server(&api) };
    let why = KubernetesSecrets::open(elsewhere, key("k")).await.expect_err("it may not");
    assert!(why.to_string().contains("this ServiceAccount may not get Secrets in namespace other"), "{why}");
    assert!(why.remedy().contains("deploy/kubernetes/vault-rbac.yaml"));
}

/// A real one, with an empty namespace `shop`: `TEST_CLAVIGER_API_SERVER=https://127.0.0.1:6443`, `…_TOKEN` and `…_CA` name it, a file
/// with a token and one with its authority. `cargo test --test it -- --ignored a_real_api_server`
#[tokio::test]
#[ignore = "needs a kube-apiserver"]
async fn a_real_api_server_does_what_the_double_does() {
    let given = |name: &str| std::env::var(format!("TEST_CLAVIGER_API_SERVER{name}")).expect("it is named");
    let path = std::path::PathBuf::from(given("_CA"));
    let pem = std::fs::read(&path).expect("it is there");
    let server = || Server {
        base: given(""),
        namespace: NAMESPACE.into(),
        bearer: Bearer::File(given("_TOKEN").into()).provider(Duration::from_secs(5)),
        tls: trust::client(&Roots::File { path: path.clone(), pem: pem.clone() }).expect("it is one"),
    };
    let opened = async || KubernetesSecrets::open(server(), key("k")).await.expect("it can be opened");
    let (one, other) = (opened().await, opened().await);
    let mut notices = other.notices().expect("it is shared");
    is_told(&mut notices, Notice::Any).await;
    keeps_records(&one, &other).await;
    has_one_winner(&one, &other).await;
    one.create(record("acme", "s")).await.expect("it is free");
    let began = tokio::time::Instant::now();
    is_told(&mut notices, Notice::One(alias("acme"))).await;
    println!("told of a change within {:?}", began.elapsed());
    let records = (0..1201).map(|n| record(&format!("tenant-{n}"), "s")).collect();
    assert_eq!(one.import(records).await.expect("it answers").added.len(), 1201);
    let began = tokio::time::Instant::now();
    assert_eq!(other.list().await.expect("it answers").len(), 1206);
    println!("1206 records read in {:?}", began.elapsed());
    takes_another_key(&one, &other, 1206).await;
}
