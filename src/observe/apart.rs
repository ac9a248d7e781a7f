//! What sending a request tells of it: to its record, or apart from that where sending goes on when its caller has left.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::Relaxed},
};

use super::{OperationMetrics, RequestId};

/// Whom sending tells how often it did, and by whose metrics it goes.
pub trait Sends: Send + Sync {
    /// The request's.
    fn id(&self) -> &RequestId;

    /// The metrics of its operation.
    fn operation(&self) -> &OperationMetrics;

    /// It is being sent. Told before, as a caller may leave in the middle.
    fn is_sent(&mut self);

    /// It was not sent after all.
    fn was_unsent(&mut self);
}

/// A part of a request that goes on when its caller has left, or a request of Claviger's own. What becomes of the request is in its record.
#[derive(Debug, Clone)]
pub struct Apart {
    id: RequestId,
    operation: Arc<OperationMetrics>,
    attempts: Arc<AtomicU32>,
}

impl Apart {
    /// Not sent yet.
    pub fn new(id: RequestId, operation: Arc<OperationMetrics>) -> Self {
        Self { id, operation, attempts: Arc::default() }
    }

    /// How often it was sent until now; clones count together.
    pub fn attempts(&self) -> u32 {
        self.attempts.load(Relaxed)
    }
}

impl Sends for Apart {
    fn id(&self) -> &RequestId {
        &self.id
    }

    fn operation(&self) -> &OperationMetrics {
        &self.operation
    }

    fn is_sent(&mut self) {
        self.attempts.fetch_add(1, Relaxed);
    }

    fn was_unsent(&mut self) {
        self.attempts.fetch_sub(1, Relaxed);
    }
}
