//! What every command does first, as nearly all of them read secrets.

/// No core file and no debugger of the same user: both would show secrets (prctl(2), PR_SET_DUMPABLE).
pub(super) fn harden() {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

    // Where the system refuses, the process is no worse off than any other.
    let _: rustix::io::Result<()> = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let _: rustix::io::Result<()> = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
}
