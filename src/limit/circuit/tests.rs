use super::*;
use crate::{config::Class, limit::in_flight::tests::operation};

const SECOND: Duration = Duration::from_secs(1);

fn circuit() -> Arc<Circuit> {
    Arc::new(Circuit::new(TenantName::parse("acme").unwrap(), Breaker::default()))
}

fn who(caller: usize, of: usize) -> Who {
    Who { caller: CallerId::numbered(caller as u64), operation: operation(of), class: Class::Normal }
}

impl Circuit {
    fn failed_for(&self, caller: usize, of: usize, how: TriedInVain) -> bool {
        self.failed(CallerId::numbered(caller as u64), operation(of), how)
    }
}

/// A read of nobody in particular.
const READ: Who =
    Who { caller: CallerId::numbered(0), operation: OperationId::named("0"), class: Class::Normal };

/// One that is open.
fn open() -> Arc<Circuit> {
    let circuit = circuit();
    let opened = (0..10).filter(|n| circuit.failed_for(n % 2, n % 3, TriedInVain::Failed)).count();
    assert_eq!((opened, circuit.is_closed()), (1, false));
    circuit
}

fn wait(circuit: &Arc<Circuit>, who: Who, is_safe: bool) -> Option<Duration> {
    let refused = circuit.check(who, is_safe).err()?;
    refused.retry_after()
}

#[tokio::test(start_paused = true)]
async fn b56_it_opens_when_all_fail_and_says_how_long_it_is_open() {
    let circuit = circuit();
    for n in 0..9 {
        assert!(!circuit.failed_for(n % 2, n % 3, TriedInVain::Failed), "{n}");
        assert_eq!(circuit.check(READ, true), Ok(()));
    }
    assert!(circuit.failed_for(1, 2, TriedInVain::Failed));
    assert_eq!(wait(&circuit, READ, true), Some(SECOND));
    assert!(circuit.pass(READ, true).is_err());
    let status = circuit.status();
    assert_eq!((status.state, status.opened, status.next_try), ("open", 1, Some(SECOND)));
}

#[tokio::test(start_paused = true)]
async fn b56_no_operation_alone_opens_it_and_no_caller_alone() {
    let (of_operation, of_caller) = (circuit(), circuit());
    for n in 0..1000 {
        assert!(!of_operation.failed_for(n % 50, 7, TriedInVain::Failed), "one operation, asked by all");
        assert!(!of_caller.failed_for(7, n % 50, TriedInVain::Failed), "one caller, whatever it asks");
    }
    // Beside the broken operation of many, two more that fail once.
    assert!(
        !of_operation.failed_for(1, 8, TriedInVain::Failed)
            && !of_operation.failed_for(2, 9, TriedInVain::Failed)
    );
    assert!(!of_caller.failed_for(8, 1, TriedInVain::Failed), "nor with another one that fails once");
    assert!(of_operation.is_closed() && of_caller.is_closed());
}

#[tokio::test(start_paused = true)]
async fn b56_a_success_in_between_keeps_it_closed_and_a_refusal_of_an_input_does_not() {
    let circuit = circuit();
    for n in 0..100 {
        assert!(!circuit.failed_for(n % 2, n % 5, TriedInVain::Failed), "{n}");
        if n % 9 == 8 {
            circuit.answered(true);
        }
    }
    circuit.answered(true);
    for n in 0..9 {
        circuit.failed_for(n % 2, n % 5, TriedInVain::Failed);
        circuit.answered(false);
    }
    assert!(circuit.failed_for(0, 1, TriedInVain::Failed), "400s in between say nothing of its database");
}

#[tokio::test(start_paused = true)]
async fn b56_without_a_connection_whoever_asks_counts_and_any_answer_ends_it() {
    let circuit = circuit();
    for _ in 0..9 {
        circuit.failed_for(7, 7, TriedInVain::Unconnected);
    }
    circuit.answered(false);
    for _ in 0..9 {
        assert!(!circuit.failed_for(7, 7, TriedInVain::Unconnected));
    }
    assert!(circuit.failed_for(7, 7, TriedInVain::Unconnected));
}

#[tokio::test(start_paused = true)]
async fn b56_failures_that_are_far_apart_are_no_run() {
    let circuit = circuit();
    for n in 0..100 {
        assert!(!circuit.failed_for(n % 2, n % 3, TriedInVain::Failed));
        tokio::time::advance(4 * SECOND).await;
    }
    assert!(circuit.is_closed());
}

#[tokio::test(start_paused = true)]
async fn b56_one_request_at_a_time_tries_and_closes_it_or_leaves_it_open_for_longer() {
    let circuit = open();
    for (n, seconds) in [1, 2, 4, 8, 10, 10].into_iter().enumerate() {
        assert_eq!(wait(&circuit, READ, true), Some(seconds * SECOND));
        tokio::time::advance(seconds * SECOND).await;
        assert_eq!(circuit.status().state, "half_open");
        // An operation that has not been tried; others wait meanwhile.
        let probe = circuit.pass(who(0, 100 + n), true).unwrap().unwrap();
        assert_eq!(wait(&circuit, READ, true), Some(PROBING));
        assert!(circuit.pass(READ, true).is_err());
        probe.failed();
    }
    tokio::time::advance(10 * SECOND).await;
    circuit.pass(READ, true).unwrap().unwrap().succeeded();
    assert!(circuit.is_closed() && circuit.pass(READ, false).unwrap().is_none());
    assert!(!circuit.failed_for(1, 1, TriedInVain::Failed), "it begins anew");
}

#[tokio::test(start_paused = true)]
async fn b56_a_probe_whose_caller_left_leaves_its_place_to_the_next() {
    let circuit = open();
    tokio::time::advance(SECOND).await;
    drop(circuit.pass(READ, true).unwrap().unwrap());
    assert!(circuit.pass(READ, true).unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn b56_a_read_is_preferred_as_the_probe_and_not_of_the_operation_that_failed_last() {
    let circuit = open();
    assert_eq!((wait(&circuit, READ, true), wait(&circuit, READ, false)), (Some(SECOND), Some(2 * SECOND)));
    tokio::time::advance(SECOND).await;
    circuit.pass(who(0, 7), true).unwrap().unwrap().answered_in_vain();
    tokio::time::advance(2 * SECOND).await;
    assert_eq!(wait(&circuit, who(1, 7), true), Some(2 * SECOND), "it may be this one that is broken");
    assert_eq!(wait(&circuit, READ, true), None);
    // Where nothing else comes, it is tried all the same, and so is a write.
    tokio::time::advance(2 * SECOND).await;
    assert_eq!((wait(&circuit, who(1, 7), true), wait(&circuit, READ, false)), (None, None));
}

#[tokio::test(start_paused = true)]
async fn b56_off_it_never_opens() {
    let off = Breaker { enabled: false, ..Breaker::default() };
    let circuit = Arc::new(Circuit::new(TenantName::parse("acme").unwrap(), off));
    for n in 0..1000 {
        assert!(!circuit.failed_for(n % 5, n % 7, TriedInVain::Unconnected));
    }
    assert!(circuit.pass(READ, true).unwrap().is_none());
}

/// Whatever comes in whichever order: one probe at a time, who comes back when told is not refused but for another one that is tried, and
/// once the tenant answers again the next that is tried closes it.
#[tokio::test(start_paused = true)]
async fn b56_at_random_one_probe_at_a_time_and_it_always_recovers() {
    for seed in 0..200 {
        let (mut random, circuit) = (fastrand::Rng::with_seed(seed), circuit());
        let mut probe: Option<Probe> = None;
        for _ in 0..300 {
            let (caller, operation, is_safe) = (random.usize(..3), random.usize(..6), random.bool());
            match circuit.pass(who(caller, operation), is_safe) {
                Ok(Some(another)) => {
                    assert!(probe.is_none(), "seed {seed}: two at one time");
                    probe = Some(another);
                }
                Ok(None) => {
                    assert!(circuit.is_closed() && probe.is_none(), "seed {seed}");
                    match random.u8(..12) {
                        0 => circuit.answered(random.bool()),
                        n => drop(circuit.failed_for(caller, operation, kind(n))),
                    }
                }
                Err(refused) => {
                    let wait = refused.retry_after().unwrap();
                    assert!(
                        wait <= 20 * SECOND && (probe.is_some() || !wait.is_zero()),
                        "seed {seed}: {wait:?}"
                    );
                    if probe.is_none() {
                        tokio::time::advance(wait).await;
                        assert_eq!(circuit.check(who(caller, operation), is_safe), Ok(()), "seed {seed}");
                    }
                }
            }
            // What was sent before it opened ends in any way, and decides nothing.
            circuit.answered(random.bool());
            match random.u8(..4) {
                0 => probe = None,
                1 if random.bool() => probe.take().into_iter().for_each(Probe::answered_in_vain),
                1 => probe.take().into_iter().for_each(Probe::failed),
                2 if random.u8(..4) == 0 => probe.take().into_iter().for_each(Probe::succeeded),
                _ => tokio::time::advance(Duration::from_millis(random.u64(..500))).await,
            }
        }
        drop(probe);
        tokio::time::advance(20 * SECOND).await;
        if let Some(probe) = circuit.pass(READ, false).unwrap() {
            probe.succeeded();
        }
        assert!(circuit.is_closed(), "seed {seed}");
    }
}

fn kind(n: u8) -> TriedInVain {
    if n.is_multiple_of(4) { TriedInVain::Unconnected } else { TriedInVain::Failed }
}
