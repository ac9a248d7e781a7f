//! Answers that come compressed: what goes on of them, in which form, and what does not.

use std::time::Duration;

use claviger_emulator::{Options, Seed};
use miniz_oxide::deflate::compress_to_vec;

use crate::{
    streaming::four_slow_callers_fill_no_memory,
    support::{
        Answer, Logto, Proxy, Reaction, Request, Scripted, Told, Whole, gzip::gzip, proxy::Builder, quoted,
        wait::pass,
    },
};

const PAGE: &str = "/api/users?page=1&page_size=100";
const MASK: &str = "[redacted by claviger]";
/// Of what an answer may be, in KiB, whatever it expands to.
const BOUND: u64 = 6 * 1024;

async fn logto_with_users(users: usize) -> Logto {
    Logto::with(Options { seed: Seed::Demo { users }, ..Options::default() }).await
}

fn asking(logto: &Logto) -> Builder {
    Proxy::builder().tenant("acme", logto).set("tenants.acme.compression", true)
}

fn taking(target: &str, coding: &str) -> Request {
    Request::get(target).header("Accept-Encoding", coding)
}

fn lengths(answer: &Answer) -> (usize, usize) {
    (answer.body.len(), answer.plain().len())
}

#[tokio::test]
async fn b45_a_page_comes_compressed_and_goes_on_as_its_caller_takes_it() {
    let logto = logto_with_users(100).await;
    let proxy = asking(&logto).start().await;
    let plain = proxy.get(PAGE).await;
    assert_eq!(plain.json().as_array().map(Vec::len), Some(100), "{}", plain.text());
    assert_eq!(logto.last().header_values("accept-encoding"), ["gzip"]);
    for (coding, comes) in [
        ("gzip", true),
        ("gzip, deflate, br, zstd", true),
        ("br;q=1.0, *;q=0.5", true),
        ("x-gzip", true),
        ("identity", false),
        ("br", false),
        ("gzip;q=0, *", false),
        ("identity, gzip;q=0.5", false),
        ("*;q=0", false),
        ("", false),
    ] {
        let answer = proxy.ask(&taking(PAGE, coding)).await;
        assert_eq!(logto.last().header_values("accept-encoding"), ["gzip"], "{coding}");
        assert_eq!((answer.status, answer.plain()), (200, plain.body.clone()), "{coding}");
        assert_eq!(answer.value("content-encoding"), comes.then_some("gzip"), "{coding}");
        assert_eq!(answer.value("etag"), plain.value("etag"), "{coding}");
        assert_eq!(answer.value("vary"), Some("Accept-Encoding, Origin"), "{coding}");
        assert_eq!(answer.values("link"), plain.values("link"), "{coding}");
        let (length, says) = lengths(&answer);
        assert!(if comes { length * 5 < says } else { length == says }, "{coding}: {length} for {says}");
        // The upstream knows the tag, whatever the form that it came with.
        let tag = answer.value("etag").expect("Logto gives one").to_owned();
        let same = proxy.ask(&taking(PAGE, coding).header("If-None-Match", &tag)).await;
        assert_eq!((same.status, same.body.len()), (304, 0), "{coding}");
        assert_eq!(same.value("etag"), Some(&*tag));
    }
    let head = proxy.ask(&Request::new("HEAD", PAGE).header("Accept-Encoding", "gzip")).await;
    assert_eq!(
        logto.last().header_values("accept-encoding"),
        ["identity"],
        "of HEAD Logto compresses nothing"
    );
    assert_eq!((head.status, head.value("content-encoding")), (200, None));
    // Too small for Logto: as it is, with its length.
    let small = proxy.ask(&taking("/api/users?page=1&page_size=1", "gzip")).await;
    assert_eq!(small.value("content-length"), Some(small.body.len().to_string().as_str()));
    assert_eq!((small.value("content-encoding"), small.json().as_array().map(Vec::len)), (None, Some(1)));
    assert_eq!(logto.surprises(), []);
}

#[tokio::test]
async fn b45_what_is_masked_goes_on_as_it_is() {
    let logto = Logto::start().await;
    let compressed = asking(&logto).start().await;
    let may = "['CreateHook', 'ListHooks']";
    let proxy = Proxy::builder().tenant("acme", &logto).set("policies.all.allow", may).start().await;
    for number in 0..20 {
        let hook = format!(
            r#"{{"name":"h{number}","events":["PostRegister"],"config":{{"url":"https://h.example","headers":{{"X":"{}"}}}}}}"#,
            claviger_emulator::CANARY
        );
        assert_eq!(proxy.ask(&Request::post("/api/hooks", hook)).await.status, 201);
    }
    let hooks = |coding| taking("/api/hooks?page=1&page_size=100", coding);
    let want = proxy.ask(&hooks("gzip")).await;
    assert!(want.text().matches(MASK).count() > 20, "{}", want.text());
    assert_eq!(logto.last().header_values("accept-encoding"), ["identity"], "a loopback address");
    for coding in ["gzip", "identity"] {
        let masked = compressed.ask(&hooks(coding).header("If-None-Match", "\"x\"")).await;
        assert_eq!(logto.last().header_values("accept-encoding"), ["gzip"]);
        assert_eq!((masked.status, masked.text()), (200, want.text()));
        for gone in ["content-encoding", "content-length", "etag"] {
            assert_eq!(masked.value(gone), None, "{gone}");
        }
    }
}

/// An upstream that says what it is told; a token was fetched.
async fn scripted(logto: &Logto, told: &Told) -> (Scripted, Proxy) {
    let upstream = Scripted::start(logto, Reaction::AsTold(told.clone())).await;
    let endpoint = quoted(upstream.base_url());
    let proxy = asking(logto).set("tenants.acme.endpoint", endpoint).set("retry.attempts", 1).start().await;
    (upstream, proxy)
}

fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

const GZIP: &str = "Content-Encoding: gzip\r\n";

#[tokio::test]
async fn b45_what_cannot_be_read_does_not_pass() {
    let logto = Logto::start().await;
    let told = Told::default();
    let (_upstream, proxy) = scripted(&logto, &told).await;
    let good = gzip(&br#"{"id":"a","name":"b"}"#.repeat(100));
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] ^= byte;
        bytes
    };
    let end = good.len();
    let mut named = good.clone();
    named[3] = 8;
    named.splice(10..10, *b"of-a-file\0");
    for (what, headers, body, cause) in [
        ("br", "Content-Encoding: br\r\n", good.clone(), "a Content-Encoding that was not asked for"),
        ("twice", "Content-Encoding: gzip, gzip\r\n", gzip(&good), "not asked for"),
        (
            "two headers",
            "Content-Encoding: identity\r\nContent-Encoding: gzip\r\n",
            good.clone(),
            "not asked for",
        ),
        ("no gzip", GZIP, b"{}".to_vec(), "it is not gzip"),
        ("a name", GZIP, named, "it is not gzip, or has a file's name"),
        ("a checksum", GZIP, with(end - 8, 1), "corrupt"),
        ("a length", GZIP, with(end - 1, 1), "corrupt"),
        ("cut short", GZIP, good[..end - 1].to_vec(), "it ended early"),
        ("two members", GZIP, [good.as_slice(), good.as_slice()].concat(), "something follows after its end"),
        ("something behind", GZIP, [good.as_slice(), b"\n"].concat(), "something follows after its end"),
    ] {
        for status in ["200 OK", "404 Not Found"] {
            for (path, coding) in [("/api/roles", "gzip"), ("/api/roles", "identity"), ("/api/hooks", "gzip")]
            {
                let bytes = answer(status, headers, &body);
                told.answers(move |_| bytes.clone());
                let stopped = proxy.ask(&taking(path, coding)).await;
                stopped.assert_problem(502, "upstream_invalid");
                assert!(stopped.text().contains(cause), "{what}: {}", stopped.text());
            }
        }
    }
    // Where there is nothing to read, nothing hides.
    for status in ["204 No Content", "304 Not Modified"] {
        let bytes = format!("HTTP/1.1 {status}\r\nContent-Encoding: br\r\n\r\n").into_bytes();
        told.answers(move |_| bytes.clone());
        assert_eq!(
            proxy.get("/api/roles").await.outcome(),
            (status[..3].parse().expect("a number"), String::new())
        );
    }
}

#[tokio::test]
async fn b45_an_echo_in_a_compressed_answer_is_stopped() {
    let logto = Logto::start().await;
    let told = Told::default();
    let (_upstream, proxy) = scripted(&logto, &told).await;
    let text = |before: usize, credential: &str| {
        format!("{{\"a\":\"{}\",\"b\":\"{credential}\"}}", "e".repeat(before))
    };
    let secret = logto.secret().to_owned();
    let mut stopped = 0.0;
    for coding in ["gzip", "identity"] {
        for of_token in [true, false] {
            let own = secret.clone();
            told.answers(move |token| {
                answer("200 OK", GZIP, &gzip(text(30_000, if of_token { token } else { &own }).as_bytes()))
            });
            proxy.ask(&taking("/api/roles", coding)).await.assert_problem(502, "upstream_invalid");
            // In chunks of a byte: what goes before is out by then.
            let own = secret.clone();
            told.answers(move |token| {
                let body = gzip(text(100_000, if of_token { token } else { &own }).as_bytes());
                let chunks = body.iter().flat_map(|byte| [&b"1\r\n"[..], &[*byte], b"\r\n"].concat());
                let head = format!(
                    "HTTP/1.1 200 OK\r\nConnection: close\r\n{GZIP}Transfer-Encoding: chunked\r\n\r\n"
                );
                head.into_bytes().into_iter().chain(chunks).chain(*b"0\r\n\r\n").collect()
            });
            let (begun, whole) = proxy.connect().await.ask_to_the_end(&taking("/api/roles", coding)).await;
            assert_eq!((begun.status, whole), (200, Whole::No), "{coding}");
            let said = begun.plain();
            assert!(
                said.len() > 90_000 && text(100_000, "").as_bytes().starts_with(&said),
                "{coding}: {}",
                said.len()
            );
            stopped += 2.0;
        }
    }
    assert_eq!(proxy.metric("claviger_echo_guard_total{tenant=\"acme\"}").await, stopped);
    proxy.logged("repeats a credential").await;
    // Each was carried out, and none of that is fine.
    let status = proxy.status().await;
    let (upstream, problem) = (&status["tenants"]["acme"]["upstream"], &status["problems"][0]);
    assert!(upstream["tries"].as_f64() >= Some(stopped), "{status}");
    assert_eq!(upstream["failed"].as_f64(), Some(stopped), "{status}");
    assert_eq!(
        upstream["last_error"]["what"],
        "the upstream's answer to ListRoles repeats a credential that Claviger holds"
    );
    assert!(
        problem["what"].as_str().is_some_and(|what| what.contains("to ListRoles repeats a credential")),
        "{status}"
    );
    let said = "Find out what at `endpoint` repeats the request's Authorization";
    assert!(problem["remedy"].as_str().is_some_and(|it| it.starts_with(said)), "{status}");
    proxy.logged(said).await;
}

/// 64 MiB of spaces in 64 KiB; the end never matters.
fn bomb() -> Vec<u8> {
    [&gzip(b"")[..10], &compress_to_vec(&vec![b' '; 64 << 20], 9)].concat()
}

#[tokio::test]
async fn b45_a_bomb_fills_no_memory() {
    let logto = Logto::start().await;
    let told = Told::default();
    let (_upstream, proxy) = scripted(&logto, &told).await;
    told.answers(|_| answer("200 OK", "", b"[]"));
    assert_eq!(proxy.get("/api/roles").await.status, 200);
    let before = proxy.memory().0;
    let bomb = bomb();
    for (path, coding) in [("/api/roles", "gzip"), ("/api/roles", "identity"), ("/api/hooks", "identity")] {
        let bytes = answer("200 OK", GZIP, &bomb);
        told.answers(move |_| bytes.clone());
        let (begun, whole) = proxy.connect().await.ask_to_the_end(&taking(path, coding)).await;
        assert!(whole == Whole::No || begun.status == 502, "{path} {coding}: {}", begun.status);
        assert!(begun.body.len() < 2 << 20, "{path} {coding}: {}", begun.body.len());
    }
    proxy.logged("limits.expansion").await;
    let highest = proxy.memory().1;
    assert!(highest < before + BOUND, "{before} KiB before, {highest} KiB at the most");
}

#[tokio::test]
async fn b45_much_to_look_through_holds_nobody_up() {
    let logto = Logto::start().await;
    let upstream = Scripted::start(&logto, Reaction::Bytes(answer("200 OK", GZIP, &bomb()))).await;
    let proxy = asking(&logto)
        .set("tenants.acme.endpoint", quoted(upstream.base_url()))
        .tenant("other", &logto)
        .set("callers.local.tenants", "['*']")
        .set("limits.expansion", 2000)
        .set("workers", 1)
        .start()
        .await;
    assert_eq!(proxy.get("/t/other/api/roles").await.status, 200);
    let mut client = proxy.connect().await;
    let looked_through =
        tokio::spawn(async move { client.try_ask(&taking("/t/acme/api/roles", "gzip")).await });
    pass(Duration::from_millis(100)).await;
    for _ in 0..5 {
        assert_eq!(proxy.get("/t/other/api/roles").await.status, 200);
    }
    assert!(!looked_through.is_finished(), "the others had to wait for it");
}

#[tokio::test]
async fn b45_a_caller_that_does_not_read_stops_the_decompression() {
    let logto = Logto::start().await;
    let row = br#"{"id":"abcdefghijkl","name":"somebody","customData":{"a":[1,2]}}"#;
    let text = [&b"["[..], &vec![&row[..]; 400_000].join(&b","[..]), b"]"].concat();
    let bytes = gzip(&text);
    assert!(bytes.len() < 300_000 && text.len() > 24 << 20, "{} in {}", text.len(), bytes.len());
    let upstream = Scripted::start(&logto, Reaction::Bytes(answer("200 OK", GZIP, &bytes))).await;
    let proxy = asking(&logto)
        .set("tenants.acme.endpoint", quoted(upstream.base_url()))
        .set("limits.expansion", 1000)
        .start()
        .await;
    let before = proxy.memory().0;
    // What is left to decompress counts against its caller, though the upstream is done.
    four_slow_callers_fill_no_memory(&proxy, &taking("/api/roles", "identity"), before, text.len()).await;
}
