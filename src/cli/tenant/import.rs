//! `claviger tenant import`: adopts many tenants, some at a time, and says of each what came of it. What was done before is left
//! as it is, so an import that was cut off is given again.

mod entry;

use std::{
    collections::HashSet,
    io::ErrorKind,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
        mpsc,
    },
    thread,
};

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use self::entry::{Entry, entries};
use super::{
    asked::{PATIENCE, not_opened, refused, said, shared},
    frame,
};
use crate::{
    app::open_vault,
    cli::{audit, process::Process, vault::not_configured},
    config::Loaded,
    proxy::{self, Adopted, Adoption},
};

/// How many are adopted at one time.
const AT_A_TIME: usize = 8;
/// The largest file: some hundred thousand tenants.
const MOST: u64 = 64 * 1024 * 1024;

#[derive(clap::Args)]
pub(in crate::cli) struct Import {
    /// The file, or - for standard input: for each tenant a line of JSON (or all in one list), with alias, endpoint or tenant_id,
    /// client_id, client_secret (a text, { "file": PATH } or { "env": NAME }), and perhaps resource, template and labels.
    file: PathBuf,
    #[command(flatten)]
    plain: super::super::Plain,
}

/// What came of one of them.
struct Outcome {
    line: usize,
    alias: String,
    done: Result<&'static str, String>,
}

pub(super) fn run(args: &Import) -> ExitCode {
    let loaded = match super::super::load_policy(&args.plain.sources.paths) {
        Ok(loaded) => loaded,
        Err(problems) => return super::super::report(&problems),
    };
    let text = match read(&args.file) {
        Ok(text) => text,
        Err(error) => return super::super::fail(&format!("{}: {error}", args.file.display())),
    };
    if let Err(error) = frame::is_whole(&text) {
        return super::super::fail(&format!("{}: {error}", args.file.display()));
    }
    let directory = args.file.parent().filter(|_| args.file != Path::new("-")).unwrap_or(Path::new("."));
    let mut counts = Counts { json: args.plain.json, ..Counts::default() };
    let mut known = HashSet::new();
    let mut todo = Vec::new();
    for Entry { line, alias, adoption } in entries(&text, directory) {
        let adoption = adoption.and_then(|adoption| {
            proxy::alias(&adoption.alias).map_err(|error| error.to_string())?;
            match known.insert(alias.clone()) {
                true => Ok(adoption),
                false => Err("the file has this alias twice".to_owned()),
            }
        });
        match adoption {
            Ok(adoption) => todo.push((line, adoption)),
            Err(error) => counts.tell(&Outcome { line, alias, done: Err(error) }),
        }
    }
    // The vault, which a process may have open, is nobody's business then.
    let Some((_, first)) = todo.first() else { return counts.end() };
    let process = Process::quietly(&args.plain.sources, None);
    let tried = match running(process.as_ref(), &first.alias) {
        Err(error) => Err(error),
        Ok(Some(process)) => {
            through(process, todo, &mut counts);
            Ok(())
        }
        Ok(None) => super::super::runtime()
            .map_err(|error| format!("cannot start: {error}"))
            .and_then(|runtime| runtime.block_on(in_the_file(loaded, process.as_ref(), todo, &mut counts))),
    };
    match tried {
        Ok(()) => counts.end(),
        Err(error) => super::super::fail(&error),
    }
}

fn read(file: &Path) -> std::io::Result<Zeroizing<String>> {
    use std::io::Read as _;
    let mut text = Zeroizing::new(String::new());
    let read = match file == Path::new("-") {
        true => std::io::stdin().take(MOST + 1).read_to_string(&mut text)?,
        false => std::fs::File::open(file)?.take(MOST + 1).read_to_string(&mut text)?,
    };
    if read as u64 > MOST {
        return Err(std::io::Error::other("it is larger than 64 MiB: import it in parts"));
    }
    Ok(text)
}

/// The process that has the vault, where one runs.
fn running<'p>(process: Option<&'p Process>, first: &str) -> Result<Option<&'p Process>, String> {
    let Some(process) = process.filter(|process| process.has_token()) else { return Ok(None) };
    if !process.is_on_this_machine() {
        return Err("the admin listener is not on this machine: secrets are not sent there in clear".into());
    }
    match process.ask("GET", &format!("/tenants/{first}")) {
        Ok(answer) => {
            let value: Value = serde_json::from_str(&answer.body).unwrap_or_default();
            match answer.status == 200 || value["code"] == "claviger.tenant_unknown" {
                true => Ok(Some(process)),
                false => Err(refused(&value).unwrap_or_else(|| process.refusal(&answer))),
            }
        }
        Err(error) if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound) => Ok(None),
        Err(error) if error.kind() == ErrorKind::InvalidData => Err(process.unreachable(&error)),
        Err(error) => Err(format!("{}: the process gave no answer: {error}", process.address)),
    }
}

fn through(process: &Process, todo: Vec<(usize, Adoption)>, counts: &mut Counts) {
    let (next, (tell, told)) = (AtomicUsize::new(0), mpsc::channel());
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME.min(todo.len()) {
            let (next, todo, tell) = (&next, &todo, tell.clone());
            scope.spawn(move || {
                while let Some((line, adoption)) = todo.get(next.fetch_add(1, Relaxed)) {
                    let (line, alias) = (*line, adoption.alias.clone());
                    let done = asked(process, adoption);
                    if tell.send(Outcome { line, alias, done }).is_err() {
                        return;
                    }
                }
            });
        }
        drop(tell);
        told.iter().for_each(|outcome| counts.tell(&outcome));
    });
}

fn asked(process: &Process, adoption: &Adoption) -> Result<&'static str, String> {
    let body = Zeroizing::new(json!(adoption).to_string());
    let answer = process
        .send("PUT", &format!("/tenants/{}", adoption.alias), &body, PATIENCE)
        .map_err(|error| format!("the process gave no answer: {error}. Give the file again"))?;
    let value: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    match (answer.status, refused(&value)) {
        (200, _) if value["unchanged"] == true => Ok(UNCHANGED),
        (200, _) => Ok(ADOPTED),
        (_, Some(why)) => Err(why),
        _ => Err(process.refusal(&answer)),
    }
}

const ADOPTED: &str = "adopted";
const UNCHANGED: &str = "unchanged";

async fn in_the_file(
    Loaded { config, absent, .. }: Loaded,
    process: Option<&Process>,
    todo: Vec<(usize, Adoption)>,
    counts: &mut Counts,
) -> Result<(), String> {
    let options = config.vault.clone().ok_or_else(|| not_configured(&absent))?;
    let vault = open_vault(&options).await.map_err(|error| not_opened(error, process))?.0;
    let shared = shared(&config, vault)?;
    let pipeline = shared.pipeline(Arc::new(config), None, None).map_err(|error| error.to_string())?;
    let adopting = todo.into_iter().map(|(line, adoption)| {
        let (shared, pipeline, alias) = (&shared, &pipeline, adoption.alias.clone());
        async move {
            let done = match shared.adopt_once(pipeline, adoption).await {
                Ok(Adopted::Now(_)) => Ok(ADOPTED),
                Ok(Adopted::Before(_)) => Ok(UNCHANGED),
                Err(error) => Err(said(&error)),
            };
            Outcome { line, alias, done }
        }
    });
    let mut adopting = futures_util::stream::iter(adopting).buffer_unordered(AT_A_TIME);
    while let Some(outcome) = adopting.next().await {
        counts.tell(&outcome);
    }
    audit::written(shared.audit.as_ref(), Ok(())).await
}

/// What came of all so far.
#[derive(Default)]
struct Counts {
    json: bool,
    adopted: usize,
    unchanged: usize,
    failed: usize,
}

impl Counts {
    /// A line for each.
    fn tell(&mut self, Outcome { line, alias, done }: &Outcome) {
        match done {
            Ok(UNCHANGED) => self.unchanged += 1,
            Ok(_) => self.adopted += 1,
            Err(_) => self.failed += 1,
        }
        let (word, error) = match done {
            Ok(word) => (*word, None),
            Err(error) => ("failed", Some(error)),
        };
        match (self.json, error) {
            (true, error) => {
                say!("{}", json!({ "line": line, "alias": alias, "outcome": word, "error": error }));
            }
            (false, None) => say!("{alias}: {word}"),
            (false, Some(error)) => tell!("line {line}: {alias}: {error}"),
        }
    }

    fn end(&self) -> ExitCode {
        let Self { adopted, unchanged, failed, .. } = self;
        tell!("{adopted} adopted, {unchanged} unchanged, {failed} failed");
        if *failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(super::super::NO) }
    }
}
