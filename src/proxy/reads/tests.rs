//! A model of a tenant that is read and written at random, on paused time: what a read is given is never from before a write that was
//! answered when it came, and never older than its rule allows.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use super::*;
use crate::{
    limit::{LimitError, Memory},
    proxy::error::Failure,
    upstream::UpstreamError,
};

const TARGET: &str = "/api/roles";

/// What a tenant holds: a number that each write makes another.
#[derive(Default)]
struct World {
    value: Cell<u64>,
    /// When it was made so.
    history: RefCell<Vec<Instant>>,
    /// The last that its writer was told of.
    answered: Cell<u64>,
    sent: Cell<u64>,
    hits: Cell<u64>,
    joined: Cell<u64>,
}

impl World {
    fn write(&self) -> u64 {
        self.history.borrow_mut().push(Instant::now());
        self.value.set(self.value.get() + 1);
        self.value.get()
    }
}

fn reads(most: usize) -> Reads {
    let reads = Reads::new(&Metrics::new(), Memory::default().kept());
    reads.bound(&Limits { cache: most, ..Limits::default() });
    reads
}

fn a_read(writes: &Arc<Writes>, target: &'static str, kept: Option<Duration>) -> Read {
    let (key, turn, began) = (Key::to(target), (CallerId::numbered(0), Class::Normal), Instant::now());
    Read { key, turn, began, count: writes.count(), writes: writes.clone(), kept }
}

fn an_answer(value: u64) -> WholeAnswer {
    let etag = HeaderValue::try_from(format!("\"{value}\"")).unwrap();
    WholeAnswer::of(StatusCode::OK, [(header::ETAG, etag)].into_iter().collect(), value.to_string().into())
}

fn value(answer: &WholeAnswer) -> u64 {
    std::str::from_utf8(&answer.data()).unwrap().parse().unwrap()
}

async fn moment(random: &mut fastrand::Rng, most: u64) {
    tokio::time::sleep(Duration::from_millis(random.u64(..most))).await;
}

/// As `Pipeline::read` does it.
async fn read(world: &World, reads: &Reads, writes: &Arc<Writes>, random: &mut fastrand::Rng) -> Option<u64> {
    let mut read = a_read(writes, TARGET, Some(Duration::from_millis(400)));
    let limits = Limits::default();
    loop {
        let stale = match reads.find(&read, Instant::now()) {
            Found::Good(kept, ..) => {
                world.hits.set(world.hits.get() + 1);
                return Some(value(kept.answer()));
            }
            Found::Stale(kept) => Some(kept),
            Found::Nothing => None,
        };
        let mut landing = match reads.join(&read, &limits) {
            Joined::Leads(lead) => {
                moment(random, 30).await;
                world.sent.set(world.sent.get() + 1);
                let (now, tag) = (world.value.get(), stale.as_ref().and_then(|kept| read.validator(kept)));
                moment(random, 30).await;
                if random.u8(..10) == 0 {
                    return None;
                }
                let mut answer = an_answer(now);
                if tag.as_ref() == answer.headers().get(header::ETAG) {
                    answer = WholeAnswer::of(
                        StatusCode::NOT_MODIFIED,
                        answer.headers().clone(),
                        Default::default(),
                    );
                }
                let fit = AsItCame::of(answer.headers());
                let asked_with = stale.as_deref().filter(|_| tag.is_some());
                let arrived = reads.arrived(&read, answer, fit, asked_with, Instant::now());
                let answer = Arc::new(arrived.0);
                lead.land(|| Landing::Answer(answer.clone()));
                return Some(value(&answer));
            }
            Joined::Follows(landing) => landing,
        };
        match landing.wait_for(|it| !matches!(it, Landing::UnderWay)).await.map(|it| it.clone()) {
            Ok(Landing::Answer(answer)) => {
                world.joined.set(world.joined.get() + 1);
                return Some(value(&answer));
            }
            Ok(_) => return None,
            Err(_) => read.again(),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn b63_whatever_the_interleaving_a_read_sees_what_was_written_before_it() {
    let (mut hits, mut joined, mut sent, mut given) = (0, 0, 0, 0);
    for seed in 0..60 {
        let world = Rc::new(World::default());
        let (reads, writes) = (Rc::new(reads(1 << 20)), Arc::new(Writes::default()));
        world.history.borrow_mut().push(Instant::now());
        let local = tokio::task::LocalSet::new();
        let mut tasks = Vec::new();
        for task in 0..12 {
            let (world, reads, writes) = (world.clone(), reads.clone(), writes.clone());
            let mut random = fastrand::Rng::with_seed(seed * 100 + task);
            tasks.push(local.spawn_local(async move {
                for _ in 0..60 {
                    moment(&mut random, if task > 1 { 150 } else { 400 }).await;
                    if task > 1 {
                        let (floor, began) = (world.answered.get(), Instant::now());
                        let Some(got) = read(&world, &reads, &writes, &mut random).await else { continue };
                        assert!(got >= floor, "seed {seed}: {got}, and {floor} was written before");
                        // What it was replaced by came no earlier than the rule allows.
                        if let Some(replaced) = world.history.borrow().get(got as usize + 1) {
                            assert!(*replaced + Duration::from_millis(400) >= began, "seed {seed}: too old");
                        }
                        continue;
                    }
                    let write = writes.begin_with(&Method::POST).unwrap();
                    moment(&mut random, 40).await;
                    match random.u8(..40) {
                        0 => {
                            // Its answer is lost, and it is carried out later, or never.
                            drop(write);
                            let world = world.clone();
                            let wait = Duration::from_millis(random.u64(..500));
                            tokio::task::spawn_local(async move {
                                tokio::time::sleep(wait).await;
                                world.write();
                            });
                            // For a minute nothing is kept.
                            tokio::time::sleep(Duration::from_secs(u64::from(random.u8(..3)) * 40)).await;
                        }
                        1..5 => {
                            // Somebody else writes, past Claviger: that is seen when the answer is too old.
                            write.answered(StatusCode::NOT_FOUND);
                            world.write();
                        }
                        _ => {
                            let written = world.write();
                            moment(&mut random, 40).await;
                            write.answered(StatusCode::OK);
                            world.answered.set(world.answered.get().max(written));
                        }
                    }
                }
            }));
        }
        local.await;
        for task in tasks {
            task.await.unwrap();
        }
        hits += world.hits.get();
        joined += world.joined.get();
        sent += world.sent.get();
        given += world.hits.get() + world.joined.get() + world.sent.get();
    }
    assert!(
        hits > given / 20 && joined > given / 20 && sent > given / 20,
        "{hits} {joined} {sent} of {given}"
    );
}

#[tokio::test(start_paused = true)]
async fn b63_a_revalidated_answer_is_as_old_as_the_question_and_masked_ones_have_no_tag() {
    let (reads, writes) = (reads(1 << 20), Arc::new(Writes::default()));
    let kept = Some(Duration::from_secs(5));
    let arrive = |read: &Read, answer: WholeAnswer, stale: Option<&Kept>| {
        let fit = AsItCame::of(answer.headers());
        reads.arrived(read, answer, fit, stale, Instant::now())
    };
    arrive(&a_read(&writes, TARGET, kept), an_answer(7), None);
    tokio::time::advance(Duration::from_secs(6)).await;
    let read = a_read(&writes, TARGET, kept);
    let Found::Stale(stale) = reads.find(&read, Instant::now()) else { panic!("it is too old") };
    tokio::time::advance(Duration::from_secs(2)).await;
    let not_modified = WholeAnswer::of(StatusCode::NOT_MODIFIED, HeaderMap::new(), Default::default());
    let arrived = arrive(&read, not_modified, Some(&stale));
    assert_eq!((arrived.0.status(), value(&arrived.0)), (StatusCode::OK, 7));
    let Found::Good(kept, age, ttl) = reads.find(&read, Instant::now()) else { panic!("it is good again") };
    assert_eq!((value(kept.answer()), age.as_secs(), ttl.as_secs()), (7, 2, 3));
}

#[tokio::test(start_paused = true)]
async fn b63_a_revalidated_answer_is_good_for_as_long_as_the_304_says() {
    let kept_for = Some(Duration::from_secs(5));
    for (said, want) in [
        (&[][..], Some(5)),
        (&[("cache-control", "max-age=2")], Some(2)),
        (&[("cache-control", "no-store")], None),
        (&[("cache-control", "max-age=9"), ("age", "3")], Some(2)),
        (&[("set-cookie", "a=b")], None),
    ] {
        let (reads, writes) = (reads(1 << 20), Arc::new(Writes::default()));
        let arrive = |answer: WholeAnswer, stale: Option<&Kept>| {
            let fit = AsItCame::of(answer.headers());
            reads.arrived(&a_read(&writes, TARGET, kept_for), answer, fit, stale, Instant::now())
        };
        let mut first = an_answer(7);
        first.headers_mut().insert(http::header::AGE, 1.into());
        arrive(first, None);
        tokio::time::advance(Duration::from_secs(6)).await;
        let read = a_read(&writes, TARGET, kept_for);
        let Found::Stale(stale) = reads.find(&read, Instant::now()) else { panic!("it is too old") };
        let mut not_modified =
            WholeAnswer::of(StatusCode::NOT_MODIFIED, HeaderMap::new(), Default::default());
        for (name, value) in said {
            let name = http::HeaderName::from_static(name);
            not_modified.headers_mut().insert(name, http::HeaderValue::from_static(value));
        }
        let arrived = arrive(not_modified, Some(&stale)).0;
        assert_eq!((arrived.status(), value(&arrived)), (StatusCode::OK, 7), "{said:?}");
        let good_for = match reads.find(&read, Instant::now()) {
            Found::Good(_, _, ttl) => Some(ttl.as_secs()),
            _ => None,
        };
        assert_eq!(good_for, want, "{said:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn b63_an_answer_that_came_too_old_is_not_kept_however_old_it_says_that_it_is() {
    let (reads, writes) = (reads(1 << 20), Arc::new(Writes::default()));
    for age in [5, 6, u64::MAX] {
        let read = a_read(&writes, TARGET, Some(Duration::from_secs(5)));
        let mut answer = an_answer(7);
        answer.headers_mut().insert(http::header::AGE, age.into());
        let fit = AsItCame::of(answer.headers());
        reads.arrived(&read, answer, fit, None, Instant::now());
        assert!(matches!(reads.find(&read, Instant::now()), Found::Nothing), "{age}");
    }
}

#[tokio::test(start_paused = true)]
async fn b63_what_is_kept_counts_as_held_until_the_last_who_is_given_it_has_taken_it() {
    let memory = Memory::new(100_000, 10);
    let reads = Reads::new(&Metrics::new(), memory.kept());
    reads.bound(&Limits { cache: 1 << 20, ..Limits::default() });
    let writes = Arc::new(Writes::default());
    let targets =
        ["/api/roles", "/api/users", "/api/hooks", "/api/logs", "/api/domains", "/api/scopes", "/api/x"];
    for target in targets {
        let read = a_read(&writes, target, Some(Duration::from_secs(5)));
        let answer = WholeAnswer::of(StatusCode::OK, HeaderMap::new(), vec![b'x'; 10_000].into());
        let fit = AsItCame::of(answer.headers());
        reads.arrived(&read, answer, fit, None, Instant::now());
        assert!(reads.size().0 <= 50_000 + 11_000 / 2, "half of what is free without it: {:?}", reads.size());
    }
    assert_eq!(reads.size().1, 5);
    let read = a_read(&writes, "/api/x", Some(Duration::from_secs(5)));
    let Found::Good(kept, ..) = reads.find(&read, Instant::now()) else { panic!("it came last") };
    let data = kept.answer().data();
    drop(kept);
    reads.bound(&Limits { cache: 0, ..Limits::default() });
    assert_eq!(reads.size(), (0, 0));
    let another = memory.kept();
    assert!(another.hold(95_000).is_none(), "somebody is still taking one");
    drop(data);
    assert!(another.hold(95_000).is_some());
}

#[test]
fn b63_who_leads_and_goes_leaves_nobody_waiting() {
    let (reads, writes) = (reads(0), Arc::new(Writes::default()));
    let limits = Limits::default();
    let read = a_read(&writes, TARGET, None);
    let Joined::Leads(lead) = reads.join(&read, &limits) else { panic!("it is the first") };
    let Joined::Follows(mut landing) = reads.join(&read, &limits) else { panic!("it is the second") };
    drop(lead);
    let gone = futures_util::FutureExt::now_or_never(landing.changed());
    assert!(matches!(gone, Some(Err(_))), "{gone:?}");
    let Joined::Leads(lead) = reads.join(&read, &limits) else { panic!("there is none") };
    let Joined::Follows(landing) = reads.join(&read, &limits) else { panic!("it is the second") };
    assert!(matches!(lead.failed(Failure::Panic), Failure::Shared(_)));
    assert!(matches!(&*landing.borrow(), Landing::Failure(_)));
    assert!(matches!(reads.join(&read, &limits), Joined::Leads(_)), "it has landed");
    let off = Limits { coalesce: false, ..Limits::default() };
    let _lead = reads.join(&read, &limits);
    assert!(matches!(reads.join(&read, &off), Joined::Leads(_)));
}

#[test]
fn b63_nobody_waits_for_the_turn_of_another_caller_or_of_what_is_less_urgent() {
    let (reads, writes) = (reads(0), Arc::new(Writes::default()));
    let limits = Limits::default();
    let read = a_read(&writes, TARGET, None);
    let others = [(CallerId::numbered(1), Class::Normal), (CallerId::numbered(0), Class::Interactive)]
        .map(|turn| Read { turn, ..read.clone() });
    let Joined::Leads(lead) = reads.join(&read, &limits) else { panic!("it is the first") };
    assert!(matches!(reads.join(&read, &limits), Joined::Follows(_)));
    for other in &others {
        assert!(matches!(reads.join(other, &limits), Joined::Leads(_)), "{other:?}");
    }
    lead.is_sent();
    for other in &others {
        assert!(matches!(reads.join(other, &limits), Joined::Follows(_)), "{other:?}");
    }
    drop(lead);
    assert!(matches!(reads.join(&others[0], &limits), Joined::Leads(_)), "nothing is left of it");
}

#[test]
fn b63_whose_time_is_over_ends_nobody_elses() {
    let (reads, writes) = (reads(0), Arc::new(Writes::default()));
    let (limits, read, second) = (Limits::default(), a_read(&writes, TARGET, None), Duration::from_secs(1));
    for own in [
        Failure::InFlightTimeout(second),
        Failure::Upstream(UpstreamError::Deadline(second)),
        Failure::Limit(LimitError::Connections),
    ] {
        let Joined::Leads(lead) = reads.join(&read, &limits) else { panic!("it is the first") };
        let Joined::Follows(mut landing) = reads.join(&read, &limits) else { panic!("it is the second") };
        assert!(!matches!(lead.failed(own), Failure::Shared(_)));
        let told = futures_util::FutureExt::now_or_never(landing.changed());
        assert!(matches!(told, Some(Err(_))), "the next one leads: {told:?}");
    }
}

#[test]
fn b63_a_read_that_nobody_waits_for_is_closed_as_soon_as_its_answer_comes() {
    let (reads, writes) = (reads(0), Arc::new(Writes::default()));
    let (limits, read) = (Limits::default(), a_read(&writes, TARGET, None));
    let Joined::Leads(mut lead) = reads.join(&read, &limits) else { panic!("it is the first") };
    assert!(!lead.is_followed());
    let Joined::Leads(mut next) = reads.join(&read, &limits) else { panic!("it is closed") };
    let Joined::Follows(landing) = reads.join(&read, &limits) else { panic!("it is the second") };
    assert!(next.is_followed());
    drop(landing);
    assert!(!next.is_followed(), "it has left");
}
