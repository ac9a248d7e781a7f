//! A token and its life: from when it counts (the moment the request went out, so that the answer's way
//! costs us, not the upstream), when it is renewed, and when it is no longer sent.

use std::{
    fmt,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::{Duration, SystemTime},
};

use http::HeaderValue;

use crate::{clock::Moment, secret::Mark};

/// Taken off the end of a life: a tenth of it, within these bounds. Logto refuses a token that expired one
/// second ago (fact 1.12), the request still has to get there, and `exp` counts in whole seconds, so the life
/// may be up to one shorter than it says.
const MARGIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));
/// Renewal comes up to this share of a life earlier, so that replicas do not renew together.
const JITTER: f64 = 0.1;

/// An access token. Its value shows nowhere but in [`Token::header`].
pub struct Token {
    header: HeaderValue,
    mark: Mark,
    generation: u64,
    granted: Moment,
    expiry: Moment,
    usable_until: Moment,
    renewal: Moment,
    renewal_asked: AtomicBool,
}

impl Token {
    /// A token that was asked for at `granted` and lives for `life`; `refresh_at` is the share of its life
    /// after which it is renewed, `chance` is from 0 to 1 and fixes the jitter for good.
    pub(super) fn new(
        header: HeaderValue,
        generation: u64,
        granted: Moment,
        life: Duration,
        refresh_at: f64,
        chance: f64,
    ) -> Self {
        let usable = life - (life / 10).clamp(MARGIN.0, MARGIN.1).min(life / 2);
        #[expect(clippy::manual_clamp, reason = "`clamp` would let NaN through")]
        let share = (refresh_at - JITTER * chance).max(0.1).min(1.0);
        let renewal = life.mul_f64(share).min(usable);
        Self {
            mark: Mark::of(value(&header)),
            header,
            generation,
            granted,
            expiry: granted.after(life),
            usable_until: granted.after(usable),
            renewal: granted.after(renewal),
            renewal_asked: AtomicBool::new(false),
        }
    }

    /// A token with an hour to live, for tests of what is done with one.
    #[cfg(test)]
    pub(crate) fn of(value: &str) -> std::sync::Arc<Self> {
        let header = crate::secret::Secret::new(value.into()).header("Bearer ").expect("visible ASCII");
        let now = crate::clock::Clock::system().now();
        std::sync::Arc::new(Self::new(header, 0, now, Duration::from_hours(1), 0.8, 0.0))
    }

    /// `Bearer …` for `Authorization`: marked sensitive, zeroed on the last drop.
    pub fn header(&self) -> &HeaderValue {
        &self.header
    }

    /// The token alone.
    pub fn value(&self) -> &[u8] {
        value(&self.header)
    }

    /// By which the token is looked for in what passes by.
    pub fn mark(&self) -> Mark {
        self.mark
    }

    /// Which of the slot's tokens this is; what [`reject`](super::TokenHandle::reject) wants to know.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// When the issuer will call it expired, by the wall clock.
    pub fn expiry(&self) -> SystemTime {
        self.expiry.wall
    }

    /// How long it may still be handed out; zero when no more.
    pub fn usable_for(&self, now: Moment) -> Duration {
        now.until(&self.usable_until)
    }

    /// Time since it was asked for.
    pub(super) fn age(&self, now: Moment) -> Duration {
        now.instant.saturating_duration_since(self.granted.instant)
    }

    pub(super) fn is_usable(&self, now: Moment) -> bool {
        !self.usable_for(now).is_zero()
    }

    /// Whether the issuer calls it expired.
    pub(super) fn is_expired(&self, now: Moment) -> bool {
        now.until(&self.expiry).is_zero()
    }

    /// How long until it should be renewed; zero when due.
    pub(super) fn renewal_in(&self, now: Moment) -> Duration {
        now.until(&self.renewal)
    }

    /// True for the first to ask: one request, not each, wakes the refresh task for the renewal of a token.
    pub(super) fn ask_renewal(&self) -> bool {
        !self.renewal_asked.load(Relaxed) && !self.renewal_asked.swap(true, Relaxed)
    }
}

fn value(header: &HeaderValue) -> &[u8] {
    header.as_bytes().strip_prefix(b"Bearer ").unwrap_or(header.as_bytes())
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("generation", &self.generation)
            .field("expiry", &self.expiry.wall)
            .finish_non_exhaustive()
    }
}
