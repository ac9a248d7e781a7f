use futures_util::FutureExt as _;

use super::*;

const A: Who = Who { caller: 0, operation: 0 };
const B: Who = Who { caller: 1, operation: 0 };

fn places(max: usize, queue: usize) -> Arc<InFlight> {
    Arc::new(InFlight::new(TenantName::parse("acme").unwrap(), max, queue))
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
    let tenant = TenantName::parse("acme").unwrap();
    assert_eq!(refused.unwrap_err(), LimitError::Overloaded { tenant });
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
    let of_one = |n| Who { caller: 0, operation: n };
    for n in 0..16 {
        drop(at_once(&places, of_one(n)));
    }
    let held: Vec<_> = (0..16).map_while(|n| at_once(&places, of_one(n))).collect();
    assert_eq!(held.len(), 12, "one caller");
    assert!(at_once(&places, B).is_some(), "another one is not held up");
    drop(held);
    let locked = |n| Who { caller: n, operation: 7 };
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
