//! What whoever starts the program at a terminal sees of requests: each of them, aligned, with the decision, and in colour only
//! where that is wanted.

use crate::support::{
    Logto, Request, Settings, canary::MARK, command::program, soon, terminal::Screen, until, wire::Place,
};

/// A program at a terminal, with one tenant and a caller with an API key.
struct Session {
    screen: Screen,
    place: Place,
    _directory: tempfile::TempDir,
    _child: tokio::process::Child,
}

fn key() -> String {
    format!("{MARK}key-of-billing-0123456789")
}

impl Session {
    async fn start(logto: &Logto, environment: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().expect("there is a temporary directory");
        let (file, ready) = (directory.path().join("claviger.toml"), directory.path().join("ready.json"));
        let key = format!("{{ api_key = '{}', label = '2026-11' }}", key());
        Settings::usual()
            .tenant("acme", logto)
            .without("callers.local")
            .set("callers.billing.identify", key)
            .set("callers.billing.policies", "['support']")
            .set("policies.support.allow", "['users:read']")
            .write(&file);
        let mut command = program();
        let screen = Screen::of(&mut command);
        let child = command
            .arg("serve")
            .args(["--config".as_ref(), file.as_os_str(), "--ready-file".as_ref(), ready.as_os_str()])
            .env("TERM", "xterm")
            .envs(environment.iter().copied())
            .spawn()
            .expect("the program can be run");
        let written = until("the ready file", || std::fs::read(&ready).ok()).await;
        let written: serde_json::Value = serde_json::from_slice(&written).expect("it is JSON");
        let place = Place::parse(written["proxy"][0].as_str().expect("an address"));
        Self { screen, place, _directory: directory, _child: child }
    }

    async fn ask(&self, request: &Request) {
        let mut client = self.place.connect(Default::default()).await.expect("it listens");
        client.ask(request).await;
    }

    async fn shows(&self, text: &str) -> String {
        soon(format!("{text:?} at the terminal"), || self.screen.text().contains(text)).await;
        self.screen.text()
    }
}

/// What is another one each time: times, durations, ids and ports.
fn without_numbers(text: &str) -> Vec<String> {
    let word = |before: &str, word: &str, after: &str| match (before, word, after) {
        ("request", ..) => "ID,".into(),
        ("from", ..) => "PEER".into(),
        (_, _, "ms" | "s") => "TOOK".into(),
        (_, "ms" | "s", _) => String::new(),
        _ if word.len() == 9 && word.ends_with('Z') && word.contains(':') => "TIME".into(),
        _ => word.to_owned(),
    };
    let line = |line: &str| {
        let words: Vec<_> = ["", ""].into_iter().chain(line.split_whitespace()).chain([""]).collect();
        let words = words.windows(3).map(|three| word(three[0], three[1], three[2]));
        words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
    };
    text.lines().map(line).collect()
}

#[tokio::test]
async fn a_terminal_shows_each_request_with_the_decision_as_the_page_has_it() {
    let logto = Logto::start().await;
    let session = Session::start(&logto, &[("NO_COLOR", "1")]).await;
    session.ask(&Request::get("/api/users?page_size=1").key(&key())).await;
    session.shows("GET     /api/users?…").await;
    session.ask(&Request::new("DELETE", "/api/roles/r1").key(&key())).await;
    let shown = session.shows("by api_key 2026-11, from 127.0.0.1:").await;
    assert!(!shown.contains('\u{1b}'), "NO_COLOR is set: {shown}");
    assert!(!shown.contains(MARK), "{shown}");
    let ready = shown.lines().find(|line| line.contains("  INFO   ready  ")).expect("it says so");
    assert!(ready.contains("proxy=127.0.0.1:") && ready.contains("tenants=1"), "{ready}");
    // docs/logs.md shows these very lines.
    let page = include_str!("../../docs/logs.md");
    let example =
        page.split("<!-- terminal: ").nth(1).and_then(|rest| rest.split("```").nth(1)).expect("it is marked");
    let example = without_numbers(example.strip_prefix("text\n").expect("it is text"));
    let lines = without_numbers(&shown);
    let from = lines.iter().position(|line| line.starts_with("TIME 200")).expect("the first request");
    assert_eq!(lines[from..], example, "{shown}");
    // In columns.
    let at = |what: &str| {
        let line = shown.lines().find(|line| line.contains(what)).expect(what);
        line.chars()
            .collect::<Vec<_>>()
            .windows(what.len())
            .position(|it| it.iter().collect::<String>() == what)
    };
    assert_eq!(at("GET   "), at("DELETE"), "{shown}");
    assert_eq!(at("GET   "), at("claviger.not_permitted"), "{shown}");
    assert_eq!(shown.matches("billing → acme").count(), 2);
}

#[tokio::test]
async fn colours_are_there_on_a_terminal_unless_somebody_does_not_want_them() {
    let logto = Logto::start().await;
    let session = Session::start(&logto, &[("NO_COLOR", "")]).await;
    session.ask(&Request::get("/api/users/none").key(&key())).await;
    let shown = session.shows("/api/users/none").await;
    assert!(shown.contains("\u{1b}[33m404\u{1b}[0m"), "{shown:?}");
    session.ask(&Request::get("/api/users?page_size=1").key(&key())).await;
    assert!(session.shows("\u{1b}[32m200\u{1b}[0m").await.contains("\u{1b}[32mINFO \u{1b}[0m  ready"));
    for environment in [("NO_COLOR", "yes"), ("TERM", "dumb"), ("CLAVIGER_LOG__FORMAT", "json")] {
        let session = Session::start(&logto, &[environment]).await;
        assert!(!session.shows("ready").await.contains('\u{1b}'), "{environment:?}");
    }
}
