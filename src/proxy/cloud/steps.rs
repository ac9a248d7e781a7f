//! How far a creation has come, for whoever watches. Nothing waits for a watcher, and none sees a secret.

use serde::Serialize;
use tokio::sync::mpsc;

use crate::ids::TenantName;

/// A step that was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum CreationStep {
    /// Nobody else gets the alias.
    Reserved {
        /// Which.
        alias: TenantName,
    },
    /// Logto Cloud was asked.
    Sent {
        /// By which account.
        account: TenantName,
    },
    /// The tenant exists, and its credential is in memory.
    Created {
        /// Logto's ID of it.
        tenant_id: String,
        /// Where it is.
        endpoint: String,
    },
    /// The credential is in the vault, and the tenant in force.
    Stored {
        /// Under which name.
        alias: TenantName,
    },
    /// A token was had with the credential.
    Proved,
}

/// Whom steps are told.
#[derive(Debug, Clone, Default)]
pub struct Steps(Option<mpsc::Sender<CreationStep>>);

impl Steps {
    /// More than a creation has.
    const ROOM: usize = 8;

    /// Somebody.
    pub fn watched() -> (Self, mpsc::Receiver<CreationStep>) {
        let (sender, receiver) = mpsc::channel(Self::ROOM);
        (Self(Some(sender)), receiver)
    }

    pub(super) fn tell(&self, step: CreationStep) {
        if let Some(watcher) = &self.0 {
            // One who has left, or does not look, misses it.
            let _ = watcher.try_send(step);
        }
    }

    pub(super) fn tell_if(&self, done: bool, step: impl FnOnce() -> CreationStep) {
        if done {
            self.tell(step());
        }
    }
}
