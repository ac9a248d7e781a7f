//! Says that a response was blocked: in the log, by operation and never by value, and in the metrics.

use crate::{filter::Blocked, observe::Record};

/// Reports it.
pub fn report(blocked: Blocked, record: &Record) {
    let operation = &record.operation;
    operation.withheld(blocked == Blocked::Echo, &blocked);
    tracing::error!(
        request_id = record.id.as_str(),
        caller = operation.caller(),
        tenant = operation.tenant(),
        operation = operation.operation(),
        reason = %blocked,
        "a response was blocked"
    );
}
