//! What a caller may do, as an OpenAPI document: Claviger's own copy, cut down to its grant, and never asked of Logto by a
//! request.

use claviger_emulator::Effect;
use serde_json::{Value, json};

use crate::support::{Answer, Logto, Proxy, Request, quoted};

const SWAGGER: &str = "/api/swagger.json";
const WELL_KNOWN: &str = "/api/.well-known/management.openapi.json";
const KEY: &str = "cvk_reader_0123456789abcdefghijklmnopqrst";

fn ids(document: &Value) -> Vec<String> {
    let paths = document["paths"].as_object().expect("paths").values();
    let operations = paths.flat_map(|item| item.as_object().expect("an object").values());
    operations.filter_map(|operation| operation["operationId"].as_str()).map(str::to_owned).collect()
}

fn source(answer: &Answer) -> Value {
    answer.json()["info"]["x-claviger-source"].clone()
}

/// What is answered once Logto's document has come.
async fn fetched(proxy: &Proxy, request: &Request) -> Answer {
    assert_eq!(proxy.ask(request).await.status, 200);
    proxy.logged("the OpenAPI document was fetched").await;
    let answer = proxy.ask(request).await;
    assert_eq!((answer.status, source(&answer)), (200, json!("logto")));
    answer
}

fn documents_asked(logto: &Logto) -> usize {
    logto.api_requests_seen().iter().filter(|request| request.target == WELL_KNOWN.as_bytes()).count()
}

/// A caller known by its key, with a policy of its own, beside the one by locality.
async fn two_callers(logto: &Logto, allow: &str) -> Proxy {
    Proxy::builder()
        .tenant("acme", logto)
        .set("policies.some.allow", allow)
        .set("callers.reader.identify", format!("{{ api_key = '{KEY}' }}"))
        .set("callers.reader.policies", "['some']")
        .start()
        .await
}

#[tokio::test]
async fn a_caller_reads_what_it_may_do_and_logto_is_asked_once() {
    let logto = Logto::start().await;
    let rule = "['GetUser', { operation = 'ListUsers', query = { page_size = { max = 50 } } }]";
    let proxy = two_callers(&logto, rule).await;
    let reader = Request::get(SWAGGER).key(KEY);
    // Before Logto's has come, the catalog is a document.
    let first = proxy.ask(&reader).await;
    assert_eq!((first.status, source(&first)), (200, json!("catalog")));
    assert_eq!(ids(&first.json()), ["ListUsers", "GetUser"]);
    let document = fetched(&proxy, &reader).await;
    let cut = document.json();
    assert_eq!(ids(&cut), ["ListUsers", "GetUser"]);
    assert_eq!(cut["servers"][0]["url"], "http://localhost");
    assert_eq!(cut["components"]["schemas"].as_object().expect("some").keys().collect::<Vec<_>>(), ["Error"]);
    let size = &cut["paths"]["/api/users"]["get"]["parameters"][1];
    assert_eq!((&size["name"], &size["schema"]["maximum"]), (&json!("page_size"), &json!(50)));
    assert_eq!(document.value("content-type"), Some("application/json"));
    assert_eq!(document.value("cache-control"), Some("private, no-cache"));
    assert_eq!(document.value("content-length"), Some(&*document.body.len().to_string()));

    let other = proxy.get(WELL_KNOWN).await;
    assert_eq!(source(&other), "logto");
    let all = ids(&other.json());
    assert!(all.len() > 150 && !all.contains(&"DeleteHook".to_owned()), "{}", all.len());
    for _ in 0..20 {
        proxy.ask(&reader).await;
    }
    assert_eq!(documents_asked(&logto), 1, "no request of a caller is asked of Logto");
    let asked = logto.api_requests_seen().pop().expect("one");
    assert_eq!(asked.header("authorization"), None, "it needs no token, and gets none");
    assert_eq!(
        proxy.metric("claviger_openapi_fetches_total{outcome=\"fetched\",tenant=\"acme\"}").await,
        1.0
    );
    let counted = "claviger_requests_total{caller=\"reader\",code=\"2xx\",operation=\"openapi\",source=\"claviger\",tenant=\"acme\"}";
    assert!(proxy.metric(counted).await >= 22.0, "by a name of its own");
}

#[tokio::test]
async fn a_document_that_the_caller_has_is_not_sent_again() {
    let logto = Logto::start().await;
    let proxy = two_callers(&logto, "['users:read']").await;
    let reader = Request::get(SWAGGER).key(KEY);
    let document = fetched(&proxy, &reader).await;
    let tag = document.value("etag").expect("a tag").to_owned();
    let again = proxy.ask(&reader.clone().header("If-None-Match", &tag)).await;
    assert_eq!((again.status, again.body.len(), again.value("etag")), (304, 0, Some(&*tag)));
    let head = proxy.ask(&Request::new("HEAD", SWAGGER).key(KEY)).await;
    assert_eq!((head.status, head.body.len(), head.value("etag")), (200, 0, Some(&*tag)));
    assert_eq!(head.value("content-length"), document.value("content-length"));
    // Another caller, another address: another document.
    for other in [
        Request::get(SWAGGER),
        Request::get(&format!("/t/acme{SWAGGER}")).key(KEY),
        reader.clone().header("Host", "127.0.0.1:3600"),
    ] {
        let answer = proxy.ask(&other.header("If-None-Match", &tag)).await;
        assert_eq!(answer.status, 200);
    }
    let named = proxy.ask(&Request::get(SWAGGER).key(KEY).header("Claviger-Tenant", "acme")).await;
    assert_eq!(named.json()["servers"][0]["url"], "http://localhost/t/acme");
}

#[tokio::test]
async fn whoever_may_not_name_the_tenant_reads_nothing() {
    let (acme, globex) = (Logto::start().await, Logto::start().await);
    let proxy = Proxy::builder()
        .tenant("acme", &acme)
        .tenant("globex", &globex)
        .without("callers")
        .set("callers.reader.identify", format!("{{ api_key = '{KEY}' }}"))
        .set("callers.reader.policies", "['all']")
        .set("callers.reader.tenants", "['acme']")
        .set("callers.reader.rate", "{ requests = 3, per = '1h' }")
        .start()
        .await;
    proxy.get(SWAGGER).await.assert_problem(401, "caller_unknown");
    proxy
        .ask(&Request::get(&format!("/t/globex{SWAGGER}")).key(KEY))
        .await
        .assert_problem(403, "not_permitted");
    proxy
        .ask(&Request::get(&format!("/t/nowhere{SWAGGER}")).key(KEY))
        .await
        .assert_problem(404, "tenant_unknown");
    proxy
        .ask(&Request::get("/api/.well-known/user.openapi.json").key(KEY))
        .await
        .assert_problem(404, "not_found");
    let post = proxy.ask(&Request::post(SWAGGER, "{}").key(KEY)).await;
    post.assert_problem(405, "method_not_allowed");
    assert_eq!(post.value("allow"), Some("GET, HEAD"));
    // What is refused by a rule costs nothing of the rate; what is answered does.
    for _ in 0..3 {
        assert_eq!(proxy.ask(&Request::get(SWAGGER).key(KEY)).await.status, 200);
    }
    proxy.ask(&Request::get(SWAGGER).key(KEY)).await.assert_problem(429, "rate_limited");
    assert_eq!(documents_asked(&globex), 0);
}

#[tokio::test]
async fn without_logto_the_catalog_is_read_and_logto_is_left_alone() {
    let logto = Logto::start().await;
    logto.api_fault(Effect::Answer { status: 500, headers: vec![], body: b"no".to_vec() });
    let proxy = two_callers(&logto, "['users:read']").await;
    for _ in 0..30 {
        let answer = proxy.ask(&Request::get(SWAGGER).key(KEY)).await;
        assert_eq!((answer.status, source(&answer)), (200, json!("catalog")));
    }
    proxy.logged("the OpenAPI document cannot be fetched").await;
    for _ in 0..5 {
        proxy.ask(&Request::get(SWAGGER).key(KEY)).await;
    }
    assert_eq!(documents_asked(&logto), 1, "not again before its time");
    assert_eq!(proxy.metric("claviger_openapi_fetches_total{outcome=\"failed\",tenant=\"acme\"}").await, 1.0);
}

#[tokio::test]
async fn it_can_be_switched_off_and_is_lent_to_nobody() {
    let logto = Logto::start().await;
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set("openapi.enabled", "false")
        .set("authz.enabled", "true")
        .start()
        .await;
    let off = proxy.get(SWAGGER).await;
    off.assert_problem(404, "not_found");
    assert!(off.text().contains("openapi.enabled = true"), "{}", off.text());
    let lent = Request::get("/authz").header("X-Original-Method", "GET").header("X-Original-URI", SWAGGER);
    assert_ne!(proxy.ask(&lent).await.status, 200);
    drop(proxy);
    let proxy = Proxy::builder().tenant("acme", &logto).set("authz.enabled", "true").start().await;
    let lent = proxy.ask(&lent).await;
    assert_ne!(lent.status, 200, "{}", lent.text());
    assert_eq!(lent.value("authorization"), None);
    assert_eq!(documents_asked(&logto), 0);
}

/// A reload gives other rules, and a catalog file other operations: the next answer is another document.
#[tokio::test]
async fn a_reload_changes_the_document_and_keeps_logtos() {
    let logto = Logto::start().await;
    let mut proxy = two_callers(&logto, "['ListUsers']").await;
    let reader = Request::get(SWAGGER).key(KEY);
    assert_eq!(ids(&fetched(&proxy, &reader).await.json()), ["ListUsers"]);
    let file = proxy.directory().join("catalog.tsv");
    std::fs::write(&file, "GET\t/api/roles/{id}/devices\tListRoleDevices\troles\t-\t-\ttoken\tkind\n")
        .expect("written");
    let file = quoted(file.display());
    assert!(
        proxy
            .reload_with(|settings| settings
                .set("catalog.file", file)
                .set("policies.some.allow", "['ListRoles', 'ListRoleDevices']"))
            .await
    );
    let answer = proxy.ask(&reader).await;
    assert_eq!((source(&answer), ids(&answer.json())), (json!("logto"), vec!["ListRoles".to_owned()]));
    assert_eq!(documents_asked(&logto), 1);
    // The operation itself is one by its name, in the log, in metrics and for its caller.
    let devices = proxy.ask(&Request::get("/api/roles/r1/devices").key(KEY)).await;
    assert_eq!(devices.status, 404, "the emulator has none: {}", devices.text());
    let counted = "claviger_requests_total{caller=\"reader\",code=\"4xx\",operation=\"ListRoleDevices\",source=\"upstream\",tenant=\"acme\"}";
    assert_eq!(proxy.metric(counted).await, 1.0);
    let token = "claviger_requests_total{caller=\"reader\",code=\"2xx\",operation=\"token\",source=\"claviger\",tenant=\"acme\"}";
    proxy.ask(&Request::form("/oidc/token", "grant_type=client_credentials").key(KEY)).await;
    assert_eq!(proxy.metric(token).await, 1.0, "what is no operation keeps its name");
    std::fs::write(proxy.directory().join("catalog.tsv"), "GET\t/api/users\tListAll\tusers\t-\t-\ttoken\n")
        .expect("written");
    assert!(!proxy.reload().await, "a file that redefines an operation is refused");
    proxy.logged("catalog.tsv:1: catalog.file: GET /api/users is ListUsers of the embedded catalog").await;
}
