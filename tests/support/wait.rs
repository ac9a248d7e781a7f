//! The only place that waits for something to become true. Every wait has an end, and says what was waited for.

use std::{fmt::Display, future::Future, time::Duration};

use tokio::time::Instant;

/// More than anything here takes on a machine that does other things as well.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(5);

/// Asks again and again until `found` has an answer.
pub(crate) async fn until<T>(what: impl Display, found: impl FnMut() -> Option<T>) -> T {
    until_by(PATIENCE, what, found).await
}

/// Waits for what is true or false.
pub(crate) async fn soon(what: impl Display, mut is_so: impl FnMut() -> bool) {
    until(what, || is_so().then_some(())).await;
}

async fn until_by<T>(patience: Duration, what: impl Display, mut found: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + patience;
    let mut looks = tokio::time::interval(LOOK);
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < end, "waited {patience:?} in vain for: {what}");
        looks.tick().await;
    }
}

/// The outcome of `future`, which must not take longer than anything takes here.
pub(crate) async fn within<F: Future>(what: impl Display, future: F) -> F::Output {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(output) => output,
        Err(_) => panic!("waited {PATIENCE:?} in vain for: {what}"),
    }
}

/// Lets time pass, where the passing of time is what a test is about.
pub(crate) async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}
