//! What follows from `limits.memory` and the limit of open files: how many connections there may be, how many of
//! one peer, how many requests of whom nobody knows, what known callers may hold, and how large buffers are. The one place where memory
//! is divided: nine sixteenths are for connections, an eighth for requests of nobody known, a sixteenth for those of known callers that
//! wait, and a quarter for exchanges with upstreams. A third as much again is the system's: buffers of sockets.
//!
//! Resident memory on Linux, roughly; the third and later ones with the program of the tests, which is not optimised:
//!
//! | what a peer does that has not authenticated | KiB |
//! |---|---|
//! | a connection of HTTP/1.1 with an unfinished head of 15 KiB | 37 |
//! | an idle connection with TLS and HTTP/2 | 32 |
//! | the same, with eight answers that it does not take (there are no more: see `proxy/service.rs`) | 80 |
//! | the same, with forty streams of all kinds at once | 140 |
//! | for each stream that was ever open at the same time on it, which h2 keeps room for | 1.5 |

use crate::config::Limits;

/// What the process takes before anybody connects, with some tenants.
const BASE: u64 = Limits::OF_PROCESS;
/// The most that a connection costs whose peer has proved nothing.
const CONNECTION: u64 = 96 * KIB + LEAST_STREAMS * STREAM;
/// The most that another stream at the same time costs.
const STREAM: u64 = 3 * KIB / 2;
/// Streams of a connection: in little memory, and where there is enough (RFC 9113 section 6.5.2).
const LEAST_STREAMS: u64 = 20;
const USUAL_STREAMS: u64 = 100;
/// An estimate of the most that a request costs while nobody knows whose it is: its head, a form, and what a peer may send ahead.
const REQUEST: u64 = 96 * KIB;
/// An estimate of the most that an exchange with an upstream costs until its caller has taken the answer: two buffers of hyper's for the
/// answer (64 KiB), a window of gzip with its tables and a piece (75), the pieces under way to the caller (48), heads and tasks.
const EXCHANGE: u64 = 256 * KIB;
/// More than anybody needs at one time.
const MOST_EXCHANGES: u64 = 16 * 1024;
/// Buffers of a socket, each: no fewer bytes than this, which the system doubles, and no bound from that on.
const LEAST_BUFFER: u64 = 8 * KIB;
const UNBOUND_BUFFER: u64 = 256 * KIB;
/// Descriptors that are neither a caller's connection nor one to an upstream: workers, listeners, logs, probes, files.
const SPARE_DESCRIPTORS: u64 = 32;
/// Where no limit of memory is known.
const USUAL_MEMORY: u64 = 1024 * MIB;
/// More of these than anybody has at one time.
const MOST_UNAUTHENTICATED: u64 = 1024;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// What is asked for, and what there is.
#[derive(Debug, Clone, Copy)]
pub struct Means {
    /// `limits.memory`, else what the system allows the process; `None`: nobody says.
    pub memory: Option<u64>,
    /// The limit of open files; `None`: there is none.
    pub descriptors: Option<u64>,
    /// `listen.max_connections`
    pub connections: usize,
    /// `limits.unauthenticated`; 0: as many as the memory allows.
    pub unauthenticated: usize,
}

/// The bounds that follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Connections on all listeners together.
    pub connections: usize,
    /// Streams at the same time on each connection of HTTP/2.
    pub streams: u32,
    /// Of the connections, what one address may have before it has authenticated on them.
    pub connections_of_a_peer: usize,
    /// Requests that wait for something before it is known whose they are.
    pub unauthenticated: usize,
    /// Whether the limit of open files is what bounds the connections.
    pub short_of_descriptors: bool,
    /// What requests of known callers may hold while they wait, in bytes.
    pub waiting: u64,
    /// Exchanges with upstreams at the same time.
    pub exchanges: u64,
    /// What may be on its way on a connection of HTTP/2 with a caller.
    pub windows: Windows,
    /// The same with an upstream, for each stream.
    pub upstream_window: u32,
    /// Bytes of each of the two buffers that the system has for a connection; `None`: as many as it likes.
    pub socket_buffer: Option<usize>,
}

/// What may be on its way on a connection of HTTP/2, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    /// What its peer may send ahead of what has been taken.
    pub connection: u32,
    /// The same of one stream.
    pub stream: u32,
    /// What is held of one answer while its caller does not read.
    pub answer: usize,
}

impl Windows {
    /// Where nobody says how much memory there is, and where it is bounded: 64 KiB is the least of a connection (RFC 9113
    /// section 6.9.2).
    const USUAL: Self = Self { connection: 512 * 1024, stream: 64 * 1024, answer: 64 * 1024 };
    const SMALL: Self = Self { connection: 64 * 1024, stream: 32 * 1024, answer: 16 * 1024 };
}

impl Budget {
    /// Divides what there is.
    pub fn of(means: Means) -> Self {
        let memory = means.memory.unwrap_or(USUAL_MEMORY);
        let to_divide = memory.saturating_sub(BASE).max(memory / 8);
        let for_connections = to_divide / 16 * 9;
        let by_memory = for_connections / CONNECTION;
        // Each caller's connection may need another one, to the upstream.
        let by_descriptors =
            means.descriptors.map_or(u64::MAX, |all| all.saturating_sub(SPARE_DESCRIPTORS) / 2);
        let asked = means.connections as u64;
        let connections = asked.min(by_memory).min(by_descriptors).max(1);
        let more_streams = (for_connections / connections).saturating_sub(CONNECTION) / STREAM;
        let streams = (LEAST_STREAMS + more_streams).min(USUAL_STREAMS);
        let most = (to_divide / 8 / REQUEST).clamp(1, MOST_UNAUTHENTICATED);
        let unauthenticated = match means.unauthenticated as u64 {
            0 => most,
            asked => asked.min(most),
        };
        let exchanges = (to_divide / 4 / EXCHANGE).clamp(2, MOST_EXCHANGES);
        // Two for each connection, to callers and upstreams alike, of which the system takes twice the size.
        let buffer = memory / 3 / (connections + exchanges) / 4;
        let socket_buffer =
            means.memory.map(|_| buffer.max(LEAST_BUFFER)).filter(|bytes| *bytes < UNBOUND_BUFFER);
        let is_bounded = means.memory.is_some();
        let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        Self {
            connections: number(connections),
            streams: u32::try_from(streams).unwrap_or(u32::MAX),
            connections_of_a_peer: number(connections.div_ceil(4)),
            unauthenticated: number(unauthenticated),
            short_of_descriptors: by_descriptors < asked.min(by_memory),
            waiting: to_divide / 16,
            exchanges,
            windows: if is_bounded { Windows::SMALL } else { Windows::USUAL },
            upstream_window: if is_bounded { 64 * 1024 } else { 1024 * 1024 },
            socket_buffer: socket_buffer.map(number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLENTY: Means = Means { memory: None, descriptors: None, connections: 4096, unauthenticated: 0 };

    #[test]
    fn what_is_asked_for_is_given_where_there_is_plenty() {
        let budget = Budget::of(PLENTY);
        assert_eq!((budget.connections, budget.connections_of_a_peer), (4096, 1024));
        assert_eq!((budget.unauthenticated, budget.short_of_descriptors), (1024, false));
        assert_eq!((budget.windows, budget.socket_buffer), (Windows::USUAL, None));
        let large = Budget::of(Means { memory: Some(64 * 1024 * MIB), ..PLENTY });
        assert_eq!((large.streams, large.socket_buffer), (100, None));
    }

    #[test]
    fn what_may_be_held_at_most_fits_into_the_memory() {
        for mib in [16, 32, 48, 64, 96, 128, 256, 1024] {
            let memory = mib * MIB;
            let budget = Budget::of(Means { memory: Some(memory), connections: 1_000_000, ..PLENTY });
            let held = budget.connections as u64 * CONNECTION
                + budget.unauthenticated as u64 * REQUEST
                + budget.waiting
                + budget.exchanges * EXCHANGE;
            let sockets = budget.connections as u64 + budget.exchanges;
            let buffers = 4 * sockets * budget.socket_buffer.unwrap() as u64;
            assert!(mib < 32 || buffers <= memory / 3, "{mib} MiB: {budget:?}");
            assert!(mib < 32 || held <= memory, "{mib} MiB: {budget:?}");
            assert!((20..=100).contains(&budget.streams), "{mib} MiB: {budget:?}");
            assert!(mib < 32 || held + BASE <= memory, "{mib} MiB: {budget:?}");
        }
        let small = Budget::of(Means { memory: Some(64 * MIB), ..PLENTY });
        assert_eq!((small.connections, small.unauthenticated, small.exchanges), (201, 58, 44));
    }

    #[test]
    fn descriptors_are_left_for_upstreams_and_probes() {
        let few = Budget::of(Means { descriptors: Some(64), ..PLENTY });
        assert_eq!((few.connections, few.short_of_descriptors), (16, true));
        let none = Budget::of(Means { descriptors: Some(10), ..PLENTY });
        assert_eq!((none.connections, none.connections_of_a_peer), (1, 1));
        let enough = Budget::of(Means { descriptors: Some(1 << 20), ..PLENTY });
        assert_eq!((enough.connections, enough.short_of_descriptors), (4096, false));
    }
}
