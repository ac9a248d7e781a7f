//! `claviger operations --diff`, and a catalog file in the commands.

use super::{Files, offline};
use crate::support::{Logto, claviger, quoted};

const LINE: &str =
    "GET\t/api/users/{userId}/devices\tListDevices\tusers\tsecrets\t-\ttoken\tkind\t-\t/secret\n";

fn file(directory: &tempfile::TempDir, name: &str, text: &str) -> String {
    let path = directory.path().join(name);
    std::fs::write(&path, text).expect("a temporary directory can be written to");
    path.display().to_string()
}

#[tokio::test]
async fn a_document_is_compared_with_the_catalog() {
    let directory = tempfile::tempdir().expect("a directory");
    let document = r#"{"openapi":"3.0.1","info":{},"paths":{
        "/api/users/{id}/devices":{"get":{"operationId":"ListDevices","tags":["Users"],"parameters":[{"name":"kind","in":"query"}]}},
        "/api/users":{"get":{"operationId":"ListUsers","tags":["Users"],"parameters":[{"name":"page","in":"query"},{"name":"sort","in":"query"}]}}}}"#;
    let path = file(&directory, "document.json", document);
    let differs = claviger(&["operations", "--diff", &path]).await;
    differs.assert_code(1);
    for says in [
        "The document has 1 operation that the catalog lacks.",
        "  destruction    delete what holds secrets, or a whole collection?",
        "\n# ListDevices: GET /api/users/{id}/devices\nGET\t/api/users/{id}/devices\tListDevices\tusers\t?\t-\tpublic\tkind\t-\t-\n",
        "The catalog has 274 operations that the document lacks.\n",
        "  ListUsers                                    query parameter: new sort; gone isCaseSensitive, joint, jointMode, mode*, page_size, search*\n",
    ] {
        assert!(differs.stdout.contains(says), "{says}\n{}", differs.stdout);
    }
    let json = claviger(&["operations", "--diff", &path, "--json"]).await;
    json.assert_code(1);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!((&json["same"], json["missing"].as_array().expect("a list").len()), (&false.into(), 274));
    assert_eq!(
        json["added"][0]["line"],
        "GET\t/api/users/{id}/devices\tListDevices\tusers\t?\t-\tpublic\tkind\t-\t-"
    );

    for (what, name, text) in [
        ("not an OpenAPI document", "other.json", "{}"),
        ("there is no directory /nonexistent", "missing.json", ""),
    ] {
        let path =
            if text.is_empty() { format!("/nonexistent/{name}") } else { file(&directory, name, text) };
        let trouble = claviger(&["operations", "--diff", &path]).await;
        trouble.assert_code(2);
        assert!(trouble.stderr.contains(what), "{}", trouble.stderr);
    }
}

#[tokio::test]
async fn a_server_is_asked_for_its_document() {
    let logto = Logto::start().await;
    let differs = claviger(&["operations", "--diff", &logto.base_url()]).await;
    differs.assert_code(1);
    assert!(
        !differs.stdout.contains("that the catalog lacks")
            && !differs.stdout.contains("that the document lacks")
    );
    assert!(differs.stdout.contains("UpdateRole"), "the emulator says nothing of bodies: {}", differs.stdout);
    assert!(
        !differs.stdout.contains(" tag:") && !differs.stdout.contains(" operationId:"),
        "{}",
        differs.stdout
    );
    let nobody = claviger(&["operations", "--diff", "http://127.0.0.1:1"]).await;
    nobody.assert_code(2);
    assert!(
        nobody.stderr.contains("no document at http://127.0.0.1:1/api/.well-known/management.openapi.json"),
        "{}",
        nobody.stderr
    );
}

#[tokio::test]
async fn commands_know_what_a_catalog_file_adds() {
    let files = Files::new();
    let catalog = file(&files.0, "catalog.tsv", LINE);
    let settings = offline()
        .set("catalog.file", quoted(&catalog))
        .set("policies.all.allow", "['users:read', 'GetUserIdentity']")
        .without("policies.all.deny");
    let config = files.with(&settings);
    let with = |arguments: &[&str]| {
        let arguments: Vec<String> = arguments.iter().map(|it| (*it).to_owned()).collect();
        let config = config.clone();
        async move {
            let mut all: Vec<&str> = arguments.iter().map(String::as_str).collect();
            all.extend(["--config", &config]);
            claviger(&all).await
        }
    };
    let explained = with(&["explain", "--caller", "local", "GET", "/api/users/u1/devices"]).await;
    explained.assert_code(0);
    assert!(
        explained.stdout.contains("(ListDevices)") && explained.stdout.contains("by allow \"users:read\""),
        "{}",
        explained.stdout
    );
    assert!(explained.stdout.contains("masked in the answer: secret"), "{}", explained.stdout);
    let matrix = with(&["policy", "matrix"]).await;
    assert!(matrix.stdout.contains("ListDevices+"), "{}", matrix.stdout);
    let listed = with(&["operations", "--tag", "users"]).await;
    assert!(
        listed.stdout.contains("ListDevices") && listed.stdout.contains("(secrets masked)"),
        "{}",
        listed.stdout
    );
    for tag in ["user", "Users"] {
        let slip = claviger(&["operations", "--tag", tag]).await;
        let says = format!("claviger: there is no tag {tag:?}. Did you mean users?\n");
        assert_eq!(slip.assert_code(2).stderr, says);
    }
    assert!(!claviger(&["operations"]).await.stdout.contains("ListDevices"), "Claviger's own catalog alone");

    file(&files.0, "catalog.tsv", &LINE.replace("\tsecrets\t", "\t?\t").replace("\t/secret", ""));
    let unreviewed = with(&["explain", "--caller", "local", "GET", "/api/users"]).await;
    unreviewed.assert_code(64);
    assert!(
        unreviewed.stderr.contains("catalog.tsv:1: catalog.file: nobody has judged the risks"),
        "{}",
        unreviewed.stderr
    );
}

/// It is answered by Claviger to whoever has a grant: no rule decides about it.
#[tokio::test]
async fn the_document_itself_is_explained() {
    let files = Files::new();
    let config = files.with(&offline());
    for (path, code, says) in [
        (
            "/api/swagger.json",
            0,
            "Claviger answers it itself: the OpenAPI document of the Management API, cut down to what this caller may do",
        ),
        ("/api/.well-known/user.openapi.json", 1, "there is one OpenAPI document here"),
    ] {
        let explained = claviger(&["explain", "--caller", "local", "--config", &config, "GET", path]).await;
        explained.assert_code(code);
        assert!(explained.stdout.contains(says), "{}", explained.stdout);
    }
}

#[tokio::test]
async fn a_file_that_is_not_there_is_named_with_what_to_do() {
    let directory = tempfile::tempdir().expect("there is a temporary directory");
    let (nofile, scenario) = (directory.path().join("nofile"), directory.path().join("s.toml"));
    std::fs::write(
        &scenario,
        "duration = \"1s\"\nquota = { requests = 10, per = \"1s\" }\n[load.a]\nrate = 1\n",
    )
    .expect("it can be written");
    let (nofile, scenario) = (nofile.display().to_string(), scenario.display().to_string());
    let missing = format!("claviger: {nofile}: there is no such file: look at the path\n");
    assert_eq!(claviger(&["simulate", &nofile]).await.assert_code(1).stderr, missing);
    assert_eq!(claviger(&["operations", "--diff", &nofile]).await.assert_code(2).stderr, missing);
    let below = format!("{nofile}/a.svg");
    assert_eq!(
        claviger(&["simulate", &scenario, "--svg", &below]).await.assert_code(1).stderr,
        format!("claviger: --svg {below}: there is no directory {nofile}: look at the path\n")
    );
}
