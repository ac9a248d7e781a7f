//! The client secrets of one tenant that keys for the broker's tokens are made of: those that the configuration holds,
//! the newest first, and for as long as tokens last the one that was the newest before. Decides which of them opens a
//! token that expires when. Hands on secrets to `seal` alone; never one that a guesser could find from a token.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use crate::secret::{ClientSecret, Secret};

/// Whoever has a token can try secrets on it: those that are shorter than this are not used. Logto's own have 32.
const MIN_LEN: usize = 20;
/// Rotations within the life of a token that are remembered.
const MAX_RETIRED: usize = 4;

/// The secrets that seal and open a tenant's tokens. Cheap to clone.
#[derive(Clone, Default)]
pub struct SealingSecrets(Arc<[Candidate]>);

#[derive(Clone)]
struct Candidate {
    secret: Secret,
    /// Of one that is no longer configured: opens nothing that is to last longer.
    until: Option<SystemTime>,
}

impl SealingSecrets {
    /// Of a tenant's secrets as configured, instead of those `before`; tokens last `ttl`.
    pub fn new(configured: &[ClientSecret], before: Option<&Self>, now: SystemTime, ttl: Duration) -> Self {
        let mut all: Vec<_> =
            usable(configured).map(|it| Candidate { secret: it.clone(), until: None }).collect();
        let (listed, end) = (all.len(), now.checked_add(ttl));
        for old in before.map(|it| &*it.0).unwrap_or_default() {
            let until = old.until.or(end).filter(|until| *until > now);
            let is_listed = all.iter().any(|own| own.secret == old.secret);
            if until.is_some() && !is_listed && all.len() < listed + MAX_RETIRED {
                all.push(Candidate { secret: old.secret.clone(), until });
            }
        }
        Self(all.into())
    }

    /// Whether there would be anything to seal by.
    pub fn can_be_made_of(configured: &[ClientSecret]) -> bool {
        usable(configured).next().is_some()
    }

    /// What new tokens are sealed by, if there is anything.
    pub fn newest(&self) -> Option<&Secret> {
        self.0.first().filter(|newest| newest.until.is_none()).map(|newest| &newest.secret)
    }

    /// All that may open a token, in the order to be tried in.
    pub(super) fn all(&self) -> impl Iterator<Item = &Secret> {
        self.0.iter().map(|candidate| &candidate.secret)
    }

    /// Whether a token that `secret` opened, and that expires then, is good.
    pub(super) fn vouch_for(&self, secret: &Secret, expires: SystemTime) -> bool {
        let in_time = |it: &Candidate| it.until.is_none_or(|until| expires <= until);
        self.0.iter().any(|candidate| candidate.secret == *secret && in_time(candidate))
    }
}

fn usable(configured: &[ClientSecret]) -> impl Iterator<Item = &Secret> {
    configured.iter().filter_map(ClientSecret::held).filter(|secret| secret.expose().len() >= MIN_LEN)
}

impl std::fmt::Debug for SealingSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealingSecrets({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    const TTL: Duration = Duration::from_secs(600);

    fn held(texts: &[&str]) -> Vec<ClientSecret> {
        texts.iter().map(|text| ClientSecret::Held(secret(text))).collect()
    }

    fn secret(text: &str) -> Secret {
        Secret::new(format!("{text}-0123456789-0123456789").into_bytes())
    }

    #[test]
    fn a_secret_that_was_taken_out_opens_what_it_sealed_and_nothing_that_is_made_later() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let first = SealingSecrets::new(&held(&["a"]), None, at(0), TTL);
        let second = SealingSecrets::new(&held(&["b"]), Some(&first), at(1_000), TTL);
        assert_eq!(second.newest(), Some(&secret("b")));
        assert!(second.vouch_for(&secret("a"), at(1_600)), "sealed just before");
        assert!(!second.vouch_for(&secret("a"), at(1_601)), "sealed by whoever still has the old secret");
        assert!(second.vouch_for(&secret("b"), at(9_999)));
        let third = SealingSecrets::new(&held(&["c"]), Some(&second), at(1_100), TTL);
        assert!(third.vouch_for(&secret("a"), at(1_600)) && !third.vouch_for(&secret("a"), at(1_700)));
        assert!(third.vouch_for(&secret("b"), at(1_700)));
        let later = SealingSecrets::new(&held(&["c"]), Some(&third), at(1_701), TTL);
        assert_eq!(later.all().count(), 1);
    }

    #[test]
    fn what_could_be_guessed_from_a_token_seals_none() {
        let short = [ClientSecret::Held(Secret::new(b"hunter2".to_vec()))];
        let none = SealingSecrets::new(&short, None, UNIX_EPOCH, TTL);
        assert_eq!((none.newest(), none.all().count()), (None, 0));
        let old = SealingSecrets::new(&held(&["a"]), None, UNIX_EPOCH, TTL);
        assert_eq!(SealingSecrets::new(&[], Some(&old), UNIX_EPOCH, TTL).newest(), None, "only opens");
    }

    #[test]
    fn rotations_without_end_are_not_remembered_without_end() {
        let mut sealing = SealingSecrets::default();
        for number in 0..20 {
            sealing = SealingSecrets::new(&held(&[&number.to_string()]), Some(&sealing), UNIX_EPOCH, TTL);
        }
        assert_eq!(sealing.all().count(), 1 + MAX_RETIRED);
        assert_eq!(sealing.newest(), Some(&secret("19")));
    }
}
