//! A change of the vault on its way to whoever keeps the tenants in force.

use tokio::sync::{mpsc, oneshot};

use super::store::Stored;
use crate::ids::TenantName;

/// A change that is stored, to be taken up by whoever keeps the tenants in force.
#[derive(Debug)]
pub struct Changed {
    /// Of which tenant.
    pub alias: TenantName,
    /// What is there now; `None`: nothing any more.
    pub now: Option<Stored>,
    /// Dropped when it has been taken up.
    pub done: oneshot::Sender<()>,
}

/// The stream of changes.
pub type Changes = mpsc::Receiver<Changed>;
