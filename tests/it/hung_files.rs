//! Files that cannot be read in time (behaviour 31): a named pipe that nobody writes to, as a hung network share is one.

use std::{collections::BTreeMap, fs::File, io::Read as _, path::Path, sync::Arc, time::Duration};

use claviger::{
    app::{App, Loader},
    clock::Clock,
    config::{self, Address, LoadRequest, Loaded, Problems, References},
    observe::Metrics,
};
use claviger_emulator::Effect;
use rustix::process::Signal;
use tokio::sync::{mpsc, oneshot};

use crate::support::{Logto, Proxy, Request, Settings, quoted, soon, tap::Tap, wire::Place, within};

fn named_pipe(path: &Path) {
    let made = std::process::Command::new("mkfifo").arg(path).status().expect("coreutils are there");
    assert!(made.success());
}

fn load(path: &Path) -> Result<Loaded, Problems> {
    let any = |_: config::RuleList, _: &str| Ok(());
    let (paths, search, env) = (vec![path.to_owned()], Vec::new(), BTreeMap::new().into_iter().collect());
    config::load(&LoadRequest { paths, search, env, rule_check: &any, references: References::Needed })
}

/// The reading itself hangs, which no check of the file's kind can prevent on a network share.
#[tokio::test]
async fn b31_a_read_that_hangs_stops_neither_requests_nor_grants_nor_probes_nor_the_end() {
    let (logto, other) = (Logto::start().await, Logto::start().await);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (file, pipe) = (directory.path().join("claviger.toml"), directory.path().join("hung"));
    named_pipe(&pipe);
    let settings = Settings::usual().tenant("acme", &logto).tenant("late", &other);
    settings
        .set("callers.local.tenants", "['*']")
        .set("token.backoff", "'10ms'")
        .set("token.max_backoff", "'10ms'")
        .write(&file);
    // The second tenant gets no token before the read hangs.
    other.token_fault(Effect::Reset);
    let (reading, hung) = std::sync::mpsc::channel();
    let read_pipe = pipe.clone();
    let loader: Loader = Box::new(move || {
        reading.send(()).expect("the test waits for it");
        let _: std::io::Result<usize> = File::open(&read_pipe).and_then(|mut it| it.read(&mut [0]));
        unreachable!("nobody writes to it while the test lasts")
    });
    let loaded = load(&file).unwrap_or_else(|problems| panic!("{problems}"));
    let app = App::start(loaded, loader, Arc::new(Metrics::new()), Clock::system()).await.expect("it starts");
    let addresses = app.addresses();
    let place = |address: &Address| match address {
        Address::Tcp(address) => Place::Tcp(*address),
        Address::Unix(path) => Place::Unix(path.clone()),
    };
    let (proxy, admin) = (place(&addresses.proxy[0]), place(addresses.admin.as_ref().expect("it is on")));
    let ((stop, stopped), (ask, asked)) = (oneshot::channel::<()>(), mpsc::channel(1));
    let running = tokio::spawn(app.run(async { drop(stopped.await) }, asked));
    let get = async |place: &Place, target: &str| {
        let mut client = place.connect(Tap::default()).await.expect("it listens");
        client.ask(&Request::get(target)).await.status
    };
    assert_eq!(get(&proxy, "/t/acme/api/roles").await, 200);

    ask.send(()).await.expect("it runs");
    soon("the read to hang", || hung.try_recv().is_ok()).await;
    assert_eq!(get(&proxy, "/t/acme/api/roles").await, 200, "a new connection");
    assert_eq!(get(&admin, "/livez").await, 200);
    other.faults().clear();
    within("a grant while the read hangs", async { while get(&proxy, "/t/late/api/roles").await != 200 {} })
        .await;

    drop(stop);
    assert!(within("the end", running).await.expect("it does not panic"), "all requests were finished");
}

/// A file that is replaced by something else than a file is not read at all.
#[tokio::test]
async fn b31_a_pipe_in_place_of_a_secret_or_the_configuration_is_refused_and_the_end_comes_in_time() {
    let logto = Logto::start().await;
    let builder = Proxy::builder();
    let secret = builder.directory().join("secret");
    std::fs::write(&secret, logto.secret()).expect("a temporary directory");
    let mut proxy = builder
        .tenant("acme", &logto)
        .set("tenants.acme.client_secret", format!("{{ file = {} }}", quoted(secret.display())))
        .set("reload.interval", "'20ms'")
        .start()
        .await;
    assert_eq!(proxy.get("/api/roles").await.status, 200);
    std::fs::remove_file(&secret).expect("it is there");
    named_pipe(&secret);
    proxy.logged("not a regular file").await;
    proxy.logged("the old one stays in force").await;
    assert_eq!(proxy.get("/api/roles").await.status, 200);
    std::fs::remove_file(proxy.file()).expect("it is there");
    named_pipe(&proxy.file());
    assert_eq!(proxy.get("/api/roles").await.status, 200);
    assert_eq!(proxy.admin("/livez").await.status, 200);
    proxy.signal(Signal::TERM);
    let ended = tokio::time::timeout(Duration::from_secs(5), proxy.ended()).await;
    assert_eq!(ended.expect("at once").code(), Some(0));
}
