//! The audit log of a command that changes the vault without the process. Its records go where those of the process do; where that one has
//! the file they are printed on standard error, and where the file cannot be written nothing is changed.

use std::{sync::Arc, time::Duration};

use super::output::sentence;
use crate::{
    config::{self, AuditOutput, Config},
    observe::{Audit, Metrics, audit::AuditError},
};

/// How long the last records may take to be written.
const PATIENCE: Duration = Duration::from_secs(5);

/// Opens it, where there is one.
///
/// # Errors
/// Why it cannot be written, and what to do about it.
pub(super) fn open(config: &Config, metrics: &Metrics) -> Result<Option<Arc<Audit>>, String> {
    let open = |config: &config::Audit| Audit::open_for_command(config, metrics.audit_lost.clone());
    let opened = match open(&config.audit) {
        Err(AuditError::Taken { path }) => {
            tell!(
                "warning: {path} is written by another process: what this command would write there follows here"
            );
            open(&config::Audit { output: AuditOutput::Stdout })
        }
        opened => opened,
    };
    opened.map_err(|error| {
        format!("{} Nothing was changed, as no audit log would say so", sentence(&error.to_string()))
    })
}

/// What was done, or why not, once the audit log says so.
///
/// # Errors
/// Why it was not done; and where the audit log does not say it, that too.
pub(super) async fn written<T>(audit: Option<&Arc<Audit>>, done: Result<T, String>) -> Result<T, String> {
    let Some(audit) = audit else { return done };
    audit.flush(PATIENCE).await;
    let status = audit.status();
    let Some(why) = status.last_error.or((status.lost > 0).then(|| "records were lost".to_owned())) else {
        return done;
    };
    let what = done.map_or_else(|error| error, |_| "It was done".to_owned());
    Err(format!("{} The audit log, {}, does not say so: {why}", sentence(&what), status.file))
}
