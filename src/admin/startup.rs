//! `/startupz`: green when the ports are bound and the keys of the issuers that callers rely on have been there once, so
//! that a rollout whose configuration gets no keys does not replace what works. Bounded, because an issuer that is down
//! for long must not keep all other callers out; and once green it stays so, because from then on a restart mends nothing.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::ids::IssuerName;

/// How far the start has come.
#[derive(Debug, Default)]
pub(super) struct Startup {
    /// When all ports were bound.
    bound: OnceLock<Instant>,
    over: AtomicBool,
}

/// What is still waited for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    Ports,
    Keys(Vec<IssuerName>),
}

impl Startup {
    /// All ports are bound and accept.
    pub(super) fn bound(&self) {
        // The first time counts.
        let _ = self.bound.set(Instant::now());
    }

    pub(super) fn is_bound(&self) -> bool {
        self.bound.get().is_some()
    }

    /// What is waited for now, for at most `patience` after the ports were bound; `None` once startup has finished.
    pub(super) fn waits_for(
        &self,
        without_keys: impl FnOnce() -> Vec<IssuerName>,
        patience: Duration,
    ) -> Option<Waiting> {
        if self.over.load(Relaxed) {
            return None;
        }
        let Some(bound) = self.bound.get() else { return Some(Waiting::Ports) };
        let missing = without_keys();
        if !missing.is_empty() && bound.elapsed() < patience {
            return Some(Waiting::Keys(missing));
        }
        let is_first = !self.over.swap(true, Relaxed);
        if is_first && !missing.is_empty() && !patience.is_zero() {
            let issuers = listed(&missing);
            tracing::error!(%issuers, waited = ?patience, "started without the keys of issuers: their tokens are refused until the keys are there (timeouts.startup)");
        }
        None
    }
}

impl std::fmt::Display for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ports => f.write_str("starting"),
            Self::Keys(issuers) => {
                write!(f, "waiting for the first keys of the issuers: {}; the log says why", listed(issuers))
            }
        }
    }
}

fn listed(issuers: &[IssuerName]) -> String {
    issuers.iter().map(IssuerName::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(300);

    fn missing() -> Vec<IssuerName> {
        vec![IssuerName::parse("kubernetes").unwrap()]
    }

    #[tokio::test(start_paused = true)]
    async fn it_waits_for_ports_and_then_for_keys_and_is_over_once_they_were_there() {
        let startup = Startup::default();
        assert_eq!(startup.waits_for(Vec::new, PATIENCE), Some(Waiting::Ports));
        advance(PATIENCE).await;
        assert_eq!(startup.waits_for(missing, PATIENCE), Some(Waiting::Ports), "time counts from then on");
        startup.bound();
        let waiting = startup.waits_for(missing, PATIENCE).expect("it waits");
        assert_eq!(
            waiting.to_string(),
            "waiting for the first keys of the issuers: kubernetes; the log says why"
        );
        advance(PATIENCE - Duration::from_millis(1)).await;
        assert_eq!(startup.waits_for(missing, PATIENCE), Some(Waiting::Keys(missing())));
        assert_eq!(startup.waits_for(Vec::new, PATIENCE), None);
        assert_eq!(
            startup.waits_for(missing, PATIENCE),
            None,
            "keys that expire later are no reason to start again"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_wait_for_keys_has_an_end() {
        let startup = Startup::default();
        startup.bound();
        startup.bound();
        advance(PATIENCE).await;
        startup.bound();
        assert_eq!(startup.waits_for(missing, PATIENCE), None);
        let at_once = Startup::default();
        at_once.bound();
        assert_eq!(at_once.waits_for(missing, Duration::ZERO), None);
    }
}
