//! Two callers that one request could be from: a request must have one caller, not the first of two. Methods of
//! different kinds are tried in a fixed order, so only those of one kind are compared.

use std::collections::HashSet;

use super::checker::Checker;
use crate::{
    config::{
        caller::{Caller, ClaimMatch, Identity},
        path::KeyPath,
    },
    secret::Digest,
};

impl Checker<'_> {
    pub(super) fn look_alikes(&mut self, callers: &[Caller]) {
        let candidates = candidates(callers);
        for (index, caller) in candidates.iter().enumerate() {
            for other in &candidates[..index] {
                let shared = caller.identify.iter().find_map(|method| {
                    other.identify.iter().find_map(|other_method| shared(method, other_method))
                });
                if let Some((what, remedy)) = shared {
                    let key = KeyPath::of(&["callers", caller.name.as_str(), "identify"]);
                    self.problem(
                        &key,
                        format!("{what} identifies the caller {} as well", other.name),
                        remedy,
                    );
                }
            }
        }
    }
}

/// The callers that are worth comparing in pairs: ten thousand with an API key each are not.
fn candidates(callers: &[Caller]) -> Vec<&Caller> {
    let mut seen = HashSet::new();
    let repeated: HashSet<Digest> = callers
        .iter()
        .flat_map(|caller| keys(caller).filter(|key| !seen.insert(*key)).collect::<Vec<_>>())
        .collect();
    let only_keys =
        |caller: &Caller| caller.identify.iter().all(|method| matches!(method, Identity::ApiKey { .. }));
    callers
        .iter()
        .filter(|caller| !only_keys(caller) || keys(caller).any(|key| repeated.contains(&key)))
        .collect()
}

fn keys(caller: &Caller) -> impl Iterator<Item = Digest> {
    caller
        .identify
        .iter()
        .filter_map(|method| if let Identity::ApiKey { keys, .. } = method { Some(keys) } else { None })
        .flatten()
        .copied()
}

/// What two methods have in common, and what to do about it.
fn shared(one: &Identity, other: &Identity) -> Option<(&'static str, &'static str)> {
    match (one, other) {
        (Identity::Loopback, Identity::Loopback) => Some((
            "loopback = true",
            "Keep it for one of the two; identify the other by api_key or unix_uid.",
        )),
        (Identity::UnixUid(one), Identity::UnixUid(other)) if one == other => {
            Some(("the same unix_uid", "Run the two as different users, or identify one of them by api_key."))
        }
        (Identity::UnixGid(one), Identity::UnixGid(other)) if one == other => Some((
            "the same unix_gid",
            "Run the two in different groups, or identify one of them by unix_uid.",
        )),
        (Identity::ApiKey { keys: one, .. }, Identity::ApiKey { keys: other, .. })
            if one.iter().any(|key| other.iter().any(|other| key.matches(other))) =>
        {
            Some(("the same API key", "Give each caller a key of its own: openssl rand -hex 32"))
        }
        (Identity::Spiffe(one), Identity::Spiffe(other)) if same_segments(one, other, '/') => {
            Some(("a certificate with such a SPIFFE ID", "Write patterns that no one ID meets both of."))
        }
        (Identity::Dns(one), Identity::Dns(other)) if same_segments(one, other, '.') => {
            Some(("a certificate with such a DNS name", "Write patterns that no one name meets both of."))
        }
        (Identity::ServiceAccount { .. }, Identity::ServiceAccount { .. }) if same_token(one, other) => {
            Some(("a token of such a service account", "Give each caller a service account of its own."))
        }
        (
            Identity::ServiceAccount { .. } | Identity::Jwt { .. },
            Identity::ServiceAccount { .. } | Identity::Jwt { .. },
        ) if same_token(one, other) => Some((
            "a token with these claims",
            "Ask both callers for another value of one claim, such as sub.",
        )),
        _ => None,
    }
}

/// Whether there is a name that meets both patterns; `*` is one segment.
fn same_segments(one: &str, other: &str, separator: char) -> bool {
    let (one, other): (Vec<_>, Vec<_>) = (one.split(separator).collect(), other.split(separator).collect());
    one.len() == other.len()
        && one.iter().zip(&other).all(|(one, other)| one == other || *one == "*" || *other == "*")
}

/// What a method asks of a token.
struct Asked<'i> {
    issuer: &'i str,
    /// The subject of a service account; its namespace's where any name will do.
    account: Option<(String, bool)>,
    claims: &'i [(String, ClaimMatch)],
}

impl<'i> Asked<'i> {
    fn of(method: &'i Identity) -> Option<Self> {
        match method {
            Identity::ServiceAccount { namespace, name, issuer } => {
                let subject = format!("system:serviceaccount:{namespace}:{}", name.as_deref().unwrap_or(""));
                Some(Self { issuer: issuer.as_str(), account: Some((subject, name.is_none())), claims: &[] })
            }
            Identity::Jwt { issuer, claims } => Some(Self { issuer: issuer.as_str(), account: None, claims }),
            _ => None,
        }
    }

    fn names(&self) -> Vec<&str> {
        let account = self.account.iter().map(|_| "sub");
        account.chain(self.claims.iter().map(|(claim, _)| claim.as_str())).collect()
    }

    /// Whether the claim may be `value`; a claim that is not asked for may be anything.
    fn admits(&self, claim: &str, value: &str) -> bool {
        if let (Some((subject, any_below)), "sub") = (&self.account, claim) {
            return if *any_below { value.starts_with(subject) } else { value == subject };
        }
        let asked = self.claims.iter().find(|(name, _)| name == claim);
        asked.is_none_or(|(_, ClaimMatch(values))| values.iter().any(|known| known == value))
    }

    /// The values of a claim that are known one by one.
    fn values(&self, claim: &str) -> Vec<&str> {
        if let (Some((subject, _)), "sub") = (&self.account, claim) {
            return vec![subject];
        }
        let asked = self.claims.iter().find(|(name, _)| name == claim);
        asked.map_or_else(Vec::new, |(_, ClaimMatch(values))| values.iter().map(String::as_str).collect())
    }
}

/// Whether a token that meets the one method (and holds no claim more than it must) meets the other as well. Methods
/// that ask for different claims are left alone: only a token that is made to could meet both.
fn same_token(one: &Identity, other: &Identity) -> bool {
    let (Some(one), Some(other)) = (Asked::of(one), Asked::of(other)) else { return false };
    let (names, other_names) = (one.names(), other.names());
    let within = |few: &[&str], many: &[&str]| few.iter().all(|name| many.contains(name));
    let common = |claim: &&str| {
        one.values(claim).iter().any(|value| other.admits(claim, value))
            || other.values(claim).iter().any(|value| one.admits(claim, value))
    };
    one.issuer == other.issuer
        && (within(&names, &other_names) || within(&other_names, &names))
        && names.iter().filter(|name| other_names.contains(name)).all(common)
}
