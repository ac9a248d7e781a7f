//! What the connections to an upstream are made with.

use std::time::Duration;

/// How long connections take and last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PoolTimes {
    /// `timeouts.connect`
    pub connect: Duration,
    /// `timeouts.upstream_idle`
    pub idle: Duration,
}

/// How much of answers may be on its way.
#[derive(Debug, Clone, Copy, Default)]
pub struct PoolBuffers {
    /// Bytes of each of the two buffers that the system has for a connection; `None`: as many as it likes.
    pub socket: Option<usize>,
    /// Over HTTP/2, the bytes of one answer and of all on one connection that may come before they are taken; `None`: hyper's.
    pub windows: Option<(u32, u32)>,
}
