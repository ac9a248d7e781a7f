//! `claviger explain`: what would become of a request, by which rule, and what to write if it is refused. Asks the
//! running process, which alone knows what it is doing; or decides by the files.

mod answer;
mod ask;
mod files;

use std::{
    io::{self, Read as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap_complete::ArgValueCandidates;

use self::answer::Answer;
use super::{
    process::{Process, parse_address},
    usage,
};
use crate::{
    catalog::Catalog,
    config::Address,
    explain::{Asked, MAX_LEN, Question, Refused, Unclear},
    regular_file,
};

const EXAMPLES: &str = "\
Without --config the running process is asked, at listen.admin (127.0.0.1:3601, where nothing else is configured; after
`claviger demo`, the demo). With --config, or where no process answers, the files alone decide.

Examples:
  A request is whatever is at hand:
  claviger explain /t/prod/api/users?page_size=2
  claviger explain delete /api/roles/r1 --caller billing
  claviger explain ListUsers
  claviger explain https://acme.logto.app/api/users
  claviger explain curl -X PATCH http://localhost:3600/api/users/u1 --json '{\"name\":\"Ada\"}'
  claviger explain PATCH /api/users/u1 -d '{\"name\":\"Ada\"}'
  kubectl logs deploy/claviger | grep claviger.not_permitted | tail -n 1 | claviger explain -
  pbpaste | claviger explain -

  Why is this key, token or certificate refused?
  claviger explain /api/users --header 'Claviger-Key: cvk_…'
  claviger explain /api/users --cert client.pem
  Other users of this machine can see a command line: to hide a credential from them, pass a curl command on standard input.

Exit codes:
  0   allowed
  1   denied; also where a line of the log says so for what is not in it, or not looked at here
  2   wrong usage, or the process could not be asked
  64  invalid configuration";

#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES, after_help = "Examples: claviger explain --help", subcommand_negates_reqs = true)]
pub(super) struct Args {
    #[command(flatten)]
    sources: super::Sources,
    /// The admin listener of the process to ask; left out: as configured.
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address, conflicts_with = "paths")]
    address: Option<Address>,
    /// The caller that sends it; left out: the caller of its credentials, or the only one.
    #[arg(long, value_name = "NAME", add = ArgValueCandidates::new(super::complete::callers))]
    caller: Option<String>,
    /// The tenant; left out: as the request says, or the caller's only one.
    #[arg(long, value_name = "NAME", add = ArgValueCandidates::new(super::complete::tenants))]
    tenant: Option<String>,
    /// A header field that the request has, such as its credential; may be repeated.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// A file with the client certificate that it comes with, as PEM.
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// Its body, for rules with conditions on it.
    #[arg(short = 'd', long = "data", value_name = "BODY")]
    data: Option<String>,
    /// The answer as JSON.
    #[arg(long)]
    json: bool,
    /// Method (GET where it is left out) and path, a URL, an operation, a curl command, a line of a log, or - for standard input.
    #[arg(value_name = "REQUEST", required = true, add = ArgValueCandidates::new(super::complete::operations))]
    request: Vec<String>,
    #[command(subcommand)]
    pasted: Option<Pasted>,
}

/// A command that was pasted without quotes around it, with options of its own.
#[derive(clap::Subcommand)]
enum Pasted {
    #[command(hide = true, disable_help_flag = true)]
    Curl {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
}

pub(super) fn run(args: Args) -> ExitCode {
    match question(&args) {
        Ok(question) => decide(&args, question),
        Err(why) => usage(&why),
    }
}

fn decide(args: &Args, question: Question) -> ExitCode {
    let refused = question.asked.refused;
    if !args.sources.paths.is_empty() {
        return show(args, refused, files::answer(&args.sources, question, None));
    }
    let Some(process) = Process::quietly(&args.sources, args.address.clone()) else {
        return show(args, refused, files::answer(&args.sources, question, None));
    };
    match ask::answer(&process, &question) {
        Ok(answer) => show(args, refused, Ok(answer)),
        Err(ask::Failed::Nobody(_)) if args.address.is_none() => {
            show(args, refused, files::answer(&args.sources, question, Some(&process.address)))
        }
        Err(failed) => usage(&failed.to_string()),
    }
}

/// A line of the log that is of a refusal which was not judged again is not one of a request that passes.
fn show(args: &Args, refused: Option<Refused>, answer: Result<Answer, ExitCode>) -> ExitCode {
    let Answer { mut json, from } = match answer {
        Ok(answer) => answer,
        Err(code) => return code,
    };
    let depends = json["rules"].as_array().is_some_and(|rules| !rules.is_empty());
    let is_allowed = json["allowed"] == true
        && match refused {
            Some(Refused::Condition) => !depends,
            Some(Refused::Beyond) => false,
            None => true,
        };
    if args.json {
        json["decided_by"] = from.into();
        super::print(&format!("{json:#}\n"));
    } else {
        tell!("claviger: {from}");
        super::print(json["text"].as_str().unwrap_or_default());
    }
    if is_allowed { ExitCode::SUCCESS } else { ExitCode::from(super::NO) }
}

/// What is asked, from the command line and from what it names.
fn question(args: &Args) -> Result<Question, String> {
    let unclear = |unclear: Unclear| unclear.to_string();
    let words = match &args.pasted {
        Some(Pasted::Curl { words }) => [&["curl".to_owned()], words.as_slice()].concat(),
        None => args.request.clone(),
    };
    let mut asked = match words.as_slice() {
        [only] if only == "-" => Asked::parse(&standard_input()?),
        [only] if let Some(asked) = newer(only, &args.sources) => Ok(asked),
        words => Asked::of_words(words),
    }
    .map_err(unclear)?;
    for field in &args.headers {
        let (name, value) = field.split_once(':').ok_or("--header is written as 'Name: value'")?;
        asked.add_header(name, value).map_err(unclear)?;
    }
    if let Some(data) = &args.data {
        asked.body = Some(data.clone().into_bytes());
    }
    if let Some(caller) = &args.caller {
        asked.is_of(caller);
    }
    let certificate = args.cert.as_deref().map(certificates).transpose()?;
    Ok(Question { asked, caller: args.caller.clone(), tenant: args.tenant.clone(), certificate })
}

/// The request of an operation that only the catalog file of the configuration has.
fn newer(id: &str, sources: &super::Sources) -> Option<Asked> {
    let is_name = id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !is_name || Catalog::logto().by_id(id).is_some() {
        return None;
    }
    let loaded = super::load_policy(&sources.paths).ok()?;
    let catalog = &loaded.config.catalog.catalog;
    catalog.by_id(id).map(|op| Asked::of_operation(catalog.operation(op)))
}

fn standard_input() -> Result<String, String> {
    let mut bytes = Vec::new();
    // One more than is read, to see that there is more.
    let read = io::stdin().lock().take(MAX_LEN as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| format!("standard input cannot be read: {error}"))?;
    String::from_utf8(bytes).map_err(|_| "standard input is not text".into())
}

/// The certificates of a file, and nothing else that is in it.
fn certificates(path: &Path) -> Result<String, String> {
    let failed = |error: io::Error| format!("--cert {}: {error}", path.display());
    let (file, _) = regular_file::open(path).map_err(failed)?;
    let mut text = String::new();
    file.take(MAX_LEN as u64).read_to_string(&mut text).map_err(failed)?;
    let (begin, end) = ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----");
    let sections = text.split(begin).skip(1).filter_map(|rest| rest.split_once(end));
    let certificates: String = sections.map(|(inside, _)| format!("{begin}{inside}{end}\n")).collect();
    if certificates.is_empty() {
        return Err(format!(
            "--cert {}: there is no certificate in PEM form in it ({begin})",
            path.display()
        ));
    }
    Ok(certificates)
}
