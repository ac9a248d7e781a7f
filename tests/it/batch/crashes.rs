//! Killed at random, and started again: all of it, and nothing twice.

use serde_json::Value;

use super::{Desk, nameless, user};
use crate::support::{Logto, Proxy, soon, within};

/// What came of runs that are killed.
pub(super) struct Killed {
    pub(super) times: usize,
    runs: usize,
}

/// Runs it until it ends by itself, killed up to `most` times on the way, each time after up to `longest` requests to Logto.
pub(super) async fn killed(desk: &Desk, logto: &Logto, most: usize, longest: usize, more: &[&str]) -> Killed {
    let mut killed = Killed { times: 0, runs: 0 };
    loop {
        killed.runs += 1;
        let mut child = desk.command(more).spawn().expect("the program can be run");
        let enough = logto.api_requests() + fastrand::usize(0..=longest);
        let over = async {
            match killed.times < most {
                true => soon("some requests", || logto.api_requests() >= enough).await,
                false => std::future::pending().await,
            }
        };
        tokio::select! {
            status = within("the run to end", child.wait()) => {
                status.expect("it is ours");
                return killed;
            }
            () = over => {}
        }
        // SIGKILL.
        child.kill().await.expect("it runs");
        killed.times += 1;
    }
}

async fn creations_survive(count: usize, kills: usize) {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    let desk = Desk::at(&proxy);
    desk.write((0..count).map(|n| user(&format!("crash_{n:05}"))));
    let began = tokio::time::Instant::now();
    let killed = killed(&desk, &logto, kills, count * 3 / 2 / kills, &["--concurrency", "16"]).await;
    let took = began.elapsed();
    desk.run(&[]).await.assert_code(0);
    let names = proxy.users("username").await;
    let names: Vec<_> = names.iter().filter(|name| name.starts_with("crash_")).collect();
    let want: Vec<_> = (0..count).map(|n| format!("crash_{n:05}")).collect();
    assert_eq!(names, want.iter().collect::<Vec<_>>(), "each once");
    let results = desk.results();
    assert_eq!(results.len(), count);
    assert!(results.iter().all(|it| it["outcome"] == "done" && it["body"]["id"].is_string()));
    let settled = results.iter().filter(|it| !it["settled"].is_null()).count();
    assert!(killed.times > kills / 2, "it was killed {} times only", killed.times);
    said(&format!(
        "{count} users, killed {} times in {} runs, {settled} settled, {took:.1?}",
        killed.times, killed.runs
    ));
}

#[expect(clippy::print_stderr, reason = "the figures are what the large one is run for")]
fn said(figures: &str) {
    eprintln!("{figures}");
}

#[tokio::test]
async fn b61_creations_survive_a_run_that_is_killed_at_random() {
    creations_survive(400, 12).await;
}

#[tokio::test]
#[ignore = "half a minute and more: 10,000 creations, killed a hundred times"]
async fn b61_ten_thousand_creations_survive_a_hundred_kills() {
    creations_survive(10_000, 100).await;
}

#[tokio::test]
async fn b61_what_has_nothing_unique_is_never_made_twice() {
    let logto = Logto::start().await;
    let proxy = Proxy::of(&logto).await;
    let desk = Desk::at(&proxy);
    desk.write((0..300).map(|n| nameless(&format!("crash-{n:05}"))));
    let killed = killed(&desk, &logto, 10, 40, &[]).await;
    assert!(killed.times > 5, "{}", killed.times);
    let names = proxy.users("name").await;
    let names: Vec<_> = names.iter().filter(|name| name.starts_with("crash-")).collect();
    assert!(names.windows(2).all(|two| two[0] != two[1]), "{names:?}");
    let results = desk.results();
    let is = |outcome: &str| results.iter().filter(|it| it["outcome"] == *outcome).collect::<Vec<&Value>>();
    assert_eq!(is("done").len() + is("unknown").len(), 300);
    // What is said to be done is there; what was noted and not sent is not said to be.
    for done in is("done") {
        let name = format!("crash-{:05}", done["line"].as_u64().expect("a number") - 1);
        assert!(names.contains(&&name), "{name}");
    }
    assert!(is("unknown").len() <= killed.times * 8, "{}", is("unknown").len());
}
