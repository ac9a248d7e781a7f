//! Secrets and tokens, driven through every way out that there is: answers, logs at their loudest, metrics,
//! status, configuration, commands. None of them may come out, nor a digest, nor an encoding of one.

use claviger_emulator::{Effect, Fault, Target};

use crate::support::{
    Finished, Logto, Proxy, Request,
    canary::{Canary, MARK},
    command::{finish, program},
    quoted,
    tap::Tap,
};

/// The held secrets, by how they are given.
struct Held {
    in_file: String,
    in_environment: String,
    literal: String,
    api_key: String,
    broker_key: String,
}

impl Held {
    fn new(logto: &Logto) -> Self {
        Self {
            in_file: logto.secret().to_owned(),
            // Bytes that look different in a form, in a header and in JSON.
            in_environment: format!("{MARK}env/+\"&%=\\-0123456789"),
            literal: format!("{MARK}literal-0123456789abcdef"),
            api_key: format!("{MARK}api-key-0123456789abcdef"),
            broker_key: format!("{MARK}broker-key-0123456789abcdef0123456789"),
        }
    }

    fn all(&self) -> [(&'static str, &str); 5] {
        [
            ("the secret in a file", &self.in_file),
            ("the secret in the environment", &self.in_environment),
            ("the literal secret", &self.literal),
            ("the API key", &self.api_key),
            ("the broker key", &self.broker_key),
        ]
    }
}

/// As loud as it gets, with a tenant for each way to give a secret.
async fn loud(logto: &Logto, held: &Held) -> Proxy {
    let builder = Proxy::builder()
        .env("SECRET_OF_ENV", &held.in_environment)
        .env("BROKER_KEY", &held.broker_key)
        .tenant("file", logto)
        .tenant("env", logto)
        .tenant("literal", logto);
    std::fs::write(builder.directory().join("secret"), &held.in_file).expect("it can be written");
    builder
        .set("tenants.file.client_secret", "{ file = 'secret' }")
        .set("tenants.env.client_secret", "{ env = 'SECRET_OF_ENV' }")
        .set(
            "tenants.literal.client_secret",
            format!("['{}', '{MARK}another-0123456789abcdef']", held.literal),
        )
        .set("tenants.literal.client_auth", "'client_secret_post'")
        .set("broker.key", "{ env = 'BROKER_KEY' }")
        .set("callers.local.tenants", "['*']")
        .set("callers.keyed.identify", format!("{{ api_key = '{}' }}", held.api_key))
        .set("callers.keyed.tenants", "['file']")
        .set("callers.keyed.policies", "['all']")
        .set("log.level", "'trace'")
        .set("log.requests", "'all'")
        .set("token.backoff", "'1ms'")
        .set("token.max_backoff", "'5ms'")
        .set("token.min_interval", "'1ms'")
        .set("retry.backoff", "'1ms'")
        .set("timeouts.token", "'300ms'")
        .set("timeouts.response", "'300ms'")
        .start()
        .await
}

/// What an issuer or an upstream may throw back at us, with `echo` in it.
fn throws(echo: &str) -> Vec<Effect> {
    let json = serde_json::to_string(echo).expect("text is JSON");
    let basic = base64_of(echo);
    let mut throws = vec![
        Effect::Reset,
        Effect::Close,
        Effect::Truncate { after: 30 },
        Effect::BlackHole,
        Effect::status(500),
        Effect::too_many(1),
        Effect::redirect(302, &format!("http://127.0.0.1:9/?{}", basic)),
        Effect::body(200, "text/html", format!("<html>{echo}</html>")),
        Effect::body(200, "application/json", format!("{{\"access_token\": {json}")),
        Effect::body(200, "application/json", format!("[{json}]")),
        Effect::body(200, "application/json", format!("{{\"access_token\":{json},\"token_type\":{json}}}")),
    ];
    for status in [400, 401, 403, 404, 500, 503] {
        for body in [
            format!("{{\"error\":\"invalid_client\",\"error_description\":{json}}}"),
            format!("{{\"error\":{json},\"error_description\":\"Basic {basic}\"}}"),
            format!("{{\"code\":\"auth.unauthorized\",\"message\":{json},\"data\":{{\"payload\":{json}}}}}"),
            echo.to_owned(),
        ] {
            throws.push(Effect::body(status, "application/json", body));
        }
    }
    throws
}

fn base64_of(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(format!("m2m-of-the-proxy:{text}"))
}

async fn look_everywhere(proxy: &Proxy) {
    for page in ["/metrics", "/status", "/config", "/matrix", "/explain", "/livez", "/readyz", "/nonsense"] {
        proxy.admin(page).await;
    }
}

async fn commands(proxy: &Proxy, held: &Held) -> Vec<Finished> {
    let file = proxy.file().display().to_string();
    let mut finished = Vec::new();
    for arguments in [
        &["check", "--config", &file][..],
        &["check", "--online", "--config", &file],
        &["explain", "--config", &file, "--caller", "local", "--tenant", "file", "GET", "/api/users"],
        &["explain", "--config", &file, "--caller", "nobody", "GET", "/api/users"],
        &["healthcheck", "--config", &file],
    ] {
        let mut command = program();
        command
            .args(arguments)
            .env("SECRET_OF_ENV", &held.in_environment)
            .env("BROKER_KEY", &held.broker_key);
        finished.push(finish(&mut command).await);
    }
    finished
}

/// One request of every kind, good and bad.
async fn ask_everything(proxy: &Proxy, held: &Held) {
    for tenant in ["file", "env", "literal"] {
        proxy.get(&format!("/t/{tenant}/api/roles")).await;
        proxy.ask(&Request::post(&format!("/t/{tenant}/api/roles"), r#"{"name":"x"}"#)).await;
    }
    let key = &held.api_key;
    for request in [
        Request::get("/api/users").key(key),
        Request::get("/api/users").header("Authorization", &format!("Bearer {key}")),
        Request::get("/api/users").key(&format!("{key}x")),
        Request::get("/api/users").key(key).key(key),
        Request::get("/t/env/api/users").key(key),
        Request::get("/api/hooks/x/../y").key(key),
        Request::post("/api/users", "{").key(key),
        Request::new("POST", "/api/users").body("", "{}").key(key),
        Request::form(
            "/oidc/token",
            &format!("grant_type=client_credentials&client_id=keyed&client_secret={key}"),
        ),
        Request::form(
            "/oidc/token",
            &format!("grant_type=client_credentials&client_id=other&client_secret={key}"),
        ),
        Request::form("/oidc/token", &format!("grant_type={key}&client_id=keyed&client_secret={key}")),
        Request::get("/oidc/token").header("Authorization", &format!("Basic {}", base64_of(key))),
    ] {
        proxy.ask(&request).await;
    }
}

#[tokio::test]
async fn no_secret_and_no_token_comes_out_of_any_hole() {
    let logto = Logto::start().await;
    let held = Held::new(&logto);
    logto.set_secrets(
        logto.client(),
        vec![held.in_file.clone(), held.in_environment.clone(), held.literal.clone()],
    );
    let mut proxy = loud(&logto, &held).await;
    ask_everything(&proxy, &held).await;
    look_everywhere(&proxy).await;
    assert!(logto.grants() >= 3, "all three secrets are good");

    // What the issuer throws, it throws at a fresh grant: a changed parameter makes the token new. It throws a
    // tenant's own secret; those of others it does not know.
    for (tenant, secret) in
        [("file", &held.in_file), ("env", &held.in_environment), ("literal", &held.literal)]
    {
        for (n, effect) in throws(secret).into_iter().enumerate() {
            logto.faults().set(vec![Fault::new(Target::Token, effect)]);
            let (key, fresh) = (format!("tenants.{tenant}.parameters"), format!("{{ n = '{n}' }}"));
            assert!(proxy.reload_with(|settings| settings.set(&key, &fresh)).await);
            proxy.get(&format!("/t/{tenant}/api/roles")).await;
            proxy.admin("/status").await;
        }
        logto.faults().clear();
        look_everywhere(&proxy).await;
        // In peace again before it is another one's turn.
        while proxy.get(&format!("/t/{tenant}/api/roles")).await.status != 200 {}
    }
    logto.faults().clear();
    assert!(proxy.reload_with(|settings| settings.set("limits.queue", 77)).await);
    ask_everything(&proxy, &held).await;

    // The upstream throws our own token back, each time the one in use: a 401 has it replaced.
    let mut thrown = Vec::new();
    for n in 0..throws("").len() {
        while proxy.get("/t/file/api/roles").await.status != 200 {}
        let last = logto.last();
        let bearer = last.header("authorization").expect("a token arrived");
        let token = bearer.strip_prefix("Bearer ").expect("it is one").to_owned();
        logto.faults().set(vec![Fault::new(Target::Api, throws(&token).swap_remove(n))]);
        for request in [Request::get("/t/file/api/roles"), Request::post("/t/file/api/roles", "{}")] {
            // Some of these break off in the middle, which is not what this is about.
            let _ = proxy.connect().await.try_ask(&request).await;
        }
        logto.faults().clear();
        thrown.push(token);
    }

    // Configurations that are refused, with the secrets where they do not belong.
    let literal = quoted(&held.literal);
    for (key, value) in [
        ("tenants.literal.client_secrt", literal.clone()),
        ("tenants.literal.client_secret", format!("[{literal}, {literal}, {literal}]")),
        ("tenants.literal.client_secret", format!("{{ fil = {literal} }}")),
        ("tenants.literal.client_secret", format!("[[{literal}]]")),
        ("callers.keyed.identify", format!("{{ api_kee = '{}' }}", held.api_key)),
        ("callers.keyed.identify", format!("{{ api_key_sha256 = '{}' }}", held.api_key)),
        ("broker.key", format!("['{}']", held.broker_key)),
        ("broker.key", "'too short'".into()),
    ] {
        let before = std::fs::read(proxy.file()).expect("it is there");
        let _taken_or_not = proxy.reload_with(|settings| settings.set(key, &value)).await;
        for finished in commands(&proxy, &held).await {
            finished.keep(proxy.tap());
        }
        look_everywhere(&proxy).await;
        std::fs::write(proxy.file(), before).expect("it can be written");
        proxy
            .reload_with(|settings| {
                let settings = settings
                    .without("tenants.literal")
                    .without("callers.keyed.identify")
                    .without("broker.key");
                settings
                    .tenant("literal", &logto)
                    .set("tenants.literal.client_secret", &literal)
                    .set("callers.keyed.identify", format!("{{ api_key = '{}' }}", held.api_key))
                    .set("broker.key", "{ env = 'BROKER_KEY' }")
            })
            .await;
    }
    for finished in commands(&proxy, &held).await {
        finished.keep(proxy.tap());
    }

    // What arrived upstream holds no caller's key, and no secret but in token requests.
    let arrived = Tap::default();
    for seen in logto.api_requests_seen() {
        arrived.keep(
            "a request to the API",
            format!("{} {} {:?}", seen.method, seen.target_text(), seen.headers).as_bytes(),
        );
        arrived.keep("the body of a request to the API", &seen.body);
    }
    let mut canary = Canary::default();
    for (what, secret) in held.all() {
        canary.watch(what, secret);
    }
    canary.assert_silent(&arrived);

    for token in &thrown {
        canary.watch_as_it_is("a token that was thrown back", token);
    }
    // Of the others three, in every form.
    for (n, token) in logto.tokens_seen().iter().take(3).enumerate() {
        canary.watch(&format!("upstream token {n}"), token);
    }
    let tap = proxy.tap().clone();
    assert_eq!(proxy.stop().await.code(), Some(0));
    let log = tap.text("stderr");
    assert!(
        log.contains("\"level\":\"TRACE\"") && log.contains("\"claviger::request\""),
        "it was as loud as it gets"
    );
    canary.assert_silent(&tap);
}

#[tokio::test]
async fn a_secret_that_reached_a_file_path_or_a_variable_name_is_not_repeated_at_start() {
    let logto = Logto::start().await;
    let held = Held::new(&logto);
    let tap = Tap::default();
    let directory = tempfile::tempdir().expect("there is a temporary directory");
    let file = directory.path().join("claviger.toml");
    let good = crate::support::Settings::usual().tenant("acme", &logto);
    // As text that is not even TOML, or with the secret as a key.
    for text in [
        format!("tenants.acme.client_secret = \"{}\nx", held.literal),
        format!("tenants.acme.client_secret = {}\n", held.literal),
    ] {
        std::fs::write(&file, text).expect("it can be written");
        let finished = finish(program().args(["check", "--config", &file.display().to_string()])).await;
        finished.assert_code(64);
        finished.keep(&tap);
    }
    good.write(&file);
    let finished = finish(
        program()
            .args(["check", "--config", &file.display().to_string()])
            .env("CLAVIGER_TENANTS__ACME__CLIENT_SECRT", &held.in_environment)
            .env("CLAVIGER_BROKER__KEYS", &held.literal),
    )
    .await;
    finished.assert_code(64);
    finished.keep(&tap);
    let mut canary = Canary::default();
    canary.watch("the literal secret", &held.literal);
    canary.watch("the secret in the environment", &held.in_environment);
    canary.assert_silent(&tap);
}
