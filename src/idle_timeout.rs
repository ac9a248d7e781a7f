//! How long the next part of a body may take to arrive. The timer is made only when there is something to wait for, so that a
//! body that is there at once costs none.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep};

/// A limit on silence.
#[derive(Debug)]
pub struct IdleTimeout {
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    running: bool,
}

impl IdleTimeout {
    /// Allows `limit` between two signs of life.
    pub fn new(limit: Duration) -> Self {
        Self { limit, timer: None, running: false }
    }

    /// What is allowed.
    pub fn limit(&self) -> Duration {
        self.limit
    }

    /// There was a sign of life.
    pub fn broken(&mut self) {
        self.running = false;
    }

    /// Ready when the silence has lasted too long; wakes the task then.
    pub fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let limit = self.limit;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        if !self.running {
            timer.as_mut().reset(Instant::now() + limit);
            self.running = true;
        }
        timer.as_mut().poll(cx)
    }
}
