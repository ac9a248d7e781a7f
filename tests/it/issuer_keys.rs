//! Issuers' keys as a cluster has them (behaviour 38): behind a bearer token that is replaced while the program runs,
//! rotated, withdrawn, and sometimes not to be fetched.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::support::{
    Logto, Proxy, Request, Settings,
    canary::MARK,
    claviger,
    issuer::{Issuer, Signer, account, key_set},
    proxy::Builder,
    quoted,
};

/// A bearer token that must not come out of the program anywhere.
fn bearer(which: &str) -> String {
    format!("{MARK}bearer-{which}")
}

/// A gateway of a cluster whose API server is `issuer`, with its token in the file that is returned.
fn gateway(logto: &Logto, issuer: &Issuer) -> (Builder, PathBuf) {
    let builder = Proxy::builder().tenant("acme", logto).without("callers.local");
    let token = builder.directory().join("token");
    let builder = builder
        .set("issuers.kubernetes.issuer", quoted(issuer.url()))
        .set("issuers.kubernetes.audience", "'claviger'")
        .set("issuers.kubernetes.jwks", quoted(format!("{}/openid/v1/jwks", issuer.url())))
        .set("issuers.kubernetes.bearer", format!("{{ file = {} }}", quoted(token.display())))
        .set("callers.billing.identify", "{ service_account = 'shop/billing' }")
        .set("callers.billing.policies", "['all']");
    (builder, token)
}

fn write(path: &Path, text: &str) {
    // Whole or not at all, as a kubelet does it.
    let partial = path.with_extension("partial");
    std::fs::write(&partial, text).expect("it can be written");
    std::fs::rename(&partial, path).expect("it is the same directory");
}

fn request(signer: &Signer, issuer: &Issuer) -> Request {
    let token = signer.sign(&account(&issuer.url(), "shop", "billing"));
    Request::get("/api/roles").header("Authorization", &format!("Bearer {token}"))
}

#[tokio::test]
async fn b38_keys_behind_a_bearer_token_that_is_read_anew_for_each_fetch() {
    let logto = Logto::start().await;
    let (old, new) = (Signer::new("one"), Signer::new("two"));
    let issuer = Issuer::start(key_set(&[&old])).await;
    let (builder, file) = gateway(&logto, &issuer);
    write(&file, &format!("{}\n", bearer("one")));
    issuer.want(&bearer("one"));
    let proxy = builder.start().await;
    assert_eq!(proxy.ask(&request(&old, &issuer)).await.status, 200);
    assert_eq!(issuer.seen(), [("/openid/v1/jwks".to_owned(), Some(bearer("one")))]);
    assert_eq!(proxy.admin("/startupz").await.status, 200);

    // The kubelet writes another token, and the cluster gets another key: neither is a change of the configuration.
    write(&file, &format!("{}\n", bearer("two")));
    issuer.want(&bearer("two"));
    issuer.publish(key_set(&[&old, &new]));
    assert_eq!(proxy.ask(&request(&new, &issuer)).await.status, 200, "a new key works at first use");
    assert_eq!(issuer.seen(), [("/openid/v1/jwks".to_owned(), Some(bearer("two")))]);
    assert!(proxy.reload().await);
    assert!(proxy.log().contains("the configuration has not changed"), "{}", proxy.log());
    assert_eq!(issuer.seen(), []);
    let shown = proxy.admin("/config").await.json();
    assert_eq!(shown["issuers"]["kubernetes"]["bearer"], json!({ "file": file.display().to_string() }));
    for seen in logto.api_requests_seen() {
        assert!(!format!("{seen:?}").contains(MARK), "the bearer token went upstream");
    }
}

#[tokio::test]
async fn b38_a_bearer_token_that_cannot_be_read_or_is_refused_leaves_the_keys_in_use() {
    let logto = Logto::start().await;
    let (old, new) = (Signer::new("one"), Signer::new("two"));
    let issuer = Issuer::start(key_set(&[&old])).await;
    let (builder, file) = gateway(&logto, &issuer);
    write(&file, &bearer("one"));
    issuer.want(&bearer("one"));
    let mut proxy = builder.start().await;
    assert_eq!(proxy.ask(&request(&old, &issuer)).await.status, 200);
    issuer.publish(key_set(&[&old, &new]));

    let remove = |file: &Path| std::fs::remove_file(file).expect("it is there");
    let pipe = |file: &Path| {
        remove(file);
        let made = std::process::Command::new("mkfifo").arg(file).status().expect("coreutils are there");
        assert!(made.success());
    };
    type Spoil<'s> = &'s dyn Fn(&Path);
    let spoils: [(Spoil<'_>, &str); 6] = [
        (&|file| write(file, "\n"), "is empty"),
        (&|file| write(file, "{\"token\": \"x\"}"), "holds no bearer token"),
        (
            &|file| write(file, &bearer("wrong")),
            "the answer was 401 instead of 200: its server does not accept",
        ),
        (&pipe, "it is not a regular file"),
        (&remove, "cannot read the file"),
        (&|file| std::fs::create_dir(file).expect("nothing is there"), "is a directory"),
    ];
    for (index, (spoil, why)) in spoils.into_iter().enumerate() {
        spoil(&file);
        // Another way to the same keys fetches at once.
        let refresh = format!("'{}s'", 100 + index);
        assert!(proxy.reload_with(|settings| settings.set("issuers.kubernetes.refresh", refresh)).await);
        let mut shown = String::new();
        for _ in 0..1000 {
            shown = proxy.status().await["issuers"]["kubernetes"]["last_error"].to_string();
            if shown.contains(why) {
                break;
            }
        }
        assert!(shown.contains(why), "{why}: {shown}");
        assert_eq!(proxy.ask(&request(&old, &issuer)).await.status, 200, "{why}: the keys that are held");
        let answer = proxy.ask(&request(&new, &issuer)).await;
        answer.assert_problem(503, "issuer_unavailable");
        assert!(answer.retry_after().is_some_and(|wait| (1..=10).contains(&wait)), "{why}");
        assert_eq!(proxy.admin("/startupz").await.status, 200, "startup has finished");
    }
    std::fs::remove_dir(&file).expect("it is empty");
    write(&file, &bearer("one"));
    assert!(proxy.reload_with(|settings| settings.set("issuers.kubernetes.refresh", "'1h'")).await);
    assert_eq!(proxy.ask(&request(&new, &issuer)).await.status, 200);
    assert!(proxy.log().contains("those that are held stay in use"), "{}", proxy.log());
}

/// Whoever answers for the issuer, or in its place, must not be able to send the token somewhere.
#[tokio::test]
async fn a_bearer_token_is_shown_to_the_configured_server_alone() {
    let logto = Logto::start().await;
    let signer = Signer::new("one");
    let (issuer, other) =
        (Issuer::start(key_set(&[&signer])).await, Issuer::start(key_set(&[&signer])).await);
    let (builder, file) = gateway(&logto, &issuer);
    write(&file, &bearer("one"));
    issuer.want(&bearer("one"));
    issuer.keys_are_at(&format!("{}/keys", issuer.url()));
    let mut proxy = builder.without("issuers.kubernetes.jwks").start().await;
    assert_eq!(proxy.ask(&request(&signer, &issuer)).await.status, 200);
    let own = |path: &str| (path.to_owned(), Some(bearer("one")));
    assert_eq!(issuer.seen(), [own("/.well-known/openid-configuration"), own("/keys")]);

    issuer.redirect_to(&other.url());
    let error = async |proxy: &mut Proxy, refresh: &str, why: &str| {
        let refresh = quoted(refresh);
        assert!(proxy.reload_with(|settings| settings.set("issuers.kubernetes.refresh", refresh)).await);
        let mut shown = String::new();
        for _ in 0..1000 {
            shown = proxy.status().await["issuers"]["kubernetes"]["last_error"].to_string();
            if shown.contains(why) {
                return;
            }
        }
        panic!("{why}: {shown}");
    };
    let leads_to = format!("the answer was 302 instead of 200: a redirect to {}", other.url());
    error(&mut proxy, "100s", &leads_to).await;
    assert_eq!((issuer.seen(), other.seen()), (vec![own("/.well-known/openid-configuration")], vec![]));
    assert_eq!(proxy.ask(&request(&signer, &issuer)).await.status, 200, "the keys that are held");
}

#[tokio::test]
async fn b38_a_start_without_keys_does_not_count_as_one_until_they_are_there() {
    let logto = Logto::start().await;
    let signer = Signer::new("one");
    let issuer = Issuer::start(key_set(&[&signer])).await;
    let (builder, file) = gateway(&logto, &issuer);
    write(&file, &bearer("wrong"));
    issuer.want(&bearer("one"));
    let mut proxy = builder
        .set("callers.local.identify", "{ loopback = true }")
        .set("callers.local.policies", "['all']")
        .start()
        .await;
    proxy.logged("every token of this issuer is refused").await;
    let start = proxy.admin("/startupz").await;
    assert_eq!(
        (start.status, &*start.text()),
        (503, "waiting for the first keys of the issuers: kubernetes; the log says why\n")
    );
    assert_eq!(proxy.admin("/livez").await.status, 200);
    assert_eq!(proxy.admin("/readyz").await.status, 200, "which does not depend on an issuer");
    assert_eq!(proxy.get("/api/roles").await.status, 200, "others are served");
    proxy.ask(&request(&signer, &issuer)).await.assert_problem(503, "issuer_unavailable");
    write(&file, &bearer("one"));
    assert!(proxy.reload_with(|settings| settings.set("issuers.kubernetes.refresh", "'1h'")).await);
    assert_eq!(proxy.ask(&request(&signer, &issuer)).await.status, 200);
    assert_eq!(proxy.admin("/startupz").await.status, 200);
}

#[tokio::test]
async fn the_wait_for_keys_can_be_switched_off() {
    let logto = Logto::start().await;
    let issuer = Issuer::start(key_set(&[])).await;
    let (builder, file) = gateway(&logto, &issuer);
    write(&file, &bearer("one"));
    issuer.want("another");
    let proxy = builder.set("timeouts.startup", "'0s'").start().await;
    proxy.logged("every token of this issuer is refused").await;
    assert_eq!(proxy.admin("/startupz").await.status, 200);
}

#[tokio::test]
async fn check_online_shows_the_bearer_token_as_well_and_says_what_is_wrong() {
    let logto = Logto::start().await;
    let signer = Signer::new("one");
    let (issuer, other) =
        (Issuer::start(key_set(&[&signer])).await, Issuer::start(key_set(&[&signer])).await);
    let directory = tempfile::tempdir().expect("there is a temporary directory");
    let (file, token) = (directory.path().join("claviger.toml"), directory.path().join("token"));
    let settings = Settings::usual()
        .tenant("acme", &logto)
        .set("issuers.kubernetes.issuer", quoted(issuer.url()))
        .set("issuers.kubernetes.audience", "'claviger'")
        .set("issuers.kubernetes.bearer", format!("{{ file = {} }}", quoted(token.display())))
        .set("callers.billing.identify", "{ service_account = 'shop/billing' }")
        .set("callers.billing.policies", "['all']");
    let check = async |settings: &Settings| {
        settings.write(&file);
        claviger(&["check", "--online", "--config", &file.display().to_string()]).await
    };
    write(&token, &bearer("one"));
    issuer.want(&bearer("one"));
    let fine = check(&settings).await;
    fine.assert_code(0);
    assert!(fine.stdout.contains("issuers.kubernetes: fine: 1 key"), "{}", fine.stdout);
    let says = async |settings: &Settings, code: i32, why: &str| {
        let bad = check(settings).await;
        bad.assert_code(code);
        assert!(bad.stderr.contains(why), "{why}: {}", bad.stderr);
        assert!(!format!("{}{}", bad.stdout, bad.stderr).contains(MARK), "{}", bad.stderr);
    };
    issuer.want(&bearer("two"));
    says(&settings, 1, "401 instead of 200: its server does not accept the token of `bearer`").await;
    let without = settings.clone().without("issuers.kubernetes.bearer");
    says(&without, 1, "401 instead of 200: its server wants a credential, which `bearer` can name").await;
    // A server that repeats what it was shown, to have it logged.
    issuer.want(&bearer("one"));
    issuer.pose_as(&format!("https://{}", bearer("one")));
    says(&settings, 1, "its discovery document says issuer \"…\"").await;
    issuer.pose_as(&issuer.url());
    other.want("another");
    issuer.keys_are_at(&format!("{}/keys", other.url().replace("127.0.0.1", "localhost")));
    says(&settings, 1, "neither https nor of the issuer's own origin").await;
    assert_eq!(other.asked(), 0);
    // As does one that sends it elsewhere.
    issuer.redirect_to(&format!("https://{}.example", bearer("one")));
    says(&settings, 1, "the answer was 302 instead of 200: a redirect, which is not followed").await;
    issuer.redirect_to(&other.url());
    let leads_to = format!(
        "a redirect to {}/.well-known/openid-configuration, which is not followed. Write the address of the keys to which it leads into `jwks`.",
        other.url()
    );
    says(&settings, 1, &leads_to).await;
    std::fs::remove_file(&token).expect("it is there");
    says(&settings, 1, "the token of `bearer` cannot be read: cannot read the file").await;
    let valid = check(&settings).await;
    assert!(
        valid.stderr.contains("warning: ")
            && valid.stderr.contains("issuers.kubernetes.bearer: cannot read the file")
    );
    // What is in the configuration or the environment is read once, and must be one.
    says(&settings.set("issuers.kubernetes.bearer", quoted("two words")), 64, "this is no bearer token")
        .await;
}
