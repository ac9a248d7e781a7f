//! `claviger healthcheck`: finds the process that runs, whatever the configuration says by now.

use crate::support::{Logto, Proxy, Settings, claviger, quoted};

#[tokio::test]
async fn healthcheck_asks_the_running_process() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    let address = proxy.admin_authority();
    while proxy.admin("/readyz").await.status != 200 {}
    claviger(&["healthcheck", "--address", &address]).await.assert_code(0);
    claviger(&["healthcheck", "--address", &address, "--probe", "/livez"]).await.assert_code(0);
    claviger(&["healthcheck", "--address", &address, "--probe", "/nonsense"]).await.assert_code(1);
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
