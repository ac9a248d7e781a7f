//! Keys under the names that other programs have for them: what to write here.

use super::tls_names::{self, Meant, plain};

const LISTEN: &str = "Write listen.proxy = \"127.0.0.1:3600\", or another address and port.";
const ADMIN: &str =
    "Metrics, probes and status have an address of their own: listen.admin = \"127.0.0.1:3601\".";
const API_KEY: &str =
    "For an API key write api_key = { file = \"…\" }, for a JWT jwt = { issuer = \"…\", claims = { … } }.";

/// The tables (`*.` stands for what is above one deep inside, a `.` at the end for the name of one), the names there without `_` and `-`, the keys that are meant and
/// so not missing, and what to write.
const NAMES: [(&str, &str, &str, &str); 31] = [
    ("|listen", "server http proxy host port bind address addresses addr gateway", "", LISTEN),
    ("|listen", "metrics prometheus health healthcheck adminport", "", ADMIN),
    ("admin", "listen host port bind address addr", "", ADMIN),
    ("|listen", "cors corsorigins", "", "Write listen.allowed_origins = [\"https://app.example.com\"]."),
    ("", "logging logger accesslog debug", "", "Write log.level = \"info\" and log.format = \"json\"."),
    (
        "log",
        "file output path target",
        "",
        "The log goes to standard error: leave it out, and redirect that.",
    ),
    (
        "",
        "auth authentication users clients consumers services apps applications",
        "",
        "Write [callers.NAME] with identify, tenants and policies.",
    ),
    ("", "jwt oidc oauth", "", "For callers with JWTs write [issuers.NAME] with issuer and audience."),
    (
        "",
        "logto upstream upstreams backend backends routes",
        "",
        "Write [tenants.NAME] with endpoint, client_id and client_secret.",
    ),
    ("", "roles permissions rules", "", "Write [policies.NAME] with allow = [\"users:read\"]."),
    (
        "|limits",
        "ratelimit ratelimits ratelimiting throttle",
        "",
        "Write callers.NAME.rate for what a caller may send, tenants.NAME.quota for what Logto allows.",
    ),
    (
        "redis",
        "host hostname port address addr nodes cluster db database",
        "url",
        "Write host, port and number of the database as url = \"redis://127.0.0.1:6379/0\".",
    ),
    (
        "redis",
        "sentinel sentinels sentinelurl",
        "url",
        "Write the addresses of the Sentinels as url = [\"redis://…\"], and the name of what they watch as master = \"…\".",
    ),
    ("redis", "user", "username", "Did you mean `username`?"),
    ("redis", "pass", "password", "Did you mean `password`?"),
    (
        "vault",
        "address addr url token",
        "",
        "[vault] is Claviger's own store; for a secret in HashiCorp Vault write client_secret = { exec = [\"vault\", \"kv\", \"get\", \"-field=…\", \"…\"] }.",
    ),
    (
        "timeouts",
        "read write",
        "",
        "Did you mean `response`, for an answer to begin, or `body`, for the next part of it?",
    ),
    ("timeouts", "request total", "", "Did you mean `deadline`?"),
    ("retry", "max count enabled maxretries", "", "Write attempts = 3, the first included; 1: no retries."),
    (
        "reload",
        "watch every enabled poll",
        "",
        "Write interval = \"5s\", or \"0s\" to reload on SIGHUP alone.",
    ),
    (
        "*.identify",
        "ip cidr address host hostname local localhost any anonymous none",
        "",
        "Nobody is identified by an address or a name alone: write loopback = true for all on this machine, api_key = { file = \"…\" } for others.",
    ),
    (
        "*.identify",
        "cn subject san certificate cert clientcert mtls x509 fingerprint",
        "",
        "For a client certificate write a name in its subjectAltName: dns = \"billing.internal\" or spiffe = \"spiffe://…\".",
    ),
    (
        "*.identify",
        "basic username user password header apikey bearer token oauth oidc sub claims email",
        "",
        API_KEY,
    ),
    ("*.jwks", "url uri", "", "Write the URL alone: jwks = \"https://…\"."),
    (
        "*.jwks",
        "keys inline value env path",
        "",
        "Write the key set into a file, and jwks = { file = \"jwks.json\" }.",
    ),
    (
        "*.rate|*.quota",
        "limit max rps rpm requestspersecond window interval period",
        "requests per",
        "Write { requests = 50, per = \"1s\" }.",
    ),
    ("tenants.", "tokenendpoint tokenurl tokenuri issuer", "", "It follows from endpoint: leave it out."),
    (
        "tenants.",
        "audience",
        "",
        "It follows from endpoint: leave it out, or write resource if the API resource of Logto has another indicator.",
    ),
    ("tenants.", "proxy httpproxy httpsproxy", "", "Forward proxies are not used: leave it out."),
    ("tenants.", "timeout timeouts", "", "Write it for all tenants, below [timeouts]."),
    (
        "",
        "tracing otel otlp telemetry opentelemetry",
        "",
        "There is no export to OpenTelemetry; Prometheus finds metrics on listen.admin.",
    ),
];

/// What is meant by the key at the end of `steps`, in a table with the keys `known`.
pub(super) fn meant(steps: &[&str], known: &[&str]) -> Option<Meant> {
    let (field, above) = steps.split_last()?;
    let field = plain(field);
    let above: Vec<_> = above.iter().copied().filter(|step| *step != "*").collect();
    let table = above.join(".");
    let is_here = |one: &str| match one.strip_prefix('*') {
        Some(end) => above.len() > 2 && table.ends_with(end),
        None if one.ends_with('.') => above.len() == 2 && table.starts_with(one),
        None => one == table,
    };
    let row = NAMES.iter().find(|(tables, names, ..)| {
        names.split(' ').any(|name| name == field) && tables.split('|').any(is_here)
    });
    match row {
        Some((.., keys, remedy)) => Some(Meant { remedy: (*remedy).to_owned(), keys }),
        None => tls_names::meant(steps, known),
    }
}
