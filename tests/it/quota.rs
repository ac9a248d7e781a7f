//! A tenant's quota: what callers get of it, and what is left for its sign-in, against an emulator with a true bucket.

use std::{sync::Arc, time::Duration};

use claviger_emulator::{Effect, Options, Quota, Seed};
use tokio::{task::JoinSet, time::Instant};

use crate::support::{Client, Logto, Proxy, Request, proxy::Builder, tap::Tap, wire::Place, within};

const SECOND: Duration = Duration::from_secs(1);

pub(crate) async fn logto(requests: u32, per: Duration) -> Arc<Logto> {
    let quota = Some(Quota { requests, per });
    Arc::new(Logto::with(Options { seed: Seed::Demo { users: 5 }, quota, ..Options::default() }).await)
}

/// Callers `interactive`, `normal` and `batch`, by their keys.
async fn proxy(logto: &Logto, quota: &str) -> Arc<Proxy> {
    let proxy = builder(logto, quota).start().await;
    // The token is there, and the burst is whole again.
    assert_eq!(proxy.ask(&of("interactive")).await.status, 200);
    Arc::new(proxy)
}

/// The same, not started yet.
pub(crate) fn builder(logto: &Logto, quota: &str) -> Builder {
    let mut builder = Proxy::builder().tenant("acme", logto).set("tenants.acme.quota", quota);
    for caller in ["interactive", "normal", "batch", "batch-2"] {
        let class = caller.trim_end_matches("-2");
        builder = builder
            .set(&format!("callers.{caller}.identify"), format!("{{ api_key = '{}' }}", key(caller)))
            .set(&format!("callers.{caller}.policies"), "['all']")
            .set(&format!("callers.{caller}.priority"), format!("'{class}'"));
    }
    builder
}

pub(crate) fn key(caller: &str) -> String {
    format!("CANARY-held-key-of-{caller}")
}

pub(crate) fn of(caller: &str) -> Request {
    Request::get("/api/roles").key(&key(caller))
}

/// Waits until something is counted.
async fn until_metric(proxy: &Proxy, name: &str) {
    within(name, async { while proxy.metric(name).await < 1.0 {} }).await;
}

/// What came of a load: how often each status, and how long each request took.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) statuses: Vec<u16>,
    times: Vec<Duration>,
}

impl Seen {
    pub(crate) fn with(&self, status: u16) -> usize {
        self.statuses.iter().filter(|it| **it == status).count()
    }

    fn percentile(&mut self, percent: usize) -> Duration {
        self.times.sort_unstable();
        self.times[(self.times.len() * percent / 100).min(self.times.len() - 1)]
    }
}

/// Asks as fast as it is answered, on so many connections.
pub(crate) async fn hungry(
    proxy: Arc<Proxy>,
    caller: &'static str,
    connections: usize,
    end: Instant,
) -> Seen {
    let mut all = JoinSet::new();
    for _ in 0..connections {
        let proxy = proxy.clone();
        all.spawn(async move {
            let mut seen = Seen::default();
            let mut client = proxy.connect().await;
            while Instant::now() < end {
                let asked = Instant::now();
                let status = client.ask(&of(caller)).await.status;
                // What waits at the end is served then, and says nothing of what was had before.
                if Instant::now() < end {
                    seen.statuses.push(status);
                    seen.times.push(asked.elapsed());
                }
            }
            seen
        });
    }
    together(all).await
}

/// Asks so often, each time on a connection of its own.
async fn steady(proxy: Arc<Proxy>, caller: &'static str, per_second: u32, end: Instant) -> Seen {
    let mut all = JoinSet::new();
    let mut every = tokio::time::interval(SECOND / per_second);
    while Instant::now() < end {
        every.tick().await;
        let proxy = proxy.clone();
        all.spawn(async move {
            let asked = Instant::now();
            let status = proxy.ask(&of(caller)).await.status;
            Seen { statuses: vec![status], times: vec![asked.elapsed()] }
        });
    }
    together(all).await
}

/// Users that sign in at the tenant itself.
async fn sign_ins(logto: Arc<Logto>, per_second: u32, end: Instant) -> Seen {
    let mut seen = Seen::default();
    let mut every = tokio::time::interval(SECOND / per_second);
    while Instant::now() < end {
        every.tick().await;
        let mut client = Place::Tcp(logto.addr()).connect(Tap::default()).await.expect("it listens");
        let asked = Instant::now();
        seen.statuses.push(client.ask(&Request::get("/sign-in")).await.status);
        seen.times.push(asked.elapsed());
    }
    seen
}

async fn together(all: JoinSet<Seen>) -> Seen {
    let mut whole = Seen::default();
    for seen in all.join_all().await {
        whole.statuses.extend(seen.statuses);
        whole.times.extend(seen.times);
    }
    whole
}

/// A batch caller that wants ten times the quota, three interactive ones and sign-ins, at this pace and for so long. What is asked
/// of it in time is asked of a machine that does nothing else.
#[expect(clippy::print_stdout, reason = "figures for whoever runs it alone")]
async fn shared(requests: u32, per: Duration, during: Duration, is_alone: bool) {
    let logto = logto(requests, per).await;
    let quota = format!("{{ requests = {requests}, per = '{}s', share = 0.7 }}", per.as_secs());
    let proxy = proxy(&logto, &quota).await;
    let scale = f64::from(requests) / per.as_secs_f64() / 20.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few")]
    let rate = |per_second: f64| (per_second * scale) as u32;
    let (begin, before) = (Instant::now(), logto.api_requests());
    let end = begin + during;
    let (batch, mut interactive, signed_in) = tokio::join!(
        hungry(proxy.clone(), "batch", 140, end),
        steady(proxy.clone(), "interactive", rate(5.0), end),
        sign_ins(logto.clone(), rate(3.0), end),
    );
    let sent = logto.api_requests() - before;
    let share = 0.7 * f64::from(requests) / per.as_secs_f64() * begin.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "thousands")]
    let used = sent as f64 / share;
    let waits = |of: &str, le: &str| {
        format!("claviger_quota_wait_seconds_{of}{{class=\"interactive\",tenant=\"acme\"{le}}}")
    };
    let waited = proxy.metric(&waits("count", "")).await;
    let long = waited - proxy.metric(&waits("bucket", ",le=\"0.1\"")).await;
    let figures = format!(
        "{sent} sent, {:.1}% of the share; {} of them refused upstream; batch: {} answered, {} refused; interactive: {} answered, {waited} waited, {long} for more than 100 ms, p99 of the whole time {:?}; {} signed in",
        used * 100.0,
        logto.refused_by_quota(),
        batch.with(200),
        batch.with(429),
        interactive.with(200),
        interactive.percentile(99),
        signed_in.with(200),
    );
    println!("{figures}");
    let fine = (interactive.with(200), signed_in.with(200));
    assert_eq!(fine, (interactive.statuses.len(), signed_in.statuses.len()), "{figures}");
    assert!(logto.refused_by_quota() * 1000 <= sent && used <= 1.25, "{figures}");
    if is_alone {
        #[expect(clippy::cast_precision_loss, reason = "hundreds")]
        let one_in_a_hundred = fine.0 as f64 / 100.0;
        assert!(used >= 0.97 && long <= one_in_a_hundred, "{figures}");
    }
}

#[tokio::test]
async fn b55_a_batch_caller_stops_neither_interactive_callers_nor_sign_in() {
    shared(100, SECOND, 3 * SECOND, false).await;
}

/// As Logto Cloud has it, in real time: `make quota` runs it, on a machine that does nothing else.
#[tokio::test]
#[ignore = "takes a minute, and a machine that does nothing else; `make quota` runs it"]
async fn b55_the_same_as_logto_cloud_has_it() {
    shared(200, 10 * SECOND, 60 * SECOND, true).await;
}

#[tokio::test]
async fn b55_two_batch_callers_get_the_same() {
    let logto = logto(100, SECOND).await;
    let proxy = proxy(&logto, "{ requests = 100, per = '1s', share = 0.7 }").await;
    let end = Instant::now() + 3 * SECOND;
    let (many, few) =
        tokio::join!(hungry(proxy.clone(), "batch", 60, end), hungry(proxy.clone(), "batch-2", 12, end));
    let (many, few) = (many.with(200), few.with(200));
    assert!(many.abs_diff(few) <= few / 20 + 3, "{many} and {few}");
}

#[tokio::test]
async fn b55_who_cannot_wait_is_told_at_once_and_who_waits_is_served() {
    let logto = logto(1000, SECOND).await;
    let proxy = proxy(&logto, "{ requests = 10, per = '10s', share = 1, burst = 1 }").await;
    let asked = Instant::now();
    let (first, second) = tokio::join!(proxy.connect(), proxy.connect());
    let ask = |mut client: Client| async move { client.ask(&of("normal")).await };
    let (first, second) = tokio::join!(ask(first), ask(second));
    assert_eq!((first.status, second.status), (200, 200));
    assert!(asked.elapsed() >= SECOND / 2, "{:?}", asked.elapsed());
    assert!(proxy.metric("claviger_quota_wait_seconds_count{class=\"normal\",tenant=\"acme\"}").await >= 1.0);
    // Somebody else wants an answer within a moment: thirty are before it.
    let mut waiting = Vec::new();
    for _ in 0..35 {
        let mut client = proxy.connect().await;
        client.write(&of("batch").head()).await.expect("it is read");
        waiting.push(client);
    }
    let refused = "claviger_quota_rejected_total{class=\"batch\",tenant=\"acme\"}";
    until_metric(&proxy, refused).await;
    let asked = Instant::now();
    let answer = proxy.ask(&of("batch")).await;
    answer.assert_problem(429, "quota_exhausted");
    assert!(
        asked.elapsed() < SECOND / 2 && answer.retry_after().is_some_and(|wait| wait >= 30),
        "{answer:?}"
    );
    assert_eq!(answer.value("ratelimit-policy"), Some("\"quota\";q=10;w=10"));
}

/// Who has waited for a place among the tenant's requests gets in line for the quota like everybody, and is not refused for having waited.
#[tokio::test]
async fn b55_a_burst_at_a_cold_start_waits_for_its_turn() {
    let logto = logto(1000, SECOND).await;
    // While there is no token, all places are taken.
    logto.token_fault(Effect::latency(SECOND / 2));
    let quota = "{ requests = 20, per = '10s', share = 1, tokens = false }";
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set("tenants.acme.quota", quota)
        .set("tenants.acme.max_in_flight", 10)
        .start()
        .await;
    let ask = async || proxy.get("/api/roles").await.status;
    let statuses = futures_util::future::join_all((0..30).map(|_| ask())).await;
    assert_eq!(statuses, [200; 30]);
}

/// Those that wait for a place have yet to draw on the quota: whoever finds no room among them is told how long they take there.
#[tokio::test]
async fn b55_who_finds_no_room_before_the_quota_is_told_how_long_the_quota_takes() {
    let logto = logto(1000, SECOND).await;
    logto.token_fault(Effect::latency(2 * SECOND));
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set("tenants.acme.quota", "{ requests = 20, per = '10s', share = 1, tokens = false }")
        .set("limits.queue", 60)
        .start()
        .await;
    let ask = async || proxy.get("/api/roles").await;
    let answers = futures_util::future::join_all((0..100).map(|_| ask())).await;
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status == 503).collect();
    assert!(refused.len() >= 20, "{}", refused.len());
    for answer in refused {
        answer.assert_problem(503, "overloaded");
        // 60 that wait, at two a second, less the ten that are left of the burst.
        assert!(answer.retry_after().is_some_and(|wait| (20..=75).contains(&wait)), "{answer:?}");
    }
}

#[tokio::test]
async fn b55_a_refusal_for_the_quota_is_none_for_what_its_caller_did() {
    let logto = logto(1000, SECOND).await;
    let proxy = Proxy::builder()
        .tenant("acme", &logto)
        .set("tenants.acme.quota", "{ requests = 2, per = '60s', tokens = false }")
        .set("timeouts.quota", "'0s'")
        .set("callers.local.priority", "'interactive'")
        .start()
        .await;
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(proxy.get("/api/roles").await.status);
    }
    assert_eq!(statuses, [200, 200, 429, 429, 429]);
    assert_eq!(proxy.get("/api/nothing-of-the-kind").await.status, 404);
    let status = proxy.status().await;
    let local = &status["traffic"]["callers"][0];
    assert_eq!((&local["denied"], &local["limited"]), (&1.into(), &3.into()), "{local:#}");
}

#[tokio::test]
async fn b55_a_request_can_lower_its_priority_and_the_field_stays_here() {
    let logto = logto(1000, SECOND).await;
    let proxy = proxy(&logto, "{ requests = 1000, per = '1s', share = 0.7 }").await;
    let answer = proxy.ask(&of("interactive").header("Priority", "u=7")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(logto.last().header("priority"), None);
}

#[tokio::test]
async fn b55_a_429_of_the_bucket_narrows_the_pace_and_is_waited_out() {
    let logto = logto(1000, SECOND).await;
    let proxy = proxy(&logto, "{ requests = 1000, per = '1s', share = 0.7 }").await;
    logto.api_fault_times(1, Effect::body(429, "application/json", r#"{"message":"Too many requests"}"#));
    let role = r#"{"name":"n","description":"d"}"#;
    let answer = proxy.ask(&Request::post("/api/roles", role).key(&key("normal"))).await;
    assert_eq!(answer.status, 200, "it was not carried out, so it may go out again: {}", answer.text());
    let believed = proxy.metric("claviger_quota_believed{tenant=\"acme\"}").await;
    assert!((489.0..700.0).contains(&believed), "{believed}");
    assert!(proxy.log().contains("fewer requests are sent"), "{}", proxy.log());
    let status = proxy.status().await;
    assert!(status["problems"].to_string().contains("others use this tenant's quota"), "{status}");
}

#[tokio::test]
async fn b55_a_429_about_one_recipient_of_messages_is_nobody_elses_business() {
    let logto = logto(1000, SECOND).await;
    let proxy = proxy(&logto, "{ requests = 1000, per = '1s', share = 0.7 }").await;
    let limited = r#"{"code":"request.message_rate_limited","message":"Too many"}"#;
    logto.api_fault_times(1, Effect::body(429, "application/json", limited));
    let role = r#"{"name":"n","description":"d"}"#;
    let answer = proxy.ask(&Request::post("/api/roles", role).key(&key("normal"))).await;
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (429, limited),
        "as it came, though it was looked at"
    );
    assert_eq!(proxy.metric("claviger_quota_believed{tenant=\"acme\"}").await, 700.0);
}

/// Logto says that there is too much, and never until when.
#[tokio::test]
async fn b55_a_429_of_the_bucket_that_is_handed_on_says_when_to_come_back() {
    let logto = logto(1000, SECOND).await;
    let body = r#"{"message":"Too many requests"}"#;
    for (quota, knows) in [("{ requests = 1000, per = '10s' }", true), ("'off'", false)] {
        let proxy = builder(&logto, quota).start().await;
        logto.api_fault_times(3, Effect::body(429, "application/json", body));
        let answer = proxy.ask(&of("interactive")).await;
        assert_eq!((answer.status, answer.text().as_str()), (429, body), "as it came");
        let wait = answer.retry_after();
        assert!(if knows { wait == Some(1) } else { wait.is_none() }, "{quota}: {wait:?}");
        logto.faults().set(Vec::new());
    }
}
