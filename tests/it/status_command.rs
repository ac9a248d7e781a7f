//! `claviger status`: what it prints, how it ends, and that a watched terminal is given back.

use std::{fs::File, io::Read as _, os::fd::OwnedFd, process::Stdio};

use claviger_emulator::Effect;
use rustix::{
    process::{Pid, Signal, kill_process},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};

use crate::support::{
    Logto, Proxy, Settings, claviger,
    command::{finish, program},
    quoted, until, within,
};

const TOKEN: &str = "CANARY-held-token-of-the-admins";

#[tokio::test]
async fn it_prints_a_table_and_ends_with_0_when_all_is_well() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    assert_eq!(proxy.get("/api/users").await.status, 200);
    let told = claviger(&["status", "--address", &proxy.admin_authority()]).await;
    told.assert_code(0);
    assert!(!told.stdout.contains('\x1b'), "not a terminal: {}", told.stdout);
    for text in ["ready", "Nothing is wrong.", "1 try, none failed", "acme", "local", "TENANT", "CALLER"] {
        assert!(told.stdout.contains(text), "{text}: {}", told.stdout);
    }
    let json = claviger(&["status", "--json", "--address", &proxy.admin_authority()]).await;
    json.assert_code(0);
    let document: serde_json::Value = serde_json::from_str(&json.stdout).expect("it is JSON");
    assert_eq!(document["tenants"]["acme"]["state"], "ok");
    for (arguments, code) in [
        (&["--tenant", "acme"][..], 0),
        (&["--tenant", "ac*", "--limit", "1"], 0),
        (&["--tenant", "nobody"], 1),
        (&["--tenant", "no such"], 2),
        (&["--limit", "0"], 2),
    ] {
        let address = proxy.admin_authority();
        let all = [&["status", "--address", &address][..], arguments].concat();
        claviger(&all).await.assert_code(code);
    }
    assert_eq!(proxy.stop().await.code(), Some(0));
}

#[tokio::test]
async fn what_is_wrong_comes_first_with_its_remedy_and_ends_with_1() {
    let logto = Logto::start().await;
    let proxy = Proxy::builder().tenant("acme", &logto).set("retry.attempts", "1").start().await;
    logto.api_fault(Effect::status(500));
    assert_eq!(proxy.get("/api/users").await.status, 500);
    let told = claviger(&["status", "--address", &proxy.admin_authority()]).await;
    told.assert_code(1);
    let at = |text: &str| told.stdout.find(text).unwrap_or_else(|| panic!("{text}: {}", told.stdout));
    assert!(at("error    tenants.acme") < at("1 of 1 attempts failed in the last minutes"));
    assert!(at("look at Logto's log") < at("TENANT"), "{}", told.stdout);
    assert!(told.stdout.contains("100 % of 1 try failed"), "{}", told.stdout);
}

#[tokio::test]
async fn an_api_that_refuses_most_of_what_is_allowed_is_a_problem_and_one_refusal_is_none() {
    let logto = Logto::start().await;
    let proxy = Proxy::builder().tenant("acme", &logto).start().await;
    for _ in 0..3 {
        assert_eq!(proxy.get("/api/users").await.status, 200);
    }
    logto.api_fault_times(1, Effect::status(403));
    assert_eq!(proxy.get("/api/users").await.status, 403);
    let told = claviger(&["status", "--address", &proxy.admin_authority()]).await;
    told.assert_code(0);
    assert!(!told.stdout.contains("403"), "{}", told.stdout);
    logto.api_fault(Effect::status(403));
    for _ in 0..4 {
        assert_eq!(proxy.get("/api/users").await.status, 403);
    }
    let told = claviger(&["status", "--address", &proxy.admin_authority()]).await;
    for says in [
        "tenants.acme",
        "5 of 8 attempts were answered with 403 in the last minutes",
        "Give the application a role",
        "`claviger check --online`",
    ] {
        assert!(told.stdout.contains(says), "{says}: {}", told.stdout);
    }
}

#[tokio::test]
async fn of_other_tenants_it_is_only_said_that_they_have_problems() {
    let logto = Logto::start().await;
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .tenant("beta", &logto)
        .set("retry.attempts", "1")
        .set("callers.local.tenants", "['*']")
        .start()
        .await;
    logto.api_fault(Effect::status(500));
    assert_eq!(proxy.get("/t/acme/api/users").await.status, 500);
    let address = proxy.admin_authority();
    let told = claviger(&["status", "--address", &address, "--tenant", "beta"]).await;
    let says = "\n1 problem of other tenants: leave --tenant out.\n";
    assert!(
        told.assert_code(0).stdout.contains(says) && !told.stdout.contains("tenants.acme"),
        "{}",
        told.stdout
    );
    let told = claviger(&["status", "--address", &address, "--tenant", "acme"]).await;
    assert!(told.assert_code(1).stdout.contains("error    tenants.acme"), "{}", told.stdout);
}

#[tokio::test]
async fn it_finds_the_process_and_its_token_by_the_configuration() {
    let logto = Logto::start().await;
    let proxy = Proxy::builder().tenant("acme", &logto).set("admin.token", quoted(TOKEN)).start().await;
    let address = proxy.admin_authority();
    let refused = claviger(&["status", "--address", &address]).await;
    refused.assert_code(1);
    assert!(refused.stderr.contains("asks for admin.token"), "{}", refused.stderr);
    let explained = claviger(&["explain", "/api/users", "--address", &address]).await;
    let says = "asks for admin.token, and the configuration here has none: set CLAVIGER_ADMIN__TOKEN";
    assert!(explained.assert_code(2).stderr.contains(says), "{}", explained.stderr);
    let directory = tempfile::tempdir().expect("there is a temporary directory");
    let path = directory.path().join("claviger.toml");
    let file = path.display().to_string();
    // With none of the other secrets.
    let settings = Settings::usual()
        .tenant("acme", &logto)
        .set("tenants.acme.client_secret", "{ env = 'NOT_SET_HERE' }")
        .set("admin.token", quoted(TOKEN));
    settings.clone().set("listen.admin", quoted(&address)).write(&path);
    claviger(&["status", "--config", &file]).await.assert_code(0);
    settings.write(&path);
    claviger(&["status", "--config", &file, "--address", &address]).await.assert_code(0);
    let mut by_environment = program();
    by_environment.args(["status", "--address", &address]).env("CLAVIGER_ADMIN__TOKEN", TOKEN);
    finish(&mut by_environment).await.assert_code(0);
    let mut explains = program();
    explains.args(["explain", "/api/users", "--address", &address]).env("CLAVIGER_ADMIN__TOKEN", TOKEN);
    finish(&mut explains).await.assert_code(0);
    let mut wrong = program();
    wrong.args(["status", "--address", &address]).env("CLAVIGER_ADMIN__TOKEN", "CANARY-held-another-token");
    finish(&mut wrong).await.assert_code(1);
    // Whoever takes the other port is told which one it is.
    let other_port = proxy.authority();
    for command in [&["status"][..], &["healthcheck"], &["explain", "/api/users"], &["token", "retry"]] {
        let arguments = [command, &["--address", &*other_port]].concat();
        let other = claviger(&arguments).await;
        let says = "is where the proxy listens (listen.proxy); name the admin listener (listen.admin), such as 127.0.0.1:3601";
        other.assert_code(if command[0] == "explain" { 2 } else { 1 });
        assert!(other.stderr.contains(says), "{command:?}: {}", other.stderr);
    }
    assert_eq!(proxy.stop().await.code(), Some(0));
    let gone = claviger(&["status", "--address", &address]).await;
    gone.assert_code(1);
    assert!(gone.stderr.contains("is `claviger serve` running?"), "{}", gone.stderr);
}

/// A terminal of 100 columns and 20 lines: this side of it, and the other.
fn terminal() -> (File, OwnedFd) {
    let own = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("there are terminals");
    grantpt(&own).expect("it is ours");
    unlockpt(&own).expect("it is ours");
    let name = ptsname(&own, Vec::new()).expect("it has a name");
    let other =
        File::options().read(true).write(true).open(name.to_str().expect("ASCII")).expect("it is there");
    let size = Winsize { ws_row: 20, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&own, size).expect("it is a terminal");
    (own.into(), other.into())
}

#[tokio::test]
async fn a_configuration_that_is_not_there_is_no_reason_to_ask_another_process() {
    let said = claviger(&["status", "--config", "/nonexistent/c.toml"]).await;
    said.assert_code(1);
    assert_eq!(said.stderr, "claviger: --config /nonexistent/c.toml: there is no such file\n");
}

/// Only a file that can be read says where its process listens.
#[tokio::test]
async fn a_configuration_that_cannot_be_read_is_no_reason_either() {
    let directory = tempfile::tempdir().expect("there is a temporary directory");
    for (name, text, says) in [
        ("claviger.conf", "", "the name does not say what the file is written in. Let it end in .toml"),
        ("broken.toml", "[listen\n", "broken.toml:1: "),
    ] {
        let path = directory.path().join(name);
        std::fs::write(&path, text).expect("it can be written");
        let said = claviger(&["status", "--config", &path.display().to_string()]).await;
        said.assert_code(1);
        assert!(said.stderr.contains(says) && !said.stderr.contains("asking"), "{}", said.stderr);
        assert!(said.stderr.ends_with("Or name the admin listener by --address.\n"), "{}", said.stderr);
    }
    let path = directory.path().join("invalid.toml");
    std::fs::write(&path, "[listen]\nadmin = '127.0.0.1:1'\nprxy = []\n").expect("it can be written");
    let said = claviger(&["status", "--config", &path.display().to_string()]).await;
    said.assert_code(1);
    assert!(said.stderr.contains("asking 127.0.0.1:1\n"), "{}", said.stderr);
}

#[tokio::test]
async fn a_watched_terminal_is_drawn_over_and_given_back() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    let (mut screen, terminal) = terminal();
    let mut command = program();
    command
        .args(["status", "--watch", "--address", &proxy.admin_authority()])
        .env("TERM", "xterm-256color")
        .stdout(Stdio::from(terminal.try_clone().expect("it can be")))
        .stderr(Stdio::from(terminal));
    let mut child = command.spawn().expect("the program can be run");
    drop(command);
    let (to, from) = std::sync::mpsc::channel::<Vec<u8>>();
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(read @ 1..) = screen.read(&mut bytes) {
            if to.send(bytes[..read].to_vec()).is_err() {
                return;
            }
        }
    });
    let mut shown = String::new();
    until("two frames", || {
        from.try_iter().for_each(|part| shown.push_str(&String::from_utf8_lossy(&part)));
        (shown.matches("\x1b[?2026l").count() >= 2).then_some(())
    })
    .await;
    assert!(shown.starts_with("\x1b[?1049h\x1b[?25l"), "{shown:?}");
    let frames: Vec<_> = shown.split("\x1b[?2026h").skip(1).collect();
    assert!(frames[0].starts_with("\x1b[H"), "from the top left, over what was there: {shown:?}");
    assert!(!shown.contains("\x1b[2J"), "nothing is wiped, so nothing flickers");
    assert!(frames.iter().all(|frame| frame.matches("\r\n").count() < 20), "no more than the screen has");
    assert!(shown.contains("\x1b[32mready\x1b[0m"), "{shown:?}");
    let pid =
        Pid::from_raw(child.id().and_then(|id| i32::try_from(id).ok()).expect("it runs")).expect("it runs");
    kill_process(pid, Signal::INT).expect("it is ours");
    let ended = within("the watch to end", child.wait()).await.expect("it is ours");
    assert_eq!(ended.code(), Some(0));
    until("the terminal back", || {
        from.try_iter().for_each(|part| shown.push_str(&String::from_utf8_lossy(&part)));
        shown.trim_end().ends_with("\x1b[?25h\x1b[?1049l").then_some(())
    })
    .await;
}
