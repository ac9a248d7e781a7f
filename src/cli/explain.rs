//! `claviger explain`: the policy's decision about one request, with the rule that decides.

use std::process::ExitCode;

use crate::{
    catalog::{Catalog, Op},
    config::{self, Caller, Config},
    ids::{CallerIndex, PolicyName},
    policy::{
        Grants,
        conditions::{Broken, Words, check_query},
        decide::{RuleSource, Verdict},
        matched::Matched,
        path::CanonicalPath,
        reveal::Reveals,
    },
    tenants::{Change, Directory},
};

#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    sources: super::Sources,
    /// Who asks.
    #[arg(long, value_name = "NAME")]
    caller: String,
    /// At which tenant; left out: the caller's default.
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    /// Such as GET.
    method: http::Method,
    /// Such as /api/users/u1, with its query where the rules have conditions on it.
    path: String,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let loaded = match super::load_policy(&args.sources.paths) {
        Ok(loaded) => loaded,
        Err(problems) => return super::report(&problems),
    };
    let config = &loaded.config;
    let Some(index) = config.callers.iter().position(|caller| caller.name.as_str() == args.caller) else {
        let names = config.callers.iter().map(|caller| caller.name.as_str()).collect::<Vec<_>>().join(", ");
        return super::fail(&format!("there is no caller {:?}; there are: {names}", args.caller));
    };
    let catalog = &*config.catalog.catalog;
    let grants = match Grants::new(config) {
        Ok(grants) => grants,
        Err(problems) => {
            return super::fail(&problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
        }
    };
    let index = CallerIndex(index);
    let tenant = match grants.tenant_of(index, args.tenant.as_deref(), &tenants(config)) {
        Ok(tenant) => tenant.name.clone(),
        Err(refusal) => {
            println!("denied: {refusal}");
            return ExitCode::from(super::NO);
        }
    };
    let (path, query) = match args.path.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (args.path.as_str(), None),
    };
    let path = match CanonicalPath::of_request(catalog, &args.method, path) {
        Ok(path) => path,
        Err(ambiguous) => {
            println!("denied: {ambiguous}");
            return ExitCode::from(super::NO);
        }
    };
    let matched = Matched::find(catalog, &args.method, path);
    if grants.describes(&matched) {
        println!(
            "allowed: answered by Claviger itself, cut down to what the caller may do (tenant {tenant})"
        );
        return ExitCode::SUCCESS;
    }
    let verdict = grants.rules(index).decide(&matched);
    let operation = matched.op().map(|op| catalog.operation(op));
    let Verdict::Conditional(candidates) = verdict else {
        let word = if verdict.is_allowed() { "allowed" } else { "denied" };
        let place = place_of_rules(config, &config.callers[index.0]);
        println!("{word}: {} (tenant {tenant})", verdict.explain(operation, &place));
        if !verdict.is_allowed() {
            return ExitCode::from(super::NO);
        }
        tell_of_secrets(catalog, grants.reveals(index), matched.op(), query);
        return ExitCode::SUCCESS;
    };
    let name = operation.map_or("an operation newer than the catalog", |operation| operation.id);
    let judged: Vec<_> = candidates.rules().map(|rule| judge(rule, query)).collect();
    let code = if judged.iter().any(|(broken, _)| broken.is_none()) { 0 } else { super::NO };
    let word = if code == 0 { "allowed under conditions" } else { "denied" };
    println!("{word}: {name} (tenant {tenant})");
    for (_, line) in judged {
        println!("{line}");
    }
    if code == 0 {
        tell_of_secrets(catalog, grants.reveals(index), matched.op(), query);
    }
    ExitCode::from(code)
}

/// The configured tenants, to be looked up as a running process does.
fn tenants(config: &Config) -> Directory<config::Tenant> {
    let put = config.tenants.iter().map(|tenant| (tenant.name.clone(), tenant.clone())).collect();
    Directory::default().with(Change { put, ..Change::default() })
}

/// Where a rule for the caller is to be added.
fn place_of_rules(config: &Config, caller: &Caller) -> String {
    let list = |name: &PolicyName| {
        let policy = config.policies.iter().find(|policy| policy.name == *name);
        let first = policy.and_then(|policy| policy.allow.first());
        match first.map(|rule| rule.origin.to_string()) {
            Some(origin) if origin.contains("CLAVIGER_ALLOW") => "CLAVIGER_ALLOW".to_owned(),
            _ => format!("policies.{name}.allow"),
        }
    };
    caller.policies.iter().map(list).collect::<Vec<_>>().join(" or ")
}

/// Whether the answer comes with its secrets, where it may have some.
fn tell_of_secrets(catalog: &Catalog, reveals: &Reveals, op: Option<Op>, query: Option<&str>) {
    match op {
        Some(op) if catalog.secrets_of_request(op, query).is_some() => {
            match reveals.hidden(catalog, Some(op), query) {
                Some(_) => println!(
                    "  answer: its secrets come masked; reveal = [\"{}\"] of the caller would show them",
                    catalog.operation(op).id
                ),
                None => println!("  answer: comes with its secrets, as the caller's reveal says"),
            }
        }
        None => println!("  answer: what has the name of a secret comes masked"),
        _ => {}
    }
}

/// What a rule says of the query; its condition that the query does not meet, if there is one.
fn judge(rule: &RuleSource, query: Option<&str>) -> (Option<Broken>, String) {
    let Some(conditions) = &rule.rule.conditions else { return (None, format!("  by {rule}")) };
    let broken = check_query(conditions, query).err();
    let why = broken.as_ref().map(|broken| format!("\n    not met: {broken}")).unwrap_or_default();
    (broken, format!("  by {rule}:\n    {}{why}", Words(conditions)))
}
