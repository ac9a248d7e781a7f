//! `claviger check` of what is not in the configuration: places for files, the vault, and who answers at an address.

use super::{Files, offline};
use crate::support::{Logto, Settings, claviger, command::program, quoted};

#[tokio::test]
async fn check_finds_places_that_are_not_there() {
    let files = Files::new();
    let there = files.0.path().display().to_string();
    let usual = || offline().set("tenants.acme.client_secret", "'0123456789abcdef'");
    let sockets = |directory: &str| {
        usual()
            .set("listen.proxy", format!("['unix:{directory}/s']"))
            .set("listen.admin", format!("'unix:{directory}/a'"))
    };
    let fine = sockets(&there)
        .set("audit.output", quoted_file(&there, "audit.jsonl"))
        .set("vault.store", quoted_file(&there, "v"));
    let fine = claviger(&["check", "--config", &files.with(&with_key(fine))]).await;
    assert!(!fine.assert_code(0).stderr.contains("there is no directory"), "{}", fine.stderr);

    // A service manager may make the directory of a socket at each start.
    let missing = claviger(&["check", "--config", &files.with(&sockets("/nonexistent/claviger"))]).await;
    missing.assert_code(0);
    for key in ["listen.proxy", "listen.admin"] {
        let said = format!(
            "/claviger.toml:{}: {key}: there is no directory /nonexistent/claviger here.",
            line(&files, key)
        );
        assert!(missing.stderr.contains(&said), "{key}: {}", missing.stderr);
    }
    let nowhere = usual()
        .set("audit.output", quoted_file("/nonexistent/claviger", "audit.jsonl"))
        .set("vault.store", quoted_file("/nonexistent/claviger", "v"));
    let nowhere = claviger(&["check", "--config", &files.with(&with_key(nowhere))]).await;
    nowhere.assert_code(64);
    for key in ["audit.output", "vault.store"] {
        let said = format!(
            ":{}: {key}: there is no directory /nonexistent/claviger, and claviger serve would not start. Create it, writable for the \
             user of claviger serve.\n",
            line(&files, key)
        );
        assert!(nowhere.stderr.contains(&said), "{key}: {}", nowhere.stderr);
    }
    assert!(
        nowhere.stderr.ends_with("claviger: the configuration is invalid: 2 problems\n"),
        "{}",
        nowhere.stderr
    );

    let made_up = usual().set("audit.output", quoted_file("/proc", "audit.jsonl"));
    let made_up = claviger(&["check", "--config", &files.with(&made_up)]).await;
    let said = "audit.output: /proc shows what the kernel knows, and no file can be made there. Name a file in another directory.\n";
    assert!(made_up.assert_code(64).stderr.contains(said), "{}", made_up.stderr);

    std::fs::write(files.0.path().join("s"), "").expect("it can be written");
    std::fs::create_dir(files.0.path().join("d")).expect("it can be made");
    let socket = usual().set("listen.proxy", format!("['unix:{there}/d']"));
    let socket = claviger(&["check", "--config", &files.with(&socket)]).await;
    let said = format!(
        "listen.proxy: {there}/d is a directory. Name a socket in it, such as unix:{there}/d/claviger.sock.\n"
    );
    assert!(socket.assert_code(64).stderr.contains(&said), "{}", socket.stderr);
    let in_the_way = with_key(sockets(&there).set("vault.store", quoted_file(&there, "d")));
    let in_the_way = claviger(&["check", "--config", &files.with(&in_the_way)]).await;
    in_the_way.assert_code(64);
    for said in ["/s exists and is not a socket", "/d is a directory. Write the path of a file in it."] {
        assert!(in_the_way.stderr.contains(said), "{said}: {}", in_the_way.stderr);
    }
}

fn quoted_file(directory: &str, name: &str) -> String {
    format!("{{ file = {} }}", quoted(format!("{directory}/{name}")))
}

fn with_key(settings: Settings) -> Settings {
    settings.set("vault.key", "'0123456789abcdef0123456789abcdef'")
}

/// What `serve` would fail at is an error; what a running process has is not tried.
#[tokio::test]
async fn check_opens_the_vault_with_its_key() {
    let logto = Logto::start().await;
    let files = Files::new();
    let there = files.0.path().display().to_string();
    let with = |key: &str| {
        let settings = Settings::usual().tenant("acme", &logto).set("vault.store", quoted_file(&there, "v"));
        files.with(&settings.set("vault.key", quoted(key)))
    };
    let (right, wrong) = ("0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210");
    let ready = files.0.path().join("ready.json");
    let mut command = program();
    command.args(["serve", "--config", &with(right), "--ready-file", &ready.display().to_string()]);
    command.stderr(std::process::Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn().expect("it is there");
    crate::support::until("a beginning", || ready.exists().then_some(())).await;
    let running = claviger(&["check", "--config", &with(wrong)]).await;
    let said = "  the vault and its key were not tried: another process has its file open. To try them, stop it and check again\n";
    assert!(running.assert_code(0).stdout.contains(said), "{running:?}");
    child.kill().await.expect("it is a child");

    let before = look(&files);
    claviger(&["check", "--config", &with(right)]).await.assert_code(0);
    assert!(before == look(&files), "it was written to");
    let other = claviger(&["check", "--config", &with(wrong)]).await;
    let said = format!(
        ": vault: the vault is unavailable: vault.key is not the key that {there}/v is sealed with. "
    );
    assert!(other.assert_code(64).stderr.contains(&said), "{}", other.stderr);
    std::fs::write(files.0.path().join("v"), "something else").expect("it can be written");
    let foreign = claviger(&["check", "--config", &with(right)]).await;
    let said = format!(": vault: the vault is unavailable: {there}/v is not a vault of Claviger. ");
    assert!(foreign.assert_code(64).stderr.contains(&said), "{}", foreign.stderr);
}

/// The file is as it was, byte for byte and to the moment.
#[tokio::test]
async fn whoever_only_looks_at_a_vault_does_not_seal_it() {
    let files = Files::new();
    let there = files.0.path().display().to_string();
    let settings = offline().set("tenants.acme.client_secret", "'0123456789abcdef'");
    let config = files.with(&with_key(settings.set("vault.store", quoted_file(&there, "v"))));
    for (text, code) in [("", 64), ("something else", 64)] {
        std::fs::write(files.0.path().join("v"), text).expect("it can be written");
        let before = look(&files);
        claviger(&["check", "--config", &config]).await.assert_code(code);
        claviger(&["tenant", "list", "--config", &config]).await.assert_code(code.min(1));
        assert!(before == look(&files), "{text:?}");
    }
}

/// What the vault holds, and since when.
fn look(files: &Files) -> (std::time::SystemTime, Vec<u8>) {
    let vault = files.0.path().join("v");
    let changed = std::fs::metadata(&vault).and_then(|about| about.modified()).expect("it is there");
    (changed, std::fs::read(&vault).expect("it can be read"))
}

/// Another service at the port, and another server of HTTP: of Logto's own side and of an issuer's.
#[tokio::test]
async fn check_online_says_what_is_no_logto_and_no_issuer() {
    let html = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 15\r\nConnection: close\r\n\r\n<!doctype html>";
    let files = Files::new();
    let no_http = "what answers there does not speak HTTP: if the port speaks TLS, write https:// in place of http://; else another service \
                   listens there, such as a database or SSH: look at host and port. ";
    let speaks_tls = "the port speaks TLS: write https:// in place of http://";
    let speaks_plain = "the port speaks plain HTTP: write http:// in place of https://";
    let page = "HTTP/1.1 400 Bad Request\r\nContent-Length: 52\r\nConnection: close\r\n\r\nThe plain HTTP request was sent to HTTPS port, nginx";
    let wants_certificate = "HTTP/1.1 400 Bad Request\r\nContent-Length: 40\r\nConnection: close\r\n\r\nNo required SSL certificate was sent....";
    let certificate = "the server, or a proxy in front of it, wants a client certificate, and Claviger shows none, nor has its configuration a \
                       key for one: have it let Claviger through without one";
    let closed = "the server closed the connection without an answer, as a port does that does not speak HTTP: look at host and port. ";
    let hung_up = "the server closed the connection during the TLS handshake: either the port speaks no TLS, the host name is none of its own (SNI), \
                   it wants a client certificate, which Claviger does not have, or a firewall cuts in: look at host and port";
    let wants_login = "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Type: text/html\r\nContent-Length: 15\r\nConnection: close\r\n\r\n<!doctype html>";
    let login = "a forward proxy in between wants a login (407), which Claviger does not send: have it let Claviger through without one, or connect past it.";
    let no_endpoint =
        "This does not look like Logto's token endpoint: set `endpoint` to the tenant's own address";
    for (scheme, says, of_tenant, of_issuer) in [
        ("http", "SSH-2.0-OpenSSH_9.6\r\n", no_http, no_http),
        ("http", "-ERR unknown command 'POST'\r\n", no_http, no_http),
        ("http", "\x15\x03\x01\0\x02\x02\x0a", speaks_tls, speaks_tls),
        ("http", page, speaks_tls, speaks_tls),
        ("http", wants_certificate, certificate, &format!("{certificate}. The fetch is repeated by itself.")),
        ("https", html, speaks_plain, speaks_plain),
        ("http", "", closed, closed),
        ("https", "", hung_up, hung_up),
        ("https", RESETS, hung_up, hung_up),
        ("http", wants_login, login, &format!("{login} The fetch is repeated by itself.")),
        ("http", html, no_endpoint, "it is not a JSON object with issuer and jwks_uri"),
        (
            "http",
            &html.replace("<!doctype html>", "welcome to it :").replace("text/html", "text/plain"),
            no_endpoint,
            "not a JSON object",
        ),
    ] {
        let url = format!("{scheme}://{}", other_service(says).await);
        let (tenant, issuer) = online(&files, &of_both(&url)).await;
        assert!(tenant.contains(of_tenant.trim_end()) && tenant.contains(&url), "{says}: {tenant}");
        assert!(issuer.contains(of_issuer.trim_end()) && issuer.contains(&url), "{says}: {issuer}");
    }
}

/// One address for the tenant and for its callers' issuer.
fn of_both(url: &str) -> Settings {
    offline()
        .set("tenants.acme.endpoint", quoted(url))
        .set("tenants.acme.client_secret", "'0123456789abcdef'")
        .set("retry.unreachable", "'0s'")
        .set("issuers.ci.issuer", quoted(url))
        .set("issuers.ci.audience", "'claviger'")
        .set("callers.ci.identify", "{ jwt = { issuer = 'ci', claims = { sub = 'x' } } }")
        .set("callers.ci.policies", "['all']")
}

/// What `check --online` says of the tenant and of the issuer, neither of which is any good.
async fn online(files: &Files, settings: &Settings) -> (String, String) {
    let said = claviger(&["check", "--online", "--config", &files.with(settings)]).await;
    said.assert_code(1);
    let line =
        |start: &str| said.stderr.lines().find(|line| line.starts_with(start)).unwrap_or_default().to_owned();
    (line("acme: "), line("issuers.ci: "))
}

/// Of who says nothing and resets the connection.
const RESETS: &str = "RST";

/// Something that says this to whoever connects, and hangs up when it has been said anything.
async fn other_service(says: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it is bound").to_string();
    let says = says.to_owned();
    tokio::spawn(async move {
        loop {
            let Ok((mut stream, _)) = listener.accept().await else { return };
            let says = says.clone();
            tokio::spawn(async move {
                let _: std::io::Result<usize> = stream.read(&mut [0; 4096]).await;
                if says == RESETS {
                    stream.set_zero_linger().expect("it is a socket");
                    return;
                }
                let _: std::io::Result<()> = stream.write_all(says.as_bytes()).await;
            });
        }
    });
    address
}

/// Run as `nobody`, who may not write where the files are to be; and beside a process that has one of them.
#[tokio::test]
async fn check_finds_what_this_user_cannot_write_and_what_another_process_writes() {
    let files = Files::new();
    let there = files.0.path().display().to_string();
    let usual = offline().set("tenants.acme.client_secret", "'0123456789abcdef'");
    let settings = usual.set("audit.output", quoted_file(&there, "audit.jsonl"));
    let audit = files.0.path().join("audit.jsonl");
    let config = files.with(&with_key(settings.set("vault.store", quoted_file(&there, "v"))));
    let held = std::fs::File::create(&audit).expect("it can be made");
    held.try_lock().expect("it is ours alone");
    let said = claviger(&["check", "--config", &config]).await;
    let note = format!(
        "  the audit log was not tried: another process writes {there}/audit.jsonl, and claviger serve would not start beside it. To try \
         it, stop that one and check again\n"
    );
    assert!(said.assert_code(0).stdout.contains(&note), "{said:?}");
    drop(held);
    let said = claviger(&["check", "--config", &config]).await;
    assert!(!said.assert_code(0).stdout.contains("not tried"), "{said:?}");
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(files.0.path(), open).expect("it is ours");
    let mut command = program();
    command.args(["check", "--config", &config]).uid(65534).gid(65534);
    let said = crate::support::command::finish(&mut command).await;
    said.assert_code(64);
    for (key, place) in [("audit.output", audit.display().to_string()), ("vault.store", there)] {
        let says = format!(
            ": {key}: user 65534, who runs this, may not write to {place}, and claviger serve would not start as this user. Give it \
             to the user of claviger serve, and check as that user.\n"
        );
        assert!(said.stderr.contains(&says), "{says}: {said:?}");
    }
}

/// A port that takes connections and says nothing, and SSH, which speaks before it is asked.
#[tokio::test]
async fn check_online_says_what_is_silent_or_speaks_first() {
    use tokio::io::AsyncWriteExt as _;

    let banner = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let ssh = format!("http://{}", banner.local_addr().expect("it is bound"));
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = banner.accept().await {
            let _: std::io::Result<()> = stream.write_all(b"SSH-2.0-OpenSSH_9.6\r\n").await;
            open.push(stream);
        }
    });
    // The system takes its connections.
    let quiet = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let silent = format!("https://{}", quiet.local_addr().expect("it is bound"));
    let files = Files::new();
    let no_http = "what answers there does not speak HTTP: ";
    let no_tls = "no TLS connection in time (`timeouts.connect`): nobody answers at this address, or what listens there does not speak TLS: \
                  look at host and port. ";
    for (url, says, of_tenant, of_issuer) in [
        (
            &ssh,
            no_http,
            "look at host and port.",
            "Correct `issuer` or `jwks`; the fetch is repeated by itself.",
        ),
        (
            &silent,
            no_tls,
            "look at host and port.",
            "Correct `issuer` or `jwks`; the fetch is repeated by itself.",
        ),
    ] {
        let settings = of_both("https://ci.example")
            .set("tenants.acme.endpoint", quoted(url))
            .set("timeouts.connect", "'200ms'")
            .set("issuers.ci.jwks", quoted(format!("{url}/keys")));
        let (tenant, issuer) = online(&files, &settings).await;
        assert!(tenant.contains(says.trim_end()) && tenant.ends_with(of_tenant), "{url}: {tenant}");
        assert!(issuer.starts_with(&format!("issuers.ci: {url}/keys: ")), "{url}: {issuer}");
        assert!(issuer.contains(says) && issuer.contains(of_issuer), "{url}: {issuer}");
    }
    drop(quiet);
}

/// Where a key stands in the file.
fn line(files: &Files, key: &str) -> usize {
    let text = std::fs::read_to_string(files.0.path().join("claviger.toml")).expect("it was written");
    1 + text.lines().position(|line| line.starts_with(key)).expect("it has the key")
}
