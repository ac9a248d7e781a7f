//! What the set-up is to blame for is no outcome of a line: the run stops, and goes on when it is mended.

use claviger_emulator::{Effect, Fault, Target};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

use super::{Desk, nameless, user};
use crate::{
    support::{Logto, Proxy, pki::Authority},
    tls::with_tls,
};

#[tokio::test]
async fn b61_a_recorded_unknown_is_sent_again_where_that_is_asked_for() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    let desk = Desk::at(&proxy);
    desk.write([nameless("once-more")]);
    logto.faults().set(vec![Fault::new(Target::Api, Effect::Reset).method("POST").times(1)]);
    let said = desk.run(&[]).await;
    assert!(said.assert_code(1).stderr.contains("--repeat-unknown looks once more"), "{said:?}");
    assert_eq!(desk.results()[0]["outcome"], "unknown");
    let said = desk.run(&["--repeat-unknown"]).await;
    said.assert_code(0);
    assert_eq!(desk.results()[0]["outcome"], "done");
    assert_eq!(proxy.users("name").await.iter().filter(|name| *name == "once-more").count(), 1);
}

#[tokio::test]
async fn b61_what_may_not_be_looked_for_stays_open_until_it_may() {
    let logto = Logto::start().await;
    let of = |allow: &'static str| {
        Proxy::builder()
            .tenant("acme", &logto)
            .set("policies.p.allow", allow)
            .set("callers.local.policies", "['p']")
            .start()
    };
    let proxy = of("['CreateUser']").await;
    let mut desk = Desk::at(&proxy);
    desk.write([user("sought")]);
    logto.faults().set(vec![Fault::new(Target::Api, Effect::Reset).method("POST").times(1)]);
    let said = desk.run(&[]).await;
    said.assert_code(1);
    for says in
        ["line 1 may have been carried out", "Have ListUsers granted to the caller. The same command goes on"]
    {
        assert!(said.stderr.contains(says), "{said:?}");
    }
    assert!(desk.results().is_empty());
    let proxy = of("['CreateUser', 'ListUsers']").await;
    desk.whom = format!("http://{}", proxy.authority());
    desk.run(&[]).await.assert_code(0);
}

#[tokio::test]
async fn b61_a_command_that_names_no_tenant_or_one_that_is_not_there_burns_nothing() {
    let logto = Logto::start().await;
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .tenant("beta", &logto)
        .set("callers.local.tenants", "['acme', 'beta']")
        .start()
        .await;
    let desk = Desk::at(&proxy);
    desk.write((0..3).map(|n| user(&format!("burnt_{n}"))));
    for (more, says) in [
        (&[][..], "acme, beta: write --tenant NAME. Nothing was sent"),
        (&["--tenant", "nope"], "There is no tenant \"nope\""),
    ] {
        let said = desk.run(more).await;
        said.assert_code(1);
        assert!(said.stderr.contains(says) && !said.stderr.contains("goes on"), "{said:?}");
        assert!(said.stdout.starts_with("0 of 3 done, 0 failed, 0 unknown"), "{said:?}");
    }
    desk.run(&["--tenant", "acme"]).await.assert_code(0);
}

/// As a web server with `location /t/acme/` in front of Claviger: the rest is others'.
#[tokio::test]
async fn b61_what_stands_in_front_may_pass_on_a_tenants_paths_alone() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let desk = Desk::to("--url", &format!("http://{}", listener.local_addr().expect("an address")));
    let to = proxy.authority().to_owned();
    let front = tokio::spawn(async move {
        while let Ok((mut caller, _)) = listener.accept().await {
            let mut head = vec![0; 65_536];
            let length = caller.read(&mut head).await.expect("a request");
            let head = &head[..length];
            if head.split(|byte| *byte == b' ').nth(1).is_some_and(|path| path.starts_with(b"/t/acme/")) {
                let mut claviger = TcpStream::connect(&to).await.expect("it listens");
                claviger.write_all(head).await.expect("it reads");
                tokio::spawn(async move { copy_bidirectional(&mut caller, &mut claviger).await });
            } else {
                let none = b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
                caller.write_all(none).await.expect("it reads");
            }
        }
    });
    desk.write([user("behind")]);
    desk.run(&["--tenant", "acme"]).await.assert_code(0);
    front.abort();
}

#[tokio::test]
async fn b61_files_that_are_not_there_and_whom_is_waited_for_are_named() {
    let desk = Desk::to("--url", "http://127.0.0.1:1");
    let said = desk.run(&[]).await;
    assert!(said.assert_code(2).stderr.contains("ops: there is no such file: look at the path"), "{said:?}");
    desk.write([user("a")]);
    let said = desk.run(&["--key-file", "nosuch"]).await;
    assert!(
        said.assert_code(2).stderr.contains("--key-file nosuch: there is no such file: look"),
        "{said:?}"
    );
    let said = desk.run(&["--journal", "nosuch/j"]).await;
    assert!(said.stderr.contains("nosuch/j: there is no directory nosuch: look at the path"), "{said:?}");
    let said = desk.run(&["--patience", "1ms"]).await;
    assert!(said.stderr.contains("--patience is 1ms: http://127.0.0.1:1: connection refused"), "{said:?}");
}

/// It would fare the same ten minutes later.
#[tokio::test]
async fn b61_a_scheme_or_a_certificate_that_cannot_be_right_stops_the_run_at_once() {
    let logto = Logto::start().await;
    let plain = Proxy::of(&logto).await;
    let authority = Authority::new("batch");
    let secure = with_tls(&logto, &authority.server(&["localhost"])).start().await;
    let mut desk = Desk::at(&plain);
    std::fs::write(desk.path("ca.pem"), &authority.pem).expect("it can be written");
    desk.write((0..20).map(|n| user(&format!("scheme_{n:02}"))));
    let port = secure.authority().rsplit_once(':').expect("a port").1.to_owned();
    for (url, more, says) in [
        (
            format!("https://{}", plain.authority()),
            &[][..],
            "what answers there does not speak TLS: if the port speaks plain HTTP, write http:// in place of https://; else look at host and port",
        ),
        (
            format!("https://localhost:{port}"),
            &[],
            "the certificate's authority is not trusted: name its file in --roots",
        ),
        (
            format!("https://127.0.0.1:{port}"),
            &["--roots", "ca.pem"],
            "the server's certificate is for another host name: write a name in --url that the certificate has (localhost)",
        ),
        (
            format!("http://localhost:{port}"),
            &[],
            "this listener speaks TLS: write https:// in place of http://",
        ),
    ] {
        desk.whom = url.clone();
        let said = desk.run(more).await;
        said.assert_code(1);
        assert!(said.stderr.contains(&format!("{says}. Nothing was sent\n")), "{url}: {said:?}");
        assert!(said.stdout.starts_with("0 of 20 done, 0 failed, 0 unknown"), "{url}: {said:?}");
        assert!(desk.results().is_empty() && !said.stderr.contains("waiting, for"), "{url}: {said:?}");
    }
    desk.whom = format!("https://localhost:{port}");
    desk.run(&["--roots", "ca.pem"]).await.assert_code(0);
}

#[tokio::test]
async fn b61_a_url_to_which_no_path_can_be_added_burns_nothing() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    let mut desk = Desk::at(&proxy);
    let host = proxy.authority();
    desk.write([user("based")]);
    for (url, says) in [
        (format!("http://{host}/api"), format!("write it without /api, http://{host}\n")),
        (format!("http://{host}/t/acme/api/"), format!("write it without /api, http://{host}/t/acme\n")),
        (host.to_string(), format!("--url \"{host}\": write http://{host}\n")),
        ("localhost".to_owned(), "write http://localhost:3600\n".to_owned()),
    ] {
        desk.whom = url.clone();
        let said = desk.run(&[]).await;
        assert!(said.assert_code(2).stderr.ends_with(&says), "{url}: {said:?}");
        assert!(!desk.path("ops.journal").exists(), "{url}");
    }
    // What is not found there is no result either.
    desk.whom = format!("http://{host}/front");
    let said = desk.run(&[]).await;
    assert!(said.assert_code(1).stderr.contains(": 404 There is no such path here"), "{said:?}");
    assert!(desk.results().is_empty(), "{said:?}");
    desk.whom = format!("http://{host}/t/acme");
    desk.run(&[]).await.assert_code(0);
}
