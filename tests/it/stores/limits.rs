//! Quotas and rates that replicas share over one `redis-server`.

use std::{sync::Arc, time::Duration};

use claviger::{
    config::{Class, Quota},
    ids::TenantName,
    limit::{Limiter, Limiters, Replicas},
};
use claviger_emulator::Effect;
use tokio::{task::JoinSet, time::Instant};

use crate::{
    quota::{Seen, builder, hungry, key, logto, of},
    support::{Logto, Proxy, RedisServer, Request, claviger, quoted, wait, within},
};

const SECOND: Duration = Duration::from_secs(1);
/// 70 of 100 a second, and 30 at once. By its period a permit is good for 200 ms, as a busy machine needs.
const QUOTA: &str = "{ requests = 1000, per = '10s', share = 0.7, burst = 30 }";
const RATE: f64 = 70.0;
const BURST: f64 = 30.0;
/// What is used of the share at least on a machine that does much else. That it is 0.95 and more where a process gets its processor is held in
/// virtual time (`limit/shared/tests/utilisation.rs`); this is about Redis, processes and real time together.
const BUSY: f64 = 0.8;

async fn replica(logto: &Logto, server: &RedisServer) -> Arc<Proxy> {
    let builder = builder(logto, QUOTA).set("redis.url", quoted(server.url()));
    let builder = builder.set("callers.normal.rate", "{ requests = 10, per = '1h' }");
    Arc::new(builder.start().await)
}

/// Three replicas that know of each other.
async fn three(logto: &Logto, server: &RedisServer) -> Vec<Arc<Proxy>> {
    let mut replicas = Vec::new();
    for _ in 0..3 {
        replicas.push(replica(logto, server).await);
    }
    for replica in &replicas {
        until(replica, "claviger_redis_replicas", 3.0).await;
        until(replica, "claviger_redis_fallback", 0.0).await;
        assert_eq!(replica.ask(&of("interactive")).await.status, 200);
    }
    replicas
}

async fn until(replica: &Proxy, metric: &str, value: f64) {
    within(metric, async {
        while (replica.metric(metric).await - value).abs() > 0.1 {
            wait::pass(Duration::from_millis(20)).await;
        }
    })
    .await;
}

/// Batch callers that want much more than there is, at all replicas.
async fn load(replicas: &[Arc<Proxy>], during: Duration) -> JoinSet<Seen> {
    let mut all = JoinSet::new();
    for replica in replicas {
        all.spawn(hungry(replica.clone(), "batch", 40, Instant::now() + during));
    }
    all
}

/// The part of what could be had in so many seconds that was.
#[expect(clippy::cast_precision_loss, reason = "hundreds")]
fn used(answered: &[usize], seconds: f64) -> f64 {
    answered.iter().sum::<usize>() as f64 / (RATE * seconds)
}

#[expect(clippy::cast_precision_loss, reason = "hundreds")]
fn sent(logto: &Logto, before: usize) -> f64 {
    (logto.api_requests() - before) as f64
}

#[tokio::test]
async fn b55_three_replicas_spend_one_quota_and_all_of_it() {
    let name = "b55_three_replicas_spend_one_quota_and_all_of_it";
    let Some(server) = RedisServer::start(name).await else { return };
    let logto = logto(200, 2 * SECOND).await;
    let replicas = three(&logto, &server).await;
    let (before, began) = (logto.api_requests(), Instant::now());
    let seen = load(&replicas, 4 * SECOND).await.join_all().await;
    let (sent, fair) = (sent(&logto, before), RATE * began.elapsed().as_secs_f64());
    let each: Vec<_> = seen.iter().map(|seen| seen.with(200)).collect();
    let used = used(&each, 4.0);
    let figures =
        format!("{sent} sent, of {fair}; {:.1}% of the share while all want it, {each:?}", used * 100.0);
    assert!(sent <= fair * 1.02 + BURST && used >= BUSY, "{figures}");
    assert_eq!(logto.refused_by_quota(), 0, "{figures}");
    assert!(each.iter().all(|count| *count > 0), "{figures}");
    for replica in &replicas {
        assert!(replica.metric("claviger_redis_leases{outcome=\"granted\"}").await > 1.0);
        assert!(replica.metric("claviger_redis_leases{outcome=\"failed\"}").await.abs() < 0.1);
    }
}

#[tokio::test]
async fn b55_a_redis_that_dies_and_comes_back_fails_no_request() {
    let name = "b55_a_redis_that_dies_and_comes_back_fails_no_request";
    let Some(mut server) = RedisServer::start(name).await else { return };
    let logto = logto(200, 2 * SECOND).await;
    let replicas = three(&logto, &server).await;
    let (before, began) = (logto.api_requests(), Instant::now());
    let all = load(&replicas, 7 * SECOND).await;
    wait::pass(2 * SECOND).await;
    server.kill().await;
    for replica in &replicas {
        until(replica, "claviger_redis_fallback", 1.0).await;
        let asked = Instant::now();
        assert_eq!(replica.ask(&of("interactive")).await.status, 200);
        assert!(asked.elapsed() < SECOND / 2, "{:?}", asked.elapsed());
        let status = replica.status().await;
        let of_redis =
            status["problems"].as_array().and_then(|all| all.iter().find(|it| it["about"] == "redis"));
        let what = of_redis.and_then(|it| it["what"].as_str()).unwrap_or_default();
        assert!(what.contains("this replica keeps to one part in 3 of each limit"), "{status}");
        assert!(!status.to_string().contains("others use"), "Logto said nothing: {status}");
    }
    wait::pass(2 * SECOND).await;
    server.restart().await;
    for replica in &replicas {
        until(replica, "claviger_redis_fallback", 0.0).await;
    }
    let seen = all.join_all().await;
    let (sent, fair) = (sent(&logto, before), RATE * began.elapsed().as_secs_f64());
    let statuses: Vec<u16> = seen.into_iter().flat_map(|seen| seen.statuses).collect();
    let used = used(&[statuses.iter().filter(|status| **status == 200).count()], 7.0);
    let figures = format!("{sent} sent, of {fair}; {:.1}% of the share while all want it", used * 100.0);
    assert!(statuses.iter().all(|status| matches!(status, 200 | 429)), "{figures}");
    // The burst may be had once more from what each replica has of its own.
    assert!(sent <= fair * 1.02 + 2.0 * BURST && used >= BUSY, "{figures}");
    assert_eq!(logto.refused_by_quota(), 0, "{figures}");
    for replica in &replicas {
        let log = replica.log();
        assert_eq!(log.matches("limits are not shared: this replica keeps to its part of each").count(), 1);
        assert!(log.contains("\"replicas\":3") && log.contains("limits are shared with the other replicas"));
    }
}

/// How the operator sees it, before anything has been shared, and from the shell.
#[tokio::test]
async fn b55_whether_redis_is_there_is_said_from_the_start() {
    let name = "b55_whether_redis_is_there_is_said_from_the_start";
    let Some(mut server) = RedisServer::start(name).await else { return };
    let logto = logto(1000, SECOND).await;
    server.kill().await;
    let replica = replica(&logto, &server).await;
    let file = replica.file().display().to_string();
    let check = ["check", "--online", "--config", &file];
    let away = claviger(&check).await;
    assert!(away.assert_code(1).stderr.contains("redis: Redis cannot be reached: "), "{}", away.stderr);
    assert!(away.stderr.contains("claviger: Redis cannot be used"), "{}", away.stderr);
    let says = "limits are not shared: this replica keeps to its part of each";
    replica.logged(says).await;
    let shown = claviger(&["status", "--address", &replica.admin_authority()]).await.stdout;
    assert!(shown.contains("Redis is away; not shared meanwhile: limits, idempotency keys\n"), "{shown}");
    server.restart().await;
    until(&replica, "claviger_redis_fallback", 0.0).await;
    assert_eq!(replica.log().matches(says).count(), 1);
    let shown = claviger(&["status", "--address", &replica.admin_authority()]).await.stdout;
    let expected =
        format!("{}, prefix claviger: limits, idempotency keys shared by 1 replica\n", server.url());
    assert!(shown.contains(&expected), "{shown}");
    let there = claviger(&check).await;
    let expected = format!("redis: fine: connected to {}\n", server.url());
    assert!(there.assert_code(0).stdout.contains(&expected), "{}", there.stdout);
    let vault = builder(&logto, QUOTA)
        .set("redis.url", quoted(server.url()))
        .set("redis.replicas", 3)
        .set("vault.store", "{ redis = true }")
        .set("vault.key", quoted("0123456789abcdef0123456789abcdef"))
        .set("vault.relist", "'5s'");
    let other = vault.start().await;
    within("both to be seen", async {
        while other.status().await["redis"]["replicas"] != 2 {
            wait::pass(SECOND / 20).await;
        }
    })
    .await;
    assert!(
        (other.metric("claviger_redis_replicas").await - 3.0).abs() < 0.1,
        "as many as there are said to be"
    );
    server.told(&["FLUSHALL"]).await;
    within("the loss of the vault to be a problem", async {
        let is_told =
            async || other.status().await["problems"].to_string().contains("the vault in Redis is gone");
        while !is_told().await {
            wait::pass(SECOND / 20).await;
        }
    })
    .await;
}

#[tokio::test]
async fn b55_a_redis_that_hangs_holds_nobody_up() {
    let name = "b55_a_redis_that_hangs_holds_nobody_up";
    let Some(server) = RedisServer::start(name).await else { return };
    let logto = logto(1000, SECOND).await;
    let replica = replica(&logto, &server).await;
    until(&replica, "claviger_redis_fallback", 0.0).await;
    assert_eq!(replica.ask(&of("interactive")).await.status, 200);
    server.hang(true);
    for _ in 0..10 {
        let asked = Instant::now();
        assert_eq!(replica.ask(&of("interactive")).await.status, 200);
        assert!(asked.elapsed() < SECOND / 2, "{:?}", asked.elapsed());
    }
    server.hang(false);
}

#[tokio::test]
async fn b55_the_rate_of_a_caller_is_for_all_replicas_together() {
    let name = "b55_the_rate_of_a_caller_is_for_all_replicas_together";
    let Some(server) = RedisServer::start(name).await else { return };
    let logto = logto(1000, SECOND).await;
    let replicas = three(&logto, &server).await;
    let mut passed = 0;
    for replica in replicas.iter().cycle().take(21) {
        let answer = replica.ask(&of("normal")).await;
        match answer.status {
            200 => passed += 1,
            _ => {
                answer.assert_problem(429, "rate_limited");
                assert!(answer.retry_after().is_some_and(|wait| (1..=360).contains(&wait)), "{answer:?}");
            }
        }
    }
    assert_eq!(passed, 10);
    let apart =
        builder(&logto, QUOTA).set("redis.url", quoted(server.url())).set("redis.share_limits", false);
    let apart = apart.set("callers.normal.rate", "{ requests = 10, per = '1h' }").start().await;
    assert_eq!(apart.ask(&of("normal")).await.status, 200, "it counts for itself");
}

#[tokio::test]
async fn b55_what_the_tenant_says_to_one_replica_all_of_them_heed() {
    let name = "b55_what_the_tenant_says_to_one_replica_all_of_them_heed";
    let Some(server) = RedisServer::start(name).await else { return };
    let logto = logto(1000, SECOND).await;
    let replicas = three(&logto, &server).await;
    let (one, other) = (&replicas[0], &replicas[1]);
    logto.api_fault_times(1, Effect::body(429, "application/json", r#"{"message":"Too many requests"}"#));
    let role = r#"{"name":"n","description":"d"}"#;
    let answer = one.ask(&Request::post("/api/roles", role).key(&key("interactive"))).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    within("another replica to learn of it", async {
        let mut believed = RATE;
        while !(49.0..56.1).contains(&believed) {
            assert_eq!(other.ask(&of("interactive")).await.status, 200);
            believed = other.metric("claviger_quota_believed{tenant=\"acme\"}").await;
        }
    })
    .await;
}

#[tokio::test]
async fn b55_a_pause_of_the_tenant_is_for_all_replicas() {
    let name = "b55_a_pause_of_the_tenant_is_for_all_replicas";
    let Some(server) = RedisServer::start(name).await else { return };
    let logto = logto(1000, SECOND).await;
    let replicas = three(&logto, &server).await;
    // Three different operations are the tenant.
    logto.api_fault_times(3, Effect::too_many(20));
    for path in ["/api/roles", "/api/users", "/api/organizations"] {
        let answer = replicas[0].ask(&Request::get(path).key(&key("interactive"))).await;
        assert_eq!(answer.status, 429, "{path}");
    }
    within("another replica to learn of it", async {
        let applications = Request::get("/api/applications").key(&key("interactive"));
        while replicas[1].ask(&applications).await.status != 429 {}
        replicas[1].ask(&applications).await.assert_problem(429, "quota_exhausted");
    })
    .await;
}

/// Each makes every replica's part smaller while Redis is away.
#[tokio::test]
async fn b55_what_has_not_shown_itself_of_late_by_the_servers_clock_is_no_replica() {
    let name = "b55_what_has_not_shown_itself_of_late_by_the_servers_clock_is_no_replica";
    let Some(server) = RedisServer::start(name).await else { return };
    let time = server.told(&["TIME"]).await;
    let (seconds, _) = time.split_once('\n').expect("seconds and microseconds");
    let seconds: u64 = seconds.trim().parse().expect("a number");
    let at = |seconds: u64| (seconds * 1_000_000).to_string();
    let key = "{claviger}:replicas";
    for (score, who) in [
        ("inf", "never goes"),
        (&at(seconds + 31_536_000), "next year"),
        (&at(seconds + 60), "in a minute"),
        (&at(seconds - 11), "left"),
        (&at(seconds - 6), "is about to leave"),
        ("0", "never was"),
    ] {
        assert_eq!(server.told(&["ZADD", key, score, who]).await, "1");
    }
    let replicas = Replicas::new(server.connect(), 1, None);
    within("it to be there", async {
        while replicas.status().is_away {
            wait::pass(SECOND / 50).await;
        }
    })
    .await;
    assert_eq!(replicas.status().count, 2, "{}", server.told(&["ZRANGE", key, "0", "-1"]).await);
    within("the other to be gone", async {
        while replicas.status().count > 1 {
            wait::pass(SECOND / 50).await;
        }
    })
    .await;
}

/// By requests as they come, without anybody in line: in no period more passes than one bucket lets pass.
#[tokio::test]
async fn b55_leases_never_come_to_more_than_the_quota_in_any_period() {
    let name = "b55_leases_never_come_to_more_than_the_quota_in_any_period";
    let Some(server) = RedisServer::start(name).await else { return };
    let quota = Quota::new(1000, 2 * SECOND, 0.7);
    let tenant = TenantName::parse("acme").expect("it is one");
    let replicas: Vec<_> = (0..3).map(|_| Replicas::new(server.connect(), 3, None)).collect();
    let of = |replicas: &Replicas| Limiters::shared(replicas.clone()).of_quota(&tenant, Some(quota));
    let limiters: Vec<Arc<dyn Limiter>> = replicas.iter().map(of).collect();
    within("them to count together", async {
        while replicas.iter().any(|it| it.status().is_away) {
            wait::pass(SECOND / 50).await;
        }
    })
    .await;
    let (mut all, end) = (JoinSet::new(), Instant::now() + 3 * SECOND);
    for (n, limiter) in limiters.into_iter().cycle().take(12).enumerate() {
        let class = Class::ALL[n % 3];
        all.spawn(async move {
            let mut passed = Vec::new();
            while Instant::now() < end {
                match limiter.take(Instant::now(), class).await {
                    Ok(drawn) if fastrand::u8(..) < 25 => limiter.give_back(Instant::now(), drawn),
                    Ok(_) => passed.push(Instant::now()),
                    Err(wait) => wait::pass(wait.min(SECOND / 20)).await,
                }
                tokio::task::yield_now().await;
            }
            passed
        });
    }
    let mut passed = all.join_all().await.concat();
    passed.sort_unstable();
    #[expect(clippy::cast_precision_loss, reason = "few")]
    let late = replicas.iter().map(|it| it.status().leases[3]).sum::<u64>() as f64;
    let rate = f64::from(quota.requests) * quota.share / quota.per.as_secs_f64();
    for (n, first) in passed.iter().enumerate() {
        for (more, last) in passed[n..].iter().enumerate() {
            #[expect(clippy::cast_precision_loss, reason = "thousands")]
            let count = (more + 1) as f64;
            let most = last.duration_since(*first).as_secs_f64() * rate + f64::from(quota.burst);
            // A permit is good for a fiftieth of the period after its arrival. What did not wait for an answer is settled afterwards.
            assert!(
                count <= most + late + 0.02 * f64::from(quota.most()),
                "{count} in {:?}",
                last.duration_since(*first)
            );
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "thousands")]
    let used = passed.len() as f64 / (rate * 3.0);
    assert!(used >= BUSY, "{used}, {late} late");
}
