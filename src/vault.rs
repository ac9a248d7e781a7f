//! The vault: where the credentials of tenants rest that no configuration file has, because they were captured when the
//! tenant was created, or adopted, and that are rotated by nobody's hand.
//!
//! [`Vault`] is what everybody uses: a cheap handle whose methods never block a thread. An alias is taken with
//! [`Vault::reserve`] before anything is done at Logto, and [`Reservation::store`] puts the credential there; a change names
//! the [`Version`] that it was made of, so that of two replicas one is told that it came late. [`Store`] is what a backend
//! implements. Decided here: who has an alias, what is written, when it is safe. Never: a secret that is not sealed in a
//! store, one in anything that can be printed, a record overwritten by somebody who had not seen it.

mod change;
mod embedded;
mod encoding;
mod error;
mod export;
mod fault;
mod follow;
mod handle;
mod kubernetes;
mod memory;
mod overlay;
mod record;
mod redis;
mod seal;
mod settings;
mod sightings;
mod store;

pub use change::{Changed, Changes};
pub use embedded::{Embedded, print_no_caught_panic};
pub use error::{Holder, Unavailable, VaultError};
pub use export::{export, exported};
pub use fault::fault_point;
pub use handle::{Reservation, Vault};
pub use kubernetes::{KubernetesSecrets, Server};
pub use memory::Memory;
pub use overlay::{Removed, VaultTenants};
pub use record::{Creating, Lease, Record, Rotation, Step, StoredSecret};
pub use redis::InRedis;
pub use sightings::Sightings;
pub use store::{Checkup, Imported, Notice, Pending, Store, Stored, Version};
