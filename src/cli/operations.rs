//! `claviger operations`: the catalog.

use std::{fmt::Write as _, process::ExitCode};

use clap_complete::ArgValueCandidates;
use serde_json::json;

use crate::catalog::{Catalog, Operation, Requirement};

#[derive(clap::Args)]
pub(super) struct Args {
    /// Only those of this tag, such as users.
    #[arg(long, add = ArgValueCandidates::new(super::complete::tags))]
    tag: Option<String>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let catalog = Catalog::logto();
    if let Some(tag) = &args.tag
        && catalog.tag(tag).is_none()
    {
        return super::fail(&format!("there is no tag {tag:?}; there are: {}", catalog.tags().join(", ")));
    }
    let chosen = catalog
        .operations()
        .map(|(_, operation)| operation)
        .filter(|operation| args.tag.as_deref().is_none_or(|tag| operation.tag == tag));
    if args.json {
        let rows: Vec<_> = chosen.map(object).collect();
        return super::print(&format!("{:#}\n", serde_json::Value::from(rows)));
    }
    let mut table = String::new();
    for operation in chosen {
        // Writing to a string cannot fail.
        let _: std::fmt::Result = writeln!(
            table,
            "{:<7}{:<76} {:<44} {}{}",
            operation.verb.as_str(),
            operation.template.as_str(),
            operation.id,
            operation.tag,
            remark(operation)
        );
    }
    super::print(&table)
}

fn remark(operation: &Operation) -> String {
    if operation.requirement == Requirement::Withheld {
        return " (never forwarded)".into();
    }
    if operation.is_safe_when_masked() {
        return " (secrets masked)".into();
    }
    let risks: Vec<_> = operation.risks.iter().map(|risk| risk.as_str()).collect();
    if risks.is_empty() { String::new() } else { format!(" (sensitive: {})", risks.join(", ")) }
}

fn object(operation: &Operation) -> serde_json::Value {
    let risks = if operation.is_sensitive() { &*operation.risks } else { &[] };
    json!({
        "method": operation.verb.as_str(),
        "path": operation.template.as_str(),
        "operation": operation.id,
        "tag": operation.tag,
        "sensitive": risks.iter().map(|risk| risk.as_str()).collect::<Vec<_>>(),
        "secrets_masked": operation.is_safe_when_masked(),
        "forwarded": operation.requirement != Requirement::Withheld,
    })
}
