//! Who gives way, and how long it has.

use super::*;
use crate::{activity::Busy, limit::Memory};

fn strangers(most_of_a_peer: usize) -> Arc<Strangers> {
    Arc::new(Strangers::new(8, most_of_a_peer))
}

fn caller(name: &str) -> Arc<CallerMemory> {
    Memory::default().of(&CallerName::parse(name).unwrap())
}

#[test]
fn b29_an_address_has_its_share_until_it_authenticates() {
    let strangers = strangers(2);
    let peer = Some(IpAddr::from([192, 0, 2, 1]));
    let (first, _second) = (strangers.enter(peer).unwrap(), strangers.enter(peer).unwrap());
    assert!(strangers.enter(peer).is_none());
    assert!(strangers.enter(Some(IpAddr::from([192, 0, 2, 2]))).is_some(), "another address");
    assert!((0..9).all(|_| strangers.enter(None).is_some()), "this machine");
    first.authenticated(&caller("billing"));
    assert!(first.caller().is_some());
    let third = strangers.enter(peer).unwrap();
    assert!(strangers.enter(peer).is_none());
    drop(third);
    assert!(strangers.enter(peer).is_some(), "one has left");
}

#[test]
fn b29_the_oldest_stranger_gives_way_before_any_known_caller() {
    let strangers = strangers(9);
    let standings: Vec<_> = (0..3).map(|_| strangers.enter(None).unwrap()).collect();
    let gives_way = |n: usize| standings[n].way.told.is_cancelled();
    let newcomer = strangers.enter(None).unwrap();
    standings[0].authenticated(&caller("billing"));
    assert!(strangers.make_room_for(&newcomer));
    assert_eq!([gives_way(0), gives_way(1), gives_way(2)], [false, true, false]);
    assert!(strangers.make_room_for(&newcomer) && gives_way(2));
    assert!(!gives_way(0));
    drop((standings, newcomer));
    let table = strangers.table();
    assert!(
        table.silent.is_empty()
            && table.spoken.is_empty()
            && table.of_peers.is_empty()
            && table.known.is_empty()
    );
}

#[tokio::test(start_paused = true)]
async fn b29_the_silent_give_way_before_those_that_have_spoken() {
    let strangers = strangers(9);
    let standings: Vec<_> = (0..4).map(|_| strangers.enter(None).unwrap()).collect();
    standings[0].has_spoken();
    let newcomer = strangers.enter(None).unwrap();
    let told = || {
        assert!(strangers.make_room_for(&newcomer));
        (0..4).filter(|n| standings[*n].way.told.is_cancelled()).collect::<Vec<_>>()
    };
    tokio::time::advance(SILENT).await;
    assert_eq!(told(), [1], "the oldest of the silent");
    standings[2].has_spoken();
    assert_eq!(told(), [1, 3], "none other is silent");
    assert_eq!(told(), [0, 1, 3], "the oldest of the others");
    let young = strangers.enter(None).unwrap();
    assert_eq!(told(), [0, 1, 2, 3], "before one that has not had the time to say anything");
    assert!(strangers.make_room_for(&newcomer) && young.way.told.is_cancelled(), "if there is nobody else");
    drop((standings, newcomer, young));
    assert!(strangers.table().spoken.is_empty());
}

#[tokio::test(start_paused = true)]
async fn b29_a_newcomer_that_authenticates_comes_before_what_a_caller_has_beyond_its_last() {
    let strangers = strangers(9);
    let (one, other) = (caller("one"), caller("other"));
    let standings: Vec<_> = (0..7).map(|_| strangers.enter(None).unwrap()).collect();
    standings[..2].iter().for_each(|standing| standing.authenticated(&one));
    standings[2].authenticated(&other);
    standings[3..].iter().for_each(|standing| standing.has_spoken());
    let newcomer = strangers.enter(None).unwrap();
    let told = || {
        assert!(strangers.make_room_for(&newcomer));
        (0..7).filter(|n| standings[*n].way.told.is_cancelled()).collect::<Vec<_>>()
    };
    assert_eq!(told(), [3], "strangers have more than half");
    assert_eq!(told(), [0, 3], "and now no more than that");
    assert_eq!(told(), [0, 3, 4], "a caller keeps its last");
}

#[tokio::test(start_paused = true)]
async fn b29_a_stranger_that_is_long_about_it_gives_way_before_a_caller() {
    for (waits, is_the_strangers) in [(FAR / 2, false), (FAR, true)] {
        let strangers = strangers(9);
        let standings: Vec<_> = (0..5).map(|_| strangers.enter(None).unwrap()).collect();
        standings[..4].iter().for_each(|standing| standing.authenticated(&caller("one")));
        standings[4].has_spoken();
        tokio::time::advance(waits).await;
        assert!(strangers.make_room_for(&strangers.enter(None).unwrap()));
        let told = [0, 4].map(|n: usize| standings[n].way.told.is_cancelled());
        assert_eq!(told, [!is_the_strangers, is_the_strangers], "{waits:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn b46_then_the_caller_with_the_most_connections_those_first_that_cost_it_least() {
    let strangers = strangers(9);
    let (hog, calm) = (caller("hog"), caller("calm"));
    let standings: Vec<_> = (0..5).map(|_| strangers.enter(None).unwrap()).collect();
    standings[0].authenticated(&calm);
    standings[1..].iter().for_each(|standing| standing.authenticated(&hog));
    let begin = |n: usize| Busy::begin(standings[n].way.activity());
    let _long = begin(3);
    tokio::time::advance(AMONG_OTHERS).await;
    let _short = [begin(1), begin(2), begin(3)];
    let newcomer = strangers.enter(None).unwrap();
    let told = || {
        assert!(strangers.make_room_for(&newcomer));
        (0..5).filter(|n| standings[*n].way.told.is_cancelled()).collect::<Vec<_>>()
    };
    assert_eq!(told(), [4], "the idle one");
    assert_eq!(told(), [3, 4], "the one that has been at a request for long");
    assert_eq!(told(), [1, 3, 4], "the oldest");
    assert_eq!([1, 3, 4].map(|n: usize| standings[n].way.moment()), [AMONG_OTHERS; 3], "calm is here, too");
}

#[tokio::test(start_paused = true)]
async fn b29_a_silent_stranger_has_less_time_than_one_that_has_spoken() {
    let strangers = strangers(9);
    let lasts = async |speaks_after: Option<Duration>| {
        let standing = strangers.enter(None).unwrap();
        standing.admitted();
        assert!(strangers.make_room_for(&strangers.enter(None).unwrap()));
        let begun = Instant::now();
        let speaks = async {
            let Some(after) = speaks_after else { return };
            tokio::time::sleep(after).await;
            standing.has_spoken();
        };
        tokio::join!(standing.has_had_its_time(), speaks);
        begun.elapsed()
    };
    assert_eq!(lasts(None).await, SILENT);
    assert_eq!(lasts(Some(Duration::ZERO)).await, NEW);
    assert_eq!(lasts(Some(SILENT / 2)).await, NEW, "while it is looked at");
}

#[tokio::test(start_paused = true)]
async fn b46_a_request_that_has_just_begun_is_finished_and_one_that_lasts_is_not() {
    let strangers = strangers(9);
    let standing = strangers.enter(None).unwrap();
    let first = Busy::begin(standing.way.activity());
    standing.admitted();
    assert_eq!(standing.stays(false), NEW, "of nobody known");
    standing.authenticated(&caller("billing"));
    let second = Busy::begin(standing.way.activity());
    assert_eq!(standing.stays(false), ALONE);
    tokio::time::advance(ALONE / 2).await;
    assert_eq!(strangers.enter(None).unwrap().stays(false), SILENT, "has yet to get a place");
    let third = Busy::begin(standing.way.activity());
    drop(second);
    assert_eq!(standing.stays(true), ALONE / 2, "the oldest counts");
    tokio::time::advance(ALONE).await;
    assert_eq!(standing.stays(false), Duration::ZERO);
    drop(first);
    assert_eq!(standing.stays(true), Duration::ZERO, "the next one is old, too");
    drop(third);
    assert!(strangers.make_room_for(&strangers.enter(None).unwrap()));
    assert_eq!(standing.way.moment(), ALONE, "nobody else is known");
    assert_eq!([false, true].map(|has_said| standing.stays(has_said)), [GOODBYE, Duration::ZERO]);
}
