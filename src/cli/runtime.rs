//! The runtime that a command runs on.

/// A runtime for one thread: what is not a worker.
pub(super) fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}
