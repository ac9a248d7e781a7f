use std::collections::VecDeque;

use futures_util::FutureExt as _;

use super::*;
use crate::ids::CallerId;

const SECOND: Duration = Duration::from_secs(1);
const A: Who =
    Who { caller: CallerId::numbered(0), operation: OperationId::named("A"), class: Class::Normal };
const B: Who = Who { caller: CallerId::numbered(1), ..A };

/// One of many.
pub(in crate::limit) fn operation(number: usize) -> OperationId {
    const FEW: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
    let many = || -> &'static str { Box::leak(number.to_string().into()) };
    OperationId::named(FEW.get(number).copied().unwrap_or_else(many))
}

fn caller(number: usize) -> CallerId {
    CallerId::numbered(number as u64)
}

fn places(max: usize, queue: usize) -> Arc<InFlight> {
    let bounds = Bounds { max, queue, adaptive: true };
    Arc::new(InFlight::new(TenantName::parse("acme").unwrap(), bounds))
}

fn of(class: Class, caller: usize) -> Who {
    Who { class, caller: self::caller(caller), ..A }
}

fn at_once(places: &Arc<InFlight>, who: Who) -> Option<InFlightGuard> {
    places.enter(who).now_or_never().map(|entered| entered.expect("there is room in the line"))
}

#[tokio::test]
async fn the_line_is_bounded_in_order_and_can_be_left() {
    let places = places(1, 2);
    let slot = places.enter(A).await.unwrap();
    assert_eq!(places.used(), 1);
    let mut first = Box::pin(places.enter(A));
    let mut second = Box::pin(places.enter(A));
    assert!((&mut first).now_or_never().is_none() && (&mut second).now_or_never().is_none());
    let refused = places.enter(A).now_or_never().unwrap();
    assert!(matches!(refused.unwrap_err(), LimitError::Overloaded { .. }));
    drop(first);
    let mut third = Box::pin(places.enter(A));
    assert!((&mut third).now_or_never().is_none(), "a place in the line was left");
    drop(slot);
    let slot = (&mut second).now_or_never().unwrap().unwrap();
    assert!((&mut third).now_or_never().is_none());
    drop(slot);
    assert!(third.now_or_never().unwrap().is_ok());
    assert_eq!(places.used(), 0, "nothing is left behind");
}

#[tokio::test]
async fn a_place_that_was_handed_to_somebody_who_left_is_not_lost() {
    let places = places(1, 2);
    let slot = places.enter(A).await.unwrap();
    let mut leaver = Box::pin(places.enter(A));
    assert!((&mut leaver).now_or_never().is_none());
    drop(slot);
    // It is his by now, and he never looks.
    drop(leaver);
    assert_eq!(places.used(), 0);
    assert!(at_once(&places, A).is_some());
}

#[tokio::test]
async fn b30_a_caller_and_an_operation_leave_room_for_others_however_fast_they_were() {
    let places = places(16, 100);
    let of_one = |n| Who { operation: operation(n), ..A };
    for n in 0..16 {
        drop(at_once(&places, of_one(n)));
    }
    let held: Vec<_> = (0..16).map_while(|n| at_once(&places, of_one(n))).collect();
    assert_eq!(held.len(), 12, "one caller");
    assert!(at_once(&places, B).is_some(), "another one is not held up");
    drop(held);
    let locked = |n| Who { caller: caller(n), operation: operation(7), ..A };
    let held: Vec<_> = (0..16).map_while(|n| at_once(&places, locked(n))).collect();
    assert_eq!(held.len(), 8, "one operation");
    assert!(at_once(&places, A).is_some(), "another operation is not held up, whoever calls it");
}

#[tokio::test]
async fn b30_next_is_the_caller_with_the_fewest_places() {
    let places = places(2, 100);
    let held = [places.enter(A).await.unwrap(), places.enter(A).await.unwrap()];
    let mut of_a: Vec<_> = (0..10).map(|_| Box::pin(places.enter(A))).collect();
    assert!(of_a.iter_mut().all(|waiting| waiting.now_or_never().is_none()));
    let mut of_b = Box::pin(places.enter(B));
    assert!((&mut of_b).now_or_never().is_none());
    let [first, _second] = held;
    drop(first);
    assert!(of_b.now_or_never().is_some(), "it has none yet, and ten wait before it");
}

#[tokio::test]
async fn b30_answers_that_are_not_taken_hold_no_place_and_count_against_their_caller() {
    let places = places(4, 100);
    let mut unread = Vec::new();
    while let Some(place) = at_once(&places, A) {
        unread.push(place.answered());
        assert!(unread.len() <= 4, "without end");
    }
    assert_eq!((unread.len(), places.used()), (4, 4));
    let mut waits = Box::pin(places.enter(A));
    assert!((&mut waits).now_or_never().is_none());
    assert!(at_once(&places, B).is_some(), "another caller has all places");
    unread.pop();
    assert!(waits.now_or_never().is_some());
}

#[tokio::test]
async fn b30_one_caller_does_not_fill_the_line() {
    let places = places(1, 4);
    let held = at_once(&places, A);
    let mut line: Vec<_> = (0..4).map(|_| Box::pin(places.enter(A))).collect();
    assert!(line.iter_mut().all(|waiting| waiting.now_or_never().is_none()), "it has all, while it is alone");
    assert!(places.enter(A).now_or_never().unwrap().is_err());
    let mut of_b = Box::pin(places.enter(B));
    assert!((&mut of_b).now_or_never().is_none(), "another one waits instead of its last");
    assert!(line.pop().and_then(|last| last.now_or_never()).is_some_and(|told| told.is_err()));
    assert!(line.iter_mut().all(|waiting| waiting.now_or_never().is_none()));
    drop(held);
    assert!(of_b.now_or_never().is_some() || line[0].as_mut().now_or_never().is_some());
}

#[tokio::test]
async fn b57_places_are_given_to_the_most_urgent_and_nobody_starves() {
    let places = places(1, 1000);
    let mut held = at_once(&places, A);
    let classes = Class::ALL.into_iter().flat_map(|class| (0..100).map(move |n| of(class, n % 3)));
    let mut waiting: Vec<_> = classes.rev().map(|who| (who.class, Box::pin(places.enter(who)))).collect();
    assert!(waiting.iter_mut().all(|(_, waits)| waits.now_or_never().is_none()));
    let mut served = Vec::new();
    while held.take().is_some() {
        // Or what is ready is not looked at any more, in a task that never rests.
        tokio::task::yield_now().await;
        let next = waiting.iter_mut().enumerate().find_map(|(at, (_, waits))| {
            waits.now_or_never().map(|entered| (at, entered.expect("nobody else comes")))
        });
        if let Some((at, place)) = next {
            served.push(waiting.remove(at).0);
            held = Some(place);
        }
    }
    let of = |class| served[..100].iter().filter(|it| **it == class).count();
    assert_eq!(served.len(), 300);
    let (normal, batch) = (of(Class::Normal), of(Class::Batch));
    assert!((6..=10).contains(&normal) && (2..=5).contains(&batch), "{normal} {batch}");
}

#[tokio::test]
async fn b57_when_the_line_is_full_the_least_urgent_gives_way_and_never_the_newcomer_that_is_more_urgent() {
    let places = places(1, 4);
    let held = at_once(&places, A);
    let mut batch: Vec<_> = (0..4).map(|_| Box::pin(places.enter(of(Class::Batch, 0)))).collect();
    assert!(batch.iter_mut().all(|waits| waits.now_or_never().is_none()));
    let mut urgent: Vec<_> = (0..4).map(|_| Box::pin(places.enter(of(Class::Interactive, 1)))).collect();
    assert!(urgent.iter_mut().all(|waits| waits.now_or_never().is_none()), "they wait instead");
    assert!(batch.iter_mut().all(|waits| waits.now_or_never().is_some_and(|told| told.is_err())));
    for class in [Class::Normal, Class::Batch] {
        assert!(places.enter(of(class, 5)).now_or_never().unwrap().is_err(), "{class:?} finds no room");
    }
    drop(held);
    assert!(urgent.remove(0).now_or_never().is_some_and(|entered| entered.is_ok()));
}

#[tokio::test(start_paused = true)]
async fn b57_who_is_refused_is_told_how_long_those_before_it_take() {
    let places = places(1, 20);
    let mut held = at_once(&places, A);
    let mut line: VecDeque<_> = (0..20).map(|_| Box::pin(places.enter(A))).collect();
    assert!(line.iter_mut().all(|waits| waits.now_or_never().is_none()));
    for _ in 0..10 {
        tokio::time::advance(2 * SECOND).await;
        drop(held.take());
        held = line.pop_front().and_then(|next| next.now_or_never()).map(Result::unwrap);
        line.push_back(Box::pin(places.enter(A)));
        assert!(line.back_mut().is_some_and(|waits| waits.now_or_never().is_none()));
    }
    let told = |who| places.enter(who).now_or_never().unwrap().unwrap_err().retry_after().unwrap();
    assert_eq!(told(A), 42 * SECOND, "twenty before it, two seconds each");
    // One that is more urgent would have found room.
    assert!(places.enter(of(Class::Interactive, 1)).now_or_never().is_none());
}

/// The signs of an overload, of several operations.
fn overload(places: &Arc<InFlight>) {
    let now = Instant::now();
    (0..8).for_each(|n| places.overburdened(operation(n), now, now));
}

#[tokio::test(start_paused = true)]
async fn b58_there_are_fewer_places_while_the_tenant_is_overloaded_and_all_afterwards() {
    let places = places(10, 100);
    let any = |n| Who { caller: caller(n), operation: operation(n), ..A };
    let held: Vec<_> = (0..10).map_while(|n| at_once(&places, any(n))).collect();
    assert_eq!(held.len(), 10);
    overload(&places);
    assert_eq!(places.limit(), 7);
    drop(held);
    let held: Vec<_> = (0..10).map_while(|n| at_once(&places, any(n))).collect();
    assert_eq!(held.len(), 7);
    let mut waits = Box::pin(places.enter(any(50)));
    assert!((&mut waits).now_or_never().is_none());
    for _ in 0..3 {
        tokio::time::advance(SECOND).await;
        places.fine(Instant::now(), Instant::now());
    }
    assert_eq!(places.limit(), 10);
    assert!(waits.now_or_never().is_some(), "a place more wakes who waits for one");
    assert!(!places.is_stirred.load(Relaxed));
    let fixed = Bounds { max: 10, queue: 1, adaptive: false };
    let fixed = Arc::new(InFlight::new(TenantName::parse("acme").unwrap(), fixed));
    overload(&fixed);
    assert_eq!(fixed.limit(), 10);
}

/// Whatever comes, leaves and is found out in whichever order, no place is lost, nobody waits beside a free one, and nothing is left behind.
#[tokio::test(start_paused = true)]
async fn b57_at_random_no_place_is_lost_and_nobody_waits_beside_one_that_is_free() {
    for seed in 0..60 {
        let mut random = fastrand::Rng::with_seed(seed);
        let places = places(random.usize(1..12), random.usize(..20));
        let (mut held, mut line, mut unread) = (Vec::new(), Vec::new(), Vec::new());
        for step in 0..600 {
            let who = Who {
                caller: caller(random.usize(..4)),
                operation: operation(random.usize(..4)),
                class: random.choice(Class::ALL).unwrap(),
            };
            match random.u8(..9) {
                0..=3 => {
                    let mut enters = Box::pin(places.enter(who));
                    match (&mut enters).now_or_never() {
                        Some(Ok(place)) => held.push(place),
                        Some(Err(_)) => {}
                        None => line.push(enters),
                    }
                }
                4 if !held.is_empty() => drop(held.swap_remove(random.usize(..held.len()))),
                5 if !held.is_empty() => unread.push(held.swap_remove(random.usize(..held.len())).answered()),
                6 if !unread.is_empty() => drop(unread.swap_remove(random.usize(..unread.len()))),
                7 if !line.is_empty() => drop(line.swap_remove(random.usize(..line.len()))),
                8 if random.bool() => overload(&places),
                _ => {
                    tokio::time::advance(SECOND).await;
                    places.fine(Instant::now(), Instant::now());
                }
            }
            tokio::task::yield_now().await;
            line.retain_mut(|waits| match waits.now_or_never() {
                Some(Ok(place)) => {
                    held.push(place);
                    false
                }
                Some(Err(_)) => false,
                None => true,
            });
            assert_eq!(places.used(), held.len() + unread.len(), "seed {seed}, step {step}");
            assert_eq!(places.waiting().iter().sum::<usize>(), line.len(), "seed {seed}, step {step}");
            let mut inner = places.lock();
            assert!(
                inner.next(Instant::now()).is_none(),
                "seed {seed}, step {step}: it waits beside a free place"
            );
        }
        drop((held, unread));
        while !line.is_empty() {
            let before = line.len();
            tokio::task::yield_now().await;
            line.retain_mut(|waits| waits.now_or_never().is_none());
            assert!(line.len() < before, "seed {seed}: {before} wait, and nobody has a place");
        }
        assert_eq!((places.used(), places.waiting()), (0, [0; 3]), "seed {seed}");
    }
}
