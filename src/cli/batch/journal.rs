//! What was sent, and what came of it: two files, to which lines are only added. A line of the journal is on the disk before
//! its operation is sent; a line of the results says that it is over. So after a crash at any moment each operation is untouched, or
//! concluded, or one whose outcome is to be settled. A line that was cut off by the crash is none.

use std::{
    collections::{HashMap, HashSet},
    fs::{File, TryLockError},
    io::{self, BufRead as _, BufReader, BufWriter, Seek as _, SeekFrom, Write as _},
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::Value;

use super::{
    input::Input,
    line::Line,
    outcome::{Concluded, Outcome, Tally, reason},
};
use crate::{cli::output, regular_file};

/// How the files begin.
const HEAD: &[&[u8]] = &[br#"{"claviger_batch":"#];
const RESULT: &[&[u8]] = &[br#"{"body":"#, br#"{"id":"#, br#"{"line":"#];

/// The first line of a journal.
#[derive(Serialize, Deserialize)]
struct Head {
    claviger_batch: u32,
    /// Of this journal alone: what keys are made of.
    id: String,
    digest: String,
    tenant: Option<String>,
    /// Milliseconds since 1970.
    begun: u64,
}

#[derive(Serialize, Deserialize)]
struct Sent {
    line: usize,
    attempt: u32,
    /// It did not go out after all.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    unsent: bool,
}

impl Sent {
    /// The last attempt of each operation that may have gone out.
    fn counts_in(&self, sent: &mut HashMap<usize, u32>) {
        let last = self.attempt - u32::from(self.unsent).min(self.attempt);
        match last {
            0 => drop(sent.remove(&self.line)),
            last => drop(sent.insert(self.line, last)),
        }
    }
}

/// As much of a result as counts for the next run.
#[derive(Deserialize)]
struct Noted {
    line: usize,
    outcome: String,
    settled: Option<IgnoredAny>,
}

/// What to do without a journal: nobody knows what was sent.
const NO_JOURNAL: &str = ": if it is this batch's, put a copy of it back. Without one, take out of the batch's file all lines that the results say are \
                          over, look at Logto for those that may have been sent, and begin with another --journal and --results. If it is another file, name another one by --journal";
/// The journal knows what was sent, and Claviger what came of it.
const NO_RESULTS: &str = ": move it away, and give the same command once more: what was sent is asked after by its key, not sent again. If it \
                          is another file, name another one by --results";

/// The files of a run, of which there is one at a time.
pub(super) struct Journal {
    head: Head,
    journal: File,
    results: File,
    /// The last attempt of each operation that was sent.
    sent: HashMap<usize, u32>,
    concluded: HashSet<usize>,
    pub(super) tally: Tally,
    /// Why the first failed that did.
    pub(super) first_failure: Option<String>,
}

impl Journal {
    /// Opens both files, or begins them.
    pub(super) fn open(
        journal: &Path,
        results: &Path,
        input: &Input,
        tenant: Option<&str>,
        repeats_unknown: bool,
    ) -> Result<Self, String> {
        let of = |path: &Path, error: io::Error| output::unopened("", path, &error);
        let damaged = |path: &Path, number: usize, remedy: &str| {
            format!("{}:{number}: the file is damaged, or is something else{remedy}", path.display())
        };
        let mut file = regular_file::open_to_append(journal).map_err(|error| of(journal, error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(format!(
                    "{}: another run has it: wait until that has ended, or end it",
                    journal.display()
                ));
            }
            Err(TryLockError::Error(error)) => return Err(of(journal, error)),
        }
        let (mut head, mut sent, mut known) = (None, HashMap::new(), HashSet::new());
        whole_lines(&mut file, HEAD, |number, line| {
            if number == 1 {
                head = serde_json::from_slice::<Head>(line).ok();
                return head.is_some();
            }
            let Ok(read) = serde_json::from_slice::<Sent>(line) else { return false };
            known.insert(read.line);
            read.counts_in(&mut sent);
            true
        })
        .map_err(|error| of(journal, error))?
        .map_or(Ok(()), |number| Err(damaged(journal, number, NO_JOURNAL)))?;
        let has_results = results.metadata().is_ok_and(|it| it.len() > 0);
        let is_untouched = sent.is_empty() && !has_results;
        let head = match head {
            // Nothing was sent: it may as well be begun for another tenant.
            Some(head)
                if is_untouched
                    && head.claviger_batch == 1
                    && head.digest == input.digest()
                    && head.tenant.as_deref() != tenant =>
            {
                file.set_len(0).map_err(|error| of(journal, error))?;
                None
            }
            head => head,
        };
        let head = match head {
            Some(head) => {
                fits(&head, input, tenant).map_err(|why| format!("{}: {why}", journal.display()))?;
                head
            }
            None if has_results => {
                return Err(format!(
                    "{} is empty, and {} is not{NO_JOURNAL}",
                    journal.display(),
                    results.display()
                ));
            }
            None => {
                let head = Head::new(input, tenant).ok_or("the system gives no random bytes")?;
                append(&mut file, &head)
                    .and_then(|()| file.sync_all())
                    .map_err(|error| of(journal, error))?;
                head
            }
        };
        if repeats_unknown && has_results {
            reopen_unknown(results).map_err(|error| of(results, error))?;
        }
        let mut results_file = regular_file::open_to_append(results).map_err(|error| of(results, error))?;
        for path in [journal, results] {
            sync_directory(path).map_err(|error| of(path, error))?;
        }
        let mut first_failure = None;
        let (mut concluded, mut tally) = (HashSet::new(), Tally { all: input.len(), ..Tally::default() });
        let begins = if known.is_empty() { &[] } else { RESULT };
        whole_lines(&mut results_file, begins, |_, line| {
            // What was never sent has no result here: it is another batch's.
            let result = serde_json::from_slice::<Noted>(line).ok().filter(|it| known.contains(&it.line));
            let Some(result) = result else { return false };
            let Some(outcome) = Outcome::parse(&result.outcome) else { return false };
            if outcome == Outcome::Failed && first_failure.is_none() {
                let all = serde_json::from_slice::<Value>(line).unwrap_or_default();
                let status = all["status"].as_u64().and_then(|it| u16::try_from(it).ok());
                first_failure = Some(reason(result.line, status, &all["body"], all["settled"].as_str()));
            }
            if concluded.insert(result.line) {
                tally.add(outcome, result.settled.is_some());
            }
            true
        })
        .map_err(|error| of(results, error))?
        .map_or(Ok(()), |number| Err(damaged(results, number, NO_RESULTS)))?;
        Ok(Self { head, journal: file, results: results_file, sent, concluded, tally, first_failure })
    }

    /// Whether nothing was sent so far.
    pub(super) fn is_untouched(&self) -> bool {
        self.sent.is_empty() && self.concluded.is_empty()
    }

    /// Whether an operation is over.
    pub(super) fn is_concluded(&self, number: usize) -> bool {
        self.concluded.contains(&number)
    }

    /// The last attempt of an operation that may have been sent.
    pub(super) fn attempt(&self, number: usize) -> Option<u32> {
        self.sent.get(&number).copied()
    }

    /// When it all began, in milliseconds since 1970.
    pub(super) fn begun(&self) -> u64 {
        self.head.begun
    }

    /// The key of an attempt.
    pub(super) fn key(&self, number: usize, attempt: u32) -> String {
        format!("\"batch-{}-{number}-{attempt}\"", self.head.id)
    }

    /// Notes operations that are about to be sent. They are on the disk when this returns; those that may be sent twice
    /// need not be.
    pub(super) fn sends<'l>(&mut self, lines: impl Iterator<Item = (&'l Line, u32)>) -> io::Result<()> {
        let (mut text, mut counts) = (String::new(), false);
        for (line, attempt) in lines {
            let sent = Sent { line: line.number, attempt, unsent: false };
            text = text + &serde_json::to_string(&sent)? + "\n";
            counts |= !line.repeats_safely();
            self.sent.insert(line.number, attempt);
        }
        self.journal.write_all(text.as_bytes())?;
        if counts { self.journal.sync_data() } else { Ok(()) }
    }

    /// Notes that an attempt certainly did not go out: what came of it is no question.
    pub(super) fn unsent(&mut self, line: &Line, attempt: u32) -> io::Result<()> {
        let unsent = Sent { line: line.number, attempt, unsent: true };
        let text = serde_json::to_string(&unsent)? + "\n";
        self.journal.write_all(text.as_bytes())?;
        unsent.counts_in(&mut self.sent);
        Ok(())
    }

    /// Notes what came of an operation. Should it be lost, its outcome is settled once more.
    pub(super) fn concludes(&mut self, line: &Line, concluded: &Concluded) -> io::Result<()> {
        self.results.write_all(concluded.record(line).as_bytes())?;
        if self.concluded.insert(line.number) {
            self.tally.add(concluded.outcome, concluded.settled.is_some());
        }
        if concluded.outcome == Outcome::Failed && self.first_failure.is_none() {
            let Concluded { status, body, settled, .. } = concluded;
            self.first_failure = Some(reason(line.number, *status, body, settled.as_deref()));
        }
        Ok(())
    }

    /// Puts all results on the disk, behind what was sent.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.journal.sync_data()?;
        self.results.sync_data()
    }
}

impl Head {
    fn new(input: &Input, tenant: Option<&str>) -> Option<Self> {
        let mut random = [0; 12];
        aws_lc_rs::rand::fill(&mut random).ok()?;
        let id = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let tenant = tenant.map(str::to_owned);
        Some(Self { claviger_batch: 1, id, digest: input.digest(), tenant, begun: now() })
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "no clock is passed to a command; what is compared with it leaves minutes of room"
)]
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

fn fits(head: &Head, input: &Input, tenant: Option<&str>) -> Result<(), String> {
    if head.claviger_batch != 1 {
        return Err("it is of another version of Claviger".into());
    }
    if head.digest != input.digest() {
        return Err("it belongs to other operations: the file has changed since. Restore it, or name another --journal and --results".into());
    }
    if head.tenant.as_deref() != tenant {
        let was =
            head.tenant.as_deref().map_or("without --tenant".to_owned(), |it| format!("with --tenant {it}"));
        return Err(format!("it was begun {was}: go on like that, or name another --journal and --results"));
    }
    Ok(())
}

/// Takes the results of unknown outcome out, so that these operations are settled once more. The file is exchanged whole: a crash leaves
/// the one or the other. What is no result stays, for whoever reads it to say so.
fn reopen_unknown(results: &Path) -> io::Result<()> {
    let results = results.canonicalize()?;
    let mut name = results.clone().into_os_string();
    name.push(".new");
    let fresh = Path::new(&name);
    let is_unknown = |line: &[u8]| {
        serde_json::from_slice::<Noted>(line).is_ok_and(|it| it.outcome == Outcome::Unknown.as_str())
    };
    let mut old = BufReader::new(regular_file::open(&results)?.0);
    let mut kept = regular_file::open_to_append(fresh)?;
    kept.set_len(0)?;
    let mut kept = BufWriter::new(&mut kept);
    let mut line = Vec::new();
    while old.read_until(b'\n', &mut line)? > 0 {
        if !is_unknown(&line) {
            kept.write_all(&line)?;
        }
        line.clear();
    }
    kept.flush()?;
    kept.get_ref().sync_all()?;
    std::fs::rename(fresh, &results)
}

fn append(file: &mut File, head: &Head) -> io::Result<()> {
    let text = serde_json::to_string(head)? + "\n";
    file.write_all(text.as_bytes())
}

/// Reads the lines that are whole, by number, and takes the rest off; the number of the first that `take` refuses. A file of one cut line
/// that does not begin as ours do is somebody else's, and stays as it is.
fn whole_lines(
    file: &mut File,
    begins: &[&[u8]],
    mut take: impl FnMut(usize, &[u8]) -> bool,
) -> io::Result<Option<usize>> {
    file.seek(SeekFrom::Start(0))?;
    let mut reader = BufReader::new(&*file);
    let (mut line, mut whole, mut number) = (Vec::new(), 0, 0);
    loop {
        line.clear();
        let length = reader.read_until(b'\n', &mut line)?;
        if line.pop_if(|last| *last == b'\n').is_none() {
            let mut ours = begins.iter().filter(|begin| line.starts_with(begin) || begin.starts_with(&line));
            if whole == 0 && !line.is_empty() && ours.next().is_none() {
                return Ok(Some(1));
            }
            break;
        }
        number += 1;
        if !take(number, &line) {
            return Ok(Some(number));
        }
        whole += length as u64;
    }
    file.set_len(whole)?;
    Ok(None)
}

fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests;
