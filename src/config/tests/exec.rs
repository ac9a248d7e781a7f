//! Secrets that a command prints: what may be written, where, and what is shown of it.

use super::*;
use crate::secret::ClientSecret;

/// A tenant with this `client_secret`.
fn tenant(client_secret: &str) -> Bench {
    let text = GOOD.replace("{ env = \"S\" }", client_secret);
    Bench::new().with("c.toml", text).env("PATH", "/bin:/usr/bin").env("S", "hush")
}

fn commands(bench: &Bench) -> Vec<(String, Vec<String>, Duration, Duration)> {
    let config = bench.config();
    let command = |secret: &ClientSecret| match secret {
        ClientSecret::Exec(it) => Some((it.program.clone(), it.arguments.clone(), it.ttl, it.timeout)),
        ClientSecret::Held(_) => None,
    };
    config.tenants[0].client_secrets.iter().filter_map(command).collect()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_command_is_a_list_with_times_that_may_be_left_out() {
    let bench = tenant("{ exec = [\"sh\", \"-c\", \"exit 3\"] }");
    let arguments = vec!["-c".to_owned(), "exit 3".to_owned()];
    assert_eq!(commands(&bench), [("sh".to_owned(), arguments.clone(), seconds(300), seconds(10))]);
    let bench = tenant("[{ exec = ['sh'], ttl = '1h', timeout = '500ms' }, { env = 'S' }]");
    assert_eq!(commands(&bench), [("sh".to_owned(), vec![], seconds(3600), Duration::from_millis(500))]);
    let held = bench.config().tenants[0].client_secrets[1].held().cloned();
    assert_eq!(held.unwrap().expose(), b"hush");
    // The same in YAML, where a list may stand in lines.
    let yaml = "tenants:\n  acme:\n    client_id: app\n    client_secret:\n      exec:\n      - sh\n      - -c\n      - exit 3\n";
    let bench = Bench::new().with("c.yaml", yaml).env("PATH", "/bin");
    let secrets = &bench.load().unwrap().config.tenants[0].client_secrets;
    assert!(matches!(&secrets[..], [ClientSecret::Exec(it)] if it.arguments == arguments));
}

#[test]
fn a_program_with_a_slash_is_relative_to_its_file() {
    let bench = tenant("{ exec = ['./secret.sh'] }");
    let script = bench.write("secret.sh", "#!/bin/sh\n");
    assert!(
        bench.warnings()[0].contains("there is no program secret.sh here that can be executed")
            || bench.warnings()[0].contains("there is no program ./secret.sh here that can be executed")
    );
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).unwrap();
    assert!(commands(&bench)[0].0.starts_with(&bench.path().display().to_string()));
}

#[test]
fn a_program_that_is_not_there_is_a_warning_and_never_run() {
    let warnings = tenant("{ exec = ['claviger-no-such-program', 'ZqXjK'] }").warnings();
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("there is no program claviger-no-such-program here"), "{warnings:?}");
    let bench = tenant("{ exec = ['sh', '-c', 'echo run > \"$0\"', 'PLACE'] }");
    bench.load().unwrap();
    assert!(!bench.path().join("PLACE").exists());
}

#[test]
fn what_is_wrong_with_a_command_is_said_without_its_arguments() {
    for (client_secret, problem) in [
        ("{ exec = [] }", "the exec of this reference names no program"),
        ("{ exec = [' '] }", "the exec of this reference names no program"),
        ("{ exec = 'sh -c ZqXjK' }", "the exec of this reference is not a list of texts"),
        ("{ exec = ['sh', ['ZqXjK']] }", "the exec of this reference is not a list of texts"),
        ("{ exec = ['sh'], ttl = 'ZqXjK' }", "the ttl of this command is not a duration from 1s to 1day"),
        ("{ exec = ['sh'], ttl = '0s' }", "the ttl of this command is not a duration from 1s to 1day"),
        (
            "{ exec = ['sh'], timeout = '2m' }",
            "the timeout of this command is not a duration from 100ms to 1m",
        ),
        ("{ exec = ['sh'], file = 'ZqXjK' }", "no keys but `exec`, `ttl` and `timeout`"),
    ] {
        let problems = tenant(client_secret).problems();
        assert!(problems.len() == 1 && problems[0].contains(problem), "{client_secret}: {problems:?}");
        assert!(!format!("{problems:?}").contains("ZqXjK"), "{problems:?}");
    }
}

#[test]
fn other_secrets_cannot_be_printed_by_a_command() {
    let bench = tenant("{ env = 'S' }").with("d.toml", "[broker]\nkey = { exec = ['sh'] }\n");
    let problems = bench.problems();
    assert!(
        problems[0].contains(
            "broker.key: `exec` works for the client_secret of a tenant and the bearer of an issuer alone"
        ),
        "{problems:?}"
    );
}

#[test]
fn a_change_is_noticed_and_the_arguments_are_not_shown() {
    let [old, new] =
        ["ZqXjK", "other"].map(|word| tenant(&format!("{{ exec = ['sh', '{word}'] }}")).config());
    assert_eq!(changed(&old, &new), ["tenants.acme.client_secret"]);
    let shown = in_effect(&old);
    let expected = serde_json::json!([{ "exec": ["sh", "…"], "ttl": "5m", "timeout": "10s" }]);
    assert_eq!(shown["tenants"]["acme"]["client_secret"], expected);
    assert!(!format!("{shown} {old:?}").contains("ZqXjK"));
}
