//! What may be shown of an API key: its caller, its label, and its last use, so that nobody has to guess which of
//! two keys may be taken out. The key itself is not here, nor its digest.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::time::Instant;

use crate::{
    clock::Moment,
    config,
    ids::{CallerIndex, CallerName, KeyLabel},
    secret::Digest,
    usage::{Usage, Used},
};

/// An API key of a caller, as far as anybody may know it.
#[derive(Debug)]
pub struct ApiKey {
    caller: CallerIndex,
    label: KeyLabel,
    usage: Arc<Usage>,
}

impl ApiKey {
    /// Whose it is.
    pub fn caller(&self) -> CallerIndex {
        self.caller
    }

    /// Its label; where it has none, its place among the caller's keys, from 1.
    pub fn label(&self) -> &KeyLabel {
        &self.label
    }

    /// Its uses, those of broker tokens that were got with it included; `None` where there was none since the start.
    pub fn used(&self, now: Moment) -> Option<Used> {
        self.usage.read(now)
    }

    pub(super) fn note_use(&self, now: Instant) {
        self.usage.note(now);
    }
}

/// The uses of API keys across reloads, by caller and key.
#[derive(Debug, Clone, Default)]
pub struct KeyUsage(Arc<Mutex<Uses>>);

type Uses = HashMap<(CallerName, Digest), Arc<Usage>>;

impl KeyUsage {
    /// The keys of these callers, in their order. What is known of others is forgotten.
    pub(super) fn keys(&self, callers: &[config::Caller]) -> Vec<(Digest, Arc<ApiKey>)> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut kept, mut keys) = (Uses::new(), Vec::new());
        for (index, caller) in callers.iter().enumerate() {
            for (digest, label) in caller.api_keys() {
                let of = (caller.name.clone(), digest);
                let usage = known.remove(&of).or_else(|| kept.get(&of).cloned()).unwrap_or_default();
                kept.insert(of, usage.clone());
                keys.push((digest, Arc::new(ApiKey { caller: CallerIndex(index), label, usage })));
            }
        }
        *known = kept;
        keys
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use futures_util::FutureExt as _;
    use http::{HeaderMap, HeaderValue, header};

    use super::*;
    use crate::{
        authn::{Authenticators, Deps, Peer, Presented, Reach, Seal},
        clock::Clock,
    };

    fn keyed(keys: Vec<Digest>, label: Option<KeyLabel>) -> config::Caller {
        crate::authn::tests::caller("keyed", vec![config::Identity::ApiKey { keys, label }])
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_use_of_a_key_is_known_by_its_label_and_outlives_a_reload() {
        let configured = vec![keyed(vec![Digest::of(b"new-key"), Digest::of(b"old-key")], None)];
        let start = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let begin = Instant::now();
        let clock = Clock::with_wall(move || start + begin.elapsed());
        let (usage, seal) = (KeyUsage::default(), Seal::new(None).unwrap());
        let with = |config: &[config::Caller]| {
            let deps = Deps {
                seal: seal.clone(),
                clock: clock.clone(),
                clients: None,
                issuers: Vec::new(),
                usage: usage.clone(),
            };
            Authenticators::new(config, deps)
        };
        let shown = |callers: &Authenticators, config: &[config::Caller]| -> Vec<_> {
            let used = |key: &Arc<ApiKey>| {
                key.used(clock.now()).map(|used| (used.times, used.last.duration_since(start).unwrap()))
            };
            let one = |key: &Arc<ApiKey>| {
                (config[key.caller().0].name.to_string(), key.label().to_string(), used(key))
            };
            callers.keys().iter().map(one).collect()
        };
        let callers = with(&configured);
        tokio::time::advance(Duration::from_secs(30)).await;
        let headers =
            HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_static("Bearer old-key"))]);
        let peer = Peer::at(Reach::Network);
        let presented = Presented::by_headers(&peer, &headers);
        for _ in 0..2 {
            let mut caller = callers.authenticate(&presented).now_or_never().unwrap().unwrap();
            caller.take_principal().unwrap().note_use(Instant::now());
        }
        let before = shown(&callers, &configured);
        assert!(before.contains(&("keyed".into(), "1".into(), None)), "{before:?}");
        assert!(
            before.contains(&("keyed".into(), "2".into(), Some((2, Duration::from_secs(30))))),
            "{before:?}"
        );
        // The new key is gone, and the old one has a label now: it is still the same key.
        let config = vec![keyed(vec![Digest::of(b"old-key")], KeyLabel::parse("2026-05").ok())];
        tokio::time::advance(Duration::from_secs(10)).await;
        let after = shown(&with(&config), &config);
        assert!(
            after.contains(&("keyed".into(), "2026-05".into(), Some((2, Duration::from_secs(30))))),
            "{after:?}"
        );
        // A key that comes back is a new one.
        with(&[]);
        assert!(shown(&with(&config), &config).iter().all(|(.., used)| used.is_none()));
    }
}
