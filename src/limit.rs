//! What a caller may use (`rate`) and hold (`memory`), what the tenant allows us (`quota`), and how much is under way at once
//! (`in_flight`), if anything is sent at all (`circuit`). Whoever is over its own rate is told at once how long to wait. The tenant's quota is waited for (`pacing`), and so are the
//! place in flight and the memory for an answer. It makes the values that the upstream demands: [`Admitted`] of a permit, and of that what may be sent
//! ([`Dispatch`]), lent ([`Loan`]) or handed out ([`Handout`]).
//!
//! Where there is a Redis, quotas and rates are those of all replicas together (`shared`).
//!
//! Limits outlive a reload of the configuration as long as their rate stays the same, so that nobody gets
//! a fresh allowance by touching a file.

mod admit;
pub mod agreement;
mod belief;
mod bucket;
mod circuit;
mod dispatch;
mod error;
mod in_flight;
mod limiter;
mod limiters;
mod memory;
mod owed;
mod pacing;
mod pauses;
mod peers;
mod quota;
mod replicas;
mod shared;
mod shares;
mod turn;
mod unauthenticated;

pub use admit::{Admitted, CallerLimits, Limited, RateLimits};
pub use bucket::Bucket;
pub use circuit::{Circuit, CircuitStatus, Probe, TriedInVain};
pub use dispatch::{DecidedBy, Dispatch, Handout, Loan, NotSent};
pub use error::{LimitError, Paused};
pub use in_flight::{Bounds, Entering, InFlight, LatePlace, UnreadGuard, Who};
pub use limiter::{Drawn, Limiter, Take};
pub use limiters::Limiters;
pub use memory::{CallerMemory, KeptMemory, Memory};
pub use peers::Peers;
pub use quota::{Permit, Quota, QuotaMeter, QuotaStatus, Told, Waits};
pub use replicas::{Replicas, ReplicasStatus};
pub use shares::Held;
pub use turn::Turn;
pub use unauthenticated::{Unauthenticated, Waiting};
