//! The first credential: what is printed, where its secret goes, and whether an application works.

use std::os::unix::fs::PermissionsExt as _;

use crate::support::{
    Logto,
    command::{claviger, finish, program},
};

#[tokio::test]
async fn the_secret_goes_to_a_file_and_into_the_sql_and_nowhere_else() {
    let steps = claviger(&["bootstrap"]).await;
    for part in ["claviger bootstrap --sql | psql", "--check --endpoint", "[tenants.default]"] {
        assert!(steps.assert_code(0).stdout.contains(part), "{part}: {steps:?}");
    }
    let directory = tempfile::tempdir().expect("there is a temporary directory");
    let path = directory.path().join("secret");
    let file = path.display().to_string();
    let made = claviger(&["bootstrap", "--sql", "--client-secret-file", &file]).await;
    let secret = std::fs::read_to_string(&path).expect("it was written");
    assert_eq!(std::fs::metadata(&path).expect("it is there").permissions().mode() & 0o777, 0o600);
    assert!(secret.len() == 48 && made.assert_code(0).stdout.contains(&secret));
    assert!(
        !made.stderr.contains(&secret) && made.stderr.contains("client_secret = { file ="),
        "{}",
        made.stderr
    );
    let again = claviger(&["bootstrap", "--sql", "--client-secret-file", &file]).await;
    assert!(again.assert_code(1).stderr.contains("it is there already"), "{again:?}");
    assert!(again.stdout.is_empty());
}

#[tokio::test]
async fn an_application_is_checked_by_a_grant_and_a_call() {
    let logto = Logto::start().await;
    let directory = tempfile::tempdir().expect("there is a temporary directory");
    let path = directory.path().join("secret");
    let check = async |client: &str, secret: &str| {
        std::fs::write(&path, secret).expect("it can be written to");
        let file = path.display().to_string();
        let endpoint = logto.base_url().to_string();
        claviger(&[
            "bootstrap",
            "--check",
            "--endpoint",
            &endpoint,
            "--client-id",
            client,
            "--client-secret-file",
            &file,
        ])
        .await
    };
    check(logto.client(), logto.secret()).await.assert_code(0);
    let bare = check("m2m-without-role", logto.secret()).await;
    assert!(bare.assert_code(1).stderr.contains("role"), "{bare:?}");
    let endpoint = logto.base_url().to_string();
    let mut without = program();
    without.current_dir(&directory).args([
        "bootstrap",
        "--check",
        "--client-id",
        "x",
        "--endpoint",
        &endpoint,
    ]);
    let without = finish(&mut without).await;
    let says = "Name the file of the App secret by --client-secret-file\n";
    assert!(without.assert_code(1).stderr.ends_with(says), "{without:?}");
    let wrong = check(logto.client(), "a-wrong-secret-0123456789").await;
    assert!(wrong.assert_code(1).stderr.contains("invalid_client"), "{wrong:?}");
}

/// What `psql` says of a database that is somebody else's, or is not set up.
#[tokio::test]
#[ignore = "needs a PostgreSQL, whose URL is in TEST_CLAVIGER_POSTGRES"]
async fn a_database_that_is_not_logtos_is_told_what_it_lacks() {
    let url = std::env::var("TEST_CLAVIGER_POSTGRES").expect("TEST_CLAVIGER_POSTGRES is a URL");
    let directory = tempfile::tempdir().expect("there is a temporary directory");
    let file = directory.path().join("secret").display().to_string();
    let sql = claviger(&["bootstrap", "--sql", "--client-secret-file", &file]).await.stdout;
    let columns = |name: &str, columns: &str| {
        let columns: Vec<_> = columns.split(' ').map(|column| format!("{column} text")).collect();
        format!("create table {name} ({});\n", columns.join(", "))
    };
    let logto = [
        ("resources", "tenant_id id indicator"),
        ("scopes", "tenant_id id resource_id name"),
        ("applications", "tenant_id id name secret description type oidc_client_metadata"),
        ("application_secrets", "tenant_id application_id name value"),
        ("roles", "tenant_id id name description type"),
        ("roles_scopes", "tenant_id id role_id scope_id"),
        ("applications_roles", "tenant_id id application_id role_id"),
    ];
    let logto: String = logto.iter().map(|(name, all)| columns(name, all)).collect();
    let cases = [
        (
            String::new(),
            "it has no application_secrets, applications, applications_roles, resources, roles, roles_scopes, scopes",
        ),
        (logto.replace("oidc_client_metadata text", "x text"), "it has no applications.oidc_client_metadata"),
        (logto, "has the tables of Logto, and no Management API of its tenant \"default\""),
    ];
    for (tables, said) in cases {
        let script = directory.path().join("script.sql");
        let schema = "create schema elsewhere; set search_path to elsewhere;\n";
        // Within a transaction of its own, of which nothing stays.
        let sql = sql.replace("begin;\n", "");
        let text = format!("\\set ON_ERROR_STOP on\nbegin;\n{schema}{tables}{sql}");
        std::fs::write(&script, text).expect("it can be written to");
        let mut psql = tokio::process::Command::new("psql");
        psql.args(["-X", "-q", "-d", &url, "-f"]).arg(&script);
        let finished = finish(&mut psql).await;
        assert!(finished.assert_code(3).stderr.contains(said), "{said}: {finished:?}");
        assert!(finished.stderr.contains("HINT:  Nothing was changed."), "{finished:?}");
    }
}
