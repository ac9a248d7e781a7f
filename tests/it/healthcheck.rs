//! `claviger healthcheck`: finds the process that runs, whatever the configuration says by now.

use std::time::Duration;

use rustix::process::Signal;
use tokio::time::Instant;

use crate::support::{Logto, Proxy, Reaction, Scripted, Settings, claviger, quoted};

#[tokio::test]
async fn healthcheck_asks_the_running_process() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    let address = proxy.admin_authority();
    while proxy.admin("/readyz").await.status != 200 {}
    claviger(&["healthcheck", "--address", &address]).await.assert_code(0);
    claviger(&["healthcheck", "--address", &address, "--probe", "/livez"]).await.assert_code(0);
    let nonsense = claviger(&["healthcheck", "--address", &address, "--probe", "/nonsense"]).await;
    assert!(nonsense.assert_code(1).stderr.contains(&format!("{address} /nonsense: ")), "{nonsense:?}");
    for (probe, path) in [("ready", "/readyz"), ("readyz", "/readyz"), ("live", "/livez"), ("", "/livez")] {
        let said = claviger(&["healthcheck", "--address", &address, "--probe", probe]).await;
        assert!(said.assert_code(2).stderr.contains(&format!("write a path: {path}\n")), "{said:?}");
    }
    // By the configuration, with the port that it says.
    let directory = tempfile::tempdir().expect("there is a temporary directory");
    let path = directory.path().join("claviger.toml");
    let with = |settings: &Settings| settings.write(&path);
    let file = path.display().to_string();
    with(&Settings::usual().tenant("acme", &logto).set("listen.admin", quoted(&address)));
    claviger(&["healthcheck", "--config", &file]).await.assert_code(0);
    // Also where the file is wrong by now: the process goes on with the old one.
    let settings = Settings::usual().tenant("acme", &logto).set("listen.admin", quoted(&address));
    with(&settings.set("listen.admni", "'127.0.0.1:1'").set("workers", "'many'"));
    claviger(&["healthcheck", "--config", &file]).await.assert_code(0);
    // And by an address that is written out, whatever the file says.
    with(&Settings::usual().tenant("acme", &logto).set("listen.admin", "'127.0.0.1:1'"));
    claviger(&["healthcheck", "--config", &file]).await.assert_code(1);
    claviger(&["healthcheck", "--config", &file, "--address", &address]).await.assert_code(0);
    claviger(&["healthcheck", "--address", "3601"]).await.assert_code(2);
    claviger(&["healthcheck", "--address", "unix:/nonexistent/admin.sock"]).await.assert_code(1);
    assert_eq!(proxy.stop().await.code(), Some(0));
    let gone = claviger(&["healthcheck", "--address", &address]).await;
    gone.assert_code(1);
    assert!(gone.stderr.contains("is `claviger serve` running?"), "{}", gone.stderr);
}

/// A process that hangs still accepts, as the system does it for it. The probe's timeoutSeconds in the manifests is 5 s.
#[tokio::test]
async fn a_process_that_hangs_fails_its_probe_in_time_and_one_that_wakes_up_passes_again() {
    let logto = Logto::start().await;
    let by_socket = Proxy::builder().tenant("acme", &logto);
    let socket = format!("unix:{}", by_socket.directory().join("admin.sock").display());
    let by_socket = by_socket.set("listen.admin", quoted(&socket)).start().await;
    let by_port = Proxy::of(&logto).await;
    for (proxy, address) in [(&by_socket, socket), (&by_port, by_port.admin_authority())] {
        claviger(&["healthcheck", "--address", &address]).await.assert_code(0);
        proxy.signal(Signal::STOP);
        let start = Instant::now();
        claviger(&["healthcheck", "--address", &address]).await.assert_code(1);
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        proxy.signal(Signal::CONT);
        claviger(&["healthcheck", "--address", &address]).await.assert_code(0);
    }
}

/// A server that answers is not yet Claviger: the emulator, a web server's page, one that has the same probes.
#[tokio::test]
async fn another_server_is_not_taken_for_claviger() {
    let logto = Logto::start().await;
    let page = |server: &str, body: &str| {
        let head = format!(
            "HTTP/1.1 200 OK\r\n{server}Content-Type: text/html\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        Reaction::Bytes([head.as_bytes(), body.as_bytes()].concat())
    };
    let nginx = Scripted::start(&logto, page("Server: nginx\r\n", "<html>CANARY-foreign page</html>")).await;
    let alike = Scripted::start(&logto, page("", "ok\n")).await;
    let closes = Scripted::start(&logto, Reaction::Bytes(Vec::new())).await;
    let at = closes.base_url().trim_start_matches("http://").to_owned();
    let said = claviger(&["healthcheck", "--address", &at]).await;
    let says = ": the connection ended without a whole answer; if another service listens there, name the admin listener (listen.admin), \
                such as 127.0.0.1:3601\n";
    assert!(said.assert_code(1).stderr.ends_with(says), "{said:?}");
    // Redis or a database may not wait for the end of what is no request of theirs.
    let hasty = std::net::TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let at = hasty.local_addr().expect("it is bound").to_string();
    std::thread::spawn(move || hasty.incoming().for_each(drop));
    let commands: [&[&str]; 4] =
        [&["healthcheck"], &["status"], &["token", "retry"], &["explain", "/api/users"]];
    for command in commands {
        let said = claviger(&[command, &["--address", &at]].concat()).await;
        assert!(said.stderr.ends_with(says), "{command:?}: {said:?}");
    }
    let directory = tempfile::tempdir().expect("there is a temporary directory");
    for url in [logto.base_url(), nginx.base_url(), alike.base_url()] {
        let text = url.trim_start_matches("http://").to_owned();
        let config = directory.path().join("claviger.toml");
        let settings = Settings::usual().tenant("acme", &logto).set("listen.admin", quoted(&text));
        let settings = settings.set("admin.token", quoted("CANARY-held-admin-token-0123456789"));
        let settings = settings
            .set("admin.tenants", "true")
            .set("vault.key", quoted("CANARY-0123456789abcdef0123456789abcdef"));
        let store = directory.path().join("vault.redb").display().to_string();
        settings.set("vault.store", format!("{{ file = {} }}", quoted(store))).write(&config);
        let file = config.display().to_string();
        let at = ["--address", &*text];
        let commands: [(&[&str], &[&str], i32); 7] = [
            (&["healthcheck"], &at, 1),
            (&["healthcheck", "--probe", "/readyz"], &at, 1),
            (&["status"], &at, 1),
            (&["status", "--json"], &at, 1),
            (&["token", "retry"], &at, 1),
            (&["token", "retry", "acme"], &at, 1),
            (&["explain", "/api/users"], &at, 2),
        ];
        for (command, at, code) in commands {
            let said = claviger(&[command, at].concat()).await;
            said.assert_code(code);
            let says = format!(
                "{text}: what answers there is not Claviger: name the admin listener (listen.admin), such as 127.0.0.1:3601\n"
            );
            assert!(said.stderr.ends_with(&says), "{command:?}: {}", said.stderr);
            assert!(said.stdout.is_empty() && !said.stderr.contains("CANARY"), "{command:?}: {said:?}");
        }
        for command in [&["tenant", "list"][..], &["tenant", "show", "acme"], &["tenant", "rotate", "acme"]] {
            let said = claviger(&[command, &["--config", &file]].concat()).await;
            said.assert_code(1);
            assert!(
                said.stderr.contains("is not Claviger: name the admin listener"),
                "{command:?}: {}",
                said.stderr
            );
        }
    }
}
