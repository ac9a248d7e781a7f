//! One at a time for each tenant: whoever does something about its secrets has the turn until it is dropped.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::{RotationError, Rotator};
use crate::ids::TenantName;

/// How often, and how long apart, somebody who waits for a tenant's turn looks for it.
const TRIES: usize = 100;
const PAUSE: Duration = Duration::from_millis(100);

impl Rotator {
    /// The same for somebody who waits: what is done by itself, such as a question to Logto, has soon ended.
    pub(super) async fn turn_soon(&self, alias: &TenantName) -> Result<Turn<'_>, RotationError> {
        let mut left = TRIES;
        loop {
            match self.turn(alias) {
                Err(RotationError::Underway(_)) if left > 0 => {
                    left -= 1;
                    tokio::time::sleep(PAUSE).await;
                }
                turn => return turn,
            }
        }
    }

    /// One at a time for each tenant.
    pub(super) fn turn(&self, alias: &TenantName) -> Result<Turn<'_>, RotationError> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if !turns.insert(alias.clone()) {
            return Err(RotationError::Underway(alias.clone()));
        }
        Ok(Turn { turns: &self.turns, alias: alias.clone() })
    }
}

/// That nobody else rotates this tenant's secret.
pub(super) struct Turn<'r> {
    turns: &'r Mutex<HashSet<TenantName>>,
    alias: TenantName,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.alias);
    }
}
