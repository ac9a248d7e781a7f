//! What all slots have in common: clock, chance, the runtime that grants run on, and how many of them may run at one
//! time. It knows no slot.

use std::sync::{Arc, OnceLock, atomic::AtomicU32};

use tokio::{runtime, sync::Semaphore};

use crate::{
    clock::{Clock, Random},
    token::{events::GrantEvents, replicas::SharedTokens},
};

/// Grants at one time that no request waits for: ten thousand tenants at start are not ten thousand calls.
const AHEAD: usize = 16;
/// Grants at one time that a request waits for.
const ASKED: usize = 128;

/// What all slots have in common.
pub(super) struct Shared {
    pub(super) clock: Clock,
    pub(super) random: Random,
    pub(super) events: Arc<dyn GrantEvents>,
    pub(super) runtime: runtime::Handle,
    pub(super) ahead: Semaphore,
    pub(super) asked: Semaphore,
    /// Those of all replicas, where tokens are shared.
    pub(super) replicas: OnceLock<SharedTokens>,
    /// How many slots there are, those not yet swept out included.
    pub(super) slots: AtomicU32,
}

impl Shared {
    pub(super) fn new(
        clock: Clock,
        random: Random,
        events: Arc<dyn GrantEvents>,
        runtime: runtime::Handle,
    ) -> Self {
        Self {
            clock,
            random,
            events,
            runtime,
            ahead: Semaphore::new(AHEAD),
            asked: Semaphore::new(ASKED),
            replicas: OnceLock::new(),
            slots: AtomicU32::new(0),
        }
    }
}
