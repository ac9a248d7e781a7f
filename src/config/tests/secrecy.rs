//! No secret shows, whatever is wrong with the file that holds it; and no file makes the loader panic.

use proptest::prelude::*;

use super::*;

/// Everything that can be printed after a load.
fn printed(bench: &Bench) -> String {
    match bench.load() {
        Ok(loaded) => {
            let warnings: String =
                loaded.warnings.iter().map(|warning| format!("{warning}\n{warning:?}")).collect();
            format!("{warnings}{loaded:?}{}", in_effect(&loaded.config))
        }
        Err(problems) => format!("{problems}{problems:?}"),
    }
}

/// Text that can be mistaken for nothing else, with all that makes trouble in quotes.
fn secret() -> impl Strategy<Value = String> {
    "[A-Za-z0-9 '#:{}\\[\\]&*!|>%@`,=?-]{0,12}".prop_map(|text| format!("{text}ZqXjK{text}"))
}

fn toml_text(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Secrets at every key that holds one, and at keys that were meant to.
fn everywhere(s: &str) -> [String; 4] {
    let t = toml_text(s);
    let toml = format!(
        "client_secret = {t}\n[broker]\nkey = {t}\n[tenants.acme]\nclient_id = \"app\"\nclient_secret = [{t}, {t}]\n\
         clientsecret = {t}\nclient_secret_ = {{ x = {t} }}\n[tenants.b]\nclient_id = \"b\"\nclient_secret = {t}\n\
         [tenants.c]\nclient_secret = {{ {t} = {t} }}\n[tenants.d.client_secret]\nvalue = {t}\n\
         [policies.p]\nallow = [\"*\"]\n[callers.c]\nidentify = [{{ api_key = {t} }}, {{ api_key_sha256 = {t} }}]\n\
         policies = [\"p\"]\n[callers.d]\nidentify = {{ api_key = [{t}], apikey = {t} }}\n[callers.e]\nidentify = {t}\n\
         [callers.f.identify.jwt]\napi_key = {t}\nclaims = {{ sub = {{ {t} = {t} }} }}\n[listen.tls]\nkey = {{ {t} = {t} }}\n\
         [issuers.i]\nbearer = {t}\n[issuers.j]\nbearer = {{ {t} = {t} }}\nbaerer_token = {t}\n\
         [[policies.q.allow]]\noperation = \"*\"\nclient_secret = {t}\nquery = {{ a = {t} }}\n"
    );
    let yaml = format!(
        "broker:\n  key: {t}\ntenants:\n  acme:\n    client_id: app\n    client_secret: {t}\n    client_secrt: {t}\n  b:\n    \
         client_secret:\n    - {t}\n    - {t}\n  c:\n    client_secret: {{ {t}: {t} }}\n    clientSecret: {{ {t}: {t} }}\n    secret: {{ {t}: 1 }}\n  \
         \"-& client_secret\": {{ {t}: {t} }}\n  d:\n    client_secret: {s}\n"
    );
    let good = GOOD.replace("{ env = \"S\" }", &t);
    let twice = format!("tenants:\n  acme:\n    client_secret: {{ {t}: {t}, {t}: {t} }}\n    {t}: [~]\n");
    [toml, yaml, good, twice]
}

#[test]
fn every_secret_key_is_covered() {
    // The property below would be empty if the canary were not at work.
    let [toml, _, good, _] = everywhere("canary");
    let bench = Bench::new().with("c.toml", toml);
    assert!(bench.problems().len() > 8, "{:?}", bench.problems());
    let loaded = Bench::new().with("c.toml", good).load().unwrap();
    assert_eq!(loaded.config.tenants[0].client_secrets[0].held().unwrap().expose(), b"canary");
}

#[test]
fn a_secret_in_the_place_of_a_name_is_not_repeated() {
    for secret in [
        "Xq3vL9pTz7Rk2Wm8Yc4Nb6Jd1Hf5Gs0A",
        "9f86d081884c7d659a2feaa0c55ad015",
        "q3v/L9pTz7Rk2Wm8Yc4Nb6Jd1Hf5Gs0=",
        "no-path!",
    ] {
        for (form, said) in [
            (format!("{{ env = \"{secret}\" }}"), "env"),
            (format!("{{ file = \"{secret}\" }}"), "looks like a secret"),
            (
                format!("{{ exec = [\"{secret}\", \"x\"] }}"),
                "exec names a program; this looks like the secret itself",
            ),
        ] {
            let issuer =
                format!("[issuers.i]\nissuer = \"https://i.example\"\naudience = \"a\"\nbearer = {form}\n");
            let redis =
                format!("[redis]\nurl = \"redis://127.0.0.1:1\"\nusername = \"u\"\npassword = {form}\n");
            for text in
                [GOOD.replace("{ env = \"S\" }", &form), format!("{GOOD}{issuer}"), format!("{GOOD}{redis}")]
            {
                let bench = Bench::new().with("c.toml", text).env("S", "hush");
                let shown = bench.problems().join("\n");
                assert!(!shown.contains(secret) && shown.contains(said), "{form}: {shown}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_secret_shows(secret in secret(), cut in 0.0..1.0f64, noise in "[\\]\\[{}\"'=:\n&*-]{0,3}") {
        let [toml, yaml, good, twice] = everywhere(&secret);
        for (name, text) in [("c.toml", &toml), ("c.yaml", &yaml), ("c.toml", &good), ("d.yaml", &twice)] {
            let whole = printed(&Bench::new().with(name, text));
            prop_assert!(!whole.contains("ZqXjK"), "{name}: {whole}");
            // Broken in the middle: cut off, or with something in it that does not belong there.
            let at = text.floor_char_boundary((text.len() as f64 * cut) as usize);
            let (head, tail) = text.split_at(at);
            for broken in [head.to_owned(), format!("{head}{noise}{tail}")] {
                let shown = printed(&Bench::new().with(name, &broken));
                prop_assert!(!shown.contains("ZqXjK"), "{name}: {shown}\n---\n{broken}");
            }
        }
    }

    #[test]
    fn no_secret_of_the_environment_shows(secret in secret()) {
        let bench = Bench::new()
            .with("c.toml", GOOD)
            .env("S", &secret)
            .env("CLAVIGER_BROKER__KEY", &secret)
            .env("CLAVIGER_TENANTS__B__CLIENT_SECRET", &secret)
            .env("CLAVIGER_CALLERS__C__IDENTIFY__API_KEY", &secret)
            .env("CLAVIGER_CLIENT_SECRET", &secret)
            .env("LOGTO_M2M_APP_SECRET", &secret);
        let shown = printed(&bench);
        prop_assert!(!shown.contains("ZqXjK"), "{shown}");
    }

    #[test]
    fn no_file_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in "[a-z\\[\\]{}=.:\"'\n #&*!|>0-9,-]{0,120}") {
        for name in ["c.toml", "c.yaml", "c.json"] {
            let _ = Bench::new().with(name, &bytes).load();
            let _ = Bench::new().with(name, &text).load();
        }
        let bench = Bench::new().with("c.toml", GOOD).env("S", "secret").env("CLAVIGER_TENANTS", &text);
        let _ = bench.env("CLAVIGER_CALLERS__C__RATE", &text).env("CLAVIGER_ALLOW", &text).load();
    }
}
