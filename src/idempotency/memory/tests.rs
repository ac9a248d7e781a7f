use std::time::Duration;

use super::*;

const DAY: Duration = Duration::from_hours(24);

struct World {
    store: MemoryStore,
    limits: Limits,
    now: Instant,
}

impl World {
    fn new(keys: usize, memory: usize) -> Self {
        let limits = Limits { idempotency_keys: keys, idempotency_memory: memory, ..Limits::default() };
        Self { store: MemoryStore::default(), limits, now: Instant::now() }
    }

    fn claim_as(&self, caller: &str, key: u8, content: u8) -> Result<Claim, IdempotencyError> {
        self.claim_for(Purpose::Send, caller, key, content)
    }

    fn claim_for(
        &self,
        purpose: Purpose,
        caller: &str,
        key: u8,
        content: u8,
    ) -> Result<Claim, IdempotencyError> {
        let digests = Digests { scope: [key; 32], content: [content; 32] };
        let caller = CallerName::parse(caller).unwrap();
        self.store.table().claim(&caller, digests, self.now, &self.limits, purpose)
    }

    fn first_as(&self, caller: &str, key: u8) -> Ticket {
        match self.claim_as(caller, key, 0) {
            Ok(Claim::First(ticket)) => ticket,
            other => panic!("key {key} is not the first: {other:?}"),
        }
    }

    fn settled_as(&self, caller: &str, key: u8, outcome: Outcome) {
        self.store.settle(self.first_as(caller, key), outcome);
    }

    fn answered(&self, key: u8, length: usize) {
        self.settled_as("a", key, Outcome::Answered(KeptAnswer::of(StatusCode::CREATED, length)));
    }

    /// What a repeat is told: `replayed`, or the label of the refusal, or `first`.
    fn told(&self, key: u8) -> &'static str {
        match self.claim_as("a", key, 0) {
            Ok(Claim::First(ticket)) => {
                self.store.settle(ticket, Outcome::NotSent);
                "first"
            }
            Ok(Claim::Answered(_)) => "replayed",
            Err(error) => error.label(),
        }
    }

    fn is_empty(&self) -> bool {
        let table = self.store.table();
        table.entries.is_empty() && table.callers.is_empty() && table.bytes == 0
    }
}

#[test]
fn however_many_get_no_answers_there_is_room_for_one_more() {
    let world = World::new(8, 1000);
    let mut key = 0;
    for caller in ["a", "b", "c"] {
        let mut had = 0;
        while let Ok(Claim::First(ticket)) = world.claim_as(caller, key, 0) {
            world.store.settle(ticket, Outcome::Unknown);
            (key, had) = (key + 1, had + 1);
        }
        assert!(had > 0, "{caller} had none");
    }
    assert!(matches!(world.claim_as("d", key, 0), Ok(Claim::First(_))));
}

#[test]
fn whoever_only_asks_takes_nobodys_place() {
    let world = World::new(2, 1000);
    world.answered(1, 10);
    world.answered(2, 10);
    let ask = |key, content| world.claim_for(Purpose::Ask, "b", key, content);
    assert!(matches!(ask(3, 0), Err(IdempotencyError::NotKnown)));
    assert!(matches!(ask(1, 9), Err(IdempotencyError::Reused)));
    assert!(matches!(ask(1, 0), Ok(Claim::Answered(_))));
    assert_eq!([world.told(1), world.told(2)], ["replayed"; 2]);
    assert!(matches!(world.claim_as("b", 3, 0), Ok(Claim::First(_))), "it was not claimed by asking");
}

#[test]
fn a_repeat_is_told_what_became_of_the_first() {
    let world = World::new(100, 1000);
    let ticket = world.first_as("a", 1);
    assert_eq!(world.told(1), "in_progress");
    world.store.settle(ticket, Outcome::Answered(KeptAnswer::of(StatusCode::CREATED, 1)));
    assert_eq!(world.told(1), "replayed");
    assert!(matches!(world.claim_as("a", 1, 9), Err(IdempotencyError::Reused)));
    world.settled_as("a", 2, Outcome::Unknown);
    assert_eq!(world.told(2), "unknown");
    world.settled_as("a", 3, Outcome::NotKept(StatusCode::CREATED, NotKept::TooLarge));
    assert_eq!(world.told(3), "not_kept");
    world.settled_as("a", 4, Outcome::NotSent);
    assert_eq!(world.told(4), "first", "what was not sent leaves no trace");
}

#[test]
fn another_body_is_refused_while_the_first_is_under_way() {
    let world = World::new(100, 1000);
    world.first_as("a", 1);
    assert!(matches!(world.claim_as("a", 1, 9), Err(IdempotencyError::Reused)));
}

#[test]
fn a_key_is_remembered_for_its_time_and_then_forgotten_with_all_that_it_took() {
    let mut world = World::new(100, 10_000);
    world.answered(1, 10);
    world.settled_as("a", 2, Outcome::Unknown);
    world.settled_as("b", 3, Outcome::NotKept(StatusCode::CREATED, NotKept::TooLarge));
    world.now += DAY - Duration::from_secs(1);
    assert_eq!([1, 2, 3].map(|key| world.told(key)), ["replayed", "unknown", "not_kept"]);
    world.now += Duration::from_secs(1);
    assert_eq!([1, 2, 3].map(|key| world.told(key)), ["first", "first", "first"]);
    assert!(world.is_empty());
}

#[tokio::test]
async fn one_that_is_dropped_was_not_sent_or_its_outcome_is_unknown() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let limits = Limits::default();
    let (caller, digests) = (CallerName::parse("a").unwrap(), Digests { scope: [1; 32], content: [1; 32] });
    let claim = || store.claim(&caller, digests, Instant::now(), Instant::now(), &limits, Purpose::Send);
    let begin = |claim| match claim {
        Ok(Claim::First(ticket)) => super::super::Begun::new(store.clone(), ticket),
        other => panic!("{other:?}"),
    };
    drop(begin(claim().await));
    let mut begun = begin(claim().await);
    begun.is_sent();
    drop(begun);
    assert!(matches!(claim().await, Err(IdempotencyError::Unknown)));
}

#[test]
fn a_ticket_settles_its_own_claim_alone() {
    let mut world = World::new(100, 1000);
    let old = world.first_as("a", 1);
    world.store.settle(old, Outcome::NotSent);
    world.first_as("a", 1);
    world.store.settle(old, Outcome::Unknown);
    assert_eq!(world.told(1), "in_progress");
    world.now += 2 * DAY;
    assert_eq!(world.told(1), "in_progress", "what is under way is, however long");
}

#[test]
fn where_answers_have_no_room_the_oldest_goes_and_its_key_stays() {
    let world = World::new(100, 100);
    (1..=3).for_each(|key| world.answered(key, 40));
    assert_eq!([1, 2, 3].map(|key| world.told(key)), ["not_kept", "replayed", "replayed"]);
    assert_eq!(world.store.table().bytes, 80);
    world.answered(4, 101);
    assert_eq!([2, 3, 4].map(|key| world.told(key)), ["not_kept"; 3]);
    assert_eq!(world.store.table().bytes, 0);
}

#[test]
fn where_keys_have_no_room_the_oldest_that_was_answered_goes_of_who_has_the_most() {
    let world = World::new(4, 1000);
    world.settled_as("b", 9, Outcome::NotKept(StatusCode::CREATED, NotKept::TooLarge));
    world.settled_as("a", 1, Outcome::Unknown);
    world.answered(2, 1);
    world.answered(3, 1);
    world.answered(4, 1);
    assert_eq!([9, 1, 3, 4].map(|key| world.told(key)), ["not_kept", "unknown", "replayed", "replayed"]);
    assert_eq!(world.told(2), "first", "it was the oldest answered one of the one who has the most");
}

#[test]
fn who_has_too_many_of_unknown_outcome_is_refused_and_nobody_else() {
    let world = World::new(4, 1000);
    world.settled_as("a", 1, Outcome::Unknown);
    world.settled_as("a", 2, Outcome::Unknown);
    assert!(matches!(world.claim_as("a", 3, 0), Err(IdempotencyError::Full)));
    world.first_as("b", 4);
    world.first_as("b", 5);
    assert!(matches!(world.claim_as("b", 6, 0), Err(IdempotencyError::Full)), "none may be forgotten");
    assert_eq!([1, 2].map(|key| world.told(key)), ["unknown", "unknown"]);
}
