//! The demonstration and the emulator as programs: what they print must work as printed.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use crate::support::{
    Answer, Request, claviger,
    command::{finish, program},
    wire::Place,
    within,
};

/// Starts a command and reads its output up to the line with `last` in it.
async fn printed(arguments: &[&str], last: &str) -> (Child, Vec<String>) {
    read_until(program().args(arguments), last).await
}

async fn read_until(command: &mut Command, last: &str) -> (Child, Vec<String>) {
    let mut child = command.spawn().expect("the program can be run");
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let mut read = Vec::new();
    while !read.last().is_some_and(|line: &String| line.contains(last)) {
        let line = within(format!("{last:?}"), lines.next_line()).await.expect("it is text");
        read.push(line.unwrap_or_else(|| panic!("it ended before {last:?}: {read:?}")));
    }
    (child, read)
}

/// The words of a line, as a shell sees them that knows single quotes alone.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted, mut begun) = (Vec::new(), String::new(), false, false);
    for c in line.trim().chars() {
        match c {
            '\'' => (quoted, begun) = (!quoted, true),
            ' ' if !quoted => {
                if std::mem::take(&mut begun) {
                    words.push(std::mem::take(&mut word));
                }
            }
            c => {
                word.push(c);
                begun = true;
            }
        }
    }
    words.push(word);
    words
}

/// Does what a `curl` line says.
async fn curl(line: &str) -> Answer {
    let mut words = words(line).into_iter().skip(1);
    let (mut method, mut url, mut headers, mut data) = (None, None, Vec::new(), None);
    while let Some(word) = words.next() {
        let mut value = || words.next().expect("an option has a value");
        match word.as_str() {
            "-s" | "-i" | "--path-as-is" => {}
            "-X" => method = Some(value()),
            "-d" => data = Some(value()),
            "-u" => headers.push(("Authorization".to_owned(), format!("Basic {}", BASE64.encode(value())))),
            "-H" => {
                let header = value();
                let (name, value) = header.split_once(": ").expect("a header");
                headers.push((name.to_owned(), value.to_owned()));
            }
            _ => url = Some(word),
        }
    }
    let url = url.expect("a URL");
    let (authority, path) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).expect("a URL");
    let method = method.unwrap_or_else(|| if data.is_some() { "POST" } else { "GET" }.to_owned());
    let mut request = Request::new(&method, &format!("/{path}")).header("Host", authority);
    let typed = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    for (name, value) in headers {
        request = request.header(&name, &value);
    }
    if let Some(data) = data {
        request = request.body(if typed { "" } else { "application/x-www-form-urlencoded" }, data);
    }
    let mut client = Place::parse(authority).connect(Default::default()).await.expect("it listens");
    client.ask(&request).await
}

#[tokio::test]
async fn the_lines_of_the_demonstration_do_what_they_say() {
    let arguments = ["demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    let (_child, lines) = printed(&arguments, "Ctrl-C ends it").await;
    let (mut said, mut tried) = (String::new(), 0);
    for line in lines.iter().map(|line| line.trim()) {
        if let Some(comment) = line.strip_prefix("# ") {
            said = comment.to_owned();
        }
        if !line.starts_with("curl ") {
            continue;
        }
        let answer = curl(line).await;
        let code = answer.outcome().1;
        let as_said = match said.split_once(": ") {
            Some((_, status)) if status.starts_with("40") => status == format!("{} {code}", answer.status),
            _ if said.starts_with("sensitive") => code == "claviger.not_permitted",
            _ => (200..300).contains(&answer.status),
        };
        assert!(as_said, "{said}\n{line}\n{} {}", answer.status, answer.text());
        tried += 1;
    }
    assert!(tried >= 8, "{lines:?}");
}

#[tokio::test]
async fn the_emulator_says_where_it_is_and_ends_when_asked() {
    let (mut child, lines) =
        printed(&["emulate", "--listen", "127.0.0.1:0", "--users", "3"], "endpoint").await;
    let said: serde_json::Value = serde_json::from_str(&lines[0]).expect("it is JSON");
    let place = Place::parse(said["listening"].as_str().expect("an address"));
    let mut client = place.connect(Default::default()).await.expect("it listens");
    let form = "grant_type=client_credentials&scope=all&resource=https%3A%2F%2Fdefault.logto.app%2Fapi";
    let basic = format!("Basic {}", BASE64.encode("emulator-app:emulator-secret"));
    let token = client.ask(&Request::form("/oidc/token", form).header("Authorization", &basic)).await;
    let token = token.json()["access_token"].as_str().expect("a token").to_owned();
    let users = Request::get("/api/users").header("Authorization", &format!("Bearer {token}"));
    assert_eq!(client.ask(&users).await.json().as_array().map(Vec::len), Some(3));
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
    rustix::process::kill_process(pid.expect("it runs"), rustix::process::Signal::TERM).expect("it is ours");
    let ended = tokio::time::timeout(Duration::from_secs(10), child.wait()).await.expect("it ends");
    assert_eq!(ended.expect("it is ours").code(), Some(0));
}

#[tokio::test]
async fn the_help_of_the_emulator_says_how_to_run_claviger_in_front_of_it() {
    let (_child, lines) = printed(&["emulate", "--listen", "127.0.0.1:0"], "endpoint").await;
    let said: serde_json::Value = serde_json::from_str(&lines[0]).expect("it is JSON");
    let help = claviger(&["emulate", "--help"]).await.stdout;
    let mut check = program();
    check.args(["check", "--online"]);
    let mut set = 0;
    for (name, value) in help.lines().filter_map(|line| line.trim().strip_prefix("export ")?.split_once('='))
    {
        check.env(name, value.replace("http://127.0.0.1:3001", said["endpoint"].as_str().expect("a text")));
        set += 1;
    }
    assert_eq!(set, 4, "{help}");
    let checked = finish(&mut check).await;
    assert!(checked.assert_code(0).stdout.contains("default: fine: a token was granted"), "{checked:?}");
}

#[tokio::test]
async fn a_port_alone_is_told_what_to_write() {
    for command in ["emulate", "demo"] {
        let said = claviger(&[command, "--listen", "3001"]).await;
        assert!(
            said.assert_code(2).stderr.contains("'--listen <ADDRESS>': write 127.0.0.1:3001\n"),
            "{said:?}"
        );
    }
}

/// What the log advises for a refusal, to add the operation to it, is true here as well.
#[tokio::test]
async fn the_demonstration_allows_what_claviger_allow_says() {
    let mut command = program();
    command.args(["demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    let (_child, lines) = read_until(command.env("CLAVIGER_ALLOW", "roles:read"), "Ctrl-C ends it").await;
    assert!(lines.iter().any(|line| line.contains("CLAVIGER_ALLOW='roles:read'")), "{lines:?}");
    let authority =
        lines[0].split("http://").nth(1).and_then(|rest| rest.split(',').next()).expect("an address");
    let mut client = Place::parse(authority).connect(Default::default()).await.expect("it listens");
    assert_eq!(client.ask(&Request::get("/api/roles").header("Host", authority)).await.status, 200);
    assert_eq!(client.ask(&Request::get("/api/users").header("Host", authority)).await.status, 403);

    let wrong = finish(program().args(["demo"]).env("CLAVIGER_ALLOW", "users:reed")).await;
    assert!(wrong.assert_code(64).stderr.contains("CLAVIGER_ALLOW"), "{wrong:?}");
}

#[tokio::test]
async fn the_demonstration_does_not_outlive_its_terminal() {
    let arguments = ["demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    let (mut child, _) = printed(&arguments, "Ctrl-C ends it").await;
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
    rustix::process::kill_process(pid.expect("it runs"), rustix::process::Signal::HUP).expect("it is ours");
    let ended = within("its end", child.wait()).await.expect("it is ours");
    assert_eq!(ended.code(), Some(0));
}

#[tokio::test]
async fn a_port_that_is_taken_is_said_once_with_what_to_type() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let address = taken.local_addr().expect("it is bound").to_string();
    let said = crate::support::claviger(&["demo", "--listen", &address, "--admin", "127.0.0.1:0"]).await;
    said.assert_code(1);
    let begins = format!("claviger: cannot listen on {address}: ");
    assert!(said.stderr.starts_with(&begins) && !said.stderr.contains("listen.proxy"), "{}", said.stderr);
    assert_eq!(
        said.stderr.matches("free ports: claviger demo --listen 127.0.0.1:0").count(),
        1,
        "{}",
        said.stderr
    );
    assert!(!said.stderr.contains("choose another address"), "{}", said.stderr);
    let other = std::net::TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let other = other.local_addr().expect("it is bound").to_string();
    let same = claviger(&["demo", "--listen", &other, "--admin", &other]).await;
    let expected = format!("claviger: --listen and --admin are both {other}: give each a port of its own\n");
    assert_eq!(same.assert_code(2).stderr, expected);
}
