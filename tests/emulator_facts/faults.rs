//! Faults, memory and switches: what other tests of the project rely on.

use std::time::Duration;

use claviger_emulator::{
    Algorithm, CANARY, Effect, Emulator, Fault, Limits, ManagementRole, Options, Target, TenantName,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::wire::{self, Answer, Request};
use crate::world::{HOST, M2M, SECRET, World};

fn list(world: &World) -> Request {
    let bearer = format!("Bearer {}", world.token(json!({})));
    Request::new("GET", "/api/users").header("Host", HOST).header("Authorization", &bearer)
}

fn ask_token(host: &str, pair: &str) -> Request {
    let body = "grant_type=client_credentials&resource=https%3A%2F%2Fdefault.logto.app%2Fapi&scope=all";
    Request::new("POST", "/oidc/token")
        .header("Host", host)
        .header("Authorization", &crate::transcripts::basic(pair))
        .body("application/x-www-form-urlencoded", body)
}

async fn grant(world: &World) -> Answer {
    world.send(&ask_token(HOST, &format!("{M2M}:{SECRET}"))).await
}

async fn use_token(world: &World, granted: &Answer) -> Answer {
    let bearer = format!("Bearer {}", granted.json()["access_token"].as_str().expect("a token"));
    world.send(&Request::new("GET", "/api/users").header("Host", HOST).header("Authorization", &bearer)).await
}

/// Everything that the emulator sends until it closes, or how the connection broke.
async fn everything(world: &World, request: &Request) -> (Vec<u8>, Option<std::io::ErrorKind>) {
    let mut stream = TcpStream::connect(world.logto.addr()).await.expect("connects");
    stream.write_all(&request.bytes()).await.expect("writes");
    let mut sent = Vec::new();
    let end = stream.read_to_end(&mut sent).await;
    (sent, end.err().map(|error| error.kind()))
}

fn arm(world: &World, effect: Effect) {
    world.logto.faults().set(vec![Fault::new(Target::Api, effect).times(1)]);
}

#[tokio::test]
async fn a_reset_and_a_close_come_before_any_answer() {
    let world = World::demo().await;
    arm(&world, Effect::Reset);
    assert_eq!(
        everything(&world, &list(&world)).await,
        (Vec::new(), Some(std::io::ErrorKind::ConnectionReset))
    );
    arm(&world, Effect::Close);
    assert_eq!(everything(&world, &list(&world)).await, (Vec::new(), None));
    let statuses: Vec<_> = world.logto.recorded().iter().map(|recorded| recorded.status).collect();
    assert_eq!(statuses, [None, None]);
}

#[tokio::test]
async fn a_cut_body_declares_more_than_it_sends() {
    let world = World::demo().await;
    arm(&world, Effect::Truncate { after: 10 });
    let (sent, end) = everything(&world, &list(&world)).await;
    assert_eq!(end, None);
    let at = memchr::memmem::find(&sent, b"\r\n\r\n").expect("has a head");
    let head = wire::head(&sent[..at]).expect("has a head");
    assert_eq!((head.status, sent.len() - at - 4), (200, 10));
    assert!(head.value("content-length").expect("declared").parse::<usize>().expect("a number") > 10);

    arm(&world, Effect::TruncateReset { after: 10 });
    let (_, end) = everything(&world, &list(&world)).await;
    assert_eq!(end, Some(std::io::ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn a_dripped_body_arrives_whole() {
    let world = World::demo().await;
    let whole = world.send(&list(&world)).await;
    arm(&world, Effect::Drip { bytes: 64, every_ms: 1 });
    assert_eq!(world.send(&list(&world)).await.body, whole.body);
}

#[tokio::test]
async fn a_close_after_the_answer_is_not_announced() {
    let world = World::demo().await;
    arm(&world, Effect::CloseAfterAnswer);
    let (sent, end) = everything(&world, &list(&world)).await;
    let at = memchr::memmem::find(&sent, b"\r\n\r\n").expect("has a head");
    let head = wire::head(&sent[..at]).expect("has a head");
    assert_eq!((end, head.value("connection")), (None, Some("keep-alive")));
    assert_eq!(head.value("content-length"), Some((sent.len() - at - 4).to_string().as_str()));
}

#[tokio::test]
async fn a_black_hole_ends_with_the_emulator() {
    let world = World::demo().await;
    arm(&world, Effect::BlackHole);
    let stop = async {
        while world.logto.recorded().is_empty() || !world.logto.faults().armed().is_empty() {
            tokio::task::yield_now().await;
        }
        world.logto.shutdown();
    };
    let request = list(&world);
    let (ended, ()) = tokio::join!(everything(&world, &request), stop);
    assert!(ended.0.is_empty(), "{ended:?}");
}

#[tokio::test]
async fn faults_are_used_up_and_hit_what_they_name() {
    let world = World::demo().await;
    world
        .logto
        .faults()
        .add(Fault::new(Target::Api, Effect::status(503)).times(2).path("/api/users").method("GET"));
    world.logto.faults().add(Fault::new(Target::Token, Effect::too_many(7)));
    assert_eq!(world.api("GET", "/api/roles", Value::Null).await.status, 200);
    assert_eq!(world.api("GET", "/api/users", Value::Null).await.status, 503);
    assert_eq!(world.api("POST", "/api/users", json!({})).await.status, 200);
    assert_eq!(world.api("GET", "/api/users/x", Value::Null).await.status, 503);
    assert_eq!(world.api("GET", "/api/users", Value::Null).await.status, 200);
    let refused = grant(&world).await;
    assert_eq!((refused.status, refused.value("retry-after")), (429, Some("7")));
    assert_eq!((world.logto.grants(), world.logto.token_requests()), (0, 1));
    world.logto.faults().clear();
    assert_eq!((grant(&world).await.status, world.logto.grants()), (200, 1));
}

#[tokio::test]
async fn a_latency_delays_and_then_answers() {
    let world = World::demo().await;
    let before = tokio::time::Instant::now();
    arm(&world, Effect::latency(Duration::from_millis(30)));
    assert_eq!(world.send(&list(&world)).await.status, 200);
    assert!(before.elapsed() >= Duration::from_millis(30));
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_time() {
    let options = Options { keep_alive: Duration::from_millis(40), ..Options::default() };
    let logto = Emulator::start(options).await.expect("a free port");
    let mut stream = TcpStream::connect(logto.addr()).await.expect("connects");
    let request = Request::new("GET", "/api/status").header("Host", "x");
    let answer = wire::ask(&mut stream, &request).await.expect("answers");
    assert_eq!((answer.status, answer.value("connection")), (204, Some("keep-alive")));
    let before = tokio::time::Instant::now();
    assert_eq!(stream.read(&mut [0]).await.expect("ends"), 0);
    assert!(before.elapsed() >= Duration::from_millis(20));
}

#[tokio::test]
async fn requests_are_recorded_as_they_stood_on_the_wire() {
    let world = World::demo().await;
    let mut stream = TcpStream::connect(world.logto.addr()).await.expect("connects");
    let first = Request::new("POST", "/api/users?a=%7e&a=1&&b")
        .header("hOST", HOST)
        .header("X-Twice", "1")
        .header("Content-Type", "application/json")
        .header("X-Twice", "2")
        .body("", r#"{"username":"wire"}"#);
    let second = Request::new("GET", "/api/status?x").header("Host", HOST);
    for request in [&first, &second] {
        wire::ask(&mut stream, request).await.expect("answers");
    }
    wire::send(world.logto.addr(), &second).await.expect("answers");
    let recorded = world.logto.recorded();
    assert_eq!(recorded[0].target, b"/api/users?a=%7e&a=1&&b");
    let names: Vec<&str> = recorded[0].headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["hOST", "X-Twice", "Content-Type", "X-Twice", "Content-Length"]);
    assert_eq!(recorded[0].header_values("x-twice"), ["1", "2"]);
    assert_eq!(
        (recorded[0].body.as_slice(), recorded[0].status),
        (&br#"{"username":"wire"}"#[..], Some(401))
    );
    assert_eq!(recorded[1].target, b"/api/status?x");
    assert_eq!(recorded[0].connection, recorded[1].connection);
    assert_ne!(recorded[1].connection, recorded[2].connection);
    assert_eq!(world.logto.connections(), 2);
    assert!(world.logto.surprises().is_empty());
}

#[tokio::test]
async fn a_request_whose_body_breaks_off_is_not_carried_out() {
    let world = World::demo().await;
    let bearer = format!("Bearer {}", world.token(json!({})));
    let create = Request::new("POST", "/api/users")
        .header("Host", HOST)
        .header("Authorization", &bearer)
        .header("Content-Length", "1000")
        .body("application/json", "{}");
    let mut stream = TcpStream::connect(world.logto.addr()).await.expect("connects");
    stream.write_all(&create.bytes()).await.expect("writes");
    stream.shutdown().await.expect("closes its side");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(world.send(&list(&world)).await.value("total-number"), Some("5"));
}

#[tokio::test]
async fn surprises_are_noted() {
    let world = World::demo().await;
    assert_eq!(world.send(&list(&world)).await.status, 200);
    assert!(world.logto.surprises().is_empty());
    let requests = [
        list(&world).header("X-Forwarded-Host", "x"),
        list(&world).header("development-user-id", "x"),
        list(&world).header("Authorization", "Bearer x"),
        Request::new("GET", "/nowhere").header("Host", HOST),
        Request::new("GET", "/api/nowhere").header("Host", HOST),
        Request::new("PUT", "/api/users").header("Host", HOST),
    ];
    for (count, request) in (1..).zip(&requests) {
        world.send(request).await;
        assert_eq!(world.logto.surprises().len(), count, "{request:?}");
    }
    assert_eq!(world.api("GET", "/api/email-templates", Value::Null).await.status, 501);
    assert_eq!(world.logto.surprises().len(), requests.len() + 1);
    world.logto.clear_recorded();
    assert!(world.logto.surprises().is_empty() && world.logto.recorded().is_empty());
}

#[tokio::test]
async fn the_host_chooses_the_tenant() {
    let world = World::demo().await;
    let admin = "127.0.0.1:3002";
    let granted = world.send(&ask_token(admin, &format!("m-default:{CANARY}admin-tenant-secret"))).await;
    assert_eq!(granted.status, 200);
    // Tenant `default` accepts the admin tenant's token (fact 2.5), the admin tenant does not accept the other's.
    assert_eq!(use_token(&world, &granted).await.status, 200);
    let mut request = list(&world);
    request.headers[0].1 = admin.to_owned();
    assert_eq!(world.send(&request).await.json()["data"]["code"], "ERR_JWKS_NO_MATCHING_KEY");
    let tenants: Vec<_> = world.logto.recorded().iter().map(|recorded| recorded.tenant).collect();
    assert_eq!(tenants, [TenantName::Admin, TenantName::Default, TenantName::Admin]);
    // Any other Host is tenant `default`, and shows in the links.
    request.headers[0].1 = "proxy.example".to_owned();
    let answer = world.send(&request).await;
    assert_eq!(answer.value("link"), Some("<http://proxy.example/users?page=1>; rel=\"first\""));
}

#[tokio::test]
async fn keys_rotate_and_tokens_expire() {
    let world = World::demo().await;
    let granted = grant(&world).await;
    world.logto.rotate_keys_to(Algorithm::Rs256).expect("makes a key");
    assert_eq!(use_token(&world, &granted).await.status, 200);
    let rsa = grant(&world).await;
    assert_eq!(use_token(&world, &rsa).await.status, 200);
    world.logto.rotate_keys().expect("makes a key");
    let refused = use_token(&world, &granted).await;
    assert_eq!((refused.status, &refused.json()["data"]["code"]), (401, &json!("ERR_JWKS_NO_MATCHING_KEY")));

    world.logto.set_token_ttl(Duration::from_secs(5));
    let granted = grant(&world).await;
    assert_eq!(granted.json()["expires_in"], 5);
    world.advance(4);
    assert_eq!(use_token(&world, &granted).await.status, 200);
    world.advance(1);
    let refused = use_token(&world, &granted).await.json();
    assert_eq!(refused["data"]["code"], "ERR_JWT_EXPIRED");
    assert_eq!(refused["data"]["payload"]["client_id"], M2M);
}

#[tokio::test]
async fn secrets_and_roles_change_at_run_time() {
    let world = World::demo().await;
    let granted = grant(&world).await;
    world.logto.set_secrets(M2M, vec!["new".to_owned(), "newer".to_owned()]);
    assert_eq!(grant(&world).await.status, 401);
    for secret in ["new", "newer"] {
        assert_eq!(world.send(&ask_token(HOST, &format!("{M2M}:{secret}"))).await.status, 200);
    }
    world.logto.set_role(M2M, ManagementRole::Missing);
    let bare = world.send(&ask_token(HOST, &format!("{M2M}:new"))).await;
    assert_eq!((bare.status, bare.json().get("scope")), (200, None));
    assert_eq!(use_token(&world, &bare).await.json()["code"], "auth.forbidden");
    assert_eq!(use_token(&world, &granted).await.status, 200);
}

#[tokio::test]
async fn faults_and_memory_are_switched_over_http() {
    let world = World::demo().await;
    let control = |method: &str, path: &str| Request::new(method, path).header("Host", HOST);
    let faults = json!([{ "on": "api", "times": 1, "effect": { "answer": { "status": 502, "body": "bad" } } }, {
        "on": "token", "effect": "black-hole",
    }]);
    let put = control("PUT", "/__emulator/faults").body("application/json", faults.to_string());
    assert_eq!(world.send(&put).await.status, 204);
    let armed = world.logto.faults().armed();
    assert_eq!((armed.len(), &armed[1].effect), (2, &Effect::BlackHole));
    let answer = world.send(&list(&world)).await;
    assert_eq!((answer.status, answer.text().as_str()), (502, "bad"));
    let wrong =
        control("PUT", "/__emulator/faults").body("application/json", r#"[{"on":"api","effect":"no"}]"#);
    assert_eq!(world.send(&wrong).await.status, 400);
    let never = r#"[{"on":"api","path":"api/users","effect":"reset"}]"#;
    let never = world.send(&control("PUT", "/__emulator/faults").body("application/json", never)).await;
    assert_eq!(never.status, 400);
    let message = never.json()["message"].as_str().unwrap_or_default().to_owned();
    assert!(message.starts_with("fault 1: no path begins like `path`"), "{message}");
    assert_eq!(world.logto.faults().armed().len(), 1, "what was armed before is still");
    assert_eq!(world.send(&control("DELETE", "/__emulator/faults")).await.status, 204);
    assert!(world.logto.faults().armed().is_empty());

    let seen = world.send(&control("GET", "/__emulator/recorded")).await.json();
    assert_eq!(
        (seen["requests"].as_array().map(Vec::len), &seen["requests"][0]["status"]),
        (Some(1), &json!(502))
    );
    let granted = grant(&world).await;
    for status in [200, 200, 401] {
        assert_eq!(use_token(&world, &granted).await.status, status);
        assert_eq!(world.send(&control("POST", "/__emulator/rotate-keys")).await.status, 204);
    }
    let ttl = control("PUT", "/__emulator/token-ttl").body("application/json", r#"{"seconds":9}"#);
    assert_eq!(world.send(&ttl).await.status, 204);
    assert_eq!(grant(&world).await.json()["expires_in"], 9);
}

#[tokio::test]
async fn memory_is_bounded() {
    let limits = Limits { rows: 3, recorded: 2, recorded_body: 4 };
    let logto = Emulator::start(Options { limits, ..Options::default() }).await.expect("a free port");
    let token = logto
        .forge(&json!({}), &{
            let mut claims = World::claims();
            claims["iss"] = json!(format!("{}/oidc", logto.endpoint()));
            claims["exp"] = json!(u32::MAX);
            claims
        })
        .expect("signs");
    let create = Request::new("POST", "/api/users")
        .header("Host", "x")
        .header("Authorization", &format!("Bearer {token}"))
        .body("application/json", "{\"name\":\"x\"}");
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(wire::send(logto.addr(), &create).await.expect("answers").status);
    }
    assert_eq!(statuses, [200, 200, 200, 422]);
    let recorded = logto.recorded();
    assert_eq!(recorded.iter().map(|recorded| recorded.number).collect::<Vec<_>>(), [2, 3]);
    assert_eq!((recorded[0].body.as_slice(), recorded[0].body_len), (&b"{\"na"[..], 12));
    assert_eq!(logto.surprises().len(), 1);
}

#[tokio::test]
async fn the_demonstration_has_canaries_where_logto_has_secrets() {
    let world = World::demo().await;
    let paths = [
        "/api/connectors",
        "/api/sso-connectors",
        "/api/hooks",
        "/api/one-time-tokens",
        "/api/applications/demo-m2m/secrets",
        "/api/applications/demo-web",
        "/api/captcha-provider",
        "/api/configs/jwt-customizer",
    ];
    for path in paths {
        let answer = world.api("GET", path, Value::Null).await;
        assert!(answer.text().contains(CANARY), "{path}: {}", answer.text());
    }
    let users = world.api("GET", "/api/users", Value::Null).await;
    assert!(!users.text().contains(CANARY));
    assert_eq!(users.value("total-number"), Some("5"));
}

#[tokio::test]
async fn equal_seeds_give_equal_ids() {
    let (one, other) = (World::bare().await, World::bare().await);
    let body = json!({ "username": "same" });
    let ids =
        [one.api("POST", "/api/users", body.clone()).await, other.api("POST", "/api/users", body).await];
    assert_eq!(ids[0].json()["id"], ids[1].json()["id"]);
}
