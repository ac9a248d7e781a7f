//! How much of a quota replicas spend together, in virtual time: the code that requests go through, with the model of the script in the place
//! of Redis (the script does what its model does: beside this). No machine is too busy for that. What is proved: as long as somebody waits somewhere, no
//! share is lost to permits that rest unused at another replica, nor is more sent than there is. What is not: what a process loses that
//! gets no processor for longer than a permit is good.

use prometheus::IntCounter;

use super::{super::lease::Leasing, *};
use crate::{
    ids::{CallerId, OperationId},
    limit::{quota, turn::Turn},
};

const SECOND: Duration = Duration::from_secs(1);
const WARM_UP: Duration = Duration::from_secs(5);
const WINDOW: Duration = Duration::from_secs(30);
/// What a request takes at Logto.
const SERVICE: Duration = Duration::from_millis(10);
/// More than can be spent at one replica.
const CLIENTS: usize = 10;

/// The script's model with a clock and a network.
struct Server {
    bucket: Mutex<Model>,
    epoch: Instant,
}

struct Remote {
    server: Arc<Server>,
    who: usize,
}

impl Lessor for Remote {
    fn lease<'a>(&'a self, _key: &'a str, _who: &'a str, ask: &'a Ask) -> Leasing<'a> {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(fastrand::u64(0..2))).await;
            let now = u64::try_from(self.server.epoch.elapsed().as_micros()).unwrap() + 1_000_000_000;
            let lease = self.server.bucket.lock().unwrap().lease(now, self.who, ask);
            tokio::time::sleep(Duration::from_millis(fastrand::u64(0..2))).await;
            Ok(lease)
        })
    }
}

/// What asks at one replica.
#[derive(Debug, Clone, Copy)]
enum Load {
    /// Batch clients that always have another request.
    Hungry,
    /// The same for so long, and nobody for twice as long; which turn it has.
    InTurns(Duration, u32),
    /// Interactive requests as chance has it, so many a second.
    Trickle(f64),
}

impl Load {
    /// How long until there is another request.
    fn rests(self, since: Duration) -> Duration {
        let Self::InTurns(turn, n) = self else { return Duration::ZERO };
        let (all, begins) = ((turn * 3).as_nanos(), (turn * n).as_nanos());
        let into = (since.as_nanos() + all - begins) % all;
        let left = if into < turn.as_nanos() { 0 } else { all - into };
        Duration::from_nanos(u64::try_from(left).unwrap())
    }
}

fn quota(replica: u32, config: crate::config::Quota, server: &Arc<Server>) -> quota::Quota {
    let nowhere = RedisOptions::at(vec![RedisAddress::Unix("/nonexistent/redis.sock".into())]);
    let replicas = Replicas::known(Redis::new(&nowhere).expect("there is no TLS"), 3);
    let tenant = TenantName::parse("acme").unwrap();
    let bucket = SharedBucket::of_quota(&tenant, config, replicas);
    let mut inner = Arc::into_inner(bucket.0).expect("nobody else has it");
    inner.lessor = Arc::new(Remote { server: server.clone(), who: replica as usize });
    let (waits, used) =
        (quota::Waits { longest: 30 * SECOND, most: 1024 }, IntCounter::new("used", "used").unwrap());
    quota::Quota::new(tenant, Some(config), Arc::new(SharedBucket(Arc::new(inner))), waits, used)
}

/// When requests were sent, by all replicas together.
async fn sent(config: crate::config::Quota, loads: [Load; 3]) -> Vec<Duration> {
    let server = Arc::new(Server { bucket: Mutex::default(), epoch: Instant::now() });
    let (epoch, sent) = (server.epoch, Arc::new(Mutex::new(Vec::new())));
    let end = epoch + WARM_UP + WINDOW;
    let mut clients = tokio::task::JoinSet::new();
    for (replica, load) in (0..).zip(loads) {
        let quota = quota(replica, config, &server);
        let sent = sent.clone();
        let ask = move |class| {
            let (quota, sent) = (quota.clone(), sent.clone());
            async move {
                let turn = Turn { caller: CallerId::numbered(class as u64), class, weight: 1 };
                let Ok(mut permit) =
                    quota.pace(turn, OperationId::named("any"), Instant::now() + 30 * SECOND).await
                else {
                    return;
                };
                permit.sent();
                sent.lock().unwrap().push(epoch.elapsed());
                tokio::time::sleep(SERVICE).await;
            }
        };
        let Load::Trickle(rate) = load else {
            for _ in 0..CLIENTS {
                let ask = ask.clone();
                clients.spawn(async move {
                    while Instant::now() < end {
                        let rests = load.rests(epoch.elapsed());
                        if rests.is_zero() {
                            ask(Class::Batch).await;
                        } else {
                            tokio::time::sleep(rests).await;
                        }
                    }
                });
            }
            continue;
        };
        clients.spawn(async move {
            while Instant::now() < end {
                tokio::time::sleep(SECOND.mul_f64(-(1.0 - fastrand::f64()).ln() / rate)).await;
                tokio::spawn(ask(Class::Interactive));
            }
        });
    }
    while clients.join_next().await.is_some() {}
    let mut sent = std::mem::take(&mut *sent.lock().unwrap());
    sent.sort_unstable();
    sent
}

#[expect(clippy::cast_precision_loss, reason = "thousands")]
#[tokio::test(start_paused = true)]
async fn b55_replicas_spend_95_percent_of_a_quota_at_least_and_102_at_most() {
    fastrand::seed(55);
    let of = |requests, share, burst| crate::config::Quota {
        burst,
        ..crate::config::Quota::new(requests, 10 * SECOND, share)
    };
    let quotas = [of(1000, 0.7, 30), of(200, 0.7, 30), of(5000, 1.0, 500)];
    let turns = |turn| [0, 1, 2].map(|n| Load::InTurns(turn, n));
    let loads = [
        [Load::Hungry; 3],
        [Load::Hungry, Load::Trickle(4.0), Load::Trickle(1.0)],
        [Load::Hungry, Load::Hungry, Load::Trickle(8.0)],
        turns(2 * SECOND),
        turns(SECOND / 2),
        turns(SECOND / 5),
    ];
    let mut short = Vec::new();
    for quota in quotas {
        let rate = f64::from(quota.requests) * quota.share / quota.per.as_secs_f64();
        for load in loads {
            let sent = sent(quota, load).await;
            let count = sent.iter().filter(|at| (WARM_UP..WARM_UP + WINDOW).contains(*at)).count();
            let used = count as f64 / (rate * WINDOW.as_secs_f64());
            let figures = format!("{:.1}% of {rate} a second, burst {}, {load:?}", used * 100.0, quota.burst);
            println!("{figures}");
            if !(0.95..=1.02).contains(&used) {
                short.push(figures.clone());
            }
            // In no period more than a bucket lets pass that is two percent larger.
            let (mut level, mut last) = (0.0_f64, Duration::ZERO);
            for at in sent {
                level = (level - (at - last).as_secs_f64() * rate).max(0.0) + 1.0;
                last = at;
                let most = f64::from(quota.burst) + 0.02 * f64::from(quota.most());
                assert!(level <= most, "{level} of {most} at {at:?}: {figures}");
            }
        }
    }
    assert!(short.is_empty(), "{short:#?}");
}
