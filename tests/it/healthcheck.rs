//! `claviger healthcheck`: finds the process that runs, whatever the configuration says by now.

use std::time::Duration;

use rustix::process::Signal;
use tokio::time::Instant;

use crate::support::{Logto, Proxy, Settings, claviger, quoted};

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
