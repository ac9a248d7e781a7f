//! The transcripts of the documentation, word for word.

use crate::support::command::{Finished, finish, program};

/// What a page shows that `claviger explain` says: its arguments, and its output.
fn transcripts(page: &'static str) -> Vec<(&'static str, &'static str)> {
    let blocks = page.split("$ claviger explain ").skip(1);
    blocks.filter_map(|rest| rest.split("\n```").next()?.split_once('\n')).collect()
}

/// Does what a line says, as a shell would that knows single quotes alone.
async fn run(arguments: &str, env: &[(&str, &str)], directory: &std::path::Path) -> Finished {
    let mut words = vec![String::new()];
    for (at, part) in arguments.split('\'').enumerate() {
        match at % 2 {
            0 => {
                let mut pieces = part.split(' ');
                words.last_mut().expect("there is one").push_str(pieces.next().unwrap_or_default());
                words.extend(pieces.map(ToOwned::to_owned));
            }
            _ => words.last_mut().expect("there is one").push_str(&part.replace('…', "x")),
        }
    }
    let mut command = program();
    command.arg("explain").args(words.iter().filter(|word| !word.is_empty())).current_dir(directory);
    finish(command.env("CLAVIGER_LISTEN__ADMIN", "off").envs(env.iter().copied())).await
}

#[tokio::test]
async fn the_transcripts_of_the_page_about_policies_are_true() {
    let page = include_str!("../../../docs/policy.md");
    let mut blocks = page.split("```").filter_map(|block| block.strip_prefix("toml\n"));
    let example = blocks.find(|block| block.starts_with("# example"));
    let directory = tempfile::tempdir().expect("a directory");
    let tenant = "\n[tenants.acme]\nclient_id = 'x'\nclient_secret = '0123456789abcdef'\n";
    let text = format!("{}{tenant}", example.expect("it has one"));
    std::fs::write(directory.path().join("claviger.toml"), text).expect("it can be written");
    let transcripts = transcripts(page);
    assert_eq!(transcripts.len(), 3);
    for (arguments, shown) in transcripts {
        let said = run(arguments, &[], directory.path()).await;
        assert_eq!(
            said.stdout.trim_end().replace("./claviger.toml", "claviger.toml"),
            shown,
            "{arguments}: {}",
            said.stderr
        );
    }
}

#[tokio::test]
async fn the_transcripts_of_the_short_form_are_true() {
    let directory = tempfile::tempdir().expect("a directory");
    let env = [
        ("LOGTO_ENDPOINT", "http://127.0.0.1:9"),
        ("LOGTO_M2M_APP_ID", "x"),
        ("LOGTO_M2M_APP_SECRET", "0123456789abcdef"),
        ("CLAVIGER_ALLOW", "users:read,ListRoles"),
    ];
    let (readme, errors) =
        (include_str!("../../../README.md"), include_str!("../../../docs/reference/errors.md"));
    for (arguments, shown) in transcripts(readme).into_iter().chain(transcripts(errors)) {
        let said = run(arguments, &env, directory.path()).await;
        assert_eq!(said.stdout.trim_end(), shown, "{arguments}: {}", said.stderr);
    }
}
