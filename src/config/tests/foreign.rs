//! References as other programs write them, and templates: none of them becomes the credential that it stands for.

use super::*;

const FOREIGN: [&str; 47] = [
    "vault:secret/data/billing#apikey-0123456789",
    "VAULT:secret/data/billing#apikey-0123456789",
    "Arn:Aws:secretsmanager:eu-west-1:1:secret:foo-0123456789",
    "OP://Infra/logto/credential-0123456789",
    "@microsoft.keyvault(SecretUri=https://v.example/0123456789)",
    "ENV:LOGTO_SECRET_OF_THE_TENANT_ACME_0123456789",
    "File:secret-of-the-tenant-acme-0123456789",
    "$${secret_of_the_tenant_acme_0123456789}-0123456789",
    "$${secret_of_the_tenant_acme_0123456789_0123456789",
    "arn:aws:secretsmanager:eu-west-1:1:secret:foo-0123456789",
    "op://Infra/logto/credential-0123456789",
    "awskms:///arn:aws:kms:eu-west-1:1:key/0123456789",
    "gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys/k",
    "sm://project/logto-secret-0123456789-0123456789",
    "projects/p/secrets/logto-0123456789-0123456789/versions/1",
    "ref+vault://secret/data/logto#/key-0123456789",
    "env:LOGTO_SECRET_OF_THE_TENANT_ACME_0123456789",
    "env=LOGTO_SECRET_OF_THE_TENANT_ACME_0123456789",
    "file:secret-of-the-tenant-acme-0123456789",
    "file:///srv/secret-of-the-tenant-acme-0123456789",
    "@/srv/secret-of-the-tenant-acme-0123456789",
    "{{ .Values.secret }}-0123456789-0123456789-0123456789",
    "{{secretOfTheTenantAcme}}-0123456789-0123456789",
    "billing-${ENVIRONMENT}-key-0123456789-0123456789",
    "$(cat /srv/secret-of-the-tenant-acme-0123456789)",
    "prefix-${ENV:-abc}-0123456789-0123456789-0123456789",
    "ENC[AES256_GCM,data:0123456789,iv:0123456789,type:str]",
    "{cipher}0123456789abcdef0123456789abcdef",
    "%SECRET_OF_THE_TENANT_ACME_0123456789%",
    "__SECRET_OF_THE_TENANT_ACME_0123456789__",
    "#{secret.of-the-tenant-acme-0123456789}#",
    "#{SecretOfTheTenantAcme0123456789}",
    "$ENV{SECRET_OF_THE_TENANT_ACME_0123456789}",
    "ENV[SECRET_OF_THE_TENANT_ACME_0123456789]",
    "`cat /srv/secret-of-the-tenant-acme-0123456789`",
    "$__file{/srv/secret-of-the-tenant-acme-0123456789}",
    "aws:secret-of-the-tenant-acme-0123456789",
    "AWS_SM:secret-of-the-tenant-acme-0123456789",
    "gcp:secret-of-the-tenant-acme-0123456789",
    "azurekeyvault://vault/secret-of-the-tenant-acme",
    "bws://0123456789-0123456789-0123456789",
    "infisical://project/env/secret-of-the-tenant-acme",
    "doppler:secret-of-the-tenant-acme-0123456789",
    "https://vault.example/v1/secret-of-the-tenant-acme",
    "undefined",
    "None",
    "********",
];

/// A configuration with `text` at a key that holds a secret.
fn places(text: &str) -> [(&'static str, String); 8] {
    let with = |section: &str| format!("{GOOD}{section}\n");
    let secret = GOOD.replacen("{ env = \"S\" }", &format!("\"{text}\""), 1);
    let key = GOOD.replacen("{ loopback = true }", &format!("{{ api_key = \"{text}\" }}"), 1);
    let redis = |key: &str| with(&format!("[redis]\nurl = \"redis://127.0.0.1:1\"\nusername = \"u\"\n{key}"));
    [
        ("tenants.acme.client_secret", secret),
        ("callers.c.identify[0].api_key", key),
        ("admin.token", with(&format!("[admin]\ntoken = \"{text}\""))),
        ("broker.key", with(&format!("[broker]\nkey = \"{text}\""))),
        ("vault.key", with(&format!("[vault]\nkey = \"{text}\"\nstore = {{ file = \"v.redb\" }}"))),
        ("redis.password", redis(&format!("password = \"{text}\""))),
        ("redis.token_key", redis(&format!("password = {{ env = \"S\" }}\ntoken_key = \"{text}\""))),
        (
            "issuers.i.bearer",
            with(&format!(
                "[issuers.i]\nissuer = \"https://i.example\"\naudience = \"a\"\nbearer = \"{text}\""
            )),
        ),
    ]
}

#[test]
fn what_another_program_would_replace_is_no_secret() {
    for text in FOREIGN {
        for (key, configuration) in places(text) {
            let said = Bench::new().with("c.toml", &configuration).env("S", "secret").problems();
            let of_it = said.iter().filter(|line| line.contains(&format!(" {key}: ")));
            assert_eq!(of_it.count(), 1, "{text} at {key}: {said:?}");
            assert!(!said.join(" ").contains(text), "{text} at {key}: {said:?}");
        }
        // What a file holds is the secret.
        let file = GOOD.replacen("{ env = \"S\" }", "{ file = \"held\" }", 1);
        let bench = Bench::new().with("c.toml", file);
        bench.write("held", text);
        assert!(bench.load().is_ok(), "{text}");
        // What a variable is set to may well have this in it.
        if text.contains(['$', '`']) {
            continue;
        }
        let said = Bench::new().with("c.toml", GOOD).env("S", text).problems();
        assert!(
            said.len() == 1 && said[0].contains("client_secret: S: ") && !said[0].contains(text),
            "{said:?}"
        );
    }
}

#[test]
fn it_is_said_what_to_write_instead() {
    for (text, want) in [
        (
            "vault:secret/data/logto#key",
            "this is a reference as another program writes it, and is not followed here. Write { file = \"…\" }, { env = \"…\" }, or { exec = [\"…\"] } with a command that prints it.",
        ),
        (
            "env:LOGTO_SECRET",
            "this is a reference as another program writes it, and is not followed here. Write { env = \"LOGTO_SECRET\" }.",
        ),
        (
            "Env:LOGTO_SECRET",
            "this is a reference as another program writes it, and is not followed here. Write { env = \"LOGTO_SECRET\" }.",
        ),
        (
            "$${LOGTO_SECRET}",
            "this is the name of a variable, and variables are not expanded. Write { env = \"LOGTO_SECRET\" }.",
        ),
        (
            "$$LOGTO_SECRET",
            "this is the name of a variable, and variables are not expanded. Write { env = \"LOGTO_SECRET\" }.",
        ),
        (
            "${LOGTO_SECRET",
            "there is a variable or a command in this as a shell writes it, and nothing is expanded here. Write { file = \"…\" }, { env = \"…\" }, or { exec = [\"…\"] } with a command that prints it.",
        ),
        (
            "file:acme",
            "this is a reference as another program writes it, and is not followed here. Write { file = \"…\" } with the path of the file.",
        ),
        ("{{ .Values.secret }}", "this is a template that was not rendered. Render the template first."),
        (
            "prefix-${ENV}-abc",
            "there is a variable or a command in this as a shell writes it, and nothing is expanded here. Write { file = \"…\" }, { env = \"…\" }, or { exec = [\"…\"] } with a command that prints it.",
        ),
    ] {
        let configuration = GOOD.replacen("{ env = \"S\" }", &format!("\"{text}\""), 1);
        assert_eq!(
            Bench::new().with("c.toml", configuration).problems(),
            [format!("c.toml:4: tenants.acme.client_secret: {want}")]
        );
    }
    for text in [
        "a$b{c}",
        "$",
        "{{",
        "a}}b{{c",
        "vaults",
        "open://x",
        "environment",
        "a-$1{x}",
        "p$({x",
        "nullable",
        "awsx",
        "%a",
        "100%",
        "__x",
        "httpx",
    ] {
        let configuration = GOOD.replacen("{ env = \"S\" }", &format!("\"{text}\""), 1);
        assert!(Bench::new().with("c.toml", configuration).load().is_ok(), "{text}");
    }
}

#[test]
fn a_client_id_is_not_expanded_either() {
    const SHELL: &str = "there is a variable or a command in this as a shell writes it, and nothing is expanded here. Write the App ID itself, or set CLAVIGER_TENANTS__NAME__CLIENT_ID to it.";
    for (id, want) in [
        ("${APP_ID}", SHELL),
        ("$APP_ID", SHELL),
        ("{{ .Values.id }}", "this is a template that was not rendered. Render the template first."),
    ] {
        let text = GOOD.replacen("client_id = \"app\"", &format!("client_id = \"{id}\""), 1);
        assert_eq!(
            Bench::new().with("c.toml", text).env("S", "secret").problems(),
            [format!("c.toml:3: tenants.acme.client_id: {want}")]
        );
    }
}
