//! Warns of certificates and revocation lists that expire while the process runs: when it happens, after each
//! reload, and once a day for as long as it lasts. What is said is decided where the certificates are.

use std::time::Duration;

use tokio::{sync::Notify, time::Instant};

use crate::config::Problem;

/// How often is looked. Not until the next date, since the wall clock may be set and the machine may sleep.
const LOOK: Duration = Duration::from_secs(60);
const AGAIN: Duration = Duration::from_secs(24 * 60 * 60);

/// Says `concerns` until dropped.
pub(super) async fn watch(
    concerns: impl Fn() -> Vec<Problem>,
    taken_over: &Notify,
    mut say: impl FnMut(&Problem),
) {
    let mut said: Vec<(Problem, Instant)> = Vec::new();
    loop {
        let now = Instant::now();
        said = concerns()
            .into_iter()
            .map(|concern| {
                let before = said.iter().find(|(before, _)| *before == concern).map(|(_, at)| *at);
                let at = before.filter(|at| now.duration_since(*at) < AGAIN).unwrap_or_else(|| {
                    say(&concern);
                    now
                });
                (concern, at)
            })
            .collect();
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            // A new configuration: what is wrong with it is said with it, as at the start.
            () = taken_over.notified() => said.clear(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        cell::RefCell,
        rc::Rc,
        sync::atomic::{AtomicUsize, Ordering::Relaxed},
    };

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn concern(what: usize) -> Problem {
        Problem { key: "listen.tls.cert".into(), origin: None, what: what.to_string(), remedy: String::new() }
    }

    /// What is said in a time; the concern has the number in `what`, and there is none at 0.
    async fn run(
        what: &AtomicUsize,
        taken_over: &Notify,
        script: impl Future<Output = ()>,
    ) -> Vec<(u64, String)> {
        let (said, start) = (Rc::new(RefCell::new(Vec::new())), Instant::now());
        let concerns = || match what.load(Relaxed) {
            0 => Vec::new(),
            number => vec![concern(number)],
        };
        let say = |concern: &Problem| {
            said.borrow_mut().push((start.elapsed().as_secs() / 60, concern.what.clone()));
        };
        tokio::select! {
            () = watch(concerns, taken_over, say) => {}
            () = script => {}
        }
        said.take()
    }

    fn one(minute: u64, what: &str) -> (u64, String) {
        (minute, what.to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn a_concern_is_said_at_once_and_then_once_a_day() {
        let what = AtomicUsize::new(1);
        let script = async { tokio::time::sleep(MINUTE * 60 * 60).await };
        let said = run(&what, &Notify::new(), script).await;
        assert_eq!(said, [one(0, "1"), one(24 * 60, "1"), one(48 * 60, "1")]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_while_it_runs_is_said_within_a_minute_and_what_returns_again() {
        let what = AtomicUsize::new(0);
        let script = async {
            for (wait, next) in [(90, 1), (600, 2), (600, 0), (600, 1), (600, 0)] {
                tokio::time::sleep(Duration::from_secs(wait)).await;
                what.store(next, Relaxed);
            }
        };
        let said = run(&what, &Notify::new(), script).await;
        assert_eq!(said, [one(2, "1"), one(12, "2"), one(32, "1")]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reload_says_it_again_and_at_once() {
        let (what, taken_over) = (AtomicUsize::new(1), Notify::new());
        let script = async {
            tokio::time::sleep(Duration::from_secs(61)).await;
            taken_over.notify_one();
            tokio::time::sleep(Duration::from_secs(58)).await;
        };
        let said = run(&what, &taken_over, script).await;
        assert_eq!(said, [one(0, "1"), one(1, "1")]);
    }
}
