//! Whoever comes and goes in whatever order: the quota holds in every window, all who stay are served, and nothing is left behind.

use proptest::prelude::*;

use super::*;

/// One that comes at some time, and leaves after some other.
#[derive(Debug, Clone, Copy)]
struct Visitor {
    after: Duration,
    turn: Turn,
    leaves: Option<Duration>,
    gives_back: bool,
}

fn visitor() -> impl Strategy<Value = Visitor> {
    let leaves =
        prop_oneof![2 => Just(None), 1 => (0..3000_u64).prop_map(|ms| Some(Duration::from_millis(ms)))];
    let caller = (0..4_u64, 0..3_usize, 1..5_u32);
    (0..300_u64, caller, leaves, prop::bool::weighted(0.1)).prop_map(
        |(after, (caller, class, weight), leaves, gives_back)| Visitor {
            after: Duration::from_millis(after),
            turn: Turn { caller: CallerId::numbered(caller), class: Class::ALL[class], weight },
            leaves,
            gives_back,
        },
    )
}

fn quota() -> impl Strategy<Value = Quota> {
    (1..50_u32, 1..=10_u32, prop::option::of(1..60_u32)).prop_map(|(requests, tenths, burst)| {
        let quota = Quota::new(requests, SECOND, f64::from(tenths) / 10.0);
        Quota { burst: burst.unwrap_or(quota.burst), ..quota }
    })
}

/// When each was served, in order; those that stayed and were not served are an error.
async fn visit(pacer: &Pacer, visitors: &[Visitor]) -> Vec<Duration> {
    let begun = Instant::now();
    let mut arrives = Duration::ZERO;
    let all: FuturesUnordered<_> = visitors
        .iter()
        .map(|visitor| {
            arrives += visitor.after;
            let arrives = arrives;
            async move {
                tokio::time::sleep(arrives).await;
                let draws = pacer.draw(visitor.turn, 10 * FAR);
                let drawn = match visitor.leaves {
                    Some(after) => tokio::time::timeout(after, draws).await.ok()?,
                    None => draws.await,
                };
                let drawn = drawn.expect("whoever has time is served");
                if visitor.gives_back {
                    pacer.give_back(drawn);
                    return None;
                }
                Some(begun.elapsed())
            }
        })
        .collect();
    let mut passed: Vec<Duration> = all.filter_map(std::future::ready).collect().await;
    passed.sort_unstable();
    passed
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn never_more_than_the_quota_in_any_window_and_nobody_is_forgotten(
        quota in quota(),
        visitors in prop::collection::vec(visitor(), 1..150),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let passed = runtime.block_on(async {
            let pacer = of(quota);
            let passed = visit(&pacer, &visitors).await;
            pacer.assert_nothing_is_left();
            passed
        });
        let most = most_in_any_window(&passed, quota.per);
        prop_assert!(most <= usize::try_from(quota.most().max(1)).unwrap(), "{most} of {}", quota.most());
    }
}

/// A million that come and go, many before their turn.
#[test]
fn a_million_arrivals_leave_nothing_behind() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let pacer = Pacer::new(
            Arc::new(Bucket::of(Some(Quota { burst: 50, ..Quota::new(1_000_000, SECOND, 0.3) }))),
            256,
        );
        let mut random = fastrand::Rng::with_seed(7);
        let mut waiting = Vec::new();
        let (mut served, mut refused, mut left) = (0_u32, 0_u32, 0_u32);
        for n in 0..1_000_000_u32 {
            let turn = Turn {
                caller: CallerId::numbered(random.u64(0..8)),
                class: Class::ALL[random.usize(0..3)],
                weight: random.u32(1..4),
            };
            let mut comes = Box::pin(pacer.draw(turn, FAR));
            match comes.as_mut().now_or_never() {
                Some(Ok(_)) => served += 1,
                Some(Err(_)) => refused += 1,
                None => waiting.push(comes),
            }
            if n % 16 == 0 {
                tokio::time::advance(Duration::from_micros(random.u64(0..60))).await;
            }
            while waiting.len() > 100 || (!waiting.is_empty() && random.u8(0..4) == 0) {
                let mut one = waiting.swap_remove(random.usize(0..waiting.len()));
                match one.as_mut().now_or_never() {
                    Some(Ok(_)) => served += 1,
                    Some(Err(_)) => refused += 1,
                    None => left += 1,
                }
            }
            assert!(pacer.lock().line.len() <= 101);
        }
        drop(waiting);
        pacer.assert_nothing_is_left();
        assert!(served > 100_000 && left > 100_000, "{served} served, {refused} refused, {left} left");
    });
}
