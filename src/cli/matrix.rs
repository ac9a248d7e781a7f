//! `claviger policy matrix`: every caller and every operation that any of them may use, for whoever reviews a policy.

use std::{fmt::Write as _, process::ExitCode};

use serde_json::{Value, json};

use crate::{
    catalog::{Catalog, Operation},
    config::{Caller, Config, Issue},
    ids::CallerIndex,
    policy::{
        Grants,
        conditions::Words,
        decide::{RuleSource, Verdict},
        rules::Brings,
    },
};

#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    sources: super::Sources,
    /// Only this caller; may be repeated.
    #[arg(long = "caller", value_name = "NAME")]
    callers: Vec<String>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> ExitCode {
    let loaded = match super::load_policy(&args.sources.paths) {
        Ok(loaded) => loaded,
        Err(problems) => return super::report(&problems),
    };
    let config = &loaded.config;
    let names: Vec<_> = config.callers.iter().map(|caller| caller.name.as_str()).collect();
    if let Some(unknown) = args.callers.iter().find(|name| !names.contains(&name.as_str())) {
        return super::fail(&format!("there is no caller {unknown:?}; there are: {}", names.join(", ")));
    }
    let catalog = &*config.catalog.catalog;
    let grants = match Grants::new(config) {
        Ok(grants) => grants,
        Err(problems) => {
            return super::fail(&problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
        }
    };
    let is_chosen = |name: &str| args.callers.is_empty() || args.callers.iter().any(|chosen| chosen == name);
    let chosen: Vec<Column<'_>> = config
        .callers
        .iter()
        .enumerate()
        .filter(|(_, caller)| is_chosen(caller.name.as_str()))
        .map(|(index, caller)| Column::new(catalog, config, &grants, CallerIndex(index), caller))
        .collect();
    if args.json {
        let callers: Vec<_> = chosen.iter().map(Column::object).collect();
        return super::print(&format!("{:#}\n", json!({ "callers": callers })));
    }
    super::print(&table(catalog, &chosen))
}

/// What one caller may do.
struct Column<'c> {
    caller: &'c Caller,
    tenants: Vec<&'c str>,
    /// In the order of the catalog.
    cells: Vec<Cell<'c>>,
    /// Rules that reach paths which the catalog does not know.
    beyond: Vec<&'c RuleSource>,
    /// What its rules about many operations bring.
    brings: Vec<Brings>,
}

struct Cell<'c> {
    operation: &'c Operation,
    verdict: Verdict<'c>,
    /// Some rule is about a part of its paths.
    in_part: bool,
    /// Its answers hold secrets, which this caller does not see.
    masked: bool,
}

impl<'c> Column<'c> {
    fn new(
        catalog: &'c Catalog,
        config: &'c Config,
        grants: &'c Grants,
        index: CallerIndex,
        caller: &'c Caller,
    ) -> Self {
        let rules = grants.rules(index);
        let cell = |(op, operation)| {
            let (verdict, in_part) = rules.about(op, operation);
            let masked = catalog.secrets(op).is_some()
                && grants.reveals(index).hidden(catalog, Some(op), None).is_some();
            Cell { operation, verdict, in_part, masked }
        };
        let tenants = config.tenants.iter().filter(|tenant| grants.may_name(index, &***tenant));
        Self {
            caller,
            tenants: tenants.map(|tenant| tenant.name.as_str()).collect(),
            cells: catalog.operations().map(cell).collect(),
            beyond: rules.beyond(catalog).map(AsRef::as_ref).collect(),
            brings: Brings::of_all(catalog, allowed(config, caller)),
        }
    }

    fn object(&self) -> Value {
        let caller = self.caller;
        let granted = self.cells.iter().filter(|cell| cell.mark() != Mark::No);
        json!({
            "caller": caller.name.as_str(),
            "tenants": self.tenants,
            "policies": caller.policies.iter().map(|policy| policy.as_str()).collect::<Vec<_>>(),
            "scopes": caller.scopes,
            "organization_id": caller.organization_id,
            "issue": issue(caller),
            "reveal": caller.reveal.iter().map(|rule| &rule.text).collect::<Vec<_>>(),
            "operations": granted.map(Cell::object).collect::<Vec<_>>(),
            "broad_rules": self.brings.iter().map(brought).collect::<Vec<_>>(),
            "beyond_the_catalog": self.beyond.iter().map(|rule| object(rule)).collect::<Vec<_>>(),
        })
    }
}

/// What a table says of an operation.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    Yes,
    Conditions,
    /// Some rule is about a part of its paths, and otherwise it is denied.
    Part,
    No,
}

impl Mark {
    fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::Conditions => "if",
            Self::Part => "part",
            Self::No => "-",
        }
    }
}

impl Cell<'_> {
    fn mark(&self) -> Mark {
        match self.verdict {
            Verdict::Allowed(_) => Mark::Yes,
            Verdict::Conditional(_) => Mark::Conditions,
            Verdict::NoRule if self.in_part => Mark::Part,
            _ => Mark::No,
        }
    }

    fn rules(&self) -> Vec<&RuleSource> {
        match self.verdict {
            Verdict::Allowed(rule) => vec![rule.as_ref()],
            Verdict::Conditional(candidates) => candidates.rules().map(AsRef::as_ref).collect(),
            _ => Vec::new(),
        }
    }

    fn object(&self) -> Value {
        json!({
            "operation": self.operation.id,
            "method": self.operation.verb.as_str(),
            "path": self.operation.template.as_str(),
            "sensitive": self.operation.is_sensitive(),
            "secrets_masked": self.masked,
            "granted": self.mark().as_str(),
            "some_paths_differ": self.in_part,
            "rules": self.rules().into_iter().map(object).collect::<Vec<_>>(),
        })
    }
}

/// The rules of the caller's `allow` lists.
fn allowed<'c>(config: &'c Config, caller: &'c Caller) -> impl Iterator<Item = &'c str> {
    let policies = config.policies.iter().filter(|policy| caller.policies.contains(&policy.name));
    policies.flat_map(|policy| &policy.allow).map(|rule| rule.text.as_str())
}

fn brought(brings: &Brings) -> Value {
    json!({
        "rule": brings.rule,
        "operations": brings.operations,
        "masked": brings.masked,
        "by_name_alone": brings.by_name,
    })
}

fn object(rule: &RuleSource) -> Value {
    json!({
        "policy": rule.policy.as_str(),
        "rule": rule.rule.text,
        "origin": rule.rule.origin.to_string(),
        "conditions": rule.rule.conditions.as_ref().map(|conditions| Words(conditions).to_string()),
    })
}

fn issue(caller: &Caller) -> &'static str {
    match caller.issue {
        Issue::Claviger => "claviger",
        Issue::Upstream => "upstream",
    }
}

fn table(catalog: &Catalog, columns: &[Column<'_>]) -> String {
    let mut text = String::new();
    let write = |text: &mut String, line: std::fmt::Arguments<'_>| {
        // Writing to a string cannot fail.
        let _: std::fmt::Result = text.write_fmt(line);
    };
    let widths: Vec<usize> = columns.iter().map(|column| column.caller.name.as_str().len().max(4)).collect();
    write(&mut text, format_args!("{:<44}", "operation"));
    for (column, width) in columns.iter().zip(&widths) {
        write(&mut text, format_args!(" {:<width$}", column.caller.name.as_str()));
    }
    text.push('\n');
    for (index, (_, operation)) in catalog.operations().enumerate() {
        let marks: Vec<_> = columns.iter().map(|column| column.cells[index].mark()).collect();
        if marks.iter().all(|mark| *mark == Mark::No) {
            continue;
        }
        let sign = match operation {
            operation if operation.is_sensitive() => "*",
            operation if operation.is_safe_when_masked() => "+",
            _ => "",
        };
        write(&mut text, format_args!("{:<44}", format!("{}{sign}", operation.id)));
        for (mark, width) in marks.iter().zip(&widths) {
            write(&mut text, format_args!(" {:<width$}", mark.as_str()));
        }
        text.push('\n');
    }
    text.push_str("\n* sensitive; + with the secrets in its answer masked, but for those that a caller reveals, below\n");
    text.push_str("if: under conditions, below; part: some of its paths\n");
    for column in columns {
        let caller = column.caller;
        write(&mut text, format_args!("\n{}: tenants {}", caller.name, column.tenants.join(", ")));
        if let Some(scopes) = &caller.scopes {
            write(&mut text, format_args!("; scopes {}", scopes.join(" ")));
        }
        if let Some(organization) = &caller.organization_id {
            write(&mut text, format_args!("; organization {organization}"));
        }
        if caller.issue == Issue::Upstream {
            write(&mut text, format_args!("; the broker hands out the upstream's token"));
        }
        text.push('\n');
        for brings in &column.brings {
            write(&mut text, format_args!("  {brings}\n"));
        }
        for rule in &caller.reveal {
            write(&mut text, format_args!("  {}: answers unmasked ({})\n", rule.text, rule.origin));
        }
        for cell in column.cells.iter().filter(|cell| cell.mark() == Mark::Conditions) {
            for rule in cell.rules() {
                let words = rule.rule.conditions.as_ref().map(|c| Words(c).to_string()).unwrap_or_default();
                write(&mut text, format_args!("  {}: {words} ({})\n", cell.operation.id, rule.rule.origin));
            }
        }
        for rule in &column.beyond {
            write(&mut text, format_args!("  also paths that the catalog does not know: {rule}\n"));
        }
    }
    text
}
