use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    time::advance,
};

use super::*;
use crate::{
    config,
    limit::{Bounds, Bucket, InFlight, Waits},
};

const SMALL: &str =
    r#"{"openapi":"3.0.1","paths":{"/api/users":{"get":{"operationId":"ListUsers","responses":{}}}}}"#;

/// A Logto that answers every request with the same, and counts them.
struct Upstream {
    url: String,
    asked: Arc<AtomicUsize>,
}

async fn upstream(answer: String) -> Upstream {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (url, asked) =
        (format!("http://{}/doc.json", listener.local_addr().unwrap()), Arc::<AtomicUsize>::default());
    let counted = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Relaxed);
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    Upstream { url, asked }
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

fn options() -> OpenApiOptions {
    OpenApiOptions::default()
}

fn library() -> (Library, Arc<Metrics>) {
    let metrics = Arc::new(Metrics::new());
    (Library::new(Handle::current(), metrics.clone()), metrics)
}

fn origin(url: &str, quota: Option<config::Quota>) -> Origin {
    let tenant = TenantName::parse("acme").unwrap();
    let tls = crate::trust::client(&crate::config::Roots::Bundled).unwrap();
    let metrics = Metrics::new();
    Origin {
        http: crate::trust::cold_client(tls, Duration::from_secs(5)).build().unwrap(),
        url: url.into(),
        quota: Quota::new(
            tenant.clone(),
            quota,
            Arc::new(Bucket::of(quota)),
            Waits { longest: Duration::ZERO, most: 0 },
            metrics.quota_used.of([&tenant]),
        ),
        in_flight: Arc::new(InFlight::new(tenant.clone(), Bounds { max: 4, queue: 4, adaptive: true })),
        whole: Duration::from_secs(30),
        tenant,
    }
}

/// Lets the fetch that is under way come to its end.
async fn settled(shelf: &Arc<Shelf>) {
    while shelf.state().fetching {
        tokio::task::yield_now().await;
        std::thread::yield_now();
    }
}

fn is_catalog(source: &Source) -> bool {
    matches!(source, Source::Catalog)
}

#[tokio::test]
async fn the_first_demand_fetches_and_nobody_waits_for_it() {
    let (upstream, (library, metrics), shelf) =
        (upstream(ok(SMALL)).await, library(), Arc::<Shelf>::default());
    for _ in 0..10 {
        let source = library.source(&shelf, &options(), || origin(&upstream.url, None));
        assert!(is_catalog(&source), "there is no document yet");
    }
    settled(&shelf).await;
    assert_eq!(upstream.asked.load(Relaxed), 1, "one fetch for all");
    let source = library.source(&shelf, &options(), || panic!("it is there"));
    let Source::Logto(document) = source else { panic!("it was fetched") };
    assert_eq!(document.len(), SMALL.len());
    let scraped = metrics.render_with(|| {});
    assert!(
        scraped.contains("claviger_openapi_fetches_total{outcome=\"fetched\",tenant=\"acme\"} 1"),
        "{scraped}"
    );
}

#[tokio::test(start_paused = true)]
async fn it_is_fetched_again_when_it_is_old_and_somebody_asks() {
    let shelf = Arc::<Shelf>::default();
    let day = Duration::from_hours(24);
    let turn = shelf.ask(Instant::now(), day).1.unwrap();
    turn.fetched(Arc::new(Document::read(SMALL.as_bytes().to_vec()).unwrap()));
    drop(turn);
    advance(day - Duration::from_secs(1)).await;
    assert!(shelf.ask(Instant::now(), day).1.is_none());
    assert!(
        shelf.ask(Instant::now(), Duration::from_hours(1)).1.is_some(),
        "a shorter refresh takes effect at once"
    );
    advance(Duration::from_secs(2)).await;
    let (source, turn) = shelf.ask(Instant::now(), day);
    assert!(!is_catalog(&source), "the old one is read meanwhile");
    let turn = turn.unwrap();
    assert!(shelf.ask(Instant::now(), day).1.is_none(), "one at a time");
    // What fails does not take away what there is.
    assert_eq!(turn.failed(day), Duration::from_mins(1));
    drop(turn);
    assert!(shelf.ask(Instant::now(), day).1.is_none());
    let mut waits = Vec::new();
    for _ in 0..8 {
        advance(Duration::from_hours(1)).await;
        let turn = shelf.ask(Instant::now(), day).1.unwrap();
        waits.push(turn.failed(day).as_secs() / 60);
    }
    assert_eq!(waits, [2, 4, 8, 16, 32, 60, 60, 60]);
    assert!(!is_catalog(&shelf.ask(Instant::now(), day).0));
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_ends_without_a_word_is_tried_again_later() {
    let shelf = Arc::<Shelf>::default();
    let day = Duration::from_hours(24);
    drop(shelf.ask(Instant::now(), day).1.unwrap());
    assert!(shelf.ask(Instant::now(), day).1.is_none());
    advance(BACKOFF).await;
    assert!(shelf.ask(Instant::now(), day).1.is_some());
}

#[tokio::test]
async fn what_is_no_document_is_not_kept() {
    let large = format!("{}{}", SMALL, " ".repeat(4096));
    let chunked = format!(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{large}\r\n0\r\n\r\n",
        large.len()
    );
    let small = OpenApiOptions { max_bytes: 2048, ..options() };
    let no_room = OpenApiOptions { memory: 10, ..options() };
    for (answer, options, error) in [
        (ok("<html>"), options(), "not an OpenAPI document"),
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".into(), options(), "404 instead of 200"),
        (
            "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n".into(),
            options(),
            "302 instead of 200",
        ),
        (ok(&large), small.clone(), "longer than 2048 bytes"),
        (chunked, small, "longer than 2048 bytes"),
        (ok(SMALL), no_room, "no room for it in openapi.memory"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{".into(), options(), ""),
    ] {
        let (upstream, shelf) = (upstream(answer.clone()).await, Arc::<Shelf>::default());
        let (library, metrics) = library();
        let fetch = Fetch {
            origin: origin(&upstream.url, None),
            options,
            thread: library.thread.clone(),
            documents: library.documents.clone(),
            metrics: metrics.clone(),
        };
        let turn = shelf.ask(Instant::now(), Duration::from_hours(1)).1.unwrap();
        let failed = fetch.document(&turn).await.unwrap_err().to_string();
        assert!(failed.contains(error), "{failed}: {answer}");
        fetch.run(turn).await;
        assert!(is_catalog(&shelf.ask(Instant::now(), Duration::from_hours(1)).0));
        assert!(metrics.render_with(|| {}).contains("{outcome=\"failed\",tenant=\"acme\"} 1"));
    }
}

#[tokio::test]
async fn a_fetch_draws_on_the_tenants_quota() {
    let (upstream, (library, _), shelf) = (upstream(ok(SMALL)).await, library(), Arc::<Shelf>::default());
    let rate = config::Quota::new(1, Duration::from_hours(1), 1.0);
    let origin = origin(&upstream.url, Some(rate));
    let quota = origin.quota.clone();
    library.source(&shelf, &options(), || origin);
    settled(&shelf).await;
    assert_eq!((quota.remaining(), upstream.asked.load(Relaxed)), (Some(0), 1));
    let (other, second) = (Arc::<Shelf>::default(), self::origin(&upstream.url, Some(rate)));
    library.source(&other, &options(), || Origin { quota, ..second });
    settled(&other).await;
    assert_eq!(upstream.asked.load(Relaxed), 1, "nothing is sent beyond the quota");
    assert!(is_catalog(&other.ask(Instant::now(), Duration::from_hours(1)).0));
}

#[tokio::test]
async fn tenants_with_the_same_operations_share_a_document() {
    let (library, _) = library();
    let answer = |server: &str| {
        ok(&SMALL.replace("\"paths\"", &format!("\"servers\":[{{\"url\":\"{server}\"}}],\"paths\"")))
    };
    let mut documents = Vec::new();
    for server in ["http://a", "http://b"] {
        let (upstream, shelf) = (upstream(answer(server)).await, Arc::<Shelf>::default());
        library.source(&shelf, &options(), || origin(&upstream.url, None));
        settled(&shelf).await;
        let Source::Logto(document) = shelf.ask(Instant::now(), Duration::from_hours(1)).0 else {
            panic!("{server}")
        };
        documents.push((document, shelf));
    }
    assert!(Arc::ptr_eq(&documents[0].0, &documents[1].0));
}

/// A document takes the place of the one before, though there is no room for both.
#[tokio::test]
async fn a_newer_document_needs_no_room_beside_the_older() {
    let (library, metrics) = library();
    let options = OpenApiOptions { memory: SMALL.len() + 10, ..options() };
    let shelf = Arc::<Shelf>::default();
    for (text, outcome) in [(SMALL.to_owned(), "fetched"), (SMALL.replace("ListUsers", "ListAll"), "fetched")]
    {
        let upstream = upstream(ok(&text)).await;
        let fetch = Fetch {
            origin: origin(&upstream.url, None),
            options: options.clone(),
            thread: library.thread.clone(),
            documents: library.documents.clone(),
            metrics: metrics.clone(),
        };
        fetch.run(Turn(shelf.clone())).await;
        assert!(shelf.state().retry.is_none(), "{outcome}");
    }
    assert!(metrics.render_with(|| {}).contains("{outcome=\"fetched\",tenant=\"acme\"} 2"));
}
