//! What each stage of the pipeline costs, in time and in allocations, with a policy over the whole catalog.
//! `cargo bench --bench pipeline`. The allocations are counted once, before the clock runs.
#![expect(clippy::print_stdout, reason = "a benchmark prints")]

use std::{hint::black_box, path::PathBuf, sync::Arc};

use claviger::{
    caller::{Callers, Means, Peer, Presented, Reach, Seal},
    catalog::Catalog,
    clock::Clock,
    config::{self, Config, LoadRequest, References},
    headers,
    limit::{Limits, admit::Admission},
    observe::{Metrics, RequestId, Source, cells::CellTable},
    policy::{grants::Grants, target},
    reply::{Base, links},
};
use criterion::{Criterion, criterion_group, criterion_main};
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderValue, Request, header, request::Parts};
use tokio::time::Instant;

const KEY: &str = "a-key-of-forty-characters-for-the-bench!";

fn configuration() -> (tempfile::TempDir, Config) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("claviger.toml");
    let digest = claviger::secret::Digest::of(KEY.as_bytes()).to_hex();
    let text = format!(
        r#"
        [tenants.bench]
        endpoint = "http://127.0.0.1:1"
        client_id = "bench"
        client_secret = "bench-secret"
        [policies.all]
        allow = ["users:*", "organizations:*", "roles:*", "applications:*", "GET /api/newer/{{id}}/**"]
        deny = ["DeleteUser"]
        [callers.bench]
        identify = {{ api_key_sha256 = "{digest}" }}
        tenants = ["bench"]
        policies = ["all"]
        rate = {{ requests = 1000000, per = "1s" }}
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
    let (_dir, config) = configuration();
    let metrics = Arc::new(Metrics::new());
    let clock = Clock::system();
    let callers = Callers::new(
        &config.callers,
        Means { seal: Seal::new(None).expect("randomness"), clock, clients: None, issuers: Vec::new() },
    );
    let grants = Grants::new(Catalog::logto(), &config).expect("the rules are valid");
    let admission = Admission::new(&config, &Limits::default());
    let cells = CellTable::new(metrics, &config, grants.slots());
    let peer = Peer::at(Reach::Network);
    let (head, answer) = (head(), answer());
    let endpoint = config.tenants[0].endpoint.clone();

    let identify = || {
        let identified = callers.identify(&Presented::by_headers(&peer, &head.headers)).now_or_never();
        identified.expect("nothing to wait for").expect("a known key")
    };
    let permit = || {
        let target = target::parse(&head.uri, head.version, &head.headers).expect("a target");
        grants.permit(identify(), &target, &head).expect("allowed")
    };
    let admit = || admission.admit(permit(), Instant::now());
    let record = || cells.of(&permit()).answered(http::StatusCode::OK, Source::Upstream, 0.001);
    let forward = || headers::forwarded(&head.headers);
    let reply = || {
        let mut headers = answer.clone();
        headers::strip_answer(&mut headers);
        let base = Base { scheme: "http", authority: "127.0.0.1:3600", tenant: None };
        links::rebuild(&mut headers, base, "/api/users", head.uri.query(), &endpoint);
        headers
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
    bench("request id", &|| drop(black_box(id())));
    bench("request headers", &|| drop(black_box(forward())));
    bench("answer headers and links", &|| drop(black_box(reply())));
}

criterion_group!(benches, stages);
criterion_main!(benches);
