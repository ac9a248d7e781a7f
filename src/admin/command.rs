//! What the admin listener can be told to do. Only from this machine: on a listener that the network reaches there is
//! nobody to authenticate.

use std::{collections::HashSet, fmt::Write as _, sync::Arc, time::Duration};

use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::{task::JoinSet, time::Instant};

use super::{
    Admin, From,
    reply::{Body, text},
};
use crate::{
    authn::Reach, ids::TenantName, observe::audit::AdminRecord, token::TokenError, upstream::Tenant,
};

/// How long is waited for what comes of it.
const PATIENCE: Duration = Duration::from_secs(12);
/// Why a file that was mended may not count yet.
const NOT_READ: &str =
    "the configuration's files could not be read again in time: what was mended in them is not in force yet";
const NOT_TAKEN_OVER: &str =
    "the configuration is invalid now, and the old one stays in force: `claviger check` says why";
/// The most tenants without a token that are waited for.
const MOST: usize = 20;

impl Admin {
    /// The same, for the audit log. What is refused has done nothing, and whoever gets here could fill the log with it.
    pub(super) async fn retry(&self, request: &Request<Incoming>, (reach, peer): From) -> Response<Body> {
        let response = self.retry_tokens(request, reach).await;
        let status = response.status();
        if let Some(audit) = self.shared.audit.as_ref().filter(|_| !status.is_client_error()) {
            let outcome = if status.is_success() { "done" } else { "failed" };
            let error = (!status.is_success()).then(|| status.to_string());
            let tenant = request.uri().query().and_then(|query| query.strip_prefix("tenant="));
            let tenant = tenant.and_then(|name| TenantName::parse(name).ok());
            let record = AdminRecord::new(self.shared.clock.now().wall, "retry", peer, outcome, error);
            audit.admin(AdminRecord { tenant, ..record });
        }
        response
    }

    /// `POST /token/retry`, with `?tenant=NAME` for one: reads the files again, ends cool-downs of tokens, and says of each tenant what came of it.
    async fn retry_tokens(&self, request: &Request<Incoming>, reach: Reach) -> Response<Body> {
        if *request.method() != Method::POST {
            return text(StatusCode::METHOD_NOT_ALLOWED, "this takes POST\n");
        }
        if reach == Reach::Network {
            let why = "only from this machine: `listen.admin` is open to the network; send SIGHUP instead\n";
            return text(StatusCode::FORBIDDEN, why);
        }
        let mut told = Told::default();
        let has_one = |tenant: &Arc<Tenant>| tenant.token_status().usable_for;
        let held: HashSet<_> = {
            let all = self.pipeline.load().tenants().all();
            let held = all.iter().filter(|tenant| has_one(tenant).is_some());
            held.map(|tenant| tenant.config().name.clone()).collect()
        };
        // What was mended may be a secret's file, which nobody has looked at since.
        told.unread = match (self.reread.done().await, self.health.reload_error()) {
            (false, _) => Some(NOT_READ),
            (true, Some(_)) => Some(NOT_TAKEN_OVER),
            (true, None) => None,
        };
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
        let mut without = Vec::new();
        for tenant in &tenants {
            match has_one(tenant).filter(|_| held.contains(&tenant.config().name)) {
                Some(left) => told.held.push((tenant.config().name.clone(), left)),
                None => without.push(tenant.clone()),
            }
            tenant.retry_tokens();
        }
        let (mut asked, deadline) = (JoinSet::new(), Instant::now() + PATIENCE);
        told.left_out = without.len().saturating_sub(MOST);
        for tenant in without.into_iter().take(MOST) {
            asked.spawn(async move {
                let name = tenant.config().name.clone();
                (name, tenant.obtain_token(deadline).await)
            });
        }
        while let Some(outcome) = asked.join_next().await {
            match outcome {
                Ok((name, Ok(()))) => told.granted.push(name),
                Ok((name, Err(error))) => told.failed.push((name, error)),
                Err(_) => told.left_out += 1,
            }
        }
        let status = if told.failed.is_empty() { StatusCode::OK } else { StatusCode::BAD_GATEWAY };
        text(status, told.text())
    }
}

/// What came of each tenant.
#[derive(Default)]
struct Told {
    unread: Option<&'static str>,
    failed: Vec<(TenantName, TokenError)>,
    granted: Vec<TenantName>,
    held: Vec<(TenantName, Duration)>,
    /// Those without a token that were asked for one, and whose answer was not waited for.
    left_out: usize,
}

impl Told {
    /// A line for each, what failed first.
    fn text(mut self) -> String {
        self.failed.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        self.granted.sort_unstable();
        self.held.sort_unstable();
        let failed = self.failed.iter().map(|(name, error)| {
            let said = error.to_string();
            let end = if said.ends_with('?') { "" } else { "." };
            let line = format!("{name}: no token: {said}{end} {}", error.remedy());
            format!("{}\n", line.trim_end())
        });
        let granted = self.granted.iter().map(|name| format!("{name}: got a token\n"));
        let shown = self.held.iter().take(MOST);
        let held = shown.map(|(name, left)| {
            format!("{name}: has a token, good for {} s more; nothing was asked\n", left.as_secs())
        });
        let unread = self.unread.iter().map(|why| format!("{why}\n"));
        let mut text: String = unread.chain(failed).chain(granted).chain(held).collect();
        if let more @ 1.. = self.held.len().saturating_sub(MOST) {
            let _infallible = writeln!(text, "{more} more have their tokens; nothing was asked");
        }
        if let more @ 1.. = self.left_out {
            let _infallible = writeln!(
                text,
                "{more} more without a token: asked for one; `claviger status` shows what comes of it"
            );
        }
        if text.is_empty() {
            text.push_str("there are no tenants\n");
        }
        text
    }
}
