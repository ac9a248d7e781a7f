//! When a failed grant is tried again. Passing faults: from `token.backoff`, doubling up to
//! `token.max_backoff`. Faults that a person must mend: from one minute, doubling up to ten, and only when
//! somebody asks, because the mend may be on the issuer's side (a role assigned) where nobody tells us. What
//! the issuer says in `Retry-After` is obeyed up to ten minutes.

use std::time::Duration;

use crate::{clock::Random, config::TokenOptions, token::error::GrantFailure};

/// The first wait after a fault that a person must mend.
const SLOW: Duration = Duration::from_mins(1);
/// The longest wait after one, and the longest `Retry-After` that is believed.
const MAX_SLOW: Duration = Duration::from_mins(10);
/// However small the configuration: a wait of nothing would be a busy loop.
const MIN: Duration = Duration::from_millis(10);
/// However large: a wait that no clock can count is a mistake.
const MAX: Duration = Duration::from_hours(24);

/// The wait after the `failures`th failure in a row (1 is the first): half of the step at least, all of it
/// at most, and never less than the issuer asked for.
pub(super) fn wait(
    failure: &GrantFailure,
    failures: u32,
    options: &TokenOptions,
    random: &Random,
) -> Duration {
    let (first, most) = if failure.fault.is_slow() {
        (SLOW, MAX_SLOW)
    } else {
        (options.backoff.max(MIN), options.max_backoff.clamp(MIN, MAX))
    };
    let doubled = first.saturating_mul(1 << failures.saturating_sub(1).min(20));
    let step = doubled.min(most);
    let jittered = if failure.fault.is_slow() { step } else { step.mul_f64(0.5 + 0.5 * random.fraction()) };
    jittered.max(failure.retry_after.unwrap_or_default().min(MAX_SLOW))
}
