//! What a caller may use (`rate`) and hold (`memory`), what the tenant allows us (`quota`), and how much is under way at once
//! (`in_flight`). The reject form: whoever is over a limit is told at once how long to wait; only the place in flight and the
//! memory for an answer are waited for. It makes the values that the upstream demands: [`Admitted`] of a permit, and of that what may be sent
//! ([`Dispatch`]), lent ([`Loan`]) or handed out ([`Handout`]).
//!
//! Limits outlive a reload of the configuration as long as their rate stays the same, so that nobody gets
//! a fresh allowance by touching a file.

mod admit;
mod bucket;
mod dispatch;
mod error;
mod in_flight;
mod limiter;
mod memory;
mod pauses;
mod peers;
mod quota;
mod shares;
mod unauthenticated;

pub use admit::{Admitted, CallerLimits, Limited, RateLimits};
pub use bucket::Bucket;
pub use dispatch::{DecidedBy, Dispatch, Handout, Loan, NotSent};
pub use error::LimitError;
pub use in_flight::{Entering, InFlight, LatePlace, UnreadGuard};
pub use limiter::{Limiter, Take};
pub use memory::{CallerMemory, Memory};
pub use peers::Peers;
pub use quota::Quota;
pub use shares::Held;
pub use unauthenticated::{Unauthenticated, Waiting};
