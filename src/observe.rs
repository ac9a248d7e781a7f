//! What can be seen from outside: metrics, and the stream of what happened to requests, to which the log and the audit log
//! subscribe. Everything that is written here comes from closed sets or has been cleaned; no secret, token or body ever
//! enters this module.

mod answered_by;
mod apart;
pub mod audit;
#[cfg(test)]
mod captured;
mod details;
mod event;
mod events;
pub mod log;
pub mod metrics;
mod operations;
mod path;
pub mod record;
mod recorder;
pub mod request_id;
mod request_log;
mod shown_rule;
mod side;
mod usual;
mod withheld;

pub use answered_by::{AnsweredBy, CacheUse};
pub use apart::{Apart, Sends};
pub use audit::Audit;
pub use details::{Details, Issued, SecretsShown};
pub use event::{Outcome, RequestEvent};
pub use events::{Events, Subscriber, Subscription};
pub use metrics::Metrics;
pub use operations::{GrantUse, OperationMetrics, Tally, TenantMetrics};
pub use record::Record;
pub use recorder::Recorder;
pub use request_id::RequestId;
pub use request_log::RequestLog;
pub use shown_rule::ShownRule;
pub use side::Side;
pub use usual::Pace;
pub use withheld::LastWithheld;
