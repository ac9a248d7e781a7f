//! The engine against a scripted issuer, in paused time. Tests of a numbered behaviour carry its number.

mod failures;
mod keys;
mod lifetime;
mod log;
mod property;
mod rejection;
mod secrets;
mod sharing;
mod sources;
mod wire;

use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering::SeqCst},
    },
    time::{Duration, SystemTime},
};

use http::{HeaderValue, StatusCode};
use tokio::{runtime::Handle, sync::Notify, time::Instant};
use zeroize::Zeroizing;

use super::*;
use crate::{
    clock::{Clock, Random},
    config::{ClientAuth, Endpoint},
    ids::TenantName,
    secret::Secret,
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);

/// An issuer that does as told and remembers what it was asked.
#[derive(Default)]
pub(super) struct FakeIssuer {
    next: Mutex<VecDeque<Reply>>,
    otherwise: Mutex<Option<Reply>>,
    calls: Mutex<Vec<Call>>,
    /// Rings at each call.
    called: Notify,
}

#[derive(Clone)]
pub(super) struct Call {
    pub(super) at: Instant,
    pub(super) authorization: Option<HeaderValue>,
}

#[derive(Clone)]
pub(super) enum Reply {
    /// 200 with a token of its own, that lives so many seconds.
    Token(u64),
    /// 200 with this body.
    Body(&'static str),
    /// This status and body.
    Status(u16, &'static str),
    /// This status with `Retry-After`.
    RetryAfter(u16, String),
    Fault(Fault),
    Slow(Duration, Box<Reply>),
    Gate(Arc<Notify>, Box<Reply>),
    Hang,
    Panic,
}

pub(super) const WRONG_SECRET: Reply =
    Reply::Status(401, r#"{"error":"invalid_client","error_description":"client authentication failed"}"#);
pub(super) const EXPIRED_SECRET: Reply =
    Reply::Status(400, r#"{"error":"invalid_request","error_description":"client secret has expired"}"#);
pub(super) const BROKEN: Reply = Reply::Status(500, r#"{"message":"Internal server error."}"#);

impl FakeIssuer {
    /// What it answers from now on.
    pub(super) fn always(&self, reply: Reply) {
        *self.otherwise.lock().unwrap() = Some(reply);
    }

    /// What it answers once, before that.
    pub(super) fn once(&self, reply: Reply) {
        self.next.lock().unwrap().push_back(reply);
    }

    pub(super) fn count(&self) -> usize {
        self.calls.lock().unwrap().len()
    }

    pub(super) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    fn reply(&self) -> Reply {
        let next = self.next.lock().unwrap().pop_front();
        next.unwrap_or_else(|| self.otherwise.lock().unwrap().clone().expect("a reply is scripted"))
    }

    async fn play(&self, number: usize, reply: Reply) -> Result<Answer, Fault> {
        let answer = |status: u16, retry_after: Option<&str>, body: String| Answer {
            status: StatusCode::from_u16(status).unwrap(),
            content_type: Some(HeaderValue::from_static("application/json; charset=utf-8")),
            retry_after: retry_after.map(|value| HeaderValue::from_str(value).unwrap()),
            body: Zeroizing::new(body.into_bytes()),
        };
        match reply {
            Reply::Token(life) => Ok(answer(
                200,
                None,
                format!(
                    r#"{{"access_token":"token-{number}","expires_in":{life},"token_type":"Bearer","scope":"all"}}"#
                ),
            )),
            Reply::Body(body) => Ok(answer(200, None, body.into())),
            Reply::Status(status, body) => Ok(answer(status, None, body.into())),
            Reply::RetryAfter(status, value) => Ok(answer(status, Some(&value), String::new())),
            Reply::Fault(fault) => Err(fault),
            Reply::Slow(delay, reply) => {
                tokio::time::sleep(delay).await;
                Box::pin(self.play(number, *reply)).await
            }
            Reply::Gate(gate, reply) => {
                gate.notified().await;
                Box::pin(self.play(number, *reply)).await
            }
            Reply::Hang => std::future::pending().await,
            Reply::Panic => panic!("a bug in a grant, on purpose"),
        }
    }
}

impl Issuer for FakeIssuer {
    fn request(
        &self,
        request: GrantRequest,
    ) -> Pin<Box<dyn Future<Output = Result<Answer, Fault>> + Send + '_>> {
        let mut calls = self.calls.lock().unwrap();
        calls.push(Call { at: Instant::now(), authorization: request.authorization });
        let number = calls.len();
        drop(calls);
        self.called.notify_one();
        Box::pin(self.play(number, self.reply()))
    }
}

/// Remembers every event as a line.
#[derive(Default)]
pub(super) struct Recorder(Mutex<Vec<String>>);

impl Recorder {
    fn note(&self, line: String) {
        self.0.lock().unwrap().push(line);
    }

    pub(super) fn count(&self, line: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|noted| *noted == line).count()
    }
}

impl GrantEvents for Recorder {
    fn grant_finished(&self, tenant: &TenantName, outcome: &'static str, _took: Duration) {
        self.note(format!("{tenant} finished {outcome}"));
    }
    fn secret_fallback(&self, tenant: &TenantName) {
        self.note(format!("{tenant} fallback"));
    }
}

/// An engine, its issuer and its clocks.
pub(super) struct World {
    pub(super) tokens: Tokens,
    pub(super) issuer: Arc<FakeIssuer>,
    pub(super) events: Arc<Recorder>,
    pub(super) clock: Clock,
    /// How far the wall clock has been set forward, in seconds.
    skew: Arc<AtomicI64>,
}

impl World {
    /// With a jitter of nothing: tokens renew at 80 % of their life, waits are half of their step.
    pub(super) fn new(reply: Reply) -> Self {
        Self::with_chance(reply, 0.0)
    }

    pub(super) fn with_chance(reply: Reply, chance: f64) -> Self {
        Self::on(&Handle::current(), reply, chance)
    }

    pub(super) fn on(runtime: &Handle, reply: Reply, chance: f64) -> Self {
        let issuer = Arc::new(FakeIssuer::default());
        issuer.always(reply);
        let events = Arc::new(Recorder::default());
        let skew = Arc::new(AtomicI64::new(0));
        let start = Instant::now();
        let clock = Clock::with_wall({
            let skew = skew.clone();
            move || {
                let seconds = 1_800_000_000 + skew.load(SeqCst);
                SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.unsigned_abs()) + start.elapsed()
            }
        });
        let random = Random::with(move || chance);
        let tokens = Tokens::new(clock.clone(), random, events.clone(), runtime.clone());
        Self { tokens, issuer, events, clock, skew }
    }

    pub(super) fn set_wall_clock(&self, forward: i64) {
        self.skew.store(forward, SeqCst);
    }

    pub(super) fn source(&self, tenant: &str) -> TokenSource {
        TokenSource {
            key: key(tenant).into(),
            secrets: [Secret::new(b"s3cret".to_vec()).into()].into(),
            issuer: self.issuer.clone(),
            options: Arc::default(),
            timeout: 10 * SECOND,
            quota: None,
            heard: None,
        }
    }

    pub(super) fn handle(&self) -> TokenHandle {
        self.tokens.handle(self.source("acme"))
    }
}

pub(super) fn key(tenant: &str) -> TokenKey {
    TokenKey {
        tenant: TenantName::parse(tenant).unwrap(),
        endpoint: Endpoint { scheme: http::uri::Scheme::HTTPS, authority: "acme.logto.app".parse().unwrap() },
        client_id: "app".into(),
        client_auth: ClientAuth::Basic,
        resource: "https://acme.logto.app/api".into(),
        scopes: ["all".to_owned()].into(),
        organization_id: None,
        parameters: [].into(),
    }
}

pub(super) fn soon() -> Instant {
    Instant::now() + MINUTE
}

/// Lets paused time pass, and with it everything that was due.
pub(super) async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

/// The token of a request that must not wait for it: it is there already.
pub(super) async fn at_once(handle: &TokenHandle) -> String {
    let there = handle.current().expect("a token is there");
    let got = handle.get(soon()).await.expect("a token");
    assert_eq!(there.generation(), got.generation());
    value(&got)
}

/// The error of a request that must fail without waiting.
pub(super) async fn refused_at_once(handle: &TokenHandle) -> TokenError {
    let before = Instant::now();
    let error = handle.get(soon()).await.expect_err("no token");
    assert_eq!(Instant::now(), before, "the request waited");
    error
}

pub(super) fn value(token: &Token) -> String {
    token.header().to_str().unwrap().strip_prefix("Bearer ").expect("a bearer token").to_owned()
}
