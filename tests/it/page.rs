//! The page of the admin listener and the stream that it reads: what they are sent with, who gets them, and what they cost.

use claviger_emulator::Effect;
use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Client, Logto, Proxy, Request, quoted, soon, wire::Place, within};

const FILES: [&str; 3] = ["/", "/page.css", "/page.js"];
const TOKEN: &str = "CANARY-held-token-of-the-admins";

/// A reader of `/events`.
struct Reader {
    client: Client,
    text: String,
}

impl Reader {
    async fn try_open(proxy: &Proxy, request: Request) -> Result<Self, u16> {
        let place = Place::parse(&proxy.admin_authority());
        let mut client = place.connect(proxy.tap().clone()).await.expect("it listens");
        client.write(&request.head()).await.expect("it is read");
        let head = client.read_head().await.expect("there is an answer");
        if head.status != 200 {
            return Err(head.status);
        }
        assert_eq!(head.value("content-type"), Some("text/event-stream"));
        let mut reader = Self { client, text: String::new() };
        // The subscription is there when the first part is.
        reader.until("retry: ").await;
        Ok(reader)
    }

    async fn open(proxy: &Proxy) -> Self {
        Self::try_open(proxy, Request::get("/events")).await.unwrap_or_else(|status| panic!("{status}"))
    }

    async fn until(&mut self, text: &str) {
        while !self.text.contains(text) {
            assert!(self.more().await, "it ended before {text:?}: {}", self.text);
        }
    }

    async fn more(&mut self) -> bool {
        let is_open = matches!(self.client.read_more().await, Ok(1..));
        self.text.push_str(&String::from_utf8_lossy(&self.client.take_unread()));
        is_open
    }

    /// Reads on until it ends.
    async fn end(mut self) -> String {
        // The connection may stay for another request.
        let is_over = |text: &str| text.ends_with("\r\n0\r\n\r\n");
        within("the stream to end", async { while !is_over(&self.text) && self.more().await {} }).await;
        self.text
    }

    fn events(&self) -> Vec<Value> {
        let data = self.text.lines().filter_map(|line| line.strip_prefix("data: "));
        data.filter_map(|data| serde_json::from_str(data).ok()).filter(Value::is_object).collect()
    }
}

#[tokio::test]
async fn the_page_may_do_nothing_but_ask_its_own_listener() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    for file in FILES {
        let answer = proxy.admin(file).await;
        assert_eq!(answer.status, 200, "{file}");
        let policy = answer.value("content-security-policy").expect("there is one").to_owned();
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'none'",
        ] {
            assert!(policy.split("; ").any(|it| it == part), "{part}: {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains('*') && !policy.contains("data:"), "{policy}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            ("x-frame-options", "DENY"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("server", "claviger"),
        ] {
            assert_eq!(answer.value(name), Some(value), "{file}: {name}");
        }
        let head = proxy.ask_admin(&Request::new("HEAD", file)).await;
        assert_eq!(head.value("content-length"), answer.value("content-length"));
        for method in ["POST", "PUT", "DELETE"] {
            assert_eq!(proxy.ask_admin(&Request::new(method, file)).await.status, 405);
        }
    }
    for data in ["/status", "/config", "/metrics", "/livez"] {
        let answer = proxy.admin(data).await;
        for (name, value) in [
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            ("server", "claviger"),
        ] {
            assert_eq!(answer.value(name), Some(value), "{data}: {name}");
        }
    }
}

#[tokio::test]
async fn b18_the_page_may_ask_its_listener_and_no_other_page_may() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    let host = proxy.admin_authority();
    let from = |target: &str, headers: &[(&str, &str)]| {
        let request = Request::get(target).header("Host", &host);
        headers.iter().fold(request, |request, (name, value)| request.header(name, value))
    };
    let own = format!("http://{host}");
    for headers in [&[("Sec-Fetch-Site", "same-origin")][..], &[("Origin", own.as_str())]] {
        for target in ["/status", "/config", "/metrics"] {
            assert_eq!(proxy.ask_admin(&from(target, headers)).await.status, 200, "{target} {headers:?}");
        }
    }
    for headers in [
        &[("Sec-Fetch-Site", "cross-site")][..],
        &[("Sec-Fetch-Site", "same-site")],
        &[("Origin", "http://evil.example")],
        &[("Origin", "http://localhost:5173"), ("Sec-Fetch-Site", "same-origin")],
    ] {
        for target in ["/status", "/config", "/events"] {
            assert_eq!(proxy.ask_admin(&from(target, headers)).await.status, 403, "{target} {headers:?}");
        }
        // A link that leads here from elsewhere; there is nothing in it.
        assert_eq!(proxy.ask_admin(&from("/", headers)).await.status, 200, "{headers:?}");
    }
    let command = Request::new("POST", "/token/retry").header("Host", &host).header("Origin", &own);
    assert_eq!(proxy.ask_admin(&command).await.status, 403, "the page only looks");
    let rebound = Request::get("/").header("Host", "evil.example");
    assert_eq!(proxy.ask_admin(&rebound).await.status, 421);
}

#[tokio::test]
async fn with_a_token_the_page_comes_empty_and_its_data_takes_the_token() {
    let logto = Logto::start().await;
    let token = |builder: crate::support::proxy::Builder| {
        builder.tenant("acme", &logto).set("admin.token", "{ env = 'ADMIN_TOKEN' }").env("ADMIN_TOKEN", TOKEN)
    };
    for listen in ["127.0.0.1:0", "0.0.0.0:0"] {
        let proxy = token(Proxy::builder()).set("listen.admin", quoted(listen)).start().await;
        for file in FILES {
            assert_eq!(proxy.admin(file).await.status, 200, "{file}");
        }
        assert_eq!(proxy.admin("/events").await.status, 401);
        let with = Request::get("/events").header("Authorization", &format!("Bearer {TOKEN}"));
        assert!(Reader::try_open(&proxy, with).await.is_ok());
    }
    let open = Proxy::builder().tenant("acme", &logto).set("listen.admin", "'0.0.0.0:0'").start().await;
    for target in FILES.into_iter().chain(["/events"]) {
        let answer = open.admin(target).await;
        assert_eq!(answer.status, 403, "{target}");
        assert!(answer.text().contains("admin.token"));
    }
}

#[tokio::test]
async fn a_reader_sees_requests_as_they_end_with_what_decided() {
    let logto = Logto::start().await;
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set("policies.all.deny", "['DeleteUser']")
        .set("audit.output", "{ file = 'audit.jsonl' }")
        .set("retry.attempts", "1")
        .start()
        .await;
    let mut reader = Reader::open(&proxy).await;
    assert_eq!(proxy.get("/api/users?search=CANARY-asked-for").await.status, 200);
    assert_eq!(proxy.ask(&Request::new("DELETE", "/api/users/u1")).await.status, 403);
    logto.api_fault_times(1, Effect::status(500));
    assert_eq!(proxy.get("/api/roles").await.status, 500);
    reader.until("\"ListRoles\"").await;
    let events = reader.events();
    let [allowed, denied, failed] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(
        (
            &allowed["caller"],
            &allowed["operation"],
            &allowed["outcome"],
            &allowed["status"],
            &allowed["path"]
        ),
        (&"local".into(), &"ListUsers".into(), &"answered".into(), &200.into(), &"/api/users".into()),
    );
    assert_eq!(
        (&allowed["rule"]["text"], &allowed["rule"]["policy"]),
        (&"*".into(), &"all".into()),
        "{allowed}"
    );
    assert_eq!((&denied["outcome"], &denied["code"]), (&"denied".into(), &"claviger.not_permitted".into()));
    assert_eq!((&denied["rule"]["effect"], &denied["rule"]["text"]), (&"deny".into(), &"DeleteUser".into()));
    assert_eq!((&failed["outcome"], &failed["source"]), (&"answered".into(), &"upstream".into()));
    assert!(!reader.text.contains("CANARY-asked-for"), "no query");
}

#[tokio::test]
async fn readers_are_few_and_give_their_places_back() {
    let logto = Logto::start().await;
    let mut proxy = Proxy::builder().tenant("acme", &logto).set("admin.readers", "2").start().await;
    let (one, _two) = (Reader::open(&proxy).await, Reader::open(&proxy).await);
    let third = proxy.admin("/events").await;
    assert_eq!((third.status, third.retry_after()), (503, Some(10)));
    assert!(third.text().contains("admin.readers"), "{}", third.text());
    assert_eq!(proxy.admin("/livez").await.status, 200);
    let head = proxy.ask_admin(&Request::new("HEAD", "/events")).await;
    assert_eq!((head.status, head.value("content-type")), (200, Some("text/event-stream")), "takes no place");
    drop(one);
    let again = || async { Reader::try_open(&proxy, Request::get("/events")).await };
    let mut tries = 0;
    let freed = loop {
        match again().await {
            Ok(reader) => break reader,
            Err(status) => assert_eq!((status, tries < 10_000), (503, true)),
        }
        tries += 1;
    };
    drop(freed);
    assert!(proxy.reload_with(|settings| settings.set("admin.readers", "0")).await);
    assert_eq!(proxy.admin("/events").await.status, 503);
}

#[tokio::test]
async fn the_stream_ends_with_the_process_and_with_the_token() {
    let logto = Logto::start().await;
    let mut proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set("admin.token", quoted(TOKEN))
        .set("shutdown.delay", "'5s'")
        .start()
        .await;
    let with = || Request::get("/events").header("Authorization", &format!("Bearer {TOKEN}"));
    let reader = Reader::try_open(&proxy, with()).await.unwrap_or_else(|status| panic!("{status}"));
    assert!(proxy.reload_with(|settings| settings.set("admin.token", "'another-token-for-admins'")).await);
    assert_eq!(proxy.get("/api/users").await.status, 200);
    let text = reader.end().await;
    assert!(!text.contains("ListUsers"), "whoever has only the old token sees nothing more: {text}");
    assert!(proxy.reload_with(|settings| settings.without("admin.token")).await);
    let reader = Reader::open(&proxy).await;
    proxy.signal(Signal::TERM);
    let text = reader.end().await;
    assert!(text.contains("event: end\ndata: \"draining\""), "{text}");
    soon("the log", || proxy.log().contains("stopping")).await;
}
