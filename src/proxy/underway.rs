//! What is not to be lost when the process stops, though perhaps no connection waits for it any more: creations of tenants and
//! requests that are sent once, whose callers may have left. The process ends when all of it has, or names what it cuts off.

use std::sync::Arc;

use tokio::sync::watch;

/// All of it. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Underway(Arc<watch::Sender<Vec<Arc<str>>>>);

/// One of them; ends when dropped.
#[derive(Debug)]
pub struct Task {
    all: Underway,
    what: Arc<str>,
}

impl Underway {
    /// Begins one, which the log calls so if it is cut off: a noun. It holds no secret.
    pub fn begin(&self, what: impl Into<Arc<str>>) -> Task {
        let what = what.into();
        self.0.send_modify(|all| all.push(what.clone()));
        Task { all: self.clone(), what }
    }

    /// Waits until there is none.
    pub async fn ended(&self) {
        // It fails without a sender, and there is one.
        let _ = self.0.subscribe().wait_for(Vec::is_empty).await;
    }

    /// Those that have not ended.
    pub fn left(&self) -> Vec<Arc<str>> {
        self.0.borrow().clone()
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.all.0.send_modify(|all| {
            if let Some(at) = all.iter().position(|it| Arc::ptr_eq(it, &self.what)) {
                all.swap_remove(at);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_waits_for_all_and_names_those_that_are_left() {
        let underway = Underway::default();
        underway.ended().await;
        let tasks = ["same", "same", "other"].map(|what| underway.begin(what));
        let [first, second, third] = tasks;
        drop((first, third));
        assert_eq!(underway.left(), [Arc::from("same")]);
        let ended = underway.clone();
        let waiting = tokio::spawn(async move { ended.ended().await });
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!waiting.is_finished());
        drop(second);
        waiting.await.unwrap();
        assert!(underway.left().is_empty());
    }
}
