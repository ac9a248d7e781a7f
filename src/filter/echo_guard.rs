//! The echo guard: stops an answer that repeats the access token of its own request, the one before or after it, or a client
//! secret of the tenant.
//! Looks through headers and body as they pass, across the borders of chunks; a chunk's end that could be the
//! beginning of a secret is kept back until it is clear, so not even a part of one gets out. Cannot see into compressed
//! bodies, and looks for nothing shorter than [`LEAST`]. Copies and allocates nothing as long as nothing looks alike.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use arc_swap::ArcSwap;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use memchr::memchr_iter;
use zeroize::Zeroizing;

use crate::{
    secret::{Mark, Secret},
    token::{SecretHeard, Token},
};

/// Bytes of the shortest secret that is looked for: a shorter one could be a word of any answer.
pub(super) const LEAST: usize = 12;

/// Secrets that are learned and stay known: two of each source, where there are two.
const LEARNED: usize = 4;

/// The client secrets of a tenant, in the forms that they could come back in.
#[derive(Clone, Debug)]
pub struct KnownSecrets(Known);

#[derive(Clone, Debug)]
enum Known {
    /// All are in the configuration.
    Fixed(Forms),
    /// Others are read while the program runs.
    Learning(Arc<Learning>),
}

#[derive(Debug)]
struct Learning {
    held: Box<[Secret]>,
    /// The newest first.
    learned: Mutex<Vec<Secret>>,
    forms: ArcSwap<Forms>,
}

/// What is looked for, as of some moment.
type Forms = Arc<[KnownSecret]>;

struct KnownSecret {
    secret: Secret,
    mark: Mark,
}

/// Guards one answer.
pub struct EchoGuard {
    /// Of its own request, and the one before or after it.
    tokens: [Option<Arc<Token>>; 2],
    held: Forms,
    /// What could be the beginning of a secret.
    kept: Bytes,
}

/// An answer repeats what only Claviger may know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Echo;

impl KnownSecrets {
    /// Of these secrets, and no others.
    pub fn new(secrets: &[Secret]) -> Self {
        Self(Known::Fixed(forms(secrets)))
    }

    /// Of these secrets, and of those that are learned; `before` has learned some already.
    pub fn learning(held: &[Secret], before: Option<&Self>) -> Self {
        let learned = match before {
            Some(Self(Known::Learning(before))) => before.learned().clone(),
            _ => Vec::new(),
        };
        let learning = Learning {
            held: held.into(),
            forms: ArcSwap::from_pointee(forms(held.iter().chain(&learned))),
            learned: Mutex::new(learned),
        };
        Self(Known::Learning(Arc::new(learning)))
    }

    /// Takes in each secret that it is called with; `None` where all are known from the start.
    pub fn learner(&self) -> Option<SecretHeard> {
        let Known::Learning(learning) = &self.0 else { return None };
        let learning = learning.clone();
        Some(Arc::new(move |secret| learning.learn(secret)))
    }

    /// Whether one of them is in `text`.
    pub fn are_in(&self, text: &[u8]) -> bool {
        are_in(&self.now(), text)
    }

    fn now(&self) -> Forms {
        match &self.0 {
            Known::Fixed(forms) => forms.clone(),
            Known::Learning(learning) => Forms::clone(&learning.forms.load()),
        }
    }
}

impl Learning {
    fn learn(&self, secret: &Secret) {
        let mut learned = self.learned();
        if self.held.contains(secret) || learned.first() == Some(secret) {
            return;
        }
        learned.retain(|known| known != secret);
        learned.insert(0, secret.clone());
        learned.truncate(LEARNED);
        self.forms.store(Arc::new(forms(self.held.iter().chain(&*learned))));
    }

    fn learned(&self) -> std::sync::MutexGuard<'_, Vec<Secret>> {
        // No code that could panic leaves the list half changed.
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for KnownSecrets {
    fn default() -> Self {
        Self::new(&[])
    }
}

fn forms<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Forms {
    let mut forms: Vec<KnownSecret> = Vec::new();
    for secret in secrets {
        for form in [secret.clone(), in_json(secret), in_a_form(secret)] {
            let is_new = forms.iter().all(|known| known.secret != form);
            if is_new && form.expose().len() >= LEAST {
                forms.push(KnownSecret { mark: Mark::of(form.expose()), secret: form });
            }
        }
    }
    forms.into()
}

fn are_in(forms: &[KnownSecret], text: &[u8]) -> bool {
    forms.iter().any(|known| known.mark.finds(known.secret.expose(), text))
}

/// As it is written in a JSON string.
fn in_json(secret: &Secret) -> Secret {
    let mut text = Zeroizing::new(Vec::with_capacity(6 * secret.expose().len()));
    for byte in secret.expose() {
        match byte {
            b'"' | b'\\' => text.extend([b'\\', *byte]),
            _ => text.push(*byte),
        }
    }
    Secret::new(std::mem::take(&mut text))
}

/// As it is written in a form, which is how Claviger sends it.
fn in_a_form(secret: &Secret) -> Secret {
    let mut text = Zeroizing::new(String::with_capacity(3 * secret.expose().len()));
    text.extend(form_urlencoded::byte_serialize(secret.expose()));
    Secret::new(std::mem::take(&mut *text).into_bytes())
}

impl EchoGuard {
    /// For the answer to a request that was sent with `token`; `other` is the one before or after it
    /// ([`TokenHandle::other`](crate::token::TokenHandle::other)). It looks for what is known by now.
    pub fn new(token: Arc<Token>, other: Option<Arc<Token>>, known: &KnownSecrets) -> Self {
        let tokens = [Some(token), other].map(|token| token.filter(|token| token.value().len() >= LEAST));
        Self { tokens, held: known.now(), kept: Bytes::new() }
    }

    fn tokens(&self) -> impl Iterator<Item = &Token> {
        self.tokens.iter().flatten().map(|token| &**token)
    }

    fn finds_in(&self, text: &[u8]) -> bool {
        self.tokens().any(|token| token.mark().finds(token.value(), text)) || are_in(&self.held, text)
    }

    /// Looks through the headers of an answer.
    ///
    /// # Errors
    /// [`Echo`].
    pub fn check(&self, headers: &HeaderMap) -> Result<(), Echo> {
        let held = self.held.iter().map(|held| held.secret.expose().len());
        let Some(shortest) = self.tokens().map(|token| token.value().len()).chain(held).min() else {
            return Ok(());
        };
        let is_clear =
            headers.values().all(|value| value.len() < shortest || !self.finds_in(value.as_bytes()));
        if is_clear { Ok(()) } else { Err(Echo) }
    }

    /// What may pass now that this chunk has come; more will come.
    ///
    /// # Errors
    /// [`Echo`].
    pub fn pass(&mut self, chunk: Bytes) -> Result<Bytes, Echo> {
        let mut text = self.last(chunk)?;
        let held = self.held.iter().map(|held| held.secret.expose());
        let open = held
            .chain(self.tokens().map(Token::value))
            .map(|secret| begun(secret, &text))
            .max()
            .unwrap_or_default();
        self.kept = text.split_off(text.len() - open);
        Ok(text)
    }

    /// What may pass now that the last chunk has come.
    ///
    /// # Errors
    /// [`Echo`].
    pub fn last(&mut self, chunk: Bytes) -> Result<Bytes, Echo> {
        let kept = std::mem::take(&mut self.kept);
        let text = match (kept.is_empty(), chunk.is_empty()) {
            (true, _) => chunk,
            (false, true) => kept,
            (false, false) => {
                let mut joined = BytesMut::with_capacity(kept.len() + chunk.len());
                joined.extend_from_slice(&kept);
                joined.extend_from_slice(&chunk);
                joined.freeze()
            }
        };
        if self.finds_in(&text) { Err(Echo) } else { Ok(text) }
    }

    /// Bytes that came and have not passed yet.
    pub fn kept(&self) -> usize {
        self.kept.len()
    }
}

/// How long the end of `text` is that a secret begins with; the whole secret is not in `text`.
fn begun(secret: &[u8], text: &[u8]) -> usize {
    let end = &text[text.len().saturating_sub(secret.len() - 1)..];
    let start = memchr_iter(secret[0], end).find(|start| secret.starts_with(&end[*start..]));
    start.map_or(0, |start| end.len() - start)
}

impl fmt::Debug for KnownSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KnownSecret(..)")
    }
}

impl fmt::Debug for EchoGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EchoGuard").field("kept", &self.kept.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
