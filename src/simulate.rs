//! A described load against a described quota, in virtual time: what would become of it. The quota, its bucket and its line are those
//! that requests draw on; the tenant is a token bucket that sign-in draws on as well. Nothing is sent, and no time passes.

mod outcome;
mod scenario;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use prometheus::IntCounter;
use tokio::time::{Instant, sleep, sleep_until};

pub use self::{
    outcome::{Fate, Outcome, SIGN_IN, Seen, percentile},
    scenario::{Asks, InvalidScenario, Load, Scenario},
};
use crate::{
    config::{Class, Rate},
    ids::{CallerId, OperationId, TenantName},
    limit::{Bucket, Quota, Turn, Waits},
};

/// Tries in all, where the tenant answers 429: as `retry.attempts` has it.
const ATTEMPTS: usize = 3;
/// Between two tries.
const BACKOFF: Duration = Duration::from_millis(50);
/// The deadline of a request, as `timeouts.deadline` has it.
const DEADLINE: Duration = Duration::from_secs(75);

/// What all requests of a run have in common.
struct World {
    scenario: Scenario,
    begin: Instant,
    quota: Quota,
    tenant: Bucket,
    seen: Mutex<Vec<Seen>>,
    refused_upstream: AtomicUsize,
}

/// Plays the scenario through; with one seed always in the same way.
///
/// # Errors
/// The runtime cannot be made.
pub fn run(scenario: Scenario, seed: u64) -> std::io::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    Ok(runtime.block_on(play(scenario, seed)))
}

async fn play(scenario: Scenario, seed: u64) -> Outcome {
    let world = Arc::new(World::new(scenario));
    let mut random = fastrand::Rng::with_seed(seed);
    let end = world.begin + world.scenario.duration;
    for index in 0..world.scenario.loads.len() {
        tokio::spawn(world.clone().load(index, random.fork()));
    }
    if world.scenario.sign_in > 0.0 {
        tokio::spawn(world.clone().sign_in(random.fork()));
    }
    sleep_until(end).await;
    let seen = std::mem::take(&mut *world.seen.lock().unwrap_or_else(PoisonError::into_inner));
    let pace = world.quota.status().map_or(1.0, |status| status.pace);
    Outcome {
        seen,
        pace,
        refused_upstream: world.refused_upstream.load(Relaxed),
        scenario: world.scenario.clone(),
    }
}

impl World {
    fn new(scenario: Scenario) -> Self {
        let quota = scenario.quota;
        let waits = Waits { longest: scenario.patience, most: scenario.queue };
        let name = TenantName::parse("simulated").expect("it is a name");
        let counter = IntCounter::new("used", "used").expect("it is a name");
        let tenant = Rate { requests: quota.requests, per: quota.per, burst: quota.requests };
        Self {
            begin: Instant::now(),
            quota: Quota::new(name, Some(quota), Arc::new(Bucket::of(Some(quota))), waits, counter),
            tenant: Bucket::new(Some(tenant)),
            seen: Mutex::default(),
            refused_upstream: AtomicUsize::new(0),
            scenario,
        }
    }

    async fn load(self: Arc<Self>, index: usize, mut random: fastrand::Rng) {
        let load = self.scenario.loads[index].clone();
        sleep_until(self.begin + load.from).await;
        match load.asks {
            Asks::Rate(rate) => {
                let mut at = self.begin + load.from;
                loop {
                    at += gap(rate, &mut random);
                    if at >= self.begin + load.until {
                        return;
                    }
                    sleep_until(at).await;
                    tokio::spawn(self.clone().request(index));
                }
            }
            Asks::Connections(connections) => {
                for _ in 0..connections {
                    tokio::spawn(self.clone().connection(index, random.fork()));
                }
            }
        }
    }

    /// Asks again as soon as it is answered; whoever is refused waits as long as it is told, and a little.
    async fn connection(self: Arc<Self>, index: usize, mut random: fastrand::Rng) {
        let until = self.begin + self.scenario.loads[index].until;
        sleep(self.scenario.latency.mul_f64(random.f64())).await;
        while Instant::now() < until {
            if let Some(wait) = self.clone().request(index).await {
                sleep(wait.mul_f64(1.0 + 0.5 * random.f64())).await;
            }
        }
    }

    /// How long its caller is told to wait, where it is refused.
    async fn request(self: Arc<Self>, index: usize) -> Option<Duration> {
        let load = &self.scenario.loads[index];
        let turn = Turn { caller: CallerId::numbered(index as u64), class: load.class, weight: load.weight };
        let asked = Instant::now();
        let deadline = asked + DEADLINE;
        if self.scenario.direct {
            return self.straight(index).await;
        }
        let mut drawn = self.quota.pace(turn, OperationId::named("any"), deadline).await;
        for _ in 0..ATTEMPTS {
            let mut permit = match drawn {
                Ok(permit) => permit,
                Err(error) => {
                    self.see(index, Fate::Refused, asked.elapsed());
                    return error.retry_after().map(|wait| wait.max(Duration::from_secs(1)));
                }
            };
            permit.sent();
            drop(permit);
            if self.tenant.draw(Instant::now(), Class::Interactive).is_ok() {
                self.see(index, Fate::Sent, asked.elapsed());
                sleep(self.scenario.latency).await;
                return None;
            }
            self.refused_upstream.fetch_add(1, Relaxed);
            self.quota.ran_out();
            sleep(BACKOFF).await;
            drawn = self.quota.again(turn, OperationId::named("any"), deadline).await;
        }
        self.see(index, Fate::RefusedUpstream, asked.elapsed());
        Some(Duration::from_secs(1))
    }

    /// As a client does it that knows of no quota.
    async fn straight(&self, index: usize) -> Option<Duration> {
        if self.tenant.draw(Instant::now(), Class::Interactive).is_ok() {
            self.see(index, Fate::Sent, Duration::ZERO);
            sleep(self.scenario.latency).await;
            return None;
        }
        self.refused_upstream.fetch_add(1, Relaxed);
        self.see(index, Fate::RefusedUpstream, Duration::ZERO);
        Some(Duration::from_secs(1))
    }

    async fn sign_in(self: Arc<Self>, mut random: fastrand::Rng) {
        loop {
            sleep(gap(self.scenario.sign_in, &mut random)).await;
            let fate = match self.tenant.draw(Instant::now(), Class::Interactive) {
                Ok(_) => Fate::Sent,
                Err(_) => Fate::RefusedUpstream,
            };
            self.see(SIGN_IN, fate, Duration::ZERO);
        }
    }

    fn see(&self, load: usize, fate: Fate, wait: Duration) {
        let seen = Seen { at: self.begin.elapsed(), load, fate, wait };
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
    }
}

/// Until the next one, where so many a second come independently of each other.
fn gap(per_second: f64, random: &mut fastrand::Rng) -> Duration {
    Duration::from_secs_f64((-(1.0 - random.f64()).ln() / per_second).min(86_400.0))
}

#[cfg(test)]
mod tests;
