//! What a file may say: every key, none of them required. The doc comments are the descriptions of the JSON
//! Schema. Nothing here judges a value; that is `check`'s part.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use super::{
    address::Address,
    issuer::Algorithm,
    leaf::{
        AddressOrOff, BearerId, ClientSecretIds, Either, Forbidden, KeySecretId, Leaf, List, Mixed, Mode,
        Off, Size, Unconditional,
    },
    methods::Methods,
    node::Named,
    pattern,
    raw_roots::{RawIssuerTls, RawTls},
    raw_stores::{RawRedis, RawVault},
    sections::{
        RawAdmin, RawAuthz, RawBreaker, RawBroker, RawLimits, RawLog, RawOpenApi, RawReload, RawRetry,
        RawShutdown, RawTimeouts, RawToken,
    },
    words::{AuditWord, Class, ClientAuth, Indicator, Issue},
};

tables! {
    /// The configuration of Claviger.
    Raw {
        /// Where to listen, and for whom.
        listen: RawListen,
        /// Worker threads, each with its own upstream connections. Left out: one a core, at most four.
        workers: Leaf<u64>,
        /// How long each wait may last.
        timeouts: RawTimeouts,
        /// Bounds on what a request may be and on what is held in memory.
        limits: RawLimits,
        /// When a request is sent again.
        retry: RawRetry,
        /// When nothing is sent to a tenant for a while.
        breaker: RawBreaker,
        /// When tokens are renewed.
        token: RawToken,
        /// The token broker, `POST /oidc/token`.
        broker: RawBroker,
        /// The admin listener, `listen.admin`.
        admin: RawAdmin,
        /// The endpoint that answers for other proxies, `/authz`.
        authz: RawAuthz,
        /// The operations that rules are about.
        catalog: RawCatalog,
        /// The OpenAPI document that callers read.
        openapi: RawOpenApi,
        /// Logging.
        log: RawLog,
        /// The audit log.
        audit: RawAudit,
        /// How the configuration is watched.
        reload: RawReload,
        /// How the process ends.
        shutdown: RawShutdown,
        /// A Redis or Valkey that replicas share.
        redis: RawRedis,
        /// The store of credentials that are in no configuration file: those of tenants that were created or adopted through Claviger.
        vault: RawVault,
        /// The settings of such tenants, each under a name.
        tenant_templates: Named<RawTemplate>,
        /// Accounts at Logto Cloud, where tenants are made by API, each under a name.
        cloud: Named<RawCloud>,
        /// Issuers of the JWTs by which callers authenticate, each under a name.
        issuers: Named<RawIssuer>,
        /// The Logto tenants, each under its alias.
        tenants: Named<RawTenant>,
        /// Named sets of rules.
        policies: Named<RawPolicy>,
        /// The services that send requests, each under its name.
        callers: Named<RawCaller>,
    }

    /// Where to listen, and for whom.
    RawListen {
        /// The addresses of the proxy: IP address and port, or `unix:` and a path.
        proxy: List<Address>,
        /// The address of probes, metrics and status, or "off". Never the proxy's.
        admin: Leaf<AddressOrOff>,
        /// Permission bits of Unix sockets, in octal.
        unix_mode: Leaf<Mode>,
        /// Scheme and authority (and path prefix) in `Link` and `Location`; needed behind a TLS terminator. Left out: as the caller addressed us.
        #[schemars(transform = pattern::texts(pattern::BASE_URL))]
        public_url: Leaf<String>,
        /// Host names (without port) that a loopback listener answers to, beside localhost and loopback addresses.
        #[schemars(transform = pattern::texts(pattern::HOST))]
        allowed_hosts: List<String>,
        /// Origins of web pages that may call, such as "http://localhost:5173": they get CORS, without credentials. A loopback listener refuses all others.
        #[schemars(transform = pattern::texts(pattern::ORIGIN))]
        allowed_origins: List<String>,
        /// The most connections on all proxy listeners together; fewer where memory (`limits.memory`) or open files (`ulimit -n`) are short. When there is no place left, the oldest connection on which nobody has authenticated gives way, or one of the caller with the most. A peer address that is no loopback address may have a quarter of them before it authenticates.
        max_connections: Leaf<u64>,
        /// TLS on every TCP address of the proxy. Unix sockets and `admin` stay without. Left out: no TLS.
        tls: RawListenTls,
    }

    /// TLS on the proxy listener. Changed files are taken up while running.
    RawListenTls {
        /// A file with the server's certificate and the intermediate ones, as PEM. TLS on or off takes a restart; changed files are taken up. Left out: no TLS.
        cert: Leaf<PathBuf>,
        /// A file with its private key, as PEM; or a secret. Left out: no TLS.
        key: KeySecretId,
        /// A file with the authorities of clients' certificates, as PEM. Left out: clients are not asked for one.
        client_ca: Leaf<PathBuf>,
        /// A file with revocation lists of those authorities, as PEM. Every authority needs one that is current. Left out: revocation is not checked.
        crl: Leaf<PathBuf>,
    }

    /// The audit log: one record for each request.
    RawAudit {
        /// "off", "stdout", or a file.
        output: Either<AuditWord, RawAuditFile>,
        /// The size of the file at which a new one is begun. Left out: "64MiB", of a file.
        max_size: Leaf<Size>,
        /// How many full files are kept beside the one that is written. Left out: 5, of a file.
        keep: Leaf<u64>,
    }

    /// An audit log of one's own.
    RawAuditFile {
        /// The file that is written.
        file: Leaf<PathBuf>,
    }

    /// Issuers of the JWTs by which callers authenticate.
    RawIssuer {
        /// What the claim `iss` must be, byte for byte: an https URL, or http on a loopback host. Required.
        issuer: Leaf<String>,
        /// Where its keys are: a URL, or a file. Left out: by discovery, `ISSUER/.well-known/openid-configuration`.
        jwks: Either<String, RawJwksFile>,
        /// What the claim `aud` must hold: one of these. Required.
        audience: List<String>,
        /// The signature algorithms that are accepted, also PS384 and PS512; never a shared secret.
        algorithms: List<Algorithm>,
        /// How far the clocks may be apart; at most "5m".
        leeway: Leaf<Duration>,
        /// The token that is shown when the keys are fetched, to the server of `issuer` or `jwks` and no other. A file is read for each fetch. Left out: none.
        bearer: BearerId,
        /// How its server is reached.
        tls: RawIssuerTls,
        /// How long fetched keys are used before they are fetched again.
        refresh: Leaf<Duration>,
    }

    /// Keys that are not fetched.
    RawJwksFile {
        /// A file with a JSON Web Key Set.
        file: Leaf<PathBuf>,
    }

    /// A Logto tenant and the credentials of a machine-to-machine application in it.
    RawTenant {
        /// Labels, by which callers' grants may name the tenant.
        labels: List<String>,
        /// Scheme and authority of the tenant, to which Claviger connects directly: HTTPS_PROXY and the like are not used. Left out: `https://NAME.logto.app`.
        #[schemars(transform = pattern::texts(pattern::ENDPOINT))]
        endpoint: Leaf<String>,
        /// The API resource indicator. Left out: `ENDPOINT/api` on *.logto.app, else `https://default.logto.app/api`.
        #[schemars(transform = pattern::texts(pattern::URI))]
        resource: Leaf<String>,
        /// The App ID of the machine-to-machine application. Required.
        #[schemars(transform = pattern::texts(pattern::VISIBLE))]
        client_id: Leaf<String>,
        /// Its App secret; or two, the new one first, while one replaces the other. Required.
        client_secret: ClientSecretIds,
        /// How the credentials are sent: "client_secret_basic" or "client_secret_post".
        client_auth: Leaf<ClientAuth>,
        /// The scopes that are asked for.
        #[schemars(transform = pattern::texts(pattern::WORD))]
        scopes: List<String>,
        /// Further API resources that the token broker hands out tokens for, to callers whose `issue` is "upstream".
        resources: Mixed<String, RawResource>,
        /// The organization that tokens are for. The Management API needs none.
        organization_id: Leaf<String>,
        /// Further members of the token request.
        parameters: BTreeMap<String, Leaf<String>>,
        /// What the tenant allows all of its clients, and how much of that is spent here; or "off". Left out: 200 in 10 s on Logto Cloud (by `resource`), none elsewhere.
        quota: Either<Off, RawQuota>,
        /// The most requests to this tenant at one time: one operation may have half of them, one caller three quarters. Logto has 20 database connections, and takes two for a page of a list.
        max_in_flight: Leaf<u64>,
        /// Ask for compressed answers (gzip). Left out: unless the endpoint is a loopback address.
        compression: Leaf<bool>,
        /// How often the client secret is replaced by a new one, which is kept in the vault and comes before the one that is written here. Left out: only when somebody asks.
        rotate: RawRotate,
        /// How the tenant's server is reached.
        tls: RawTls,
    }

    /// Settings of tenants whose credentials are in the vault.
    RawTemplate {
        /// Labels, by which callers' grants may name the tenants.
        labels: List<String>,
        /// What each tenant allows all of its clients, and how much of that is spent here; or "off". Left out: 200 in 10 s on Logto Cloud (by its resource), none elsewhere.
        quota: Either<Off, RawQuota>,
        /// The most requests to one of the tenants at one time. Left out: 10.
        max_in_flight: Leaf<u64>,
        /// Ask for compressed answers (gzip). Left out: unless the endpoint is a loopback address.
        compression: Leaf<bool>,
        /// How often the client secret is replaced by a new one. Left out: only when somebody asks, or before it expires.
        rotate: RawRotate,
        /// How the tenants' servers are reached.
        tls: RawTls,
    }

    /// How often a secret is replaced.
    RawRotate {
        /// How old a secret becomes. Required.
        every: Leaf<Duration>,
        /// How long the previous secret stays valid before it is deleted at Logto. Left out: "1h", at most half of `every`.
        overlap: Leaf<Duration>,
    }

    /// An account at Logto Cloud.
    RawCloud {
        /// Scheme and authority of the Logto Cloud API. Left out: `"https://cloud.logto.io"`.
        #[schemars(transform = pattern::texts(pattern::ENDPOINT))]
        endpoint: Leaf<String>,
        /// A personal access token of the account. Required.
        token: BearerId,
        /// The settings of tenants that are created: one of `tenant_templates`. Left out: the defaults.
        template: Leaf<String>,
        /// The alias of a tenant that is created and for which no `Claviger-Tenant` header names one; `{id}` stands for Logto's ID of it. Left out: "{id}".
        alias: Leaf<String>,
        /// Where `indicator` leads in the answer to a creation: "logto", as it is, or "claviger", to the tenant here. Left out: "logto".
        indicator: Leaf<Indicator>,
        /// The most requests to the Logto Cloud API at one time: one operation may have half of them, one caller three quarters. Left out: 10.
        max_in_flight: Leaf<u64>,
        /// How its server is reached.
        tls: RawTls,
    }

    /// A further API resource of a tenant.
    RawResource {
        /// The API identifier.
        #[schemars(transform = pattern::texts(pattern::URI))]
        resource: Leaf<String>,
        /// The scopes that are asked for. Left out: none.
        #[schemars(transform = pattern::texts(pattern::WORD))]
        scopes: List<String>,
    }

    /// The operations that rules are about: those that Claviger knows, and those of a file.
    RawCatalog {
        /// A reviewed file of operations that are newer than Claviger's own catalog, one a line (docs/catalog.md). It only adds: a line about a known operation is an error.
        file: Leaf<PathBuf>,
    }

    /// So many requests in so much time.
    RawRate {
        /// Requests in each period.
        #[schemars(range(min = 1, max = 1_000_000))]
        requests: Leaf<u64>,
        /// The period.
        per: Leaf<Duration>,
        /// The most at once. Left out: as many as `requests`.
        #[schemars(range(min = 1, max = 1_000_000))]
        burst: Leaf<u64>,
    }

    /// What a tenant allows, and how much of it is spent here.
    RawQuota {
        /// Requests in each period, of all clients together. Left out with `per`: what Logto Cloud allows, 200 in 10 s.
        #[schemars(range(min = 1, max = 1_000_000))]
        requests: Leaf<u64>,
        /// The period.
        per: Leaf<Duration>,
        /// The fraction of it that is spent here; the rest is for sign-in and whoever else asks the tenant. Left out: 0.7 on Logto Cloud, else 1.
        #[schemars(range(min = 0.01, max = 1.0))]
        share: Leaf<f64>,
        /// The most at once, beyond the share: interactive callers may use all of it, normal ones half, batch almost none. Left out: half of what the share leaves; with a share of 1 as many as `requests`.
        #[schemars(range(min = 1, max = 1_000_000))]
        burst: Leaf<u64>,
        /// Whether token requests count, too. Left out: true.
        tokens: Leaf<bool>,
    }

    /// A named set of rules: `tag:read`, `tag:write`, `tag:*`, an operationId, `METHOD /api/template/{id}`, or `*`.
    RawPolicy {
        /// What is allowed. Left out: nothing.
        allow: Mixed<String, RawRule>,
        /// What is denied all the same; a deny in any policy of a caller wins. Left out: nothing.
        deny: List<Unconditional>,
    }

    /// A rule with conditions, or with a cache: the operation is allowed if the request meets all of the conditions.
    RawRule {
        /// The operation: an operationId, or `METHOD /api/template/{id}`.
        operation: Leaf<String>,
        /// What is asked of parameters of the query, by name; "forbidden" is short for { forbidden = true }. "*" = "forbidden": no others may be given.
        query: BTreeMap<String, Either<Forbidden, RawQueryCondition>>,
        /// The members that the JSON object in the body may have, and no others.
        body: List<String>,
        /// How old an answer may be that is given again instead of asking Logto, of an operation that reads and is not sensitive; the shortest of a caller's rules about it counts. A rule may have this and no conditions. Left out: each request asks Logto.
        cache: Leaf<Duration>,
    }

    /// What is asked of a parameter of the query. It may be given only once.
    RawQueryCondition {
        /// It must be given.
        required: Leaf<bool>,
        /// It must not be given.
        forbidden: Leaf<bool>,
        /// Where given, it is a decimal number and not above this.
        max: Leaf<u64>,
        /// Where given, it is a decimal number and not below this.
        min: Leaf<u64>,
        /// Where given, it is one of these.
        one_of: List<String>,
    }

    /// A service that sends requests.
    RawCaller {
        /// How it authenticates: one method, or a list of which any will do. Required.
        identify: Methods,
        /// The tenants that it may use: names, patterns such as "customer-*", labels, those that it had created, or "*" for all. A request that names no tenant goes to the only tenant that this list covers; where it has patterns, labels or "*", that one is found only while there are at most 256 tenants. Left out: the only tenant there is.
        tenants: Mixed<String, RawGrouped>,
        /// The account at Logto Cloud that it may use, as far as its policies say, by the account's name; or several, of which each request names one. Left out: none.
        #[schemars(transform = pattern::texts(pattern::NAME))]
        cloud: List<String>,
        /// The policies that apply to it: any of them allows, a deny in any of them wins. Required.
        #[schemars(transform = pattern::texts(pattern::NAME))]
        policies: List<String>,
        /// Operations, by operationId, whose answers come with their secrets unmasked.
        reveal: List<String>,
        /// What the token broker hands to it: "claviger", a token that is good only here, or "upstream", the tenant's.
        issue: Leaf<Issue>,
        /// The scopes that are asked for on its behalf, among those of the tenant. Left out: the tenant's.
        scopes: List<String>,
        /// The organization that its tokens are for. Left out: the tenant's.
        organization_id: Leaf<String>,
        /// What we allow it, or "off".
        rate: Either<Off, RawRate>,
        /// How urgent its requests are where a tenant's quota is short: "interactive", "normal" or "batch". A request may lower it (`Priority: u=4` and above), never raise it. Left out: "normal".
        priority: Leaf<Class>,
        /// Its share among the callers of its class where a tenant's quota is short: twice the weight, twice as much. Left out: 1.
        #[schemars(range(min = 1, max = 100))]
        weight: Leaf<u64>,
    }

    /// All tenants with a label, or all that the caller had created at Logto Cloud; those that come later included.
    RawGrouped {
        /// The label.
        label: Leaf<String>,
        /// true: those that this caller had created.
        created: Leaf<bool>,
    }
}
