//! Real commands. `/bin/sh` runs a script here; Claviger itself runs no shell.

use super::*;

const CANARY: &str = "canary-9e1b";

fn sh(script: &str) -> Exec {
    Exec::new(Arc::new(Command {
        program: "/bin/sh".into(),
        arguments: vec!["-c".into(), script.into()],
        ttl: DEFAULT_TTL,
        timeout: DEFAULT_TIMEOUT,
    }))
}

async fn printed(script: &str) -> Result<String, String> {
    let secret = sh(script).fetch().await.map_err(|error| error.to_string())?;
    Ok(String::from_utf8(secret.expose().to_vec()).unwrap())
}

async fn error(script: &str) -> String {
    printed(script).await.expect_err("no secret")
}

#[tokio::test]
async fn what_a_command_prints_is_the_secret_without_its_line_end() {
    for script in ["printf s3cret", "echo s3cret", r"printf 's3cret\r\n'", "echo s3cret; echo hm >&2"] {
        assert_eq!(printed(script).await.as_deref(), Ok("s3cret"), "{script}");
    }
    assert_eq!(printed("echo ' a b '").await.as_deref(), Ok(" a b "));
    // One line end, and no more.
    assert!(error(r"printf 's3cret\n\n'").await.contains("line breaks"));
    let home = std::env::var("HOME").unwrap_or_default();
    assert_eq!(printed("echo \"x$HOME\"").await, Ok(format!("x{home}")), "the environment is inherited");
    assert_eq!(printed("cat; echo read").await.as_deref(), Ok("read"), "there is nothing on standard input");
}

#[tokio::test]
async fn what_is_no_secret_says_why_and_never_what_was_printed() {
    for (script, why) in [
        ("exit 3", "the command /bin/sh ended with exit status: 3"),
        ("printf canary-9e1b; exit 1", "the command /bin/sh ended with exit status: 1"),
        ("echo '* no route to vault' >&2; exit 2", "exit status: 2: * no route to vault"),
        ("echo >&2; echo second >&2; exit 2", "exit status: 2: second"),
        (r"printf '\033[31mred\n' >&2; exit 1", "exit status: 1: ?[31mred"),
        ("kill -9 $$", "ended with signal: 9 (SIGKILL)"),
        ("true", "printed nothing"),
        ("echo", "printed nothing"),
        ("echo '  '", "printed nothing"),
        ("echo canary-9e1b; echo and more", "printed line breaks"),
        (r"printf 'canary-9e1b\000'", "printed line breaks or characters other than visible ASCII"),
        ("echo canary-9e1b; echo +canary-9e1b >&2; exit 1", "(withheld: it repeats the secret)"),
        ("echo x; echo canary-9e1b; echo +canary-9e1b >&2; exit 1", "(withheld: it repeats the secret)"),
    ] {
        let error = error(script).await;
        assert!(error.contains(why), "{script}: {error}");
        assert!(!error.contains(CANARY), "{script}: {error}");
    }
    let long = error("head -c 100000 /dev/zero | tr '\\0' y >&2; exit 1").await;
    assert_eq!(
        long.chars().filter(|c| *c == 'y').count(),
        200,
        "it is bounded, and does not hold the command up"
    );
}

#[tokio::test]
async fn an_endless_output_is_cut_off() {
    assert!(error("head -c 65537 /dev/zero | tr '\\0' x").await.contains("more than 64 KiB"));
    assert!(error("while :; do echo canary-9e1b; done").await.contains("more than 64 KiB"));
    assert_eq!(printed("head -c 65536 /dev/zero | tr '\\0' x").await.map(|text| text.len()), Ok(65536));
}

#[tokio::test]
async fn a_program_that_cannot_run_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("not-executable");
    std::fs::write(&file, "#!/bin/sh\n").unwrap();
    for (program, why) in [
        ("claviger-no-such-program".to_owned(), "was not found"),
        (file.display().to_string(), "may not be executed by this process"),
    ] {
        let command = Command { program, ..(*sh("").0).clone() };
        let error = Exec::new(Arc::new(command.clone())).fetch().await.expect_err("no secret").to_string();
        assert_eq!(error, format!("the command {} {why}", command.program));
    }
}

/// Whoever hangs is killed, and so is what it has started: the pipe that they hold ends.
#[tokio::test]
async fn a_command_that_hangs_is_killed_with_all_that_it_started() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    let exec = sh(&format!("exec 9>'{}'; echo begun >&9; sleep 1000 & sleep 1000", pipe.display()));
    let mut reader = tokio::net::unix::pipe::OpenOptions::new().open_receiver(&pipe).unwrap();
    let mut text = String::new();
    let mut run = Box::pin(exec.fetch());
    let begun = async {
        let mut line = [0; 6];
        tokio::io::AsyncReadExt::read_exact(&mut reader, &mut line).await.unwrap();
    };
    tokio::select! {
        _ = &mut run => panic!("it hangs"),
        () = begun => {}
    }
    drop(run);
    tokio::io::AsyncReadExt::read_to_string(&mut reader, &mut text).await.unwrap();
    assert_eq!(text, "", "nobody holds the pipe any more");
}

#[test]
fn arguments_are_not_printed() {
    let exec = sh("echo canary-9e1b");
    assert!(!format!("{exec:?} {:?}", exec.0).contains(CANARY));
    let shown = serde_json::to_string(&exec.0).unwrap();
    assert_eq!(shown, r#"{"exec":["/bin/sh","…"],"ttl":"5m","timeout":"10s"}"#);
}
