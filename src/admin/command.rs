//! What the admin listener can be told to do. Only from this machine: on a listener that the network reaches there is
//! nobody to authenticate.

use std::{fmt::Write as _, time::Duration};

use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::{task::JoinSet, time::Instant};

use super::{
    Admin,
    reply::{Body, text},
};
use crate::authn::Reach;

/// How long is waited for what comes of it.
const PATIENCE: Duration = Duration::from_secs(12);
/// The most tenants without a token that are waited for.
const MOST: usize = 20;

impl Admin {
    /// `POST /token/retry`, with `?tenant=NAME` for one: ends cool-downs of tokens, and says which tenants have one then.
    pub(super) async fn retry_tokens(&self, request: &Request<Incoming>, reach: Reach) -> Response<Body> {
        if *request.method() != Method::POST {
            return text(StatusCode::METHOD_NOT_ALLOWED, "this takes POST\n");
        }
        if reach == Reach::Network {
            let why = "only from this machine: `listen.admin` is open to the network; send SIGHUP instead\n";
            return text(StatusCode::FORBIDDEN, why);
        }
        let pipeline = self.pipeline.load_full();
        let tenants = match request.uri().query().map(|query| query.strip_prefix("tenant=")) {
            None => pipeline.tenants().all(),
            Some(Some(name)) => match pipeline.tenants().get(name) {
                Some(tenant) => vec![tenant],
                None => {
                    let why = "there is no such tenant; `claviger status` lists them\n";
                    return text(StatusCode::NOT_FOUND, why);
                }
            },
            Some(None) => return text(StatusCode::BAD_REQUEST, "the query is ?tenant=NAME\n"),
        };
        let held = match &*tenants {
            [one] => one.token_status().usable_for,
            _ => None,
        };
        let without = tenants.iter().filter(|tenant| tenant.token_status().usable_for.is_none());
        let (mut asked, deadline) = (JoinSet::new(), Instant::now() + PATIENCE);
        tenants.iter().for_each(|tenant| tenant.retry_tokens());
        for tenant in without.take(MOST) {
            let tenant = tenant.clone();
            asked.spawn(async move {
                let name = tenant.config().name.clone();
                (name, tenant.obtain_token(deadline).await)
            });
        }
        let mut said = String::new();
        while let Some(outcome) = asked.join_next().await {
            let Ok((name, Err(error))) = outcome else { continue };
            let _infallible = writeln!(said, "{name}: no token: {error}. {}", error.remedy());
        }
        if !said.is_empty() {
            return text(StatusCode::BAD_GATEWAY, said);
        }
        match &*tenants {
            [one] => {
                let name = &one.config().name;
                let held =
                    held.map(|left| format!(", good for {} s more; nothing was asked", left.as_secs()));
                text(StatusCode::OK, format!("{name} has a token{}\n", held.unwrap_or_default()))
            }
            all if all.iter().all(|tenant| tenant.token_status().usable_for.is_some()) => {
                text(StatusCode::OK, format!("{} tenants have their tokens\n", all.len()))
            }
            all => text(StatusCode::OK, format!("trying again to get tokens: {} tenants\n", all.len())),
        }
    }
}
