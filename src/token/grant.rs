//! One grant: a request with the secret that worked last and, where that one is refused, at once another with what its
//! source says now, or with the other secret. Says what came of it; what follows from that is the slot's business.
//! Never sends one secret twice, and never shows one.

use std::time::Duration;

use form_urlencoded::byte_serialize;
use http::HeaderValue;
use memchr::memmem;
use zeroize::Zeroizing;

use crate::{
    clock::{Clock, Moment},
    config::look_swapped,
    secret::{Age, Secret, SecretHandle, SecretProvider as _},
    token::{
        answer,
        error::{Fault, GrantFailure, SWAPPED},
        events::GrantEvents,
        mint::GrantRequest,
        source::TokenSource,
    },
};

/// A granted token, not yet in its slot.
#[derive(Clone)]
pub(super) struct Minted {
    pub(super) header: HeaderValue,
    pub(super) life: Duration,
    /// When the request went out: the issuer counts the life from later on.
    pub(super) asked: Moment,
    /// Index of the secret that worked.
    pub(super) secret: usize,
    pub(super) via: Via,
}

/// Whom it is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Via {
    Issuer,
    Replica,
}

/// Asks the issuer, beginning with the secret at `first`.
pub(super) async fn grant(
    source: &TokenSource,
    first: usize,
    clock: &Clock,
    events: &dyn GrantEvents,
) -> Result<Minted, GrantFailure> {
    let count = source.secrets.len();
    let first = if first < count { first } else { 0 };
    let others = (0..count).filter(|index| *index != first);
    let mut attempts = Attempts { source, clock, events, sent: Vec::new() };
    let mut failed: Option<(usize, GrantFailure)> = None;
    for index in std::iter::once(first).chain(others) {
        match (attempts.with(index).await, &failed) {
            (Ok(minted), None) => return Ok(minted),
            (Ok(minted), Some((other, failure))) => {
                let (tenant, first, works, error) =
                    (&source.key.tenant, other + 1, index + 1, &failure.fault);
                events.secret_fallback(tenant);
                if is_refused(failure) {
                    tracing::warn!(%tenant, refused = first, works, %error,
                        "one of the two client secrets was refused, the other one works");
                } else {
                    tracing::warn!(%tenant, unreadable = first, works, %error,
                        "one of the two client secrets cannot be read, the other one works");
                }
                return Ok(minted);
            }
            (Err(failure), _) if !failure.fault.may_lie_in_secret() => return Err(failure),
            // Of two that are refused, the one that was to work is the more telling; of one that cannot be read and
            // one that is refused, the first, which passes by itself.
            (Err(failure), Some((_, before))) if is_refused(&failure) || !is_refused(before) => {}
            (Err(failure), _) => failed = Some((index, failure)),
        }
    }
    Err(failed.map_or_else(|| no_secret().into(), |(_, failure)| failure))
}

fn is_refused(failure: &GrantFailure) -> bool {
    failure.fault.blames_secret()
}

fn no_secret() -> Fault {
    Fault::Rejected { error: "invalid_client".into(), description: "no client secret".into() }
}

/// How long a secret that is the token itself is used before it is read again. Until when it is good nobody says; that it is
/// not any more, the upstream does.
const OWN_LIFE: Duration = Duration::from_hours(1);

/// The token requests of one grant.
struct Attempts<'a> {
    source: &'a TokenSource,
    clock: &'a Clock,
    events: &'a dyn GrantEvents,
    sent: Vec<Secret>,
}

impl Attempts<'_> {
    /// Asks with the secret at `index`. One from memory that is refused is read anew, and tried if it is another.
    async fn with(&mut self, index: usize) -> Result<Minted, GrantFailure> {
        let Some(handle) = self.source.secrets.get(index) else { return Err(no_secret().into()) };
        let (secret, age) = self.read(handle).await?;
        let refused = match self.ask(index, &secret).await {
            Err(failure) if is_refused(&failure) => failure,
            settled => return settled,
        };
        handle.refused(&secret);
        if age == Age::Fresh {
            return Err(refused);
        }
        let tenant = &self.source.key.tenant;
        tracing::info!(%tenant, error = %refused.fault, "the issuer refused the client secret, reading it anew");
        let (anew, _) = self.read(handle).await?;
        if self.sent.contains(&anew) {
            handle.refused(&anew);
            return Err(refused);
        }
        let settled = self.ask(index, &anew).await;
        if settled.as_ref().is_err_and(is_refused) {
            handle.refused(&anew);
        }
        settled
    }

    async fn read(&self, handle: &SecretHandle) -> Result<(Secret, Age), GrantFailure> {
        let reading = handle.read().await.map_err(Fault::SecretUnreadable)?;
        if let Age::Stale(error) = &reading.age {
            let tenant = &self.source.key.tenant;
            tracing::warn!(%tenant, %error, "cannot read the client secret anew, the last one stays in use");
        }
        Ok((reading.secret, reading.age))
    }

    async fn ask(&mut self, index: usize, secret: &Secret) -> Result<Minted, GrantFailure> {
        let (source, tenant) = (self.source, &self.source.key.tenant);
        // Further requests are drawn on the quota, but do not wait for it: the grant is one thing.
        if let Some(draw) = source.quota.as_ref().filter(|_| !self.sent.is_empty()) {
            let _: Result<(), Duration> = draw().await;
        }
        if let Some(heard) = &source.heard {
            heard(secret);
        }
        self.sent.push(secret.clone());
        let asked = self.clock.now();
        if source.key.is_the_secret() {
            let header = secret.header("Bearer ").map_err(|_| no_secret())?;
            return Ok(Minted { header, life: OWN_LIFE, asked, secret: index, via: Via::Issuer });
        }
        let request = GrantRequest::new(&source.key, secret);
        let authorization = request.authorization.clone();
        let result = match tokio::time::timeout(source.timeout, source.issuer.request(request)).await {
            Err(_elapsed) => Err(Fault::Timeout.into()),
            Ok(Err(fault)) => Err(fault.into()),
            Ok(Ok(answer)) => {
                answer::parse(&answer, &source.key.scopes, self.clock.now().wall).map_err(|failure| {
                    let fault = withhold(failure.fault, &answer.body, &self.known(), authorization.as_ref());
                    GrantFailure {
                        fault: unnamed(fault, &answer.body, &source.key.client_id, secret),
                        ..failure
                    }
                })
            }
        };
        let result = result.map(|grant| Minted {
            header: grant.header,
            life: grant.life,
            asked,
            secret: index,
            via: Via::Issuer,
        });
        let outcome = result.as_ref().map_or_else(|failure| failure.fault.label(), |_| "ok");
        self.events.grant_finished(tenant, outcome, asked.instant.elapsed());
        result
    }

    /// The secrets that were sent, and those that would be.
    fn known(&self) -> Vec<Secret> {
        let others = self.source.secrets.iter().filter_map(|handle| handle.last());
        self.sent.iter().cloned().chain(others).collect()
    }
}

const WITHHELD: &str = "(withheld:";
/// How every JWT begins: a JSON object in base64.
const JWT: &[u8] = b"eyJ";

/// An issuer that repeats the credentials in its complaint, or those of the tenant's other secret, or a token, does not
/// get them into our log. Looks at the body and at the texts as they stood in it: what is taken from them may
/// be cut off in the middle of the secret, or have other characters in its place.
fn withhold(fault: Fault, body: &[u8], secrets: &[Secret], authorization: Option<&HeaderValue>) -> Fault {
    let Fault::Rejected { error, .. } = &fault else { return fault };
    let basic = authorization.and_then(|value| value.as_bytes().strip_prefix(b"Basic "));
    let told = answer::told(body);
    let shows = |needle: &[u8]| {
        let texts = [body, told[0].as_bytes(), told[1].as_bytes()];
        texts.into_iter().any(|text| memmem::find(text, needle).is_some())
    };
    let shows_secret = |secret: &Secret| {
        let encoded: Zeroizing<String> = Zeroizing::new(byte_serialize(secret.expose()).collect());
        shows(secret.expose()) || shows(encoded.as_bytes())
    };
    let repeated = match () {
        () if secrets.iter().any(shows_secret) || basic.is_some_and(shows) => "the secret",
        () if shows(JWT) => "a token",
        () => return fault,
    };
    Fault::Rejected {
        error: known(error).into(),
        description: format!("{WITHHELD} it repeats {repeated})").into(),
    }
}

/// Puts a placeholder where the issuer repeats the client id, which is the secret where the two were swapped. Looks at the texts
/// as they stood in the body, as [`withhold`] does, and at none of a fault that it has withheld.
fn unnamed(fault: Fault, body: &[u8], id: &str, secret: &Secret) -> Fault {
    let Fault::Rejected { error, description } = fault else { return fault };
    let told = answer::told(body);
    // A shorter one is no secret of Logto's, and may be part of a word.
    if id.len() < 8 || description.starts_with(WITHHELD) || !told.iter().any(|text| text.contains(id)) {
        return Fault::Rejected { error, description };
    }
    let error = if told[0].contains(id) { known(&error).into() } else { error };
    let mut text = answer::description(&told[1].replace(id, "<client_id>")).into_string();
    if &*error == "invalid_client" && look_swapped(id, secret) {
        text.push_str(SWAPPED);
    }
    Fault::Rejected { error, description: text.into() }
}

/// Keeps the meaning of an error whose text is withheld.
fn known(error: &str) -> &'static str {
    const KNOWN: [&str; 5] =
        ["invalid_client", "invalid_request", "invalid_target", "invalid_scope", "access_denied"];
    KNOWN.into_iter().find(|known| *known == error).unwrap_or("unknown")
}
