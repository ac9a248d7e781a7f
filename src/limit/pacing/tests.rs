mod random;

use futures_util::{FutureExt as _, StreamExt as _, stream::FuturesUnordered};

use super::*;
use crate::{config::Quota, ids::CallerId, limit::bucket::Bucket};

const SECOND: Duration = Duration::from_secs(1);
const FAR: Duration = Duration::from_hours(1);

/// What Logto Cloud allows: 14 a second, and 30 at once.
fn cloud() -> Pacer {
    of(Quota::of_cloud())
}

fn of(quota: Quota) -> Pacer {
    Pacer::new(Arc::new(Bucket::of(Some(quota))), 1024)
}

const fn turn(caller: u64, class: Class) -> Turn {
    Turn { caller: CallerId::numbered(caller), class, weight: 1 }
}

impl Pacer {
    /// As a request does it.
    async fn draw(&self, turn: Turn, patience: Duration) -> Result<Drawn, TooLate> {
        let rank = Rank::Class(turn.class);
        match self.pass(rank, Instant::now()).await {
            Some(drawn) => Ok(drawn),
            None => self.wait(turn, rank, Instant::now() + patience).await,
        }
    }

    fn assert_nothing_is_left(&self) {
        let state = self.lock();
        assert!(state.leader.is_none() && state.line.len() == 0);
        assert_eq!(self.waiting.load(Relaxed), 0);
        assert!(state.line.is_bare(), "{:?}", state.line);
    }
}

/// Asks without an end, with so many requests at a time; counts what passes for its caller.
async fn hungry(pacer: &Pacer, turn: Turn, at_a_time: usize, passed: &AtomicUsize) {
    let again = || pacer.draw(turn, FAR);
    let mut all: FuturesUnordered<_> = (0..at_a_time).map(|_| again()).collect();
    while let Some(drawn) = all.next().await {
        drawn.expect("it has time");
        passed.fetch_add(1, Relaxed);
        all.push(again());
    }
}

/// How much each of these has had after so long.
async fn shares(pacer: &Pacer, hungry_ones: &[(Turn, usize)], during: Duration) -> Vec<usize> {
    let passed: Vec<AtomicUsize> = hungry_ones.iter().map(|_| AtomicUsize::new(0)).collect();
    let all =
        hungry_ones.iter().zip(&passed).map(|((turn, count), passed)| hungry(pacer, *turn, *count, passed));
    let _ = tokio::time::timeout(during, futures_util::future::join_all(all)).await;
    pacer.assert_nothing_is_left();
    passed.into_iter().map(AtomicUsize::into_inner).collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_within_the_quota_passes_at_once_and_the_rest_evenly() {
    let (pacer, start) = (cloud(), Instant::now());
    for _ in 0..30 {
        assert!(pacer.draw(turn(0, Class::Interactive), FAR).now_or_never().is_some());
    }
    let mut passed = Vec::new();
    for _ in 0..28 {
        pacer.draw(turn(0, Class::Interactive), FAR).await.unwrap();
        passed.push(start.elapsed());
    }
    let last = passed.last().unwrap();
    assert!(*last >= 2 * SECOND && *last < 2 * SECOND + Duration::from_millis(30), "{last:?}");
    pacer.assert_nothing_is_left();
}

#[tokio::test(start_paused = true)]
async fn whoever_could_not_make_it_is_told_at_once_how_long_it_would_take() {
    let pacer = cloud();
    let batch = turn(0, Class::Batch);
    let mut waiting: Vec<_> = (0..30).map(|_| Box::pin(pacer.draw(batch, FAR))).collect();
    let at_once = waiting.iter_mut().filter_map(|it| it.now_or_never()).count();
    assert_eq!(at_once, 2, "almost nothing of the burst");
    let hasty = pacer.draw(batch, SECOND).now_or_never();
    let Some(Err(TooLate(wait))) = hasty else { panic!("it was not told: {hasty:?}") };
    // Those 28, and itself, at 14 a second.
    assert!(wait > 2 * SECOND && wait < Duration::from_millis(2100), "{wait:?}");
    // Another caller is not behind all of them.
    let waiting: FuturesUnordered<_> = waiting.into_iter().skip(at_once).collect();
    tokio::select! {
        drawn = pacer.draw(turn(1, Class::Batch), SECOND) => assert!(drawn.is_ok()),
        _ = waiting.count() => panic!("it was behind all of them"),
    }
    pacer.assert_nothing_is_left();
}

#[tokio::test(start_paused = true)]
async fn what_is_urgent_does_not_wait_behind_what_is_not() {
    let (pacer, used) = (cloud(), AtomicUsize::new(0));
    let interactive = async {
        let mut longest = Duration::ZERO;
        let mut every = tokio::time::interval(SECOND / 5);
        for _ in 0..300 {
            every.tick().await;
            let asked = Instant::now();
            pacer.draw(turn(1, Class::Interactive), FAR).await.unwrap();
            longest = longest.max(asked.elapsed());
            used.fetch_add(1, Relaxed);
        }
        longest
    };
    let longest = tokio::select! {
        longest = interactive => longest,
        () = hungry(&pacer, turn(0, Class::Batch), 140, &used) => unreachable!("it has no end"),
    };
    assert!(longest <= Duration::from_millis(80), "{longest:?}");
    let used = used.into_inner();
    assert!((14 * 60 * 97 / 100..=14 * 60 + 30).contains(&used), "{used}");
}

#[tokio::test(start_paused = true)]
async fn two_callers_of_one_weight_get_the_same_however_many_requests_they_have_waiting() {
    let pacer = cloud();
    let two = [(turn(0, Class::Batch), 200), (turn(1, Class::Batch), 3)];
    let had = shares(&pacer, &two, 60 * SECOND).await;
    assert!(had[0].abs_diff(had[1]) * 20 <= had[0], "{had:?}");
    let heavy = Turn { weight: 3, ..turn(1, Class::Batch) };
    let had = shares(&pacer, &[(turn(0, Class::Batch), 200), (heavy, 20)], 60 * SECOND).await;
    assert!((3 * had[0]).abs_diff(had[1]) * 20 <= had[1], "{had:?}");
}

#[tokio::test(start_paused = true)]
async fn nobody_starves() {
    let pacer = cloud();
    let all = [(turn(0, Class::Interactive), 50), (turn(1, Class::Normal), 50), (turn(2, Class::Batch), 50)];
    let had = shares(&pacer, &all, 120 * SECOND).await;
    let whole: usize = had.iter().sum();
    assert!(had[1] * 100 >= whole * 8 && had[2] * 100 >= whole * 4, "{had:?}");
    assert!(had[0] * 100 >= whole * 80, "{had:?}");
    assert!(whole >= 14 * 120 * 97 / 100, "{had:?}");
}

#[tokio::test(start_paused = true)]
async fn what_was_for_somebody_who_left_goes_to_the_next() {
    let pacer = of(Quota { burst: 1, ..Quota::new(10, SECOND, 1.0) });
    let one = turn(0, Class::Normal);
    let mut first = pacer.draw(one, FAR).await.ok();
    let mut leader = Box::pin(pacer.draw(one, FAR));
    let mut second = Box::pin(pacer.draw(one, FAR));
    assert!((&mut leader).now_or_never().is_none() && (&mut second).now_or_never().is_none());
    // The leader leaves: somebody else leads, or nobody would ever be woken.
    drop(leader);
    tokio::time::advance(SECOND).await;
    assert!(tokio::time::timeout(SECOND, &mut second).await.is_ok_and(|drawn| drawn.is_ok()));
    // Served, and it never looks.
    let mut leader = Box::pin(pacer.draw(one, FAR));
    let mut third = Box::pin(pacer.draw(turn(1, Class::Normal), FAR));
    assert!((&mut leader).now_or_never().is_none() && (&mut third).now_or_never().is_none());
    tokio::time::advance(Duration::from_millis(100)).await;
    assert!((&mut leader).now_or_never().is_some_and(|drawn| drawn.is_ok()));
    drop(third);
    pacer.assert_nothing_is_left();
    assert!(first.take().is_some());
}

#[tokio::test(start_paused = true)]
async fn what_is_given_back_is_had_by_who_waits() {
    let pacer = of(Quota { burst: 1, ..Quota::new(1, 10 * SECOND, 1.0) });
    let drawn = pacer.draw(turn(0, Class::Normal), FAR).await.unwrap();
    let mut waits = Box::pin(pacer.draw(turn(1, Class::Normal), FAR));
    assert!((&mut waits).now_or_never().is_none());
    pacer.give_back(drawn);
    assert!((&mut waits).now_or_never().is_some_and(|drawn| drawn.is_ok()));
}

#[tokio::test(start_paused = true)]
async fn the_line_is_bounded_and_the_least_urgent_makes_room() {
    let pacer = Pacer::new(Arc::new(Bucket::of(Some(Quota { burst: 1, ..Quota::new(1, SECOND, 1.0) }))), 4);
    pacer.draw(turn(0, Class::Batch), FAR).await.unwrap();
    let mut batch: Vec<_> = (0..4).map(|_| Box::pin(pacer.draw(turn(0, Class::Batch), FAR))).collect();
    assert!(batch.iter_mut().all(|it| it.now_or_never().is_none()));
    assert!(pacer.draw(turn(0, Class::Batch), FAR).now_or_never().is_some_and(|drawn| drawn.is_err()));
    let mut other = Box::pin(pacer.draw(turn(1, Class::Batch), FAR));
    let mut urgent = Box::pin(pacer.draw(turn(0, Class::Interactive), FAR));
    assert!((&mut other).now_or_never().is_none() && (&mut urgent).now_or_never().is_none());
    let sent_away = batch.iter_mut().filter_map(|it| it.now_or_never()).filter(Result::is_err).count();
    assert_eq!((sent_away, pacer.lock().line.len()), (2, 4));
}

#[test]
fn nobody_waits_in_vain_on_several_runtimes() {
    let pacer = Arc::new(of(Quota { burst: 4, ..Quota::new(20_000, SECOND, 1.0) }));
    let served: usize = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|worker| {
                let pacer = pacer.clone();
                scope.spawn(move || {
                    let runtime =
                        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
                    runtime.block_on(async {
                        let ask = |n: usize| {
                            let pacer = pacer.clone();
                            async move {
                                let class = Class::ALL[n % 3];
                                // Some of them leave.
                                let patience = if n.is_multiple_of(7) { SECOND / 1000 } else { 60 * SECOND };
                                let drawn = tokio::time::timeout(
                                    patience,
                                    pacer.draw(turn(worker as u64, class), FAR),
                                )
                                .await;
                                usize::from(drawn.is_ok_and(|drawn| drawn.is_ok()) || n.is_multiple_of(7))
                            }
                        };
                        let all: Vec<usize> = futures_util::future::join_all((0..200).map(ask)).await;
                        all.into_iter().sum::<usize>()
                    })
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    assert_eq!(served, 800);
    pacer.assert_nothing_is_left();
}

/// Times at which something passed, and the most in any window of `per`.
fn most_in_any_window(passed: &[Duration], per: Duration) -> usize {
    let mut begin = 0;
    let within = passed.iter().enumerate().map(|(end, at)| {
        while *at - passed[begin] >= per {
            begin += 1;
        }
        end - begin + 1
    });
    within.max().unwrap_or_default()
}

#[test]
fn windows_are_counted() {
    let at = |seconds: &[u64]| seconds.iter().map(|s| Duration::from_secs(*s)).collect::<Vec<_>>();
    assert_eq!(most_in_any_window(&at(&[0, 1, 2, 10, 11]), 10 * SECOND), 3);
    assert_eq!(most_in_any_window(&at(&[0, 9, 10, 11, 18]), 10 * SECOND), 4);
}
