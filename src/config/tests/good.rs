//! What a right configuration becomes.

use super::*;

#[test]
fn the_least_configuration_has_the_documented_defaults() {
    let config = Bench::new().with("c.toml", GOOD).env("S", "secret\n").config();
    let tenant = &config.tenants[0];
    assert_eq!(tenant.endpoint.to_string(), "https://acme.logto.app");
    assert_eq!(&*tenant.resource, "https://acme.logto.app/api");
    assert_eq!(tenant.client_secrets[0].held().unwrap().expose(), b"secret");
    assert_eq!(tenant.scopes, ["all"]);
    assert_eq!(tenant.quota, Some(Quota::of_cloud()));
    assert_eq!(tenant.max_in_flight, DEFAULT_MAX_IN_FLIGHT);
    assert_eq!(
        config.callers[0].tenants,
        TenantScope::Only(vec![TenantMatch::Name(TenantName::parse("acme").unwrap())])
    );
    assert_eq!(config.policies[0].allow[0].text, "users:read");
    assert!(config.policies[0].allow[0].origin.to_string().ends_with("c.toml:6"));
    assert!(config.callers[0].origin.to_string().ends_with("c.toml:7"));
    assert_eq!(config.timeouts, Timeouts::default());
    assert_eq!(config.workers, Config::default().workers);
}

#[test]
fn a_tenant_of_ones_own_has_other_defaults() {
    let text = GOOD.replace("client_id", "endpoint = \"https://LOGTO.internal:443/\"\nclient_id");
    let tenant = Arc::clone(&Bench::new().with("c.toml", text).env("S", "secret").config().tenants[0]);
    assert_eq!(tenant.endpoint.to_string(), "https://logto.internal");
    assert_eq!(&*tenant.resource, "https://default.logto.app/api");
    assert_eq!(tenant.quota, None);
}

const AS_TOML: &str = r#"
workers = 3
[listen]
proxy = ["127.0.0.1:1", "unix:/tmp/x"]
unix_mode = 0o600
[timeouts]
head = "1m 30s"
[limits]
body = "2MiB"
[retry]
budget = 0.5
[tenants."a.b"]
endpoint = "https://logto.internal"
client_id = "0123"
client_secret = [{ env = "S" }, { file = "old" }]
client_auth = "client_secret_post"
scopes = ["all", "more", "all"]
parameters = { X = "1" }
quota = { requests = 5, per = "1s", burst = 9 }
[policies.p]
allow = ["users:read", "GET /api/roles/{id}"]
deny = ["X"]
[callers.c]
identify = [{ unix_uid = 7 }, { api_key = { env = "K" } }]
tenants = ["*"]
policies = ["p"]
rate = "off"
"#;

const AS_YAML: &str = r#"
# The same
workers: 3
listen: { proxy: ["127.0.0.1:1", 'unix:/tmp/x'], unix_mode: 0600 }
timeouts:
  head: 1m 30s
limits:
  body: 2MiB
retry:
  budget: 0.5
broker:
tenants:
  a.b:
    endpoint: https://logto.internal
    client_id: 0123
    client_secret:
    - env: S
    - file: old
    client_auth: client_secret_post
    scopes: [all, more, all]
    parameters: { X: 1 }
    quota: { requests: 5, per: 1s, burst: 9 }
    organization_id: ~
policies:
  p:
    allow:
      - users:read
      - GET /api/roles/{id}
    deny: X
callers:
  c:
    identify:
      - unix_uid: 7
      - api_key: { env: K }
    tenants: "*"
    policies: p
    rate: off
"#;

const AS_JSON: &str = r#"{
	"workers": 3,
	"listen": { "proxy": ["127.0.0.1:1", "unix:\/tmp\/x"], "unix_mode": "0600" },
	"timeouts": { "head": "1m 30s" },
	"limits": { "body": 2097152 },
	"retry": { "budget": 0.5 },
	"tenants": {
		"a.b": {
			"endpoint": "https://logto.internal",
			"client_id": "0123",
			"client_secret": [{ "env": "S" }, { "file": "old" }],
			"client_auth": "client_secret_post",
			"scopes": ["all", "more", "all"],
			"parameters": { "X": "1" },
			"quota": { "requests": 5, "per": "1s", "burst": 9 },
			"organization_id": null
		}
	},
	"policies": { "p": { "allow": ["users:read", "GET /api/roles/{id}"], "deny": ["X"] } },
	"callers": {
		"c": {
			"identify": [{ "unix_uid": 7 }, { "api_key": { "env": "K" } }],
			"tenants": ["*"],
			"policies": ["p"],
			"rate": "off"
		}
	}
}"#;

#[test]
fn toml_yaml_and_json_mean_the_same() {
    let load = |name: &str, text: &str| {
        let bench = Bench::new().with(name, text).env("S", "new").env("K", "a-key-of-twenty-bytes");
        bench.write("old", "previous\n");
        let config = bench.config();
        let secrets: Vec<_> =
            config.tenants[0].client_secrets.iter().map(|s| s.held().unwrap().expose().to_vec()).collect();
        (in_effect(&config), secrets)
    };
    let toml = load("c.toml", AS_TOML);
    assert_eq!(toml.1, [b"new".to_vec(), b"previous".to_vec()]);
    assert_eq!(toml.0["tenants"]["a.b"]["client_id"], "0123");
    assert_eq!(toml.0["tenants"]["a.b"]["scopes"], serde_json::json!(["all", "more"]));
    assert_eq!(toml.0["listen"]["unix_mode"], "0600");
    assert_eq!(toml.0["timeouts"]["head"], "1m 30s");
    assert_eq!(toml, load("c.yaml", AS_YAML));
    assert_eq!(toml, load("c.yml", AS_YAML));
    assert_eq!(toml, load("c.json", AS_JSON));
}

#[test]
fn certificates_are_read_and_belong_to_the_configuration() {
    let authority = rcgen::generate_simple_self_signed(vec!["ca.internal".into()]).unwrap().cert.pem();
    let text = GOOD.replace("[policies", "tls = { roots = { file = \"ca.pem\" }, http2 = true }\n[policies");
    let bench = Bench::new().with("c.toml", text).env("S", "secret");
    let path = bench.write("ca.pem", &authority);
    let loaded = bench.load().unwrap();
    assert_eq!(loaded.config.tenants[0].tls.roots, Roots::File { path: path.clone(), pem: authority.into() });
    assert!(loaded.files.contains(&path));
    assert_eq!(
        in_effect(&loaded.config)["tenants"]["acme"]["tls"]["roots"]["file"],
        path.display().to_string()
    );
}

#[test]
fn the_digest_follows_every_input_and_nothing_else() {
    let text = format!("{GOOD}rate = {{ requests = 1, per = \"1s\" }}\n")
        .replace("{ env = \"S\" }", "{ file = \"s\" }");
    let bench = Bench::new().with("c.toml", &text);
    let secret = bench.write("s", "one");
    let first = bench.load().unwrap();
    assert!(first.files.contains(&secret) && first.files.iter().any(|file| file.ends_with("c.toml")));
    assert_eq!(bench.load().unwrap().digest, first.digest);
    bench.write("s", "two");
    let second = bench.load().unwrap();
    assert_ne!(second.digest, first.digest);
    bench.write("s", "");
    let broken = bench.load().unwrap_err();
    assert_ne!(broken.digest, second.digest);
    assert!(broken.files.contains(&secret));
    bench.write("s", "two");
    let bench = bench.env("CLAVIGER_LOG__LEVEL", "debug");
    assert_ne!(bench.load().unwrap().digest, second.digest);
    let bench = bench.env("CLAVIGER_LOG__LEVEL", "info").env("UNRELATED", "1");
    let third = bench.load().unwrap();
    let bench = bench.env("UNRELATED", "2");
    assert_eq!(bench.load().unwrap().digest, third.digest);
}

#[test]
fn what_changes_is_said_by_key_and_secrets_and_files_count() {
    const TEXT: &str = r#"
[listen]
proxy = ["127.0.0.1:0"]
tls   = { cert = "tls.crt", key = "tls.key" }
[broker]
key = { file = "broker" }
[admin]
token = { file = "admin" }
[issuers.k]
issuer   = "https://k.internal"
audience = "claviger"
jwks     = { file = "jwks.json" }
[tenants.acme]
client_id     = "app"
client_secret = { file = "secret" }
parameters    = { a = "1" }
[policies.p]
allow = ["users:read"]
[callers.c]
identify = { api_key = { file = "key" } }
policies = ["p"]
[callers.d]
identify = { service_account = "a/b" }
policies = ["p"]
"#;
    let bench = Bench::new().with("c.toml", TEXT);
    Tls::new().write(&bench);
    for (name, text) in [
        ("broker", "0123456789012345678901234567890123456789"),
        ("admin", "a-token-of-sixteen"),
        ("jwks.json", r#"{"keys":[{"kty":"OKP"}]}"#),
        ("secret", "one"),
        ("key", "a-key-of-twenty-bytes"),
    ] {
        bench.write(name, text);
    }
    let load = || bench.load().unwrap_or_else(|problems| panic!("{problems}")).config;
    let old = load();
    let after = |file: &str, text: &str| {
        let before = std::fs::read(bench.path().join(file)).unwrap();
        bench.write(file, text);
        let new = load();
        bench.write(file, before);
        changed(&old, &new)
    };
    assert_eq!(after("c.toml", &format!("# moved by a line\n{TEXT}")), Vec::<String>::new());
    assert_eq!(after("broker", "9123456789012345678901234567890123456789"), ["broker.key"]);
    assert_eq!(after("admin", "another-token-of-it"), ["admin.token"]);
    assert_eq!(after("jwks.json", r#"{"keys":[{"kty":"EC"}]}"#), ["issuers.k"]);
    assert_eq!(after("secret", "two"), ["tenants.acme.client_secret"]);
    assert_eq!(after("key", "another-key-of-twenty"), ["callers.c.identify"]);
    assert_eq!(after("c.toml", &TEXT.replace("a = \"1\"", "a = \"2\"")), ["tenants.acme.parameters"]);
    assert_eq!(after("c.toml", &TEXT.replace("users:read", "users:*")), ["policies.p"]);
    let other =
        TEXT.replace("callers.d", "callers.e").replace("\"tls.crt\"", "\"ca.crt\"") + "rate = \"off\"\n";
    assert_eq!(
        after("c.toml", &format!("workers = 7\n{other}")),
        ["callers.d", "callers.e", "listen.tls", "workers"]
    );
    let text = format!("{:?}", after("secret", "CANARY-two"));
    assert!(!text.contains("CANARY"), "{text}");
}

#[test]
fn what_needs_a_restart_is_said_by_key() {
    let old = Config::default();
    let mut new = old.clone();
    assert!(needs_restart(&old, &new).is_empty());
    new.listen.admin = None;
    new.log.format = LogFormat::Human;
    new.timeouts.token = Duration::from_secs(1);
    assert_eq!(needs_restart(&old, &new), ["listen.admin", "log.format"]);
}
