use futures_util::FutureExt as _;

use super::*;
use crate::{
    ids::CallerId,
    limit::{Bucket, in_flight::tests::operation},
};

const SECOND: Duration = Duration::from_secs(1);
const URGENT: Turn = Turn { caller: CallerId::numbered(0), class: Class::Interactive, weight: 1 };
const WAITS: Waits = Waits { longest: Duration::from_secs(30), most: 16 };

fn of(config: Option<config::Quota>) -> Quota {
    let used = IntCounter::new("used", "used").unwrap();
    let bucket = Arc::new(Bucket::of(config));
    Quota::new(TenantName::parse("acme").unwrap(), config, bucket, WAITS, used)
}

fn two_a_second() -> config::Quota {
    config::Quota::new(2, SECOND, 1.0)
}

fn used(quota: &Quota) -> u64 {
    quota.0.kept.used.as_ref().and_then(|used| used.get()).map_or(0, IntCounter::get)
}

fn at_once(quota: &Quota, of: usize) -> Option<Result<Permit, LimitError>> {
    quota.pace(URGENT, operation(of), Instant::now() + 75 * SECOND).now_or_never()
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_is_counted_and_what_is_not_is_given_back() {
    let quota = of(Some(two_a_second()));
    let mut sent = at_once(&quota, 1).unwrap().unwrap();
    sent.sent();
    drop(sent);
    let unsent = at_once(&quota, 1).unwrap().unwrap();
    assert!(at_once(&quota, 1).is_none(), "it would wait");
    drop(unsent);
    assert_eq!((used(&quota), quota.remaining()), (1, Some(1)));
    let mut again = at_once(&quota, 1).unwrap().unwrap();
    again.sent();
    again.unsent();
    drop(again);
    assert_eq!((used(&quota), quota.remaining()), (1, Some(1)));
}

#[tokio::test(start_paused = true)]
async fn who_could_not_be_served_in_time_is_refused_at_once() {
    let quota = of(Some(config::Quota::new(1, 60 * SECOND, 1.0)));
    let mut first = at_once(&quota, 1).unwrap().unwrap();
    first.sent();
    let refused = at_once(&quota, 1).unwrap().unwrap_err();
    assert_eq!(refused.retry_after(), Some(60 * SECOND));
    assert!(
        refused.to_string().contains("`tenants.acme.quota` of Claviger's configuration, 1 request per 1m"),
        "{refused}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_has_nothing_left_gets_less_until_it_has() {
    let quota = of(Some(config::Quota::new(100, SECOND, 1.0)));
    quota.ran_out();
    quota.ran_out();
    assert_eq!(quota.status().map(|status| status.pace), Some(0.7), "once a period");
    assert_eq!(quota.remaining(), Some(1), "the burst is gone");
    tokio::time::advance(SECOND).await;
    let _drawn = at_once(&quota, 1).unwrap().unwrap();
    assert!(quota.status().is_some_and(|status| status.pace > 0.74));
    quota.told(Told { policy: Some((20, SECOND)), empty_for: None });
    assert_eq!(quota.status().map(|status| status.believed().round()), Some(20.0));
    quota.told(Told { policy: None, empty_for: Some(10 * SECOND) });
    let refused = at_once(&quota, 1).unwrap().unwrap_err();
    assert_eq!(refused.retry_after(), Some(10 * SECOND), "too long to wait for without being told");
}

#[tokio::test(start_paused = true)]
async fn a_short_pause_is_waited_for() {
    let quota = of(None);
    quota.told(Told { policy: None, empty_for: Some(SECOND) });
    let begun = Instant::now();
    assert!(quota.pace(URGENT, operation(1), begun + 75 * SECOND).await.is_ok());
    assert_eq!(begun.elapsed(), SECOND);
    assert!(quota.status().is_none(), "there is no number to show");
}

#[tokio::test(start_paused = true)]
async fn nobody_gets_a_fresh_allowance_by_touching_a_file() {
    let config = Some(two_a_second());
    let quota = of(config);
    quota.draw().await.unwrap();
    let patient = Waits { longest: 60 * SECOND, ..WAITS };
    let other = quota.carried_over(config, patient).unwrap();
    assert_eq!((other.remaining(), used(&other), other.0.waits), (Some(1), 1, patient));
    assert!(quota.carried_over(Some(config::Quota { share: 0.5, ..two_a_second() }), WAITS).is_none());
}

#[test]
fn a_request_that_does_not_wait_costs_no_memory() {
    let quota = of(Some(config::Quota::new(1_000_000, SECOND, 0.7)));
    let draw = || at_once(&quota, 1).unwrap().unwrap().sent();
    draw();
    assert_eq!(allocation_counter::measure(draw).count_total, 0);
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_logto_asked_for_is_not_worded_as_a_quota_that_is_used_up() {
    for waits in [WAITS, Waits { longest: Duration::ZERO, ..WAITS }] {
        let used = IntCounter::new("used", "used").unwrap();
        let config = Some(config::Quota::new(200, 10 * SECOND, 1.0));
        let bucket = Arc::new(Bucket::of(config));
        let quota = Quota::new(TenantName::parse("acme").unwrap(), config, bucket, waits, used);
        (1..=3).for_each(|n| quota.pause(operation(n), 10 * SECOND));
        for (operation, what) in [(1, Paused::Operation), (9, Paused::Tenant)] {
            let refused = at_once(&quota, operation).unwrap().unwrap_err();
            assert!(matches!(&refused, LimitError::Paused { what: it, .. } if *it == what), "{refused}");
            assert!(!refused.to_string().contains("used up"), "{refused}");
            assert_eq!(refused.retry_after(), Some(10 * SECOND));
        }
    }
    // A short one, for which nobody may wait.
    let used = IntCounter::new("used", "used").unwrap();
    let config = Some(config::Quota::new(200, 10 * SECOND, 1.0));
    let waits = Waits { longest: Duration::ZERO, ..WAITS };
    let quota =
        Quota::new(TenantName::parse("acme").unwrap(), config, Arc::new(Bucket::of(config)), waits, used);
    quota.told(Told { policy: None, empty_for: Some(SECOND) });
    let refused = at_once(&quota, 9).unwrap().unwrap_err();
    assert!(matches!(refused, LimitError::Paused { what: Paused::Tenant, .. }), "{refused}");
}
