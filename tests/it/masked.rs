//! Masks that come back: an answer that is written back would put the mask in place of the secret, with 200.

use claviger_emulator::Effect;

use crate::support::{Logto, Proxy, Reaction, Request, Scripted, Seen, quoted};

const MASK: &str = "[redacted by claviger]";

/// A user that the mask may be written to.
async fn user(proxy: &Proxy, logto: &Logto) -> String {
    let id = proxy.get("/api/users?page_size=1").await.json()[0]["id"].as_str().expect("a user").to_owned();
    logto.clear_recorded();
    format!("/api/users/{id}")
}

fn escaped(text: &str) -> String {
    text.chars().map(|c| format!("\\u{:04X}", u32::from(c))).collect()
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

#[tokio::test]
async fn b34_a_masked_answer_that_is_written_back_never_reaches_logto() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    let path = user(&proxy, &logto).await;
    let json = |body: String| Request::new("PATCH", &path).body("application/json", body);
    let of = |spelling: &str| format!(r#"{{"customData":{{"a":["{spelling}"]}}}}"#);
    let file = format!("--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n{MASK}\r\n--x--\r\n");
    let form = "application/x-www-form-urlencoded";
    for (what, request) in [
        ("as it is", json(of(MASK))),
        ("within a longer text", json(of(&format!("Bearer {MASK}!")))),
        ("as a name", json(format!(r#"{{"customData":{{"{MASK}":1}}}}"#))),
        ("escaped", json(of(&escaped(MASK)))),
        ("partly escaped", json(of(&MASK.replace('[', "\\u005b").replace('y', "\\u0079")))),
        ("JSON in JSON", json(of(&escaped(MASK).replace('\\', "\\\\")))),
        ("chunked", json(of(MASK)).header("Transfer-Encoding", "chunked")),
        ("a form", Request::form("/api/users", &format!("name={}", percent(MASK)))),
        ("a form with plus signs", Request::form("/api/users", "name=%5Bredacted+by+claviger%5D")),
        ("JSON in a form", Request::form("/api/users", &format!("a={}", percent(&escaped(MASK))))),
        ("text", Request::new("POST", "/api/custom-profile-fields/batch").body("text/plain", MASK)),
        ("multipart", Request::new("POST", "/api/user-assets").body("multipart/form-data; boundary=x", file)),
        ("where there should be no body", Request::new("DELETE", &path).body(form, format!("a={MASK}"))),
    ] {
        let answer = proxy.ask(&request).await;
        answer.assert_problem(409, "masked_value");
        assert!(logto.api_requests_seen().is_empty(), "{what} reached Logto");
    }
    for near in
        ["[redacted by claviger", "[redacted by  claviger]", "redacted by claviger]", "%5", "\\\\u005"]
    {
        let answer = proxy.ask(&json(of(near))).await;
        assert_eq!(answer.outcome(), (200, String::new()), "{near}: {}", answer.text());
        assert_eq!(logto.last().body, of(near).as_bytes(), "byte for byte");
    }
}

/// RFC 9112 section 6.3: the length is not true of it, and would have the body pass as none.
#[tokio::test]
async fn b25_an_answer_with_two_lengths_is_masked() {
    let logto = Logto::start().await;
    let body = r#"[{"id":"h","name":"n","signingKey":"S3CRET-of-the-hook"}]"#;
    for (lengths, status) in [
        ("Content-Length: 0\r\nTransfer-Encoding: chunked", 200),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked", 200),
        ("Transfer-Encoding: gzip, chunked", 502),
    ] {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{lengths}\r\n\r\n");
        let bytes = format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
        let upstream = Scripted::start(&logto, Reaction::Bytes(bytes.into_bytes())).await;
        let endpoint = quoted(upstream.base_url());
        let proxy = Proxy::builder().tenant("acme", &logto).set("tenants.acme.endpoint", endpoint);
        let answer = proxy.start().await.get("/api/hooks").await;
        assert_eq!(answer.status, status, "{lengths}: {}", answer.text());
        assert!(!answer.text().contains("S3CRET"), "{lengths}: {}", answer.text());
        assert_eq!(answer.text().contains("\"name\":\"n\""), status == 200, "{lengths}: {}", answer.text());
    }
}

#[tokio::test]
async fn b34_nor_does_one_that_cannot_be_looked_through() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    let path = user(&proxy, &logto).await;
    let request = |coding: &str| {
        Request::new("PATCH", &path)
            .body("application/json", r#"{"name":"Ada"}"#)
            .header("Content-Encoding", coding)
    };
    for coding in ["gzip", "br", "identity, gzip"] {
        proxy.ask(&request(coding)).await.assert_problem(415, "content_encoded");
    }
    assert!(logto.api_requests_seen().is_empty());
    assert_eq!(proxy.ask(&request("identity")).await.status, 200);
}

#[tokio::test]
async fn b34_an_upload_is_cut_off_before_the_mask_is_out() {
    let logto = Logto::start().await;
    let seen = Seen::default();
    let upstream = Scripted::start(&logto, Reaction::Keep(seen.clone())).await;
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set("tenants.acme.endpoint", quoted(upstream.base_url()))
        .start()
        .await;
    let spellings = [MASK.to_owned(), escaped(MASK), percent(MASK)];
    for spelling in &spellings {
        for split in [1, 5, spelling.len() - 1] {
            let (before, after) = spelling.split_at(split);
            let mut client = proxy.connect().await;
            let head = Request::new("POST", "/api/user-assets")
                .header("Content-Type", "multipart/form-data; boundary=x")
                .header("Content-Length", &(100_000 + spelling.len() + 1000).to_string());
            client.write(&head.head()).await.expect("it is read");
            client.write(&vec![b'x'; 100_000]).await.expect("it is read");
            client.write(before.as_bytes()).await.expect("it is read");
            // The first part is out before the rest comes.
            seen.until(before.as_bytes()).await;
            client.write(after.as_bytes()).await.expect("it is read");
            let answer = client.read_answer("POST").await.expect("there is an answer");
            answer.assert_problem(409, "masked_value");
            let bytes = seen.take();
            assert!(memchr::memmem::find(&bytes, spelling.as_bytes()).is_none(), "{spelling} at {split}");
            assert!(bytes.ends_with(before.as_bytes()), "{spelling} at {split}");
        }
    }
}

#[tokio::test]
async fn b25_what_a_connector_says_in_an_error_is_masked_for_whoever_may_send_a_code() {
    let logto = Logto::start().await;
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set("policies.all.allow", "['verification-codes:*', 'roles:read']")
        .start()
        .await;
    let error = r#"{"code":"connector.general","data":{"options":{"headers":{"authorization":"S3NTINEL"}}},"message":"{\"authorization\":\"S3NTINEL\"}"}"#;
    logto.api_fault_times(1, Effect::body(400, "application/json", error));
    let request = Request::post("/api/verification-codes", r#"{"email":"who@example.com"}"#);
    let answer = proxy.ask(&request).await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (400, Some("connector.general")));
    assert_eq!(answer.json()["data"]["options"]["headers"]["authorization"], MASK);
    assert!(!answer.text().contains("S3NTINEL"), "{}", answer.text());
    // An error of anything else is as it came, its length included.
    let plain = r#"{"code":"guard.invalid_input","data":{"path":["page"]},"message":"no page"}"#;
    logto.api_fault_times(1, Effect::body(400, "application/json", plain));
    let answer = proxy.get("/api/roles").await;
    assert_eq!(
        (answer.text().as_str(), answer.value("content-length")),
        (plain, Some(&*plain.len().to_string()))
    );
}
