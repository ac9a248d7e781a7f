//! What each stage of the pipeline costs, in time and in allocations, with a policy over the whole catalog; and
//! what it costs to identify a caller by each kind of bearer. `cargo bench --bench pipeline`. The allocations are
//! counted once, before the clock runs.
#![expect(clippy::print_stdout, reason = "a benchmark prints")]

use std::{hint::black_box, path::PathBuf, sync::Arc, time::Duration};

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeyPair, KeySize, PublicKeyComponents},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use claviger::{
    authn::{Authenticators, Deps, Peer, Presented, Reach, Seal, jwt::Keyrings},
    clock::Clock,
    config::{self, Config, LoadRequest, References},
    headers,
    ids::{CallerId, CallerName, OperationId},
    limit::{Bucket, CallerLimits, Quota, RateLimits, Turn, Waits},
    observe::{AnsweredBy, Metrics, RequestId, TenantMetrics},
    policy::{Action, Grants},
    proxy::route,
    reply::{self, Base},
    tenants::{Change, Directory},
};
use criterion::{Criterion, criterion_group, criterion_main};
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderValue, Request, header, request::Parts};
use serde_json::{Value, json};
use tokio::time::Instant;

const KEY: &str = "a-key-of-forty-characters-for-the-bench!";
const ISSUER: &str = "https://kubernetes.default.svc";
/// More than are remembered: shown in turn, each is forgotten when its turn comes again.
const DISTINCT_TOKENS: usize = 12_000;

fn configuration(keys: &[Value]) -> (tempfile::TempDir, Config) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let key_set = json!({ "keys": keys }).to_string();
    std::fs::write(dir.path().join("jwks.json"), key_set).expect("the temporary directory takes files");
    let file = dir.path().join("claviger.toml");
    let digest = claviger::secret::Digest::of(KEY.as_bytes()).to_hex();
    let text = format!(
        r#"
        [tenants.bench]
        endpoint = "http://127.0.0.1:1"
        client_id = "bench"
        client_secret = "bench-secret"
        [issuers.kubernetes]
        issuer = "{ISSUER}"
        audience = "claviger"
        jwks = {{ file = "jwks.json" }}
        [policies.all]
        allow = ["users:*", "organizations:*", "roles:*", "applications:*", "GET /api/newer/{{id}}/**"]
        deny = ["DeleteUser"]
        [callers.bench]
        identify = {{ api_key_sha256 = "{digest}" }}
        tenants = ["bench"]
        policies = ["all"]
        rate = {{ requests = 1000000, per = "1s" }}
        [callers.billing]
        identify = {{ service_account = "shop/billing" }}
        tenants = ["bench"]
        policies = ["all"]
        "#
    );
    std::fs::write(&file, text).expect("the temporary directory takes files");
    let any = |_: config::RuleList, _: &str| Ok(());
    let request = LoadRequest {
        paths: vec![file],
        search: Vec::<PathBuf>::new(),
        env: Default::default(),
        rule_check: &any,
        references: References::Needed,
    };
    let loaded = config::load(&request);
    (dir, loaded.map(|loaded| loaded.config).unwrap_or_else(|problems| panic!("{problems}")))
}

fn head() -> Parts {
    let request = Request::get("/api/users?page=1&page_size=5")
        .header(header::HOST, "127.0.0.1:3600")
        .header(header::ACCEPT, "application/json")
        .header(header::USER_AGENT, "bench/1")
        .header(header::AUTHORIZATION, format!("Bearer {KEY}"));
    request.body(()).expect("a valid request").into_parts().0
}

fn answer() -> HeaderMap {
    let link =
        |page: u8, rel: &str| format!("<http://127.0.0.1:1/users?page={page}&page_size=5>; rel=\"{rel}\"");
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("keep-alive"));
    for (page, rel) in [(1, "first"), (5, "last"), (2, "next")] {
        headers.append(header::LINK, HeaderValue::from_str(&link(page, rel)).expect("a valid link"));
    }
    headers
}

fn stages(criterion: &mut Criterion) {
    let (_dir, config) = configuration(&[Signer::p256().jwk]);
    let metrics = Arc::new(Metrics::new());
    let clock = Clock::system();
    let callers = Authenticators::new(
        &config.callers,
        Deps {
            seal: Seal::new(None).expect("randomness"),
            clock,
            clients: None,
            issuers: Vec::new(),
            usage: Default::default(),
        },
    );
    let grants = Grants::new(&config).expect("the rules are valid");
    let limits = RateLimits::new(&config, &CallerLimits::default());
    let tenant = config.tenants[0].clone();
    let counters = TenantMetrics::new(metrics, tenant.name.clone(), grants.operations());
    let tenants =
        Directory::default().with(Change { put: vec![(tenant.name.clone(), tenant)], ..Change::default() });
    let peer = Peer::at(Reach::Network);
    let (head, answer) = (head(), answer());
    let endpoint = config.tenants[0].endpoint.clone();

    let identify = || {
        let identified = callers.authenticate(&Presented::by_headers(&peer, &head.headers)).now_or_never();
        identified.expect("nothing to wait for").expect("a known key")
    };
    let permit = || {
        let target = route::target(&head.uri, head.version, &head.headers).expect("a target");
        let granted = grants.tenant(identify(), &target, &tenants).expect("granted");
        grants.permit(granted, &target, &head).expect("allowed")
    };
    let admit = || limits.admit(permit(), Instant::now()).now_or_never();
    let record = || {
        let permit = permit();
        let Action::Forward(operation) = permit.action() else { unreachable!("it is an operation") };
        let caller = &config.callers[permit.caller().index().0].name;
        let counters = counters.of(caller, Some((operation.index(), operation.name())));
        counters.answered(http::StatusCode::OK, AnsweredBy::Upstream, None, 0.001);
    };
    let forward = || headers::forwarded(&head.headers, headers::Coding::Identity);
    let reply = || {
        let mut headers = answer.clone();
        headers::hand_on(&mut headers);
        let base = Base { scheme: "http", authority: "127.0.0.1:3600", mount: "" };
        let target = head.uri.path_and_query().expect("a path");
        reply::rebuild(&mut headers, || base, target, &endpoint);
        headers
    };
    // A million a second, and nobody waits.
    let allowed = config::Quota::new(1_000_000, Duration::from_secs(1), 1.0);
    let quotas = [None, Some(allowed)].map(|quota| {
        let waits = Waits { longest: Duration::from_secs(30), most: 1024 };
        let used = prometheus::IntCounter::new("used", "used").expect("a name");
        Quota::new(config.tenants[0].name.clone(), quota, Arc::new(Bucket::of(quota)), waits, used)
    });
    let turn = Turn { caller: CallerId::numbered(0), class: config::Class::Interactive, weight: 1 };
    let draw = |quota: &Quota| {
        let drawn = quota
            .pace(turn, OperationId::named("ListUsers"), Instant::now() + Duration::from_secs(75))
            .now_or_never();
        drawn.expect("nothing to wait for").expect("there is enough").sent();
    };
    let id = || RequestId::of(&head.headers, |_| false, || 42);

    let mut bench = |name: &str, stage: &dyn Fn()| {
        stage();
        let counted = allocation_counter::measure(stage);
        println!("{name}: {} allocations, {} bytes", counted.count_total, counted.bytes_total);
        criterion.bench_function(name, |bencher| bencher.iter(stage));
    };
    bench("caller", &|| _ = black_box(identify()));
    bench("caller + policy", &|| drop(black_box(permit())));
    bench("caller + policy + limit", &|| drop(black_box(admit())));
    bench("caller + policy + metrics", &|| record());
    bench("quota: none", &|| draw(&quotas[0]));
    bench("quota: not reached", &|| draw(&quotas[1]));
    bench("request id", &|| drop(black_box(id())));
    bench("request headers", &|| drop(black_box(forward())));
    bench("answer headers and links", &|| drop(black_box(reply())));
}

type Signature = dyn Fn(&[u8]) -> Vec<u8>;

/// A key pair of the issuer.
struct Signer {
    alg: &'static str,
    jwk: Value,
    signature: Box<Signature>,
}

impl Signer {
    fn rsa() -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("randomness");
        let public = PublicKeyComponents::<Vec<u8>>::from(pair.public_key());
        let jwk = json!({ "kty": "RSA", "kid": "RS256", "n": BASE64.encode(&public.n), "e": BASE64.encode(&public.e) });
        let signature = move |message: &[u8]| {
            let mut out = vec![0; pair.public_modulus_len()];
            pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut out).expect("a good key");
            out
        };
        Self { alg: "RS256", jwk, signature: Box::new(signature) }
    }

    fn p256() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("randomness");
        let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
        let jwk = json!({
            "kty": "EC", "crv": "P-256", "kid": "ES256", "x": BASE64.encode(x), "y": BASE64.encode(y),
        });
        let signature = move |message: &[u8]| {
            pair.sign(&SystemRandom::new(), message).expect("a good key").as_ref().to_vec()
        };
        Self { alg: "ES256", jwk, signature: Box::new(signature) }
    }

    /// A ServiceAccount's token; another `number` makes another token.
    fn token(&self, number: usize) -> String {
        let header = json!({ "alg": self.alg, "kid": self.alg });
        let claims = json!({
            "aud": ["claviger"], "exp": 4_000_000_000_u32, "iat": 1_700_000_000, "nbf": 1_700_000_000,
            "iss": ISSUER, "jti": number, "sub": "system:serviceaccount:shop:billing",
            "kubernetes.io": {
                "namespace": "shop",
                "node": { "name": "node-1", "uid": "2f0f2c84-8f3e-4a2b-9c9e-3b0f5f1f0a01" },
                "pod": { "name": "billing-7d9c5b6f4d-x2x7k", "uid": "5c1b9f3e-8f0b-4d8e-9a53-6e5f0f4f1c55" },
                "serviceaccount": { "name": "billing", "uid": "14ee3fa4-a7e2-420f-9f9a-dbc4507c3798" },
            },
        });
        let message = format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()));
        let signature = BASE64.encode((self.signature)(message.as_bytes()));
        format!("{message}.{signature}")
    }
}

/// A head with nothing but a bearer.
fn bearing(token: &str) -> HeaderMap {
    let value = HeaderValue::from_str(&format!("Bearer {token}")).expect("a token is visible ASCII");
    HeaderMap::from_iter([(header::AUTHORIZATION, value)])
}

fn identification(criterion: &mut Criterion) {
    let signers = [Signer::rsa(), Signer::p256()];
    let (_dir, config) = configuration(&signers.each_ref().map(|signer| signer.jwk.clone()));
    let (seal, clock) = (Seal::new(None).expect("randomness"), Clock::system());
    let caller = CallerName::parse("bench").expect("a name");
    let wall = clock.now().wall;
    let own = seal.issue(&caller, None, wall, Duration::from_secs(86_400)).expect("randomness");
    let own = String::from_utf8(own.expose().to_vec()).expect("a token is text");
    let issuers = Keyrings::default().of(&config).expect("the keys are good");
    let callers = Authenticators::new(
        &config.callers,
        Deps { seal, clock, clients: None, issuers, usage: Default::default() },
    );
    let peer = Peer::at(Reach::Network);

    let mut bench = |name: &str, heads: &[HeaderMap]| {
        let mut turn = heads.iter().cycle();
        let mut identify = || {
            let head = turn.next().expect("there is one");
            let identified = callers.authenticate(&Presented::by_headers(&peer, head)).now_or_never();
            black_box(identified.expect("nothing to wait for").expect("a known caller"));
        };
        identify();
        let counted = allocation_counter::measure(&mut identify);
        println!("{name}: {} allocations, {} bytes", counted.count_total, counted.bytes_total);
        criterion.bench_function(name, |bencher| bencher.iter(&mut identify));
    };
    bench("identify: API key", &[bearing(KEY)]);
    bench("identify: Claviger token", &[bearing(&own)]);
    for signer in &signers {
        bench(&format!("identify: JWT {}, known", signer.alg), &[bearing(&signer.token(0))]);
        let tokens: Vec<_> = (1..=DISTINCT_TOKENS).map(|number| bearing(&signer.token(number))).collect();
        bench(&format!("identify: JWT {}, new", signer.alg), &tokens);
    }
}

criterion_group!(benches, stages, identification);
criterion_main!(benches);
