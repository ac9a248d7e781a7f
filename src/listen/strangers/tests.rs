//! Who gives way, and how long it has.

use super::*;
use crate::{activity::Busy, limit::Memory};

fn strangers(most_of_a_peer: usize) -> Arc<Strangers> {
    Arc::new(Strangers::new(8, most_of_a_peer))
}

/// One with a place.
fn placed(strangers: &Arc<Strangers>) -> Arc<Standing> {
    let standing = strangers.enter(None).unwrap();
    standing.got(Progress::Silent);
    standing
}

fn make_room(strangers: &Strangers) -> bool {
    strangers.table().make_room(strangers.half)
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
    let standings: Vec<_> = (0..3).map(|_| placed(&strangers)).collect();
    let gives_way = |n: usize| standings[n].way.told.is_cancelled();
    let newcomer = strangers.enter(None).unwrap();
    standings[0].authenticated(&caller("billing"));
    assert!(make_room(&strangers));
    assert_eq!([gives_way(0), gives_way(1), gives_way(2)], [false, true, false]);
    assert!(make_room(&strangers) && gives_way(2));
    assert!(!gives_way(0));
    drop((standings, newcomer));
    let table = strangers.table();
    assert!(
        table.strangers.iter().all(BTreeMap::is_empty)
            && table.of_peers.is_empty()
            && table.known.is_empty()
            && table.leaving == 0
    );
}

#[tokio::test(start_paused = true)]
async fn b29_the_silent_give_way_before_those_that_have_spoken() {
    let strangers = strangers(9);
    let standings: Vec<_> = (0..4).map(|_| placed(&strangers)).collect();
    standings[0].got(Progress::Spoken);
    let newcomer = strangers.enter(None).unwrap();
    let told = || {
        assert!(make_room(&strangers));
        (0..4).filter(|n| standings[*n].way.told.is_cancelled()).collect::<Vec<_>>()
    };
    tokio::time::advance(SILENT).await;
    assert_eq!(told(), [1], "the oldest of the silent");
    standings[2].got(Progress::Spoken);
    assert_eq!(told(), [1, 3], "none other is silent");
    assert_eq!(told(), [0, 1, 3], "the oldest of the others");
    let young = placed(&strangers);
    assert_eq!(told(), [0, 1, 2, 3], "before one that has not had the time to say anything");
    assert!(make_room(&strangers) && young.way.told.is_cancelled(), "if there is nobody else");
    drop((standings, newcomer, young));
    assert!(strangers.table().strangers.iter().all(BTreeMap::is_empty));
}

#[tokio::test(start_paused = true)]
async fn b29_a_newcomer_that_authenticates_comes_before_what_a_caller_has_beyond_its_last() {
    let strangers = strangers(9);
    let (one, other) = (caller("one"), caller("other"));
    let standings: Vec<_> = (0..7).map(|_| placed(&strangers)).collect();
    standings[..2].iter().for_each(|standing| standing.authenticated(&one));
    standings[2].authenticated(&other);
    standings[3..].iter().for_each(|standing| standing.got(Progress::Spoken));
    let _newcomer = strangers.enter(None).unwrap();
    let told = || {
        assert!(make_room(&strangers));
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
        let standings: Vec<_> = (0..5).map(|_| placed(&strangers)).collect();
        standings[..4].iter().for_each(|standing| standing.authenticated(&caller("one")));
        standings[4].got(Progress::Spoken);
        tokio::time::advance(waits).await;
        assert!(make_room(&strangers));
        let told = [0, 4].map(|n: usize| standings[n].way.told.is_cancelled());
        assert_eq!(told, [!is_the_strangers, is_the_strangers], "{waits:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn b46_then_the_caller_with_the_most_connections_those_first_that_cost_it_least() {
    let strangers = strangers(9);
    let (hog, calm) = (caller("hog"), caller("calm"));
    let standings: Vec<_> = (0..5).map(|_| placed(&strangers)).collect();
    standings[0].authenticated(&calm);
    standings[1..].iter().for_each(|standing| standing.authenticated(&hog));
    let begin = |n: usize| Busy::begin(standings[n].way.activity());
    let _long = begin(3);
    tokio::time::advance(AMONG_OTHERS).await;
    let _short = [begin(1), begin(2), begin(3)];
    let told = || {
        assert!(make_room(&strangers));
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
    let lasts = async |speaks_after: Option<(Duration, Progress)>| {
        let standing = placed(&strangers);
        standing.admitted();
        assert!(make_room(&strangers));
        let begun = Instant::now();
        let speaks = async {
            let Some((after, progress)) = speaks_after else { return };
            tokio::time::sleep(after).await;
            standing.got(progress);
        };
        tokio::join!(standing.has_had_its_time(), speaks);
        begun.elapsed()
    };
    assert_eq!(lasts(None).await, SILENT);
    assert_eq!(lasts(Some((Duration::ZERO, Progress::Begun))).await, BEGUN);
    assert_eq!(lasts(Some((Duration::ZERO, Progress::Spoken))).await, NEW);
    assert_eq!(lasts(Some((SILENT / 2, Progress::Spoken))).await, NEW, "while it is looked at");
}

#[tokio::test(start_paused = true)]
async fn b46_a_request_that_has_just_begun_is_finished_and_one_that_lasts_is_not() {
    let strangers = strangers(9);
    let standing = placed(&strangers);
    let first = Busy::begin(standing.way.activity());
    standing.got(Progress::Spoken);
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
    assert!(make_room(&strangers));
    assert_eq!(standing.way.moment(), ALONE, "nobody else is known");
    assert_eq!([false, true].map(|has_said| standing.stays(has_said)), [GOODBYE, Duration::ZERO]);
}

#[tokio::test(start_paused = true)]
async fn b29_who_has_only_begun_gives_way_before_who_got_further() {
    let strangers = strangers(9);
    let standings: Vec<_> = (0..4).map(|_| placed(&strangers)).collect();
    [&standings[0], &standings[2]].iter().for_each(|standing| standing.got(Progress::Spoken));
    standings[1..].iter().for_each(|standing| standing.got(Progress::Begun));
    let told = || {
        assert!(make_room(&strangers));
        (0..4).filter(|n| standings[*n].way.told.is_cancelled()).collect::<Vec<_>>()
    };
    assert_eq!(told(), [1], "the oldest of those");
    assert_eq!(told(), [1, 3], "a hello after the handshake changes nothing");
    assert_eq!(told(), [0, 1, 3]);
}

#[tokio::test(start_paused = true)]
async fn b29_who_shakes_hands_without_end_leaves_half_to_those_that_are_yet_to() {
    let strangers = strangers(9);
    let standings: Vec<_> = (0..7).map(|_| placed(&strangers)).collect();
    standings[0].got(Progress::Begun);
    standings[1..].iter().for_each(|standing| standing.got(Progress::Spoken));
    let told = || {
        assert!(make_room(&strangers));
        (0..7).filter(|n| standings[*n].way.told.is_cancelled()).collect::<Vec<_>>()
    };
    assert_eq!(told(), [1]);
    assert_eq!(told(), [1, 2]);
    assert_eq!(told(), [0, 1, 2], "half of eight are left");
    tokio::time::advance(FAR).await;
    placed(&strangers).got(Progress::Begun);
    assert_eq!(told(), [0, 1, 2, 3], "its time is over");
}

/// As many hellos a second, from so many addresses, that nobody continues; and the part of callers that authenticates `away` after its own.
async fn get_through(hellos: u32, addresses: u32, away: Duration) -> f64 {
    const PLACES: usize = 200;
    let strangers = Arc::new(Strangers::new(PLACES, PLACES / 4));
    let places = Arc::new(Semaphore::new(PLACES));
    let mut open: Vec<(Arc<Standing>, OwnedSemaphorePermit)> = Vec::new();
    let connect = async |open: &mut Vec<(Arc<Standing>, OwnedSemaphorePermit)>, address: u32| {
        let standing = strangers.enter(Some(IpAddr::from((0x0a00_0000 + address).to_be_bytes())))?;
        let (place, _) = strangers.take(&places, PLACES / 16);
        open.retain(|(standing, _)| !standing.way.told.is_cancelled());
        let place = place.or_else(|| places.clone().try_acquire_owned().ok()).expect("somebody gave way");
        standing.got(Progress::Silent);
        standing.got(Progress::Begun);
        open.push((standing.clone(), place));
        Some(standing)
    };
    let (mut far, mut served, mut asked) = (None, 0, 0);
    for n in 0..hellos {
        tokio::time::advance(Duration::from_secs(1) / hellos).await;
        connect(&mut open, n % addresses).await;
        match far.take() {
            None => {
                far = connect(&mut open, u32::MAX >> 8).await.map(|standing| (standing, Instant::now()));
            }
            Some((standing, _)) if standing.way.told.is_cancelled() => asked += 1,
            Some((standing, began)) if began.elapsed() >= away => {
                standing.authenticated(&caller("far"));
                (served, asked) = (served + 1, asked + 1);
                open.retain(|(other, _)| !Arc::ptr_eq(other, &standing));
            }
            waits => far = waits,
        }
    }
    f64::from(served) / f64::from(asked)
}

#[tokio::test(start_paused = true)]
async fn b29_hellos_without_end_do_not_keep_a_far_caller_out() {
    let away = FAR - Duration::from_millis(10);
    for (hellos, addresses, least) in [
        (3000, 5, 0.95),
        (3000, 40, 0.95),
        (10_000, 5, 0.95),
        (3000, u32::MAX, 0.05),
        (10_000, u32::MAX, 0.01),
    ] {
        let part = get_through(hellos, addresses, away).await;
        assert!(part >= least, "{hellos} a second from {addresses} addresses: {part} of them get through");
    }
}

#[tokio::test(start_paused = true)]
async fn b29_who_has_no_place_has_none_to_give_up() {
    let strangers = strangers(9);
    let (waits, other) = (strangers.enter(None).unwrap(), placed(&strangers));
    tokio::time::advance(SILENT).await;
    assert!(make_room(&strangers) && other.way.told.is_cancelled());
    assert!(!make_room(&strangers) && !waits.way.told.is_cancelled());
    drop(other);
    waits.got(Progress::Silent);
    tokio::time::advance(SILENT / 2).await;
    assert!(make_room(&strangers) && waits.way.told.is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn b29_no_more_give_way_than_places_are_needed() {
    let (strangers, places) = (strangers(9), Arc::new(Semaphore::new(3)));
    let standings: Vec<_> = (0..3).map(|_| placed(&strangers)).collect();
    let told = || standings.iter().filter(|standing| standing.way.told.is_cancelled()).count();
    // Two listeners, at the same time: one place is more than there are to be free.
    let (one, two) = (strangers.take(&places, 2), strangers.take(&places, 2));
    assert!(one.0.is_some() && two.0.is_some());
    assert_eq!((one.1, two.1, told()), (false, true, 1));
    // It is still about to leave when another leaves by itself, and a third comes.
    drop(one);
    let three = strangers.take(&places, 2);
    assert_eq!((three.0.is_some(), three.1, told()), (true, false, 1));
    let rest = [strangers.take(&places, 0), strangers.take(&places, 0)];
    assert_eq!(
        rest.map(|(place, has_made_room)| (place.is_some(), has_made_room)),
        [(true, false), (false, true)]
    );
}

#[tokio::test(start_paused = true)]
async fn b29_one_whose_hello_takes_a_moment_does_not_make_room_for_a_flood_of_them() {
    let strangers = Arc::new(Strangers::new(64, 64));
    let slow = placed(&strangers);
    let hellos: Vec<_> = (0..40).map(|_| placed(&strangers)).collect();
    hellos.iter().for_each(|standing| standing.got(Progress::Begun));
    tokio::time::advance(SILENT).await;
    assert!(make_room(&strangers) && !slow.way.told.is_cancelled());
    tokio::time::advance(NEW).await;
    assert!(make_room(&strangers) && slow.way.told.is_cancelled());
}
