//! What to do about a credential that identifies no caller: from the configuration and the cause, which is from a closed set. It has
//! no word of the credential itself.

use super::question::listed;
use crate::{
    authn::{AuthnError, jwt::Keyring},
    config::{Caller, Config, Identity, Issuer},
    proxy::Pipeline,
};

/// A sentence; `None` where the cause says it all.
pub(super) fn remedy(error: &AuthnError, config: &Config, pipeline: &Pipeline) -> Option<String> {
    let cause = error.cause();
    let issuer = config.issuers.iter().find(|it| cause.starts_with(&format!("issuer {}: ", it.name)));
    match (error.reason(), issuer) {
        ("expired", _) => Some("get a new one".into()),
        ("not_yet_valid", _) => Some("compare the clocks of the machines".into()),
        ("times", _) => Some("have the issuer set exp, in seconds since 1970".into()),
        ("audience", Some(issuer)) => {
            let wanted = listed(issuer.audience.iter().map(|audience| format!("{audience:?}")));
            Some(format!("issuers.{}.audience is {wanted}: have the token made for it", issuer.name))
        }
        ("algorithm", Some(issuer)) => {
            let allowed = listed(issuer.algorithms.iter().map(|it| it.as_str().to_owned()));
            Some(format!("issuers.{}.algorithms is {allowed}", issuer.name))
        }
        ("key_unknown", Some(issuer)) => keyring(pipeline, issuer).map(|keyring| {
            let kids = keyring.status().kids;
            let held = if kids.is_empty() { "without ids".to_owned() } else { listed(kids.into_iter()) };
            format!("keys of issuers.{}: {held}; it may be another cluster's or an old token", issuer.name)
        }),
        ("issuer_unavailable", Some(issuer)) => {
            let name = &issuer.name;
            Some(format!(
                "keys of issuers.{name} are fetched by a running process: ask it, or claviger check --online"
            ))
        }
        ("issuer_unknown", _) if config.issuers.is_empty() => None,
        ("issuer_unknown", _) => {
            let known = listed(config.issuers.iter().map(|it| format!("{} ({})", it.name, it.issuer)));
            Some(format!("issuers: {known}"))
        }
        ("no_caller", Some(issuer)) => Some(callers(config, "of this issuer", |identity| match identity {
            Identity::ServiceAccount { issuer: own, namespace, name } if *own == issuer.name => {
                Some(format!("service_account {namespace}/{}", name.as_deref().unwrap_or("*")))
            }
            Identity::Jwt { issuer: own, claims } if *own == issuer.name => {
                let claims =
                    claims.iter().map(|(name, wanted)| format!("{name} = {}", wanted.0.join(" or ")));
                Some(claims.collect::<Vec<_>>().join(", "))
            }
            _ => None,
        })),
        ("no_caller", None) if error.method() == "certificate" => {
            Some(callers(config, "with certificates", |identity| match identity {
                Identity::Spiffe(id) => Some(id.clone()),
                Identity::Dns(name) => Some(format!("dns {name}")),
                _ => None,
            }))
        }
        ("untrusted", _) if cause.ends_with("(extended key usage clientAuth)") => {
            Some("issue it with extendedKeyUsage = clientAuth".into())
        }
        ("untrusted", _) => Some(
            "have the client's certificate issued by a CA that is in listen.tls.client_ca, or add the certificate of its CA \
             to that file; a certificate signed by itself is not enough"
                .into(),
        ),
        ("unknown", _) => Some(callers(config, "with API keys", |identity| match identity {
            Identity::ApiKey { .. } => Some(String::new()),
            _ => None,
        })),
        ("scheme" | "none_sent", _) if error.asks_for_token() => Some(
            "send client_id = the caller's name and client_secret = its API key (curl: -u NAME:KEY), or Claviger-Key".into(),
        ),
        ("scheme", _) => Some("send Authorization: Bearer, or Claviger-Key".into()),
        _ => None,
    }
}

fn keyring<'p>(pipeline: &'p Pipeline, issuer: &Issuer) -> Option<&'p Keyring> {
    pipeline.authenticators().keyrings().iter().find(|it| it.issuer().name == issuer.name).map(|it| &**it)
}

/// The callers that have an identity of a kind, with what it is.
fn callers(config: &Config, kind: &str, shown: impl Fn(&Identity) -> Option<String>) -> String {
    let of = |caller: &Caller| {
        let all: Vec<String> = caller.identify.iter().filter_map(&shown).collect();
        match all.join("; ") {
            _ if all.is_empty() => None,
            text if text.is_empty() => Some(caller.name.to_string()),
            text => Some(format!("{} ({text})", caller.name)),
        }
    };
    let named: Vec<String> = config.callers.iter().filter_map(of).collect();
    if named.is_empty() {
        return format!("there are no callers {kind}");
    }
    format!("callers {kind}: {}", listed(named.into_iter()))
}
