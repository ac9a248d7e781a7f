//! `claviger operations`: the catalog, and how a server's OpenAPI document differs from it.

use std::{fmt::Write as _, path::Path, process::ExitCode, sync::Arc, time::Duration};

use clap_complete::ArgValueCandidates;
use serde_json::json;

use crate::{
    catalog::{Catalog, Operation, Requirement, Risk},
    config::Roots,
    openapi::{self, Change, Difference, Document, Novelty},
    trust,
};

/// The most that is read of a document.
const MOST: usize = 32 * 1024 * 1024;

/// Logto needs seconds to make it.
const PATIENCE: Duration = Duration::from_mins(2);
const CONNECT: Duration = Duration::from_secs(10);

/// As diff(1): there is nothing to compare.
const TROUBLE: u8 = 2;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Only those of this tag, such as users.
    #[arg(long, conflicts_with = "diff", add = ArgValueCandidates::new(super::complete::tags))]
    tag: Option<String>,
    /// Those of the Logto Cloud API, which rules name with cloud: in front.
    #[arg(long, conflicts_with_all = ["diff", "paths"])]
    cloud: bool,
    /// What differs from the OpenAPI document of a server: its URL, or a file. Exit code 0:
    /// nothing; 1: something; 2: there is no document.
    #[arg(long, value_name = "URL|FILE")]
    diff: Option<String>,
    /// As JSON.
    #[arg(long)]
    json: bool,
    /// The configuration whose catalog file counts as well. Left out: Claviger's own catalog alone.
    #[arg(long = "config", value_name = "PATH")]
    paths: Vec<std::path::PathBuf>,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let catalog = match &*args.paths {
        [] if args.cloud => Catalog::cloud().clone(),
        [] => Catalog::embedded(),
        paths => match super::load_policy(paths) {
            Ok(loaded) => loaded.config.catalog.catalog,
            Err(problems) => return super::report(&problems),
        },
    };
    match &args.diff {
        Some(from) => diff(&catalog, from, args.json),
        None => list(&catalog, args),
    }
}

fn list(catalog: &Arc<Catalog>, args: &Args) -> ExitCode {
    if let Some(tag) = &args.tag
        && catalog.tag(tag).is_none()
    {
        return super::usage(&super::output::no_such("tag", tag, catalog.tags()));
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

fn diff(catalog: &Catalog, from: &str, json: bool) -> ExitCode {
    let unusable = |unusable| format!("{from}: {unusable}");
    let document = read(from).and_then(|bytes| Document::read(bytes).map_err(unusable));
    let difference = match document {
        Ok(document) => Difference::of(&document, catalog),
        Err(why) => {
            tell!("claviger: {why}");
            return ExitCode::from(TROUBLE);
        }
    };
    let text = if json { format!("{:#}\n", as_json(&difference)) } else { as_text(&difference) };
    super::print(&text);
    if difference.is_none() { ExitCode::SUCCESS } else { ExitCode::from(super::NO) }
}

/// The document of a server, or what is in a file.
fn read(from: &str) -> Result<Vec<u8>, String> {
    if !from.starts_with("http://") && !from.starts_with("https://") {
        let path = Path::new(from);
        let why = |error| super::output::unopened("", path, &error);
        let about = std::fs::metadata(path).map_err(why)?;
        if about.len() > MOST as u64 {
            return Err(format!("{from}: it is larger than {MOST} bytes"));
        }
        return std::fs::read(path).map_err(why);
    }
    let mut url = reqwest::Url::parse(from).map_err(|error| format!("{from}: {error}"))?;
    if url.path() == "/" {
        url.set_path(openapi::PATH);
    }
    let tls = trust::client(&Roots::System).map_err(|error| error.to_string())?;
    let http = trust::cold_client(tls, CONNECT).build().map_err(|error| error.without_url().to_string())?;
    let runtime = super::runtime().map_err(|error| error.to_string())?;
    runtime
        .block_on(openapi::get(&http, url.as_str(), MOST, PATIENCE))
        .map_err(|error| format!("no document at {url}: {error}"))
}

fn as_text(difference: &Difference) -> String {
    let Difference { added, missing, changed } = difference;
    if difference.is_none() {
        return "the document and the catalog have the same operations, with the same parameters\n".into();
    }
    let mut text = String::new();
    let write = |text: &mut String, line: std::fmt::Arguments<'_>| {
        // Writing to a string cannot fail.
        let _: std::fmt::Result = text.write_fmt(line);
    };
    if !added.is_empty() {
        let count = super::count(added.len(), "operation");
        write(&mut text, format_args!("The document has {count} that the catalog lacks.\n"));
        write(
            &mut text,
            format_args!(
                "For a catalog file (catalog.file in the configuration): each line below, with its risks, separated by commas, in the \
                 place of \"?\", or - for none. Does the operation\n"
            ),
        );
        for risk in Risk::ALL {
            write(&mut text, format_args!("  {:<14} {}?\n", risk.as_str(), question(risk)));
        }
        for new in added {
            let name = if new.id.is_empty() { "(no operationId)" } else { &new.id };
            write(&mut text, format_args!("\n# {name}: {} {}\n", new.verb, new.path));
            for hint in &new.hints {
                write(&mut text, format_args!("#   perhaps {}: {}\n", hint.risk, hint.because));
            }
            match &new.problem {
                Some(problem) => write(&mut text, format_args!("#   no line for a file: {problem}\n")),
                None => write(&mut text, format_args!("{}\n", new.line)),
            }
        }
    }
    if !missing.is_empty() {
        let (count, apart) = (super::count(missing.len(), "operation"), apart(&text));
        write(&mut text, format_args!("{apart}The catalog has {count} that the document lacks.\n"));
        for (verb, path, id) in missing {
            write(&mut text, format_args!("  {:<7}{path:<76} {id}\n", verb.as_str()));
        }
    }
    if !changed.is_empty() {
        let apart = apart(&text);
        write(&mut text, format_args!("{apart}These are in both, and not the same.\n"));
        for Change { id, what, added, missing } in changed {
            let list = |sign: &str, names: &[String]| match names {
                [] => String::new(),
                names => format!(" {sign} {}", names.join(", ")),
            };
            let (new, gone) = (list("new", added), list("gone", missing));
            let between = if new.is_empty() || gone.is_empty() { "" } else { ";" };
            write(&mut text, format_args!("  {id:<44} {what}:{new}{between}{gone}\n"));
        }
    }
    text
}

/// An empty line where something stands above.
fn apart(text: &str) -> &'static str {
    if text.is_empty() { "" } else { "\n" }
}

fn question(risk: Risk) -> &'static str {
    match risk {
        Risk::Secrets => {
            "answer with secrets in clear (then say where, in the last column: /secret,/config/password)"
        }
        Risk::Elevation => "give permissions, or lift a check",
        Risk::Keys => "make, rotate, activate, list or delete keys or credentials",
        Risk::Fetch => "make the server request a URL that the request chooses",
        Risk::Impersonation => "let the caller act as a user",
        Risk::Destruction => "delete what holds secrets, or a whole collection",
        Risk::Spending => "spend money",
    }
}

fn as_json(difference: &Difference) -> serde_json::Value {
    let added = |new: &Novelty| {
        let hints =
            new.hints.iter().map(|hint| json!({ "risk": hint.risk.as_str(), "because": hint.because }));
        json!({
            "method": new.verb.as_str(),
            "path": new.path,
            "operation": new.id,
            "line": new.line,
            "perhaps": hints.collect::<Vec<_>>(),
            "problem": new.problem,
        })
    };
    let missing = |(verb, path, id): &(crate::catalog::Verb, String, &str)| json!({ "method": verb.as_str(), "path": path, "operation": id });
    let changed = |change: &Change| json!({ "operation": change.id, "what": change.what, "new": change.added, "gone": change.missing });
    json!({
        "same": difference.is_none(),
        "added": difference.added.iter().map(added).collect::<Vec<_>>(),
        "missing": difference.missing.iter().map(missing).collect::<Vec<_>>(),
        "changed": difference.changed.iter().map(changed).collect::<Vec<_>>(),
    })
}
