//! The tenant's Management API: sends what was admitted with the tenant's token, again where that is safe,
//! and hands on the answer through the response filter. Never follows a redirect, never sends a request without a token,
//! never sends a body twice that may have been carried out, and never gives out a token or sends a request for anything
//! but a value that `limit` has made of an admitted one.

mod answer;
mod application_secrets;
mod attempt;
mod client;
mod error;
mod foreign;
mod health;
mod media;
mod peeked;
mod pool;
mod pools;
mod replay;
mod request;
mod retry;
mod tenant;
mod throttle;
mod writes;

pub use answer::{
    Answer, BodyError, Created, CreationAnswer, FilteredBody, Gathered, KeptAnswer, Whole, WholeAnswer,
};
pub use application_secrets::{ApplicationSecret, ApplicationSecrets, SecretsError};
pub use client::{hand_out, lend, send};
pub use error::UpstreamError;
pub use foreign::Foreign;
pub use health::{LastFailure, TryFailure, UpstreamHealth};
pub use pool::{ConnectionGuard, PoolBuffers, PoolTimes, SendError};
pub use pools::{PoolTable, Pools};
pub use replay::{Extent, Prepared, RequestBodyError, check as check_body};
pub use request::Outbound;
pub use retry::Retries;
pub use tenant::{Common, Tenant, TenantParts};
pub use writes::Writes;
