//! JWTs: ServiceAccount tokens of Kubernetes, and tokens of other OpenID Connect issuers by rules on their claims.
//! A token chooses its issuer by the claim `iss` alone, which must be one that is configured, to the byte; from
//! there on nothing but that issuer's configuration and keys decides. What is cheap to check comes before the
//! signature. A token that was verified is remembered until it expires, or its key is withdrawn, or the
//! configuration changes. A token of another issuer is passed over, not rejected: SDKs send such.
//!
//! The steps, in the order in which `Jwts` takes them, and where each is:
//! 1. the form of token and header, and the algorithm: `token.rs` (JSON without repetition: `claims.rs`)
//! 2. issuer, audience, times, subject: here, in `Issuer::accepts`
//! 3. the keys of the issuer: `keyring.rs`, fetched by `fetch.rs`, kept across reloads by `keyrings.rs`
//! 4. **the signature**: `Key::verifies` in `key_set.rs`, which also says what keys are fit for use
//! 5. which caller it is for: `rules.rs`

mod claims;
mod error;
mod fetch;
mod key_set;
mod keyring;
mod keyrings;
mod rules;
mod token;

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use jsonwebtoken::Validation;
use moka::{policy::EvictionPolicy, sync::Cache};
use tokio::time::Instant;

pub(super) use error::NO_ISSUERS;
pub use fetch::FetchError;
pub use key_set::KeySetError;
pub use keyring::{Keyring, KeyringStatus, Trusted};
pub use keyrings::{KeyringError, Keyrings};

use self::{
    claims::Claims,
    error::{FOREIGN, JwtError},
    key_set::jose,
    rules::Rules,
    token::Reading,
};
use super::{
    authenticator::{Authenticator, Finding, Known, Outcome},
    cause::Cause,
    presented::{Client, Credential, Presented},
    principal::{Principal, Subject},
};
use crate::{
    clock::Clock,
    config::{self, Algorithm},
    ids::{CallerIndex, CallerName},
    secret::Digest,
};

/// Verified tokens that are remembered.
const REMEMBERED: u64 = 10_000;
/// Tokens with an invalid signature, or of no caller, that are remembered, and for how long: in a store of their own, so
/// that they do not push out those of callers.
const REFUSED: u64 = 1_000;
const REFUSED_FOR: Duration = Duration::from_secs(10);
/// Beyond this a time is in milliseconds: in seconds it is the end of the year 9999, in milliseconds a day in 1978.
const MILLISECONDS: Duration = Duration::from_secs(253_402_300_799);

pub(super) struct Jwts {
    /// By `iss`.
    issuers: HashMap<String, Issuer>,
    names: Vec<CallerName>,
    clock: Clock,
    verified: Cache<Digest, Verified>,
    refused: Cache<Digest, Refused>,
}

struct Issuer {
    config: Arc<config::Issuer>,
    keyring: Arc<Keyring>,
    rules: Rules,
    /// What the library checks once more; the algorithm is filled in.
    validation: Validation,
}

#[derive(Clone)]
struct Verified {
    keyring: Arc<Keyring>,
    key: Digest,
    /// Since 1970, leeway included.
    expires: Duration,
    caller: CallerIndex,
    subject: Arc<Subject>,
}

#[derive(Clone)]
struct Refused {
    until: Instant,
    cause: Cause,
}

impl Verified {
    fn known(&self) -> Known {
        Known { principal: Some(Principal::Token(self.subject.clone())), ..Known::from(self.caller) }
    }
}

/// Least recently used goes first. moka's usual policy would keep tokens that were sent often, long after they
/// expired, and not admit a new one before it has been sent as often.
fn remember(tokens: u64) -> Cache<Digest, Verified> {
    Cache::builder().max_capacity(tokens).eviction_policy(EvictionPolicy::lru()).build()
}

impl Jwts {
    pub(super) fn new(callers: &[config::Caller], issuers: Vec<Trusted>, clock: Clock) -> Self {
        // The one of this process, named before the library looks for one; another call has done the same.
        let _: Result<(), _> = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
        let of = |(config, keyring): Trusted| {
            let issuer = Issuer {
                rules: Rules::new(callers, &config.name),
                validation: validation(&config),
                keyring,
                config,
            };
            (issuer.config.issuer.clone(), issuer)
        };
        Self {
            issuers: issuers.into_iter().map(of).collect(),
            names: callers.iter().map(|caller| caller.name.clone()).collect(),
            clock,
            verified: remember(REMEMBERED),
            refused: Cache::new(REFUSED),
        }
    }

    /// What `presented` proves with the keys that are held.
    fn find(&self, presented: &Presented<'_>) -> Result<Finding, KeyMissing<'_>> {
        match presented.credential {
            Some(Credential::Bearer(token)) => self.verify(token),
            Some(Credential::Client(Client::Assertion { id, jwt })) => Ok(match self.verify(jwt)? {
                Finding::Known(known) if id.is_some_and(|id| self.names[known.caller.0].as_str() != id) => {
                    rejected(JwtError::ClientId)
                }
                Finding::Pass(Some(cause)) => Finding::Rejected(cause),
                Finding::Pass(None) => rejected(JwtError::NoJwt),
                finding => finding,
            }),
            _ => Ok(Finding::Pass(None)),
        }
    }

    fn verify(&self, bytes: &[u8]) -> Result<Finding, KeyMissing<'_>> {
        let has_the_shape = token::has_the_shape(bytes);
        if self.issuers.is_empty() || !has_the_shape {
            // A bearer may be meant for somebody else, whatever it begins with.
            let cause = match (self.issuers.is_empty(), has_the_shape) {
                _ if !token::begins_like_one(bytes) => None,
                (true, true) => Some(NO_ISSUERS),
                (true, false) => None,
                (false, _) => Some(JwtError::Cut.cause(None)),
            };
            return Ok(Finding::Pass(cause));
        }
        if bytes.len() > token::MAX_LEN {
            return Ok(rejected(JwtError::Malformed));
        }
        let (digest, now) = (Digest::of(bytes), self.clock.now());
        // Before 1970 every token is from the future.
        let since = now.wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        if let Some(verified) = self.verified.get(&digest)
            && verified.keyring.holds(&verified.key)
            && since < verified.expires
        {
            return Ok(Finding::Known(verified.known()));
        }
        if let Some(refused) = self.refused.get(&digest)
            && now.instant < refused.until
        {
            return Ok(Finding::Rejected(refused.cause));
        }
        let token = match token::read(bytes) {
            Reading::Token(token) => token,
            Reading::Other => return Ok(Finding::Pass(None)),
            Reading::Bad if token::is_cut(bytes) => return Ok(rejected(JwtError::Cut)),
            Reading::Bad => return Ok(rejected(JwtError::Malformed)),
        };
        let Some(name) = token.claims.issuer() else { return Ok(rejected(JwtError::NoIssuer)) };
        let Some(issuer) = self.issuers.get(name) else { return Ok(Finding::Pass(Some(FOREIGN))) };
        let accepted = token.header.accept(&issuer.config.algorithms);
        let (alg, kid, expires) =
            match accepted.and_then(|(alg, kid)| Ok((alg, kid, issuer.accepts(&token.claims, since)?))) {
                Ok(accepted) => accepted,
                Err(wrong) => return Ok(Finding::Rejected(issuer.cause(wrong))),
            };
        let keys = issuer.keyring.candidates(kid, alg);
        if keys.is_empty() {
            return Err(KeyMissing { issuer, wrong: issuer.keyring.without(kid) });
        }
        let validation = Validation { algorithms: vec![jose(alg)], ..issuer.validation.clone() };
        let verified =
            keys.iter().find(|key| key.verifies(token.text, &validation)).ok_or(JwtError::Signature);
        // A valid token of no caller is rejected like an invalid one: it says who speaks, and that is no caller.
        Ok(match verified.and_then(|key| Ok((key, issuer.rules.find(&token.claims)?))) {
            Ok((key, caller)) => {
                let subject = Subject::of(&issuer.config.name, token.claims.subject().unwrap_or_default());
                let verified = Verified {
                    keyring: issuer.keyring.clone(),
                    key: key.digest(),
                    expires,
                    caller,
                    subject: Arc::new(subject),
                };
                let known = verified.known();
                self.verified.insert(digest, verified);
                Finding::Known(known)
            }
            Err(wrong) => {
                let is_cut = wrong == JwtError::Signature && token::is_cut(bytes);
                let cause = issuer.cause(if is_cut { JwtError::Cut } else { wrong });
                let until = now.instant + REFUSED_FOR;
                self.refused.insert(digest, Refused { until, cause: cause.clone() });
                Finding::Rejected(cause)
            }
        })
    }
}

/// Of a token that cannot be attributed to an issuer.
fn rejected(wrong: JwtError) -> Finding {
    Finding::Rejected(wrong.cause(None))
}

/// A token whose signature cannot be verified, as none of the keys that are held fits.
struct KeyMissing<'i> {
    issuer: &'i Issuer,
    wrong: JwtError,
}

impl KeyMissing<'_> {
    fn reject(self) -> Finding {
        if let JwtError::KeyUnknown(_) = self.wrong {
            self.issuer.keyring.missed();
        }
        Finding::Rejected(self.issuer.cause(self.wrong))
    }
}

impl Issuer {
    fn cause(&self, wrong: JwtError) -> Cause {
        wrong.cause(Some(&self.config.name))
    }

    /// Whether the registered claims (RFC 7519 section 4.1) are as they must be; until when, if so.
    fn accepts(&self, claims: &Claims, now: Duration) -> Result<Duration, JwtError> {
        let leeway = self.config.leeway;
        let ends = claims.time("exp").flatten().ok_or(JwtError::Times)?;
        let expires = ends.checked_add(leeway).ok_or(JwtError::Times)?;
        let from = |name| claims.time(name).map(Option::unwrap_or_default).ok_or(JwtError::Times);
        let begins = from("nbf")?.max(from("iat")?);
        if !claims.is_for(&self.config.audience) {
            return Err(JwtError::Audience);
        }
        if now >= expires {
            return Err(JwtError::Expired(now.saturating_sub(ends)));
        }
        if begins > MILLISECONDS {
            return Err(JwtError::Milliseconds("nbf or iat"));
        }
        // It would be good for ever.
        if ends > MILLISECONDS {
            return Err(JwtError::Milliseconds("exp"));
        }
        if begins > now + leeway {
            return Err(JwtError::NotYetValid(begins.saturating_sub(now)));
        }
        if claims.subject().is_none() {
            return Err(JwtError::Subject);
        }
        Ok(expires)
    }
}

/// The library looks at issuer, audience and presence again. Times it would take from the system's clock, so
/// these are [`Issuer::accepts`]'s alone.
fn validation(issuer: &config::Issuer) -> Validation {
    let mut validation = Validation::new(jose(Algorithm::Rs256));
    validation.set_issuer(&[&issuer.issuer]);
    validation.set_audience(&issuer.audience);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation
}

impl Authenticator for Jwts {
    fn name(&self) -> &'static str {
        "jwt"
    }

    fn authenticate<'a>(&'a self, presented: &'a Presented<'_>) -> Outcome<'a> {
        let missing = match self.find(presented) {
            Ok(finding) => return finding.into(),
            Err(missing) => missing,
        };
        match missing.issuer.keyring.ask() {
            None => missing.reject().into(),
            Some(refreshing) => Outcome::Later(Box::pin(async move {
                refreshing.await;
                // With what is held now, even if the fetch goes on.
                self.find(presented).unwrap_or_else(KeyMissing::reject)
            })),
        }
    }

    /// A JSON object in base64, a dot, and more, wherever in the text: valid or not, and whoever it is from.
    fn is_credential(&self, text: &[u8]) -> bool {
        let begins = memchr::memmem::find(text, b"eyJ");
        begins.is_some_and(|at| text[at..].contains(&b'.'))
    }
}

#[cfg(test)]
mod tests;
