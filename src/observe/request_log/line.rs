//! A request for people: what is of one width in front, so that it stands in columns, what decided behind it, and below it,
//! where something went wrong, what and what to do.

use std::{fmt, time::Duration};

use crate::{
    authn::Principal,
    observe::{
        Outcome, RequestEvent, SecretsShown, Side,
        log::paint::{Harmless, Ink, Paint},
    },
};

/// The columns: `403    12 ms  DELETE  /api/roles/r1`, behind the time of eleven characters.
const PATH: usize = 30;
const INDENT: usize = 25;

/// An event as it is shown.
pub(super) struct Line<'e> {
    pub(super) event: &'e RequestEvent,
    pub(super) paint: Paint,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.columns(f)?;
        self.who(f)?;
        self.decision(f)?;
        self.failure(f)
    }
}

impl Line<'_> {
    fn columns(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (event, paint) = (self.event, self.paint);
        let status = paint.ink(self.colour(), event.status.as_u16());
        let took = format!("{:>7}", Took(event.duration).to_string());
        let slow = event.duration >= Duration::from_secs(1);
        let took = paint.ink(if slow { Ink::Careful } else { Ink::Dim }, took);
        let method = paint.ink(Ink::Bold, format!("{:<6}", event.shown_method()));
        let query = if event.has_query { "?…" } else { "" };
        let path = format!("{}{query}", event.path.as_deref().unwrap_or("-"));
        write!(f, "{status}  {took}  {method}  {path:<PATH$}")
    }

    fn colour(&self) -> Ink {
        match self.event.status.as_u16() {
            _ if self.event.needs_attention() => Ink::Bad,
            100..=299 => Ink::Good,
            300..=399 => Ink::Neutral,
            400..=499 => Ink::Careful,
            _ => Ink::Bad,
        }
    }

    /// The caller and its tenant; where nobody is known, where it came from.
    fn who(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (event, paint) = (self.event, self.paint);
        match (known(event.operation.caller()), known(event.operation.tenant()), peer(event)) {
            (Some(caller), Some(tenant), _) => write!(f, "  {caller} → {tenant}"),
            (Some(caller), None, _) => write!(f, "  {caller}"),
            (None, _, Some(peer)) => write!(f, "  {}", paint.ink(Ink::Dim, format_args!("from {peer}"))),
            (None, _, None) => Ok(()),
        }
    }

    /// The operation, and the rule that allowed it.
    fn decision(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (event, paint) = (self.event, self.paint);
        if let Some(operation) = known(event.operation.operation()) {
            write!(f, "  {}", paint.ink(Ink::Neutral, operation))?;
        }
        let details = event.details.as_deref();
        let rule = details
            .and_then(|details| details.rule.as_deref())
            .filter(|_| event.outcome() != Outcome::Denied);
        if let Some(rule) = rule {
            let by = format_args!("by {} of {}", Harmless(&rule.rule.text), rule.policy);
            write!(f, "  {}", paint.ink(Ink::Dim, by))?;
        }
        match details.and_then(|details| details.secrets).filter(|_| event.outcome() == Outcome::Answered) {
            Some(SecretsShown::Masked) => write!(f, "  {}", paint.ink(Ink::Dim, "secrets masked"))?,
            Some(SecretsShown::Revealed) => write!(f, "  {}", paint.ink(Ink::Careful, "secrets revealed"))?,
            None => {}
        }
        if let Some(via) = event.via {
            write!(f, "  {}", paint.ink(Ink::Dim, format_args!("via /{via}")))?;
        }
        if event.attempts > 1 {
            write!(f, "  {}", paint.ink(Ink::Careful, format_args!("{} attempts", event.attempts)))?;
        }
        if event.caller_left() {
            write!(f, "  {}", paint.ink(Ink::Dim, "the caller left"))?;
        }
        Ok(())
    }

    fn failure(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (event, paint) = (self.event, self.paint);
        let Some(code) = event.code else { return Ok(()) };
        write!(f, "\n{:INDENT$}{}", "", paint.ink(self.colour(), code))?;
        if let Some(side) = event.side.filter(|side| *side != Side::Caller) {
            write!(f, " ({})", side.as_str())?;
        }
        if let Some(cause) = &event.cause {
            write!(f, ": {}", Harmless(cause))?;
        }
        if let Some(remedy) = &event.remedy {
            write!(f, "\n{:INDENT$}{}", "", Harmless(remedy))?;
        }
        write!(f, "\n{:INDENT$}{}", "", paint.ink(Ink::Dim, Trace(event)))
    }
}

/// How to find the request again, and who it was.
struct Trace<'e>(&'e RequestEvent);

impl fmt::Display for Trace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let event = self.0;
        write!(f, "request {}", event.id.as_str())?;
        if let Some(method) = event.identified_by {
            write!(f, ", by {method}")?;
            let principal = event.principal.as_ref();
            let name = principal.and_then(|it| {
                it.key().or_else(|| Principal::subject(it)).or_else(|| Principal::certificate(it))
            });
            if let Some(name) = name {
                write!(f, " {}", Harmless(name))?;
            }
        }
        // Of nobody it stands in the first line.
        match peer(event).filter(|_| known(event.operation.caller()).is_some()) {
            Some(peer) => write!(f, ", from {peer}"),
            None => Ok(()),
        }
    }
}

/// How long it took, in three digits.
struct Took(Duration);

impl fmt::Display for Took {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.as_secs_f64() * 1000.0;
        match ms {
            ..9.95 => write!(f, "{ms:.1} ms"),
            ..999.5 => write!(f, "{ms:.0} ms"),
            ..9950.0 => write!(f, "{:.1} s", ms / 1000.0),
            _ => write!(f, "{:.0} s", ms / 1000.0),
        }
    }
}

/// A name is empty where it is not known.
pub(super) fn known(name: &str) -> Option<&str> {
    (!name.is_empty()).then_some(name)
}

/// The other end of the connection.
pub(super) fn peer(event: &RequestEvent) -> Option<Peer<'_>> {
    (event.peer.is_some() || event.peer_uid.is_some()).then_some(Peer(event))
}

pub(super) struct Peer<'e>(&'e RequestEvent);

impl fmt::Display for Peer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.peer, self.0.peer_uid) {
            (Some(address), _) => address.fmt(f),
            (None, Some(uid)) => write!(f, "uid {uid}"),
            (None, None) => Ok(()),
        }
    }
}
