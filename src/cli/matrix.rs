//! `claviger policy matrix`: every caller and every operation that any of them may use, for the review of a policy.

mod csv;
mod html;
mod numbered;
mod table;

use std::process::ExitCode;

use clap_complete::ArgValueCandidates;
use serde_json::json;

use crate::policy::{Grants, matrix::Column};

#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    sources: super::Sources,
    /// Only this caller; may be repeated.
    #[arg(long = "caller", value_name = "NAME", add = ArgValueCandidates::new(super::complete::callers))]
    callers: Vec<String>,
    /// The output format.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Text, conflicts_with = "json")]
    format: Format,
    /// The same as --format json.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// A table of 100 columns at most, with the rules below it.
    Text,
    /// For a review in CI: a change of rights shows as a diff.
    Json,
    /// One line for each operation of each caller.
    Csv,
    /// One page, without anything to load.
    Html,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let loaded = match super::load_policy(&args.sources.paths) {
        Ok(loaded) => loaded,
        Err(problems) => return super::report(&problems),
    };
    let config = &loaded.config;
    let names: Vec<_> = config.callers.iter().map(|caller| caller.name.as_str()).collect();
    if let Some(unknown) = args.callers.iter().find(|name| !names.contains(&name.as_str())) {
        return super::usage(&super::output::no_such("caller", unknown, &names));
    }
    let catalog = &*config.catalog.catalog;
    let grants = match Grants::new(config) {
        Ok(grants) => grants,
        Err(problems) => {
            return super::fail(&problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
        }
    };
    let columns: Vec<_> = Column::all(catalog, config, &grants, &args.callers).collect();
    if let Some(note) = super::unseen_vault(&loaded) {
        tell!("claviger: {note}");
    }
    let format = if args.json { Format::Json } else { args.format };
    super::print(&match format {
        Format::Text => table::text(&columns),
        Format::Json => {
            let callers: Vec<_> = columns.iter().map(Column::to_json).collect();
            format!("{:#}\n", json!({ "callers": callers }))
        }
        Format::Csv => csv::text(&columns),
        Format::Html => html::page(&columns),
    })
}
