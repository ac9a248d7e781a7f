//! What the pipeline would do with a request, for an operator who asks (`claviger explain`): its own router, authenticators,
//! grants and checks, in its order, up to where something would be drawn on, sent or handed out. Draws on no limit, sends
//! nothing, gives nothing away. That it says what is done is held by a test that asks both.

use std::{sync::Arc, time::Duration};

use http::{Method, header, request::Parts};

use super::{
    broker::{self, BrokerError, BrokerRequest},
    error::Failure,
    forward_auth,
    pipeline::Pipeline,
    route::{self, Route},
};
use crate::{
    authn::{self, Peer, Presented},
    catalog::Secrets,
    config::Issue,
    ids::CallerIndex,
    policy::{
        Action, ForwardAuthError, Judged, NoDocument, Refusal, Sharing,
        decide::RuleSource,
        forward_auth as lending,
        target::{Target, TargetError},
    },
    upstream::{self, Tenant},
};

/// A request to be tried out.
pub struct Trial<'r> {
    /// Where it would come from.
    pub peer: &'r Peer,
    /// Its head.
    pub head: &'r Parts,
    /// Its body, where that is known.
    pub body: Option<&'r [u8]>,
    /// Who sends it.
    pub who: Who,
}

/// Who sends a request that is tried out.
#[derive(Debug, Clone, Copy)]
pub enum Who {
    /// This caller; its credentials are not looked at.
    Caller(CallerIndex),
    /// Whoever its credentials and its connection are.
    Presented,
}

/// What was learned on the way.
#[derive(Default)]
pub struct Learned {
    /// What the authentication methods said, where they were asked.
    pub trials: Vec<authn::Trial>,
    /// By which of them the caller was identified.
    pub method: Option<&'static str>,
    /// Whose the request is.
    pub caller: Option<CallerIndex>,
    /// Where it would go.
    pub tenant: Option<Arc<Tenant>>,
}

/// A request that would pass.
#[derive(Debug)]
pub enum Allowed {
    /// It would be sent upstream.
    Operation {
        /// By which rule; `None` where it depends on the body, which is not known.
        rule: Option<Arc<RuleSource>>,
        /// The secrets that would be masked in the answer.
        masking: Option<&'static Secrets>,
        /// How old an answer may be that it is given.
        cache: Option<Duration>,
    },
    /// Claviger itself would answer it: the OpenAPI document, cut down to what the caller may do.
    Document,
    /// Another proxy would be lent the token.
    Loan(Option<Arc<RuleSource>>),
    /// The broker would hand out this kind of token.
    Token(Issue),
    /// Metadata, which anybody may read.
    Discovery,
}

impl Pipeline {
    /// Tries a request out: what would come of it but for limits and the upstream. Waits as authentication does: for an
    /// issuer's keys, three seconds at most.
    pub async fn dry_run(&self, trial: Trial<'_>) -> (Learned, Result<Allowed, Failure>) {
        let mut learned = Learned::default();
        let outcome = self.try_out(&trial, &mut learned).await;
        (learned, outcome)
    }

    async fn try_out(&self, trial: &Trial<'_>, learned: &mut Learned) -> Result<Allowed, Failure> {
        let head = trial.head;
        if head.headers.len() > self.config.limits.headers {
            return Err(Failure::Headers(self.config.limits.headers));
        }
        self.check_host(trial.peer.listener, head)?;
        match Route::of(head, self.config.authz.enabled)? {
            Route::Api(target) | Route::Cloud(target) => {
                let presented = Presented::by_headers(trial.peer, &head.headers);
                let judged = self.judge(trial, &presented, &target, head, learned).await?;
                self.examine(judged, head, trial.body)
            }
            Route::Token => {
                let form = token_request(trial)?;
                let presented = Presented::by_client(trial.peer, &head.headers, form.client());
                let named = route::target(&head.uri, head.version, &head.headers)?;
                let target = Target::Token {
                    tenant: named.tenant(),
                    asked: form.asked(self.base(self.scheme(), head)),
                };
                let judged = self.judge(trial, &presented, &target, head, learned).await?;
                self.examine(judged, head, trial.body)
            }
            Route::Discovery(_) if matches!(head.method, Method::GET | Method::HEAD) => {
                Ok(Allowed::Discovery)
            }
            Route::Discovery(_) => Err(TargetError::Read.into()),
            Route::ForwardAuth => {
                let asked = forward_auth::question(head)?;
                let target = route::target(&asked.uri, asked.version, &asked.headers)?;
                let presented = Presented::by_headers(trial.peer, &asked.headers);
                let judged = self.judge(trial, &presented, &target, &asked, learned).await?;
                let (rule, action) = (judged.rule, judged.action);
                let (operation, path, query) = match (action, target) {
                    (Action::Forward(operation), Target::Api { path, query, .. }) => (operation, path, query),
                    (Action::Forward(_), Target::Cloud { .. }) => return Err(ForwardAuthError::Cloud.into()),
                    (Action::Describe, _) => return Err(Refusal::from(NoDocument::Lent).into()),
                    _ => return Err(ForwardAuthError::Question.into()),
                };
                lending::check(path, query, &operation)?;
                let (_, by_body) = operation.approve(&asked.headers, None)?;
                Ok(Allowed::Loan(by_body.or(rule.map(|rule| rule.into_owned()))))
            }
        }
    }

    async fn judge(
        &self,
        trial: &Trial<'_>,
        presented: &Presented<'_>,
        target: &Target<'_>,
        head: &Parts,
        learned: &mut Learned,
    ) -> Result<Judged<'_>, Failure> {
        let (index, bound) = match trial.who {
            Who::Caller(index) => (index, None),
            Who::Presented => {
                let (trials, authenticated) = self.authenticators.explain(presented).await;
                learned.trials = trials;
                let caller = authenticated?;
                learned.method = Some(caller.method());
                (caller.index(), caller.tenant().cloned())
            }
        };
        learned.caller = Some(index);
        let tenant = self.policy.tenant_of(index, bound.as_ref(), target, self.directory(target))?;
        learned.tenant = Some(tenant.clone());
        Ok(self.policy.judge(index, tenant.config(), target, head)?)
    }

    /// How links to its listeners begin, where nothing says by which one a request came.
    fn scheme(&self) -> &'static str {
        if self.config.listen.tls.is_some() { "https" } else { "http" }
    }

    /// What is decided by the body; where it is not known, nothing.
    fn examine(&self, judged: Judged<'_>, head: &Parts, body: Option<&[u8]>) -> Result<Allowed, Failure> {
        let operation = match judged.action {
            Action::Issue(issue) => return Ok(Allowed::Token(issue)),
            Action::Describe => return Ok(Allowed::Document),
            Action::Forward(operation) => operation,
        };
        let (rule, masking) = (judged.rule.map(|rule| rule.into_owned()), operation.masking());
        let cache = match operation.sharing() {
            Sharing::Kept(cache) if head.method == Method::GET => Some(cache),
            _ => None,
        };
        let Some(body) = body else { return Ok(Allowed::Operation { rule, masking, cache }) };
        upstream::check_body((&head.method, &head.headers, operation.name()), body, &self.config.limits)?;
        let (_, by_body) = operation.approve(&head.headers, Some(body))?;
        Ok(Allowed::Operation { rule: by_body.or(rule), masking, cache })
    }
}

/// The form of a token request, as far as it is known.
fn token_request(trial: &Trial<'_>) -> Result<BrokerRequest, BrokerError> {
    if trial.head.method != Method::POST {
        return Err(BrokerError::Method);
    }
    let authorization = trial.head.headers.get(header::AUTHORIZATION);
    match trial.body {
        Some(_) if !broker::is_form(&trial.head.headers) => Err(BrokerError::Form),
        Some(form) => BrokerRequest::parse(authorization, form),
        None => BrokerRequest::parse(authorization, b"grant_type=client_credentials"),
    }
}
