//! What is wrong with a credential: said to the operator, who never gets it back.

use serde_json::{Value, json};

use super::key;
use crate::{
    support::{
        Logto,
        canary::MARK,
        claviger,
        issuer::{Signer, account, in_seconds, key_set},
        pki::{Authority, Certified, Wanted},
        quoted,
    },
    tls::with_tls,
};

const CLUSTER: &str = "https://kubernetes.default.svc.cluster.local";

#[tokio::test]
async fn what_is_wrong_with_a_credential_is_said_and_the_credential_is_not() {
    let logto = Logto::start().await;
    let (signer, stranger) = (Signer::new("one"), Signer::new("two"));
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let builder = with_tls(&logto, &servers.server(&["localhost"]));
    let write = |name: &str, text: &str| {
        let path = builder.directory().join(name);
        std::fs::write(&path, text).expect("it can be written");
        path.display().to_string()
    };
    let (jwks, ca) = (write("jwks.json", &key_set(&[&signer])), write("ca.pem", &clients.pem));
    let billing =
        clients.issue(&Wanted { uris: vec!["spiffe://prod/ns/shop/sa/billing"], ..Wanted::default() });
    let other = clients.issue(&Wanted { uris: vec!["spiffe://prod/ns/shop/sa/other"], ..Wanted::default() });
    let foreign = Authority::new("foreign").issue(&Wanted { dns: vec!["billing.test"], ..Wanted::default() });
    let pem = |name: &str, it: &Certified| write(name, &format!("{}{}", it.cert_pem, it.key_pem));
    let for_servers = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let of_server = clients.issue(&Wanted {
        uris: vec!["spiffe://prod/ns/shop/sa/billing"],
        purposes: for_servers,
        ..Wanted::default()
    });
    let (billing_pem, other_pem, foreign_pem, of_server_pem) =
        (pem("b.pem", &billing), pem("o.pem", &other), pem("f.pem", &foreign), pem("s.pem", &of_server));
    let proxy = builder
        .without("callers.local")
        .set("listen.tls.client_ca", quoted(&ca))
        .set("issuers.kubernetes.issuer", quoted(CLUSTER))
        .set("issuers.kubernetes.audience", "'claviger'")
        .set("issuers.kubernetes.jwks", format!("{{ file = {} }}", quoted(jwks)))
        .set(
            "callers.billing.identify",
            "[{ service_account = 'shop/billing' }, { spiffe = 'spiffe://prod/ns/shop/sa/billing' }]",
        )
        .set("callers.billing.policies", "['all']")
        .set("callers.keyed.identify", format!("{{ api_key = {} }}", quoted(key("keyed"))))
        .set("callers.keyed.policies", "['all']")
        .set("log.level", "'debug'")
        .start()
        .await;
    let file = proxy.file().display().to_string();
    let with = |name: &str, value: Value| {
        let mut claims = account(CLUSTER, "shop", "billing");
        claims[name] = value;
        signer.sign(&claims)
    };
    let header = |token: &str| format!("Authorization: Bearer {token}");
    let of_cluster = "by jwt: issuer kubernetes: ";
    for (header, code, says) in [
        (header(&with("iat", json!(in_seconds(-1)))), 0, "authenticated by jwt".to_owned()),
        (
            header(&with("exp", json!(in_seconds(-7300)))),
            1,
            format!("{of_cluster}expired 2 h ago\n  get a new one\n"),
        ),
        (
            header(&with("aud", json!("other"))),
            1,
            format!(
                "{of_cluster}aud names none of the configured audiences\n  issuers.kubernetes.audience is \"claviger\": \
                 have the token made for it\n"
            ),
        ),
        (
            header(&stranger.sign(&account(CLUSTER, "shop", "billing"))),
            1,
            format!(
                "{of_cluster}kid names no key of the issuer (1 key held)\n  keys of issuers.kubernetes: one;"
            ),
        ),
        (
            header(&signer.sign(&account(CLUSTER, "shop", "other"))),
            1,
            format!(
                "{of_cluster}verified, but its claims match no caller\n  \
                 callers of this issuer: billing (service_account shop/billing)\n"
            ),
        ),
        (
            header(&with("iss", json!("https://other.example"))),
            1,
            format!("iss names no configured issuer\n  issuers: kubernetes ({CLUSTER})\n"),
        ),
        (header(&format!("{MARK}nobodys")), 1, "neither a caller's key nor a token".to_owned()),
        (format!("Claviger-Key: {}", key("keyed")), 0, "by caller keyed at tenant acme".to_owned()),
        (format!("Claviger-Key: {}", key("other")), 1, "callers with API keys: keyed\n".to_owned()),
        ("Authorization: Basic eDp5".to_owned(), 1, "send Authorization: Bearer, or Claviger-Key".to_owned()),
    ] {
        let credential = header.split_once(' ').expect("a header").1.replace("Bearer ", "");
        let address = proxy.admin_authority();
        for by in [["--address", &address], ["--config", &file]] {
            let said = claviger(&["explain", by[0], by[1], "/api/roles", "--header", &header]).await;
            said.assert_code(code);
            assert!(said.stdout.contains(&says), "{says}\n{}", said.stdout);
            said.keep(proxy.tap());
            for output in [&said.stdout, &said.stderr] {
                assert!(!output.contains(&credential) && !output.contains("eyJ"), "{output}");
            }
        }
    }
    for (certificate, code, says) in [
        (
            &billing_pem,
            0,
            "authenticated by certificate\n  in the certificate: spiffe://prod/ns/shop/sa/billing\n",
        ),
        (
            &other_pem,
            1,
            "by certificate: certificate: names no caller\n  \
             callers with certificates: billing (spiffe://prod/ns/shop/sa/billing)\n  \
             in the certificate: spiffe://prod/ns/shop/sa/other\n",
        ),
        (
            &foreign_pem,
            1,
            "by certificate: certificate: no CA in `listen.tls.client_ca` signed it\n  \
             have the client's certificate issued by a CA that is in listen.tls.client_ca",
        ),
        (
            &of_server_pem,
            1,
            "by certificate: certificate: not made for clients (extended key usage clientAuth)\n  \
             issue it with extendedKeyUsage = clientAuth\n",
        ),
    ] {
        let address = proxy.admin_authority();
        for by in [["--address", &address], ["--config", &file]] {
            let said = claviger(&["explain", by[0], by[1], "/api/roles", "--cert", certificate]).await;
            said.assert_code(code);
            assert!(said.stdout.contains(says), "{says}\n{}", said.stdout);
        }
    }
    // One that somebody put into a path.
    let target = format!("GET /api/users/{}", key("keyed"));
    let said = claviger(&["explain", "--config", &file, "--caller", "keyed", &target]).await;
    said.assert_code(0);
    assert!(said.stdout.starts_with("allowed: GET /api/users/[redacted] (GetUser)"), "{}", said.stdout);
    let log = proxy.log();
    assert!(!log.contains("eyJ") && !log.contains(MARK) && !log.contains("PRIVATE KEY"), "{log}");
}
