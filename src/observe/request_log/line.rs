//! A request for people: what is of one width in front, so that it stands in columns, what decided behind it, and below it,
//! where something went wrong, what and what to do.

use std::{fmt, time::Duration};

use crate::{
    authn::Principal,
    observe::{
        CacheUse, Outcome, RequestEvent, SecretsShown, Side,
        log::{
            layout::Layout,
            paint::{Harmless, Ink, Paint},
        },
    },
};

/// The columns: `403    12 ms  DELETE  /api/roles/r1`, behind the time of eleven characters.
const PATH: usize = 26;
const WIDE: usize = 100;
const TIME: usize = 11;
const INDENT: usize = 25;

/// An event as it is shown.
pub(super) struct Line<'e> {
    pub(super) event: &'e RequestEvent,
    pub(super) paint: Paint,
    /// The terminal's columns; what does not fit goes below, indented.
    pub(super) width: usize,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut layout = Layout { out: f, paint: self.paint, width: self.width, indent: INDENT, at: TIME };
        self.columns(&mut layout)?;
        self.who(&mut layout)?;
        self.decision(&mut layout)?;
        self.failure(&mut layout)
    }
}

impl Line<'_> {
    fn columns(&self, layout: &mut Layout<'_, fmt::Formatter<'_>>) -> fmt::Result {
        let event = self.event;
        layout.text(self.colour(), &event.status.as_u16().to_string())?;
        let slow = event.duration >= Duration::from_secs(1);
        let took = format!("{:>7}", Took(event.duration).to_string());
        layout.piece(if slow { Ink::Careful } else { Ink::Dim }, &took)?;
        layout.piece(Ink::Bold, &format!("{:<6}", event.shown_method()))?;
        let query = if event.has_query { "?…" } else { "" };
        let path = format!("{}{query}", event.path.as_deref().unwrap_or("-"));
        // On a narrow terminal the rest of the line is worth more than a straight edge.
        let wide = if self.width < WIDE { PATH / 2 } else { PATH };
        layout.piece(Ink::Usual, &format!("{path:<wide$}"))
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
    fn who(&self, layout: &mut Layout<'_, fmt::Formatter<'_>>) -> fmt::Result {
        let operation = &self.event.operation;
        match (known(operation.caller()), known(operation.tenant()), peer(self.event)) {
            (Some(caller), Some(tenant), _) => layout.piece(Ink::Usual, &format!("{caller} → {tenant}")),
            (Some(caller), None, _) => layout.piece(Ink::Usual, caller),
            (None, _, Some(peer)) => layout.piece(Ink::Dim, &format!("from {peer}")),
            (None, _, None) => Ok(()),
        }
    }

    /// The operation, the rule that allowed it, and whatever else is out of the ordinary.
    fn decision(&self, layout: &mut Layout<'_, fmt::Formatter<'_>>) -> fmt::Result {
        let (event, outcome) = (self.event, self.event.outcome());
        if let Some(operation) = known(event.operation.operation()) {
            layout.piece(Ink::Neutral, operation)?;
        }
        let details = event.details.as_deref();
        let rule = details.and_then(|details| details.rule.as_deref());
        if let Some(rule) = rule.filter(|_| outcome != Outcome::Denied) {
            layout.piece(Ink::Dim, &format!("by {}", Harmless(&rule.rule.text)))?;
        }
        let secrets = details.and_then(|details| details.secrets);
        match secrets.filter(|_| outcome == Outcome::Answered) {
            Some(SecretsShown::Masked) => layout.piece(Ink::Dim, "secrets masked")?,
            Some(SecretsShown::Revealed) => layout.piece(Ink::Careful, "secrets revealed")?,
            None => {}
        }
        if let Some(via) = event.via {
            layout.piece(Ink::Dim, &format!("via /{via}"))?;
        }
        match event.cache {
            Some(CacheUse::Hit) => layout.piece(Ink::Dim, "from the cache")?,
            Some(CacheUse::Collapsed) => layout.piece(Ink::Dim, "shared with another")?,
            Some(CacheUse::Miss | CacheUse::Revalidated) | None => {}
        }
        if event.is_replayed {
            layout.piece(Ink::Dim, "replayed")?;
        }
        if event.attempts > 1 {
            layout.piece(Ink::Careful, &format!("{} attempts", event.attempts))?;
        }
        if event.code.is_none() && event.status.as_u16() >= 400 && !event.caller_left() {
            layout.piece(Ink::Careful, "answered by Logto")?;
        }
        if event.caller_left() {
            layout.piece(Ink::Dim, "the caller left")?;
        }
        Ok(())
    }

    fn failure(&self, layout: &mut Layout<'_, fmt::Formatter<'_>>) -> fmt::Result {
        let event = self.event;
        let Some(code) = event.code else { return Ok(()) };
        layout.below()?;
        layout.text(self.colour(), code)?;
        let side = event.side.filter(|side| *side != Side::Caller);
        let side = side.map(|side| format!(" ({})", side.as_str())).unwrap_or_default();
        match &event.cause {
            Some(cause) => {
                layout.text(Ink::Usual, &format!("{side}:"))?;
                layout.words(&Harmless(cause).to_string())?;
            }
            None => layout.text(Ink::Usual, &side)?,
        }
        if let Some(remedy) = &event.remedy {
            layout.below()?;
            layout.words(&Harmless(remedy).to_string())?;
        }
        layout.below()?;
        layout.text(Ink::Dim, &Trace(event).to_string())
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
