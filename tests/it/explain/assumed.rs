//! What `claviger explain` takes for granted of a request, and says that it did.

use crate::support::claviger;

/// The answer is about a request that the caller has yet to make its own.
#[tokio::test]
async fn what_was_assumed_of_a_request_without_a_credential_is_said() {
    let directory = tempfile::tempdir().expect("there is a temporary directory");
    let file = directory.path().join("claviger.toml");
    let key = "{ api_key_sha256 = \"0000000000000000000000000000000000000000000000000000000000000001\" }";
    for (identify, adds) in [
        (
            key.to_owned(),
            "as it is sent without one it is a 401. Add its API key, as the header Claviger-Key\n",
        ),
        (
            format!("[{key}, {{ unix_uid = 7 }}]"),
            "a 401. Add its API key, as the header Claviger-Key, or the Unix socket, as its user\n",
        ),
        ("{ loopback = true }".to_owned(), ""),
    ] {
        let text = format!(
            "[listen]\nproxy = [\"127.0.0.1:3600\", \"unix:/tmp/x\"]\n[tenants.acme]\nendpoint = \"https://acme.logto.app\"\n\
             client_id = \"m2m\"\nclient_secret = {{ env = \"NOT_SET\" }}\n[policies.all]\nallow = [\"users:read\"]\n\
             [callers.billing]\nidentify = {identify}\npolicies = [\"all\"]\n"
        );
        std::fs::write(&file, text).expect("it can be written");
        let file = file.display().to_string();
        let said = claviger(&["explain", "--config", &file, "curl", "http://127.0.0.1:3600/api/users"]).await;
        let note = "  note: no credential was given: decided for the only caller, billing; ";
        let said = said.assert_code(0).stdout.clone();
        assert_eq!(said.contains(note), !adds.is_empty(), "{said}");
        assert!(said.ends_with(adds), "{said}");
        let lacks =
            "allowed once it has the caller's credential: GET /api/users (ListUsers) by caller billing";
        assert_eq!(said.starts_with(lacks), !adds.is_empty(), "{said}");
        // Refused before anybody asks whose it is, so no credential would help.
        let token = "http://127.0.0.1:3600/t/acme/oidc/token";
        for (curl, denied) in [
            (&["curl", token][..], "405"),
            (&["curl", "-X", "POST", token], "400"),
            (&["curl", token, "--json", "{}"], "400"),
        ] {
            let said = claviger(&[&["explain", "--config", &file][..], curl].concat()).await;
            let said = said.assert_code(1).stdout.clone();
            assert!(said.contains(denied) && !said.contains("it is a 401"), "{said}");
        }
    }
}

/// Its tenants are not in the files, and it is not opened for a question.
#[tokio::test]
async fn that_the_vault_was_not_looked_at_is_said_once() {
    let directory = tempfile::tempdir().expect("there is a temporary directory");
    let file = directory.path().join("claviger.toml");
    let path = file.display().to_string();
    for (vault, says) in [("", 0), ("[vault]\nstore = { file = \"v\" }\nkey = { env = \"NOT_SET\" }\n", 1)] {
        let text = format!(
            "[tenants.acme]\nendpoint = \"https://acme.logto.app\"\nclient_id = \"m2m\"\nclient_secret = {{ env = \"NOT_SET\" }}\n\
             [policies.all]\nallow = [\"users:read\"]\n[callers.local]\nidentify = {{ loopback = true }}\npolicies = [\"all\"]\n{vault}"
        );
        std::fs::write(&file, text).expect("it can be written");
        let note = "the vault was not looked at: tenants adopted into it are unknown here";
        for (request, code) in [("/t/acme/api/users", 0), ("/t/adopted/api/users", 1)] {
            let said = claviger(&["explain", "--config", &path, request]).await;
            let text = &said.assert_code(code).stdout;
            assert_eq!(text.matches(&format!("  note: {note}\n")).count(), says, "{text}");
            let said = claviger(&["explain", "--json", "--config", &path, request]).await;
            let shown: serde_json::Value = serde_json::from_str(&said.stdout).expect("it is JSON");
            assert_eq!(shown["notes"].to_string().contains(note), says == 1, "{shown}");
        }
        let matrix = claviger(&["policy", "matrix", "--config", &path]).await;
        assert_eq!(matrix.assert_code(0).stderr.matches(note).count(), says, "{matrix:?}");
    }
    assert!(!directory.path().join("v").exists());
}
