//! What comes of a grant: a token in its place, or a cool-down. What it means for the configuration's secrets is told here as well.

use std::{sync::MutexGuard, sync::atomic::Ordering::Relaxed, time::Duration};

use super::{Cooldown, Slot, State};
use crate::{
    clock::Moment,
    token::{
        backoff,
        error::{Flaw, GrantFailure, TokenError},
        grant::{Minted, Via},
        life::Token,
    },
};

/// For how long a failure that was told is not told again, though it was tried anew on purpose.
const TOLD_FOR: Duration = Duration::from_secs(2);

impl Slot {
    /// Takes in what came of a grant that was begun in `epoch`, and tells those who wait.
    pub(super) fn settle(&self, epoch: u64, outcome: Result<Minted, GrantFailure>) {
        let now = self.shared.clock.now();
        let state = self.state();
        let outcome = outcome.and_then(|minted| {
            let token = self.token(&state, &minted);
            if token.is_usable(now) { Ok((token, minted)) } else { Err(Flaw::ExpiredOnArrival.into()) }
        });
        match outcome {
            // Asked for before the last one was rejected, it may be of the same kind, such as signed with a key that is gone.
            // One of another replica is none of those that were rejected here.
            Ok((_, minted))
                if minted.via == Via::Issuer
                    && state.rejected_at.is_some_and(|at| minted.asked.instant < at) =>
            {
                drop(state);
            }
            Ok((token, minted)) => self.install(state, epoch, token, &minted),
            // The secrets changed meanwhile, or whatever else was mended: the next grant is made now.
            Err(failure) if failure.fault.is_of_secret() && epoch != state.epoch => drop(state),
            Err(failure) => self.cool_down(state, &failure, now),
        }
        self.turn.notify_waiters();
    }

    fn token(&self, state: &State, minted: &Minted) -> Token {
        Token::new(
            minted.header.clone(),
            state.generation + 1,
            minted.asked,
            minted.life,
            state.source.options.refresh_at,
            self.shared.random.fraction(),
        )
    }

    fn install(&self, mut state: MutexGuard<'_, State>, epoch: u64, token: Token, minted: &Minted) {
        let (tenant, generation) = (&self.key.tenant, token.generation());
        state.generation = generation;
        let mut proven = false;
        if epoch == state.epoch {
            state.secret = minted.secret;
            proven = std::mem::take(&mut state.untried);
        }
        state.wanted = false;
        let recovered = state.cooldown.take().map(|cooldown| cooldown.failures);
        self.used.store(false, Relaxed);
        self.held.replace(token);
        drop(state);
        if proven {
            tracing::info!(%tenant, "got a token with the changed client secret");
        } else if let Some(failures) = recovered {
            tracing::info!(%tenant, failures, "got a token again");
        }
        tracing::debug!(%tenant, generation, life = ?minted.life, "got a token");
    }

    fn cool_down(&self, mut state: MutexGuard<'_, State>, failure: &GrantFailure, now: Moment) {
        let (tenant, fault) = (&self.key.tenant, &failure.fault);
        let before = state.cooldown.take();
        let failures = before.as_ref().map_or(0, |cooldown| cooldown.failures).saturating_add(1);
        let same_pace = before.as_ref().filter(|cooldown| cooldown.fault.is_slow() == fault.is_slow());
        let steps = same_pace.map_or(0, |cooldown| cooldown.steps).saturating_add(1);
        let wait = backoff::wait(failure, steps, &state.source.options, &self.shared.random);
        let until = now.instant + wait;
        let asked_until = failure.retry_after.map(|_| until);
        let error = TokenError::new(fault.clone(), Some(until));
        state.cooldown = Some(Box::new(Cooldown {
            fault: fault.clone(),
            since: now.instant,
            until,
            error,
            asked_until,
            failures,
            steps,
        }));
        state.wanted = false;
        let is_repeated = before.is_some_and(|cooldown| cooldown.fault.label() == fault.label())
            || state.told.is_some_and(|(label, at)| {
                label == fault.label() && now.instant.saturating_duration_since(at) < TOLD_FOR
            });
        if !is_repeated {
            state.told = Some((fault.label(), now.instant));
        }
        drop(state);
        let (live, retry_in) = (self.usable(now).is_some(), format_args!("{wait:.0?}"));
        // Each kind of trouble is told once; its repetitions would only fill the log.
        if is_repeated {
            tracing::debug!(%tenant, error = %fault, failures, %retry_in, "still no token");
        } else {
            let remedy = Some(fault.remedy()).filter(|remedy| !remedy.is_empty());
            if live {
                tracing::warn!(%tenant, error = %fault, failures, %retry_in, remedy,
                    "the token cannot be renewed; it stays in use until it expires");
            } else {
                tracing::warn!(%tenant, url = self.key.token_url(), error = %fault, failures, %retry_in, remedy, "no token");
            }
        }
    }
}
