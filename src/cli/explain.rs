//! `claviger explain`: the policy's decision about one request, with the rule that decides.

use std::process::ExitCode;

use crate::{
    catalog::Catalog,
    ids::CallerIndex,
    policy::{grants::Grants, matched::Matched, path::CanonicalPath},
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
    /// Such as /api/users/u1.
    path: String,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let loaded = match super::load(&args.sources.paths) {
        Ok(loaded) => loaded,
        Err(problems) => return super::report(&problems),
    };
    let config = &loaded.config;
    let Some(index) = config.callers.iter().position(|caller| caller.name.as_str() == args.caller) else {
        let names = config.callers.iter().map(|caller| caller.name.as_str()).collect::<Vec<_>>().join(", ");
        return super::fail(&format!("there is no caller {:?}; there are: {names}", args.caller));
    };
    let catalog = Catalog::logto();
    let grants = match Grants::new(catalog, config) {
        Ok(grants) => grants,
        Err(problems) => {
            return super::fail(&problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
        }
    };
    let index = CallerIndex(index);
    let tenant = match grants.tenant_of(index, args.tenant.as_deref()) {
        Ok(tenant) => &config.tenants[tenant.0].name,
        Err(refusal) => {
            println!("denied: {refusal}");
            return ExitCode::from(super::NO);
        }
    };
    let path = args.path.split('?').next().unwrap_or_default();
    let path = match CanonicalPath::parse(path) {
        Ok(path) => path,
        Err(ambiguous) => {
            println!("denied: {ambiguous}");
            return ExitCode::from(super::NO);
        }
    };
    let matched = Matched::find(catalog, &args.method, path);
    let verdict = grants.rules(index).decide(&matched);
    let word = if verdict.is_allowed() { "allowed" } else { "denied" };
    println!("{word}: {} at tenant {tenant}", verdict.explain(matched.op().map(|op| catalog.operation(op))));
    if verdict.is_allowed() { ExitCode::SUCCESS } else { ExitCode::from(super::NO) }
}
