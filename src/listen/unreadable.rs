//! Requests that the HTTP parser refuses before anybody sees them, and those that do not come to their head's end: counted, and said at most once a minute for each reason. Nothing
//! of what the peer sent is shown.

use std::net::SocketAddr;

use tokio::time::Instant;

use super::told::Told;
use crate::{activity::Foreign, observe::Metrics};

/// Why, as the label `reason` of the metric has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// The head is larger than it may be, or has more fields.
    HeadTooLarge = 0,
    /// It was not there within `timeouts.head`.
    HeadTooSlow,
    /// The bytes are no HTTP request.
    Malformed,
    /// The peer speaks TLS, and the listener does not.
    Tls,
    /// The peer speaks HTTP/2, and the listener does not.
    Http2,
}

impl Unreadable {
    const COUNT: usize = Self::Http2 as usize + 1;

    /// Of what a connection ended with; `None` where it was not the parser.
    pub(super) fn of(error: &hyper::Error) -> Option<Self> {
        match error {
            error if error.is_parse_too_large() => Some(Self::HeadTooLarge),
            error if error.is_parse() => Some(Self::Malformed),
            _ => None,
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::HeadTooLarge => "head_too_large",
            Self::HeadTooSlow => "head_too_slow",
            Self::Malformed => "malformed",
            Self::Tls => "tls",
            Self::Http2 => "http2",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::HeadTooLarge => {
                "a request was refused (431): its head is larger than `limits.head`, or has more fields than `limits.headers`"
            }
            Self::HeadTooSlow => {
                "a connection was closed: the head of its request was not there within `timeouts.head`"
            }
            Self::Malformed => "a request was refused (400): it is not HTTP/1.1",
            Self::Tls => "this listener speaks plain HTTP, and a client speaks TLS",
            Self::Http2 => "this listener speaks HTTP/1.1, and a client speaks HTTP/2 without TLS",
        }
    }

    fn remedy(self) -> &'static str {
        match self {
            Self::HeadTooLarge => {
                "have the client send fewer or shorter header fields, such as cookies and tokens, or a shorter query; or raise the one or the \
                 other. Logto itself refuses a head over about 16 kB"
            }
            Self::HeadTooSlow => {
                "look at the client at this address, and at what is between: a request's head is sent at once; or raise `timeouts.head`"
            }
            Self::Malformed => "look at what the client at this address sends",
            Self::Tls => "write http:// in the client, or set `listen.tls`",
            Self::Http2 => "have the client speak HTTP/1.1, or set `listen.tls`",
        }
    }
}

impl From<Foreign> for Unreadable {
    fn from(foreign: Foreign) -> Self {
        match foreign {
            Foreign::Tls => Self::Tls,
            Foreign::Http2 => Self::Http2,
        }
    }
}

/// Those of all listeners, as far as they were written.
#[derive(Debug, Default)]
pub struct UnreadableRequests(Told<{ Unreadable::COUNT }>);

impl UnreadableRequests {
    /// Counts a request, and writes it unless one like it was written a moment ago. The client sees no more than a connection that ends,
    /// or a status without a body, so the operator is told.
    pub(super) fn note(&self, why: Unreadable, peer: Option<SocketAddr>, metrics: &Metrics, now: Instant) {
        metrics.unreadable.of([&why.label()]).inc();
        let (peer, reason) = (peer.map(tracing::field::display), why.label());
        match self.0.suppressed(why as usize, "", now) {
            Some(suppressed) => {
                tracing::warn!(peer, reason, suppressed, remedy = why.remedy(), "{}", why.text());
            }
            None => tracing::debug!(peer, reason, "{}", why.text()),
        }
    }
}
