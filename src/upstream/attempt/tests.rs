//! What fewer places are worth, beside a model of Logto in virtual time: 20 database connections, of which a page of a list takes two; who
//! has waited for one for 10 s gets a 500 (fact 8.5). Users sign in at the same time.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::Relaxed},
};

use tokio::{sync::Semaphore, task::JoinSet, time::timeout};

use super::*;
use crate::{
    config::Class,
    ids::{CallerId, TenantName},
    limit::{Bounds, InFlight, Who},
    observe::{Metrics, OperationMetrics},
};

const SECOND: Duration = Duration::from_secs(1);
const OPERATIONS: [&str; 4] = ["ListUsers", "ListRoles", "ListOrganizations", "ListApplications"];

/// Logto, with a database that takes so long.
struct Model {
    connections: Semaphore,
    millis: AtomicU32,
}

impl Model {
    async fn ask(&self, connections: u32) -> StatusCode {
        let Ok(Ok(_held)) = timeout(HELD_UP, self.connections.acquire_many(connections)).await else {
            return StatusCode::INTERNAL_SERVER_ERROR;
        };
        tokio::time::sleep(Duration::from_millis(self.millis.load(Relaxed).into())).await;
        StatusCode::OK
    }
}

#[derive(Debug, Default, PartialEq)]
struct Seen {
    /// Requests that were answered in a minute.
    healthy: u32,
    /// Sign-ins while the database is slow, those that failed, and the mean time of the others.
    sign_ins: u32,
    failed: u32,
    mean: Duration,
    /// Requests that were answered in the minute after.
    after: u32,
}

/// A hundred clients that want lists without end, at most `max` at one time; a database that takes 20 ms, for a minute `slow` ms, and 20 ms again.
async fn play(max: usize, slow: u32, adaptive: bool) -> Seen {
    let model = Arc::new(Model { connections: Semaphore::new(20), millis: 20.into() });
    let bounds = Bounds { max, queue: 1000, adaptive };
    let places = Arc::new(InFlight::new(TenantName::parse("acme").unwrap(), bounds));
    let metrics = Arc::new(Metrics::new());
    let operations =
        OPERATIONS.map(|name| Arc::new(OperationMetrics::new(metrics.clone(), "", "acme", name)));
    let answered = Arc::new(AtomicU32::new(0));
    let mut clients = JoinSet::new();
    for n in 0..100 {
        let (model, places, answered) = (model.clone(), places.clone(), answered.clone());
        let (index, metrics) = (n % 4, operations[n % 4].clone());
        clients.spawn(async move {
            loop {
                let (caller, operation) =
                    (CallerId::numbered(n as u64 / 10), OperationId::named(OPERATIONS[index]));
                let who = Who { caller, operation, class: Class::Normal };
                let Ok(_place) = places.enter(who).await else { continue };
                let sent = Instant::now();
                let status = model.ask(2).await;
                let now = Instant::now();
                match sign(status, Some(now - sent), |took| metrics.pace(took)) {
                    Some(Sign::Overload) => places.overburdened(who.operation, sent, now),
                    Some(Sign::Fine) => places.fine(sent, now),
                    None => {}
                }
                answered.fetch_add(u32::from(status.is_success()), Relaxed);
            }
        });
    }
    let minute = async || {
        answered.store(0, Relaxed);
        tokio::time::sleep(60 * SECOND).await;
        answered.load(Relaxed)
    };
    let healthy = minute().await;
    model.millis.store(slow, Relaxed);
    // What was narrowed on the way counts as well.
    let mut signing_in = JoinSet::new();
    for _ in 0..600 {
        tokio::time::sleep(SECOND / 10).await;
        let model = model.clone();
        signing_in.spawn(async move {
            let begun = Instant::now();
            (model.ask(1).await.is_success(), begun.elapsed())
        });
    }
    let signed_in = signing_in.join_all().await;
    let (mut failed, mut whole) = (0, Duration::ZERO);
    for (is_fine, took) in &signed_in {
        failed += u32::from(!is_fine);
        whole += if *is_fine { *took } else { Duration::ZERO };
    }
    model.millis.store(20, Relaxed);
    tokio::time::sleep(30 * SECOND).await;
    let after = minute().await;
    let sign_ins = u32::try_from(signed_in.len()).unwrap_or(u32::MAX);
    Seen { healthy, sign_ins, failed, mean: whole / (sign_ins - failed).max(1), after }
}

#[tokio::test(start_paused = true)]
async fn b58_beside_a_slow_database_sign_in_waits_for_less_and_a_healthy_one_loses_nothing() {
    for (max, slow) in [(10, 500), (100, 500), (100, 1500)] {
        let (fixed, adaptive) = (play(max, slow, false).await, play(max, slow, true).await);
        println!("max_in_flight {max}, {slow} ms: fixed {fixed:?}; adaptive {adaptive:?}");
        assert!(adaptive.healthy.abs_diff(fixed.healthy) * 100 <= fixed.healthy, "{fixed:?} {adaptive:?}");
        assert!(adaptive.after.abs_diff(fixed.after) * 100 <= fixed.after, "{fixed:?} {adaptive:?}");
        if max == 100 {
            assert!(
                adaptive.failed * 2 < fixed.failed || adaptive.mean * 3 <= fixed.mean * 2,
                "{fixed:?} {adaptive:?}"
            );
        }
    }
}
