//! Everything known about a request that was tried out: what the pipeline decided, and on what grounds. Gathers; what
//! was decided is decided.

use std::sync::Arc;

use super::question::Meant;
use crate::{
    catalog::{Api, Op, Operation, Secrets, template::Template},
    config::{Caller, Config, Quota, Rate},
    ids::{CallerIndex, CallerName, TenantName},
    policy::{
        Extents, Tenant as _,
        conditions::{check_body, check_query},
        decide::{RuleSet, RuleSource, Verdict},
        matched::Matched,
        path::CanonicalPath,
        rules::Effect,
        target::Target,
    },
    proxy::{Allowed, Description, Failure, Learned, Pipeline, route},
};

/// A rule that would allow the operation under its conditions, and the first of them that is not met.
pub(super) struct Candidate {
    pub(super) rule: Arc<RuleSource>,
    pub(super) not_met: Option<String>,
}

/// All that there is to tell.
pub(super) struct Facts<'f> {
    pub(super) pipeline: &'f Pipeline,
    pub(super) config: &'f Config,
    pub(super) meant: &'f Meant,
    pub(super) learned: &'f Learned,
    pub(super) outcome: &'f Result<Allowed, Failure>,
    /// What the caller is told where it is refused.
    pub(super) told: Option<Description>,
    /// The API that it is for.
    pub(super) api: Api,
    pub(super) matched: Option<Matched<'f>>,
    pub(super) candidates: Vec<Candidate>,
}

impl<'f> Facts<'f> {
    pub(super) fn new(
        pipeline: &'f Pipeline,
        config: &'f Config,
        meant: &'f Meant,
        learned: &'f Learned,
        outcome: &'f Result<Allowed, Failure>,
    ) -> Self {
        let head = &meant.head;
        let target = route::target(&head.uri, head.version, &head.headers);
        let api = target.as_ref().map_or(Api::Management, Target::api);
        let catalog = pipeline.policy().catalog(api);
        let matched = match target {
            Ok(Target::Api { path, .. } | Target::Cloud { path, .. }) => {
                CanonicalPath::of_request(catalog, &head.method, path)
                    .ok()
                    .map(|path| Matched::find(catalog, &head.method, path))
            }
            _ => None,
        };
        let told = outcome.as_ref().err().map(Failure::describe);
        let candidates = Vec::new();
        let mut facts = Self { pipeline, config, meant, learned, outcome, told, api, matched, candidates };
        facts.candidates = facts.find_candidates();
        facts
    }

    fn find_candidates(&self) -> Vec<Candidate> {
        let (Some(matched), Some(index), Some(_)) =
            (&self.matched, self.learned.caller, &self.learned.tenant)
        else {
            return Vec::new();
        };
        let Verdict::Conditional(candidates) = self.pipeline.policy().rules(index, self.api).decide(matched)
        else {
            return Vec::new();
        };
        let (headers, body) = (&self.meant.head.headers, self.meant.body.as_deref());
        let judge = |rule: &Arc<RuleSource>| {
            let broken = rule.rule.conditions.as_ref().and_then(|conditions| {
                let members = conditions.body.as_deref().zip(body);
                let by_query = check_query(conditions, self.query());
                by_query
                    .and_then(|()| members.map_or(Ok(()), |(it, body)| check_body(it, headers, body)))
                    .err()
            });
            Candidate { rule: rule.clone(), not_met: broken.map(|broken| broken.to_string()) }
        };
        candidates.rules().map(judge).collect()
    }

    pub(super) fn caller(&self) -> Option<&'f Caller> {
        self.learned.caller.and_then(|CallerIndex(index)| self.config.callers.get(index))
    }

    /// What it has to have to be the caller's that it was taken for; nothing where it is refused before anybody asks whose it is.
    pub(super) fn assumed(&self) -> Option<&'f str> {
        self.learned.caller.and(self.meant.assumed.as_deref())
    }

    /// What the reader has to know of how the request was read.
    pub(super) fn notes(&self) -> impl Iterator<Item = &'f str> {
        self.meant.notes.iter().map(String::as_str).chain(self.assumed())
    }

    pub(super) fn tenant(&self) -> Option<&str> {
        self.learned.tenant.as_ref().map(|tenant| tenant.name().as_str())
    }

    pub(super) fn op(&self) -> Option<Op> {
        self.matched.as_ref().and_then(Matched::op)
    }

    pub(super) fn operation(&self) -> Option<&'f Operation> {
        self.op().map(|op| self.pipeline.policy().catalog(self.api).operation(op))
    }

    /// As it would be forwarded; without a credential that somebody put there, and without the query.
    pub(super) fn path(&self) -> String {
        let path = self.matched.as_ref().map_or_else(|| self.meant.head.uri.path(), Matched::path);
        self.meant.any.shown(&self.pipeline.shown_path(path))
    }

    /// Where a template is asked about and a rule is about some of its paths: these, each with the rule that allows it.
    pub(super) fn parts(&self) -> Vec<(String, Arc<RuleSource>)> {
        let Some((rules, verb)) = self.rules_of_template().zip(self.matched.as_ref().and_then(Matched::verb))
        else {
            return Vec::new();
        };
        let Ok(template) = Template::parse(&self.path()) else { return Vec::new() };
        let extents = Extents::new(self.pipeline.policy().catalog(self.api), rules);
        let parts = extents.of(verb, &template).parts.into_iter();
        let allowed = parts.filter_map(|(path, verdict)| match verdict {
            Verdict::Allowed(rule) => Some((path, rule.clone())),
            Verdict::Conditional(candidates) => candidates.rules().next().map(|rule| (path, rule.clone())),
            _ => None,
        });
        allowed.collect()
    }

    /// Where a template is asked about: the rules that deny some of its paths alone.
    pub(super) fn denied_parts(&self) -> Vec<&Arc<RuleSource>> {
        let (Some(rules), Some(op)) = (self.rules_of_template(), self.op()) else { return Vec::new() };
        let about = rules.about_some_paths(self.pipeline.policy().catalog(self.api), op);
        about.filter(|rule| rule.effect == Effect::Deny).collect()
    }

    fn rules_of_template(&self) -> Option<&'f RuleSet> {
        let index =
            self.learned.caller.filter(|_| self.meant.any.is_some() && self.learned.tenant.is_some())?;
        Some(self.pipeline.policy().rules(index, self.api))
    }

    /// The caller's rate limit, where it has one and the request would count towards it.
    pub(super) fn rate(&self) -> Option<(&'f CallerName, &'f Rate)> {
        let is_counted = matches!(self.outcome, Ok(allowed) if !matches!(allowed, Allowed::Discovery));
        let caller = self.caller().filter(|_| is_counted)?;
        Some((&caller.name, caller.rate.as_ref()?))
    }

    /// The tenant's quota, where it has one and the request would be sent to it.
    pub(super) fn quota(&self) -> Option<(&TenantName, Quota)> {
        let is_sent = matches!(self.outcome, Ok(Allowed::Operation { .. }));
        let tenant = self.learned.tenant.as_ref().filter(|_| is_sent)?;
        Some((tenant.name(), tenant.config().quota?))
    }

    fn query(&self) -> Option<&str> {
        self.meant.head.uri.query()
    }

    /// The rule that decided.
    pub(super) fn rule(&self) -> Option<&Arc<RuleSource>> {
        match self.outcome {
            Ok(Allowed::Operation { rule, .. } | Allowed::Loan(rule)) => rule.as_ref(),
            Ok(_) => None,
            Err(failure) => failure.rule(),
        }
    }

    /// Whether it would pass with some bodies and not with others.
    pub(super) fn depends_on_body(&self) -> bool {
        matches!(self.outcome, Ok(Allowed::Operation { rule: None, .. }))
    }

    pub(super) fn masked(&self) -> Option<&'static Secrets> {
        match self.outcome {
            Ok(Allowed::Operation { masking, .. }) => *masking,
            _ => None,
        }
    }

    /// How old an answer may be that it is given.
    pub(super) fn cache(&self) -> Option<String> {
        match self.outcome {
            Ok(Allowed::Operation { cache: Some(cache), .. }) => {
                Some(humantime::format_duration(*cache).to_string())
            }
            _ => None,
        }
    }

    /// What the answer shows because the caller's `reveal` says so.
    pub(super) fn revealed(&self) -> Option<&'static Secrets> {
        let is_allowed = matches!(self.outcome, Ok(Allowed::Operation { masking: None, .. }));
        self.op()
            .filter(|_| is_allowed)
            .and_then(|op| self.pipeline.policy().catalog(self.api).secrets_of_request(op, self.query()))
    }
}

/// Where secrets stand in an answer, in words where that is a guess.
pub(super) fn places(secrets: &Secrets) -> Vec<String> {
    let dotted = |place: &String| place.trim_start_matches('/').replace('/', ".");
    if secrets.are_known() {
        secrets.places().iter().map(dotted).collect()
    } else {
        vec!["every member with the name of a secret".into()]
    }
}
