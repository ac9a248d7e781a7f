//! `claviger caller key`: what goes where.

use super::{Files, claviger, finish, offline, program};

#[tokio::test]
async fn a_made_key_is_the_one_its_digest_stands_for() {
    let mut make = program();
    let made = finish(make.args(["caller", "key", "billing", "--json"])).await;
    assert_eq!(made.code, Some(0));
    let made: serde_json::Value = serde_json::from_str(&made.stdout).expect("JSON");
    let key = made["key"].as_str().expect("a key");
    assert!(key.starts_with("cvk_") && key.len() == 68, "{key}");
    let digest = claviger::secret::Digest::of(key.as_bytes()).to_hex();
    assert_eq!(made["sha256"], digest);
    claviger(&["caller", "key", "Not A Name"]).await.assert_code(2);
}

/// What goes where, so that `> file` makes a key file and `>> claviger.toml` a configuration that loads.
#[tokio::test]
async fn a_made_key_and_its_configuration_are_apart_and_both_of_use() {
    use std::os::unix::fs::PermissionsExt as _;
    let files = Files::new();
    let held = |excerpt: &str, key: &str| {
        let digest = claviger::secret::Digest::of(key.as_bytes()).to_hex();
        assert!(excerpt.contains(&format!("api_key_sha256 = \"{digest}\"")) && !excerpt.contains(key));
    };
    let alone = claviger(&["caller", "key", "billing"]).await;
    let key = alone.stdout.strip_suffix('\n').expect("one line");
    assert!(key.starts_with("cvk_") && key.len() == 68, "{key}");
    held(&alone.stderr, key);

    for name in ["billing", "shop.billing"] {
        let out = files.0.path().join(name);
        let path = out.display().to_string();
        let made = claviger(&["caller", "key", name, "--out", &path]).await;
        made.assert_code(0);
        let key = std::fs::read_to_string(&out).expect("it was made");
        held(&made.stdout, &key);
        assert_eq!(std::fs::metadata(&out).expect("it is there").permissions().mode() & 0o777, 0o600);
        let file = files.with(&offline().set("tenants.acme.client_secret", "'0123456789abcdef'"));
        let text = std::fs::read_to_string(&file).expect("it was written") + "\n" + &made.stdout;
        std::fs::write(&file, text).expect("it can be written");
        let check = claviger(&["check", "--config", &file]).await;
        check.assert_code(0);
        assert!(check.stdout.contains("2 callers"), "{}", check.stdout);

        let again = claviger(&["caller", "key", name, "--out", &path, "--json"]).await;
        again.assert_code(1);
        assert!(again.stderr.contains("it is there already"), "{}", again.stderr);
        assert_eq!(std::fs::read_to_string(&out).expect("it is there"), key);
    }
    let path = files.0.path().join("other").display().to_string();
    let made = claviger(&["caller", "key", "billing", "--out", &path, "--json"]).await;
    let made: serde_json::Value = serde_json::from_str(&made.stdout).expect("JSON");
    assert_eq!((made["file"].as_str(), made["key"].as_str()), (Some(path.as_str()), None));
}
