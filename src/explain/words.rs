//! An explanation in words, for a terminal: what happened first, then why, then what to do. It never has the query, the
//! body or a credential in it.

use super::{
    credential,
    facts::{Facts, places},
    suggestion::Advice,
};
use crate::{
    authn::Found,
    catalog::Slip,
    config::Issue,
    ids::TenantName,
    policy::{Refusal, conditions::Words},
    proxy::{Allowed, Failure},
};

/// The whole of it, line by line.
pub(super) fn lines(facts: &Facts<'_>, advice: Option<&Advice>) -> Vec<String> {
    let parts = if facts.outcome.is_err() { facts.parts() } else { Vec::new() };
    let mut lines = vec![headline(facts, !parts.is_empty())];
    let method = &facts.meant.head.method;
    lines.extend(parts.iter().map(|(path, rule)| format!("  allowed: {method} {path}, by {rule}")));
    let elsewhere = if parts.is_empty() { "" } else { "on others " };
    lines.push(format!("  {elsewhere}{}", reason(facts)));
    if facts.outcome.is_ok() {
        lines.extend(facts.denied_parts().iter().map(|rule| format!("  denied on some paths: by {rule}")));
    }
    authentication(facts, &mut lines);
    // Of the one that allows it the reason says that it is this one.
    let decided = facts.rule().filter(|_| facts.outcome.is_ok());
    for candidate in facts.candidates.iter().filter(|it| decided.is_none_or(|rule| *rule == it.rule)) {
        if decided.is_none() {
            lines.push(format!("  by {}", candidate.rule));
        }
        lines.extend(candidate.rule.rule.conditions.as_ref().map(|it| format!("    {}", Words(it))));
        lines.extend(candidate.not_met.as_ref().map(|it| format!("    not met: {it}")));
    }
    if let Some(operation) = facts.operation().filter(|operation| operation.is_sensitive()) {
        let risks: Vec<_> = operation.risks.iter().map(|risk| risk.describe()).collect();
        lines.push(format!("  sensitive: it {}", risks.join(", ")));
    }
    lines.extend(limits(facts));
    let kept = |age| {
        format!("  the answer may come from the cache, up to {age} old; then it counts towards no quota")
    };
    lines.extend(facts.cache().map(kept));
    if let Some(secrets) = facts.masked() {
        lines.push(format!("  masked in the answer: {}", places(secrets).join(", ")));
        if let (Some(operation), Some(caller)) = (facts.operation(), facts.caller()) {
            let (id, name) = (operation.id, &caller.name);
            lines.push(format!("    reveal = [\"{id}\"] in callers.{name} would show it"));
        }
    }
    if let (Some(secrets), Some(caller)) = (facts.revealed(), facts.caller()) {
        let (name, places) = (&caller.name, places(secrets).join(", "));
        lines.push(format!("  not masked in the answer, as callers.{name}.reveal says: {places}"));
    }
    if let Err(Failure::Policy(refusal @ Refusal::NotPermitted { reason: "denied", .. })) = facts.outcome {
        lines.extend(refusal.to_allow().map(|what| format!("  to allow it, {what}")));
    }
    lines.extend(advice.into_iter().flat_map(|advice| advice.lines(facts.op())));
    lines.extend(facts.notes().map(|note| format!("  note: {note}")));
    lines
}

fn headline(facts: &Facts<'_>, in_part: bool) -> String {
    let word = match (facts.outcome, facts.assumed()) {
        _ if in_part => "allowed on some paths only",
        (Ok(_), None) => "allowed",
        (Ok(_), Some(_)) => "allowed once it has the caller's credential",
        (Err(_), _) => "denied",
    };
    let mut line = format!("{word}: {} {}", facts.meant.head.method, facts.path());
    line.extend(facts.operation().map(|operation| format!(" ({})", operation.id)));
    line.extend(facts.caller().map(|caller| format!(" by caller {}", caller.name)));
    line.extend(facts.tenant().map(|tenant| format!(" at tenant {tenant}")));
    line.extend(
        facts
            .told
            .as_ref()
            .filter(|_| !in_part)
            .map(|told| format!(": {} {}", told.status.as_u16(), told.code)),
    );
    line
}

fn authentication(facts: &Facts<'_>, lines: &mut Vec<String>) {
    let trials = &facts.learned.trials;
    // Where it was the connection that told whose it is: what was wrong with what the request itself presents.
    let by_connection =
        matches!(facts.learned.method, Some("certificate" | "unix_uid" | "unix_gid" | "loopback"));
    for trial in trials.iter().filter(|_| by_connection) {
        if let Found::Passed(Some(cause)) = &trial.found {
            lines.push(format!("  not by {}: {cause}", trial.method));
        }
    }
    lines.extend(facts.learned.method.map(|method| format!("  authenticated by {method}")));
    if let Err(Failure::Caller(error)) = facts.outcome {
        let remedy = credential::remedy(error, facts.config, facts.pipeline);
        lines.extend(remedy.map(|remedy| format!("  {remedy}")));
    }
    if let Some(certificate) = &facts.meant.peer.certificate {
        let names = certificate.spiffe().into_iter().chain(certificate.dns()).map(|name| &**name);
        let names = names.collect::<Vec<_>>().join(", ");
        let names = if names.is_empty() { "neither a SPIFFE ID nor a DNS name".to_owned() } else { names };
        lines.push(format!("  in the certificate: {names}"));
    }
}

/// What a request that passes counts towards, where there is something: none of it is drawn on here.
fn limits(facts: &Facts<'_>) -> Option<String> {
    let rate = facts.rate().map(|(caller, rate)| format!("rate of caller {caller} ({rate})"));
    let quota = facts.quota().map(|(tenant, quota)| {
        let share = if quota.share < 1.0 {
            format!(", {:.0} % of what Logto allows", 100.0 * quota.share)
        } else {
            String::new()
        };
        format!("quota of tenant {tenant} ({}{share}), which all its callers share", quota.spent())
    });
    let counted: Vec<_> = rate.into_iter().chain(quota).collect();
    (!counted.is_empty()).then(|| format!("  counts towards the {}", counted.join(" and the ")))
}

/// Why, in one sentence.
pub(super) fn reason(facts: &Facts<'_>) -> String {
    let failure = match facts.outcome {
        Ok(allowed) => return reason_of_leave(allowed, facts),
        Err(failure) => failure,
    };
    match failure {
        Failure::Policy(refusal) => reason_of_refusal(refusal, facts),
        Failure::Caller(unauthenticated) => match unauthenticated.retry_after() {
            None => {
                let by = match unauthenticated.method() {
                    "none" => String::new(),
                    method => format!(" by {method}"),
                };
                format!("the caller could not be authenticated{by}: {}", unauthenticated.cause())
            }
            Some(_) => format!("{unauthenticated} ({})", unauthenticated.cause()),
        },
        other => other.detail(&other.describe()),
    }
}

fn reason_of_leave(allowed: &Allowed, facts: &Facts<'_>) -> String {
    match allowed {
        Allowed::Operation { rule: Some(rule), .. } => format!("by {rule}"),
        Allowed::Operation { rule: None, .. } => {
            let one = if facts.candidates.len() == 1 { "this rule" } else { "one of these rules" };
            format!("if its body meets the conditions of {one}; give the body with --data to have it judged")
        }
        Allowed::Loan(_) => "another proxy may send it, and is lent the tenant's token".into(),
        Allowed::Token(Issue::Claviger) => {
            "the token broker hands out a token that is good here alone".into()
        }
        Allowed::Token(Issue::Upstream) => {
            "the token broker hands out the tenant's own token, as `issue` of the caller says".into()
        }
        Allowed::Document => {
            "Claviger answers it itself: the OpenAPI document of the Management API, cut down to what this caller may do".into()
        }
        Allowed::Discovery => {
            "it says where the token broker is, and needs neither a credential nor a rule".into()
        }
    }
}

fn reason_of_refusal(refusal: &Refusal, facts: &Facts<'_>) -> String {
    let tenants = || {
        let names = facts.config.tenants.iter().map(|tenant| tenant.name.to_string());
        super::question::listed(names)
    };
    match refusal {
        Refusal::NotPermitted { reason: "denied", rule: Some(rule), place: None, .. } => {
            format!("by {rule}, which wins over every rule that allows it")
        }
        Refusal::NotPermitted { reason: "denied", rule: Some(rule), .. } => {
            format!("by {rule}, and no rule allows it")
        }
        Refusal::NotPermitted { reason: "sensitive_not_named", rule, .. } => {
            let not_by =
                rule.as_ref().map(|rule| format!(", and {rule} does not name it")).unwrap_or_default();
            format!("sensitive operations are allowed by their names alone{not_by}")
        }
        Refusal::NotPermitted { .. } => "no rule allows it".into(),
        Refusal::Condition { .. } => match facts.candidates.len() {
            1 => "its rule has a condition that is not met".into(),
            _ => "each of its rules has a condition that is not met".into(),
        },
        Refusal::Method(verbs) => {
            let verbs: Vec<_> = verbs.iter().map(|verb| verb.as_str()).collect();
            format!("there is no such operation: this path has {}", verbs.join(", "))
        }
        Refusal::OperationUnknown(meant) => {
            let meant = meant.as_ref().map(|meant| match meant.slip {
                Slip::BaseAlone => format!(" Name one, such as {}.", meant.template),
                _ => format!(" Did you mean {}?", meant.template),
            });
            format!(
                "Logto 1.42 has no such operation, and no rule names method and path.{}",
                meant.unwrap_or_default()
            )
        }
        Refusal::TenantUnknown { .. } => format!("there is no tenant of that name; there are: {}", tenants()),
        Refusal::TenantNotGranted { named, known } => {
            format!("{refusal}. To grant it, add {:?} to callers.{}.tenants", named.as_str(), known.caller())
        }
        Refusal::NoAccount(caller) => format!(
            "{refusal}. To grant it, write [cloud.default] with its token, and callers.{caller}.cloud = \"default\""
        ),
        Refusal::AccountNotGranted(caller, named) => {
            let first = facts.config.cloud.first().map(|account| &account.name);
            let name = named.as_ref().or(first).map_or("default", TenantName::as_str);
            match facts.caller().is_none_or(|caller| caller.cloud.is_empty()) {
                true => format!("{refusal}. To grant it, write callers.{caller}.cloud = {name:?}"),
                false => format!("{refusal}. To grant it, add {name:?} to callers.{caller}.cloud"),
            }
        }
        Refusal::Path(ambiguous) => format!("{ambiguous}. {}", ambiguous.remedy()),
        other => other.to_string(),
    }
}
