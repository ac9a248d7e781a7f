//! One grant: a request with the secret that worked last and, where that one is refused, at once another
//! with the other secret. Says what came of it; what follows from that is the slot's business.

use form_urlencoded::byte_serialize;
use http::HeaderValue;
use memchr::memmem;
use zeroize::Zeroizing;

use crate::{
    clock::{Clock, Moment},
    secret::Secret,
    token::{
        answer,
        error::{Failure, Fault},
        events::GrantEvents,
        mint::GrantRequest,
        source::TokenSource,
    },
};

/// A granted token, not yet in its slot.
pub(super) struct Minted {
    pub(super) header: HeaderValue,
    pub(super) life: std::time::Duration,
    /// When the request went out: the issuer counts the life from later on.
    pub(super) asked: Moment,
    /// Index of the secret that worked.
    pub(super) secret: usize,
}

/// Asks the issuer, beginning with the secret at `first`.
pub(super) async fn grant(
    source: &TokenSource,
    first: usize,
    clock: &Clock,
    events: &dyn GrantEvents,
) -> Result<Minted, Failure> {
    let first = if first < source.secrets.len() { first } else { 0 };
    let blamed = match attempt(source, first, clock, events).await {
        Err(failure) if failure.fault.blames_secret() => failure,
        settled => return settled,
    };
    let Some(other) = (0..source.secrets.len()).find(|index| *index != first) else { return Err(blamed) };
    // The second request is drawn on the quota, but does not wait for it: the grant is one thing.
    if let Some(draw) = &source.quota {
        let _: Result<(), std::time::Duration> = draw().await;
    }
    match attempt(source, other, clock, events).await {
        Ok(minted) => {
            let tenant = &source.key.tenant;
            events.secret_fallback(tenant);
            tracing::warn!(%tenant, refused = first + 1, works = other + 1, error = %blamed.fault,
                "one of the two client secrets was refused, the other one works");
            Ok(minted)
        }
        // Both refused: what is said of the one that was to work is the more telling.
        Err(failure) if failure.fault.blames_secret() => Err(blamed),
        Err(failure) => Err(failure),
    }
}

async fn attempt(
    source: &TokenSource,
    index: usize,
    clock: &Clock,
    events: &dyn GrantEvents,
) -> Result<Minted, Failure> {
    let Some(secret) = source.secrets.get(index) else {
        return Err(Fault::Rejected {
            error: "invalid_client".into(),
            description: "no client secret".into(),
        }
        .into());
    };
    let tenant = &source.key.tenant;
    let asked = clock.now();
    let request = GrantRequest::new(&source.key, secret);
    let authorization = request.authorization.clone();
    let result = match tokio::time::timeout(source.timeout, source.issuer.request(request)).await {
        Err(_elapsed) => Err(Fault::Timeout.into()),
        Ok(Err(fault)) => Err(fault.into()),
        Ok(Ok(answer)) => answer::parse(&answer, &source.key.scopes, clock.now().wall).map_err(|failure| {
            let fault = withhold(failure.fault, &answer.body, &source.secrets, authorization.as_ref());
            Failure { fault, ..failure }
        }),
    };
    let result = result.map(|grant| Minted { header: grant.header, life: grant.life, asked, secret: index });
    let outcome = result.as_ref().map_or_else(|failure| failure.fault.label(), |_| "ok");
    events.grant_finished(tenant, outcome, asked.instant.elapsed());
    result
}

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
        description: format!("(withheld: it repeats {repeated})").into(),
    }
}

/// Keeps the meaning of an error whose text is withheld.
fn known(error: &str) -> &'static str {
    const KNOWN: [&str; 5] =
        ["invalid_client", "invalid_request", "invalid_target", "invalid_scope", "access_denied"];
    KNOWN.into_iter().find(|known| *known == error).unwrap_or("unknown")
}
