//! What helps a person at the command line: manual pages, and what the shell completes.

use super::{Files, claviger, finish, offline, program};
use crate::support::quoted;

/// The titles of a page's sections.
fn sections(page: &str) -> Vec<&str> {
    page.lines().filter_map(|line| line.strip_prefix(".SH ")).map(|title| title.trim_matches('"')).collect()
}

/// Of a command without commands of its own.
const USUAL: [&str; 9] = [
    "NAME",
    "SYNOPSIS",
    "DESCRIPTION",
    "OPTIONS",
    "EXIT STATUS",
    "ENVIRONMENT",
    "FILES",
    "EXAMPLES",
    "SEE ALSO",
];

#[tokio::test]
async fn a_manual_page_has_the_sections_that_its_readers_look_for() {
    for (command, expected) in [
        (
            &[][..],
            &[
                "NAME",
                "SYNOPSIS",
                "DESCRIPTION",
                "COMMANDS",
                "OPTIONS",
                "EXIT STATUS",
                "ENVIRONMENT",
                "FILES",
                "EXAMPLES",
                "SEE ALSO",
            ][..],
        ),
        (
            &["serve"],
            &[
                "NAME",
                "SYNOPSIS",
                "DESCRIPTION",
                "OPTIONS",
                "SIGNALS",
                "EXIT STATUS",
                "ENVIRONMENT",
                "FILES",
                "EXAMPLES",
                "SEE ALSO",
            ],
        ),
        (&["explain"], &USUAL),
        (&["policy", "matrix"], &USUAL),
        (&["policy"], &["NAME", "SYNOPSIS", "DESCRIPTION", "COMMANDS", "OPTIONS", "EXIT STATUS", "SEE ALSO"]),
    ] {
        let page = claviger(&[&["man"], command].concat()).await;
        page.assert_code(0);
        let page = page.stdout;
        let name = ["claviger"].iter().chain(command).copied().collect::<Vec<_>>();
        assert_eq!(sections(&page), expected, "{command:?}");
        assert!(page.contains(&format!("{} \\- ", name.join("\\-"))), "{command:?}: {page}");
        assert!(!page.contains("[subcommands]") && !page.contains(".SH EXTRA"), "{page}");
    }
    let matrix = claviger(&["man", "policy", "matrix"]).await.stdout;
    let synopsis = matrix.split(".SH SYNOPSIS\n").nth(1).expect("it is there");
    assert!(synopsis.starts_with("\\fBclaviger policy matrix\\fR "), "{synopsis}");
    assert!(
        matrix.ends_with("docs/reference/ of the source.\n") && matrix.contains("claviger\\-policy(1)"),
        "{matrix}"
    );
    let explain = claviger(&["man", "explain"]).await.stdout;
    assert!(!explain.contains("COMMANDS") && explain.contains("1   denied"), "{explain}");
    assert_eq!(explain.matches(".PP\n").count(), 2, "a paragraph is one: {explain}");
}

/// What fish is told of the word that is typed last.
async fn completed(words: &[&str]) -> String {
    let mut command = program();
    command.env("COMPLETE", "fish").args([&["--", "claviger"], words].concat());
    let finished = finish(&mut command).await;
    finished.assert_code(0);
    finished.stdout
}

#[tokio::test]
async fn operations_tags_callers_and_tenants_are_completed() {
    let line = "GET\t/api/gadgets\tListGadgets\tgadgets\t-\t-\ttoken\tkind\t-\t-\n";
    let files = Files::new();
    let catalog = files.0.path().join("catalog.tsv");
    std::fs::write(&catalog, line).expect("a temporary directory can be written to");
    let file = files.with(&offline().set("catalog.file", quoted(catalog.display().to_string())));
    for (words, expected, not) in [
        (&["explain", "ListUs"][..], "ListUsers\tGET /api/users\n", "ListRoles"),
        (&["explain", "--config", &file, "ListGad"], "ListGadgets\tGET /api/gadgets\n", "ListUsers"),
        (&["operations", "--config", &file, "--tag", "ga"], "gadgets\n", "users"),
        (&["operations", "--tag", "use"], "users\n", "gadgets"),
        (&["policy", "matrix", "--config", &file, "--caller", ""], "local\n", "acme"),
        (&["explain", "--config", &file, "--tenant", "a"], "acme\n", "local"),
    ] {
        let said = completed(words).await;
        assert!(said.contains(expected) && !said.contains(not), "{words:?}: {said}");
    }
    let explained = claviger(&["explain", "--config", &file, "--caller", "local", "ListGadgets"]).await;
    assert!(explained.stdout.contains("GET /api/gadgets (ListGadgets)"), "{}", explained.stdout);
}
