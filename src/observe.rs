//! What can be seen from outside: metrics, request records, log lines. Everything that is written here comes
//! from closed sets or has been cleaned; no secret, token or body ever enters this module.

pub mod audit;
pub mod cells;
pub mod log;
pub mod metrics;
pub mod record;
pub mod request_id;

pub use audit::{Audit, Issued, Trail};
pub use cells::{Cells, OperationCells};
pub use metrics::Metrics;
pub use record::{Record, Source};
pub use request_id::RequestId;
