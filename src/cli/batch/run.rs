//! The run: which operations are under way, and what becomes of each. One that was sent by an earlier run begins with the question
//! what came of it.

use std::{
    io::Write as _,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use http::Method;
use tokio::{
    task::JoinSet,
    time::{Duration, Instant, MissedTickBehavior, interval},
};

use super::{
    super::output::sentence,
    answer::{Answer, Says},
    client::{Client, Lost, Wanted},
    input::Input,
    journal::Journal,
    line::Line,
    outcome::{Concluded, Outcome, Settled, Tally},
    patience::Patience,
    progress::Progress,
};

/// Times that an operation of unknown outcome is sent once more, where that is safe.
const MOST_ANEW: u32 = 3;
const SHOWN_EVERY: Duration = Duration::from_millis(200);
const SYNCED_EVERY: Duration = Duration::from_secs(1);

/// A run.
pub(super) struct Run {
    pub(super) client: Client,
    journal: Mutex<Journal>,
    pub(super) patience: Patience,
    pub(super) repeats_unknown: bool,
    /// In milliseconds since 1970.
    pub(super) begun: u64,
    /// Whether the command itself is refused.
    is_refused: AtomicBool,
}

/// How it ended.
pub(super) struct Ended {
    pub(super) tally: Tally,
    /// Why the first failed that did.
    pub(super) first_failure: Option<String>,
    /// Why it was given up, where it was, and what then.
    pub(super) given_up: Option<String>,
}

/// What was said to one attempt.
enum Told {
    Over(Answer),
    Unknown(Option<Answer>, String),
}

impl Run {
    pub(super) fn new(client: Client, journal: Journal, repeats_unknown: bool, patience: Duration) -> Self {
        let begun = journal.begun();
        Self {
            client,
            journal: Mutex::new(journal),
            patience: Patience::new(patience),
            repeats_unknown,
            begun,
            is_refused: AtomicBool::new(false),
        }
    }

    /// Carries all of it out, or what is under way by then when it is to `stop`.
    pub(super) async fn all(self, input: Input, concurrency: usize, stop: impl Future<Output = ()>) -> Ended {
        let this = Arc::new(self);
        let progress = Progress::new(this.journal().tally);
        let mut under_way = JoinSet::new();
        let given_up = tokio::select! {
            ended = this.go_through(&input, concurrency, &progress, &mut under_way) => ended.err(),
            () = stop => Some("interrupted".to_owned()),
        };
        // Those that are under way are told what came of them, and nobody waits any more.
        this.patience.end();
        progress.end();
        if given_up.is_some() && !under_way.is_empty() {
            // A terminal that is gone is no reason to stop.
            let _ = writeln!(
                std::io::stderr(),
                "claviger: {} under way: waiting for their answers",
                under_way.len()
            );
        }
        while under_way.join_next().await.is_some() {}
        this.client.end().await;
        let mut journal = this.journal();
        let synced = journal.sync().err().map(|error| unwritten("results", &error));
        let given_up = given_up.or(synced).map(|why| {
            let next = match (this.is_refused.load(Ordering::Relaxed), journal.is_untouched()) {
                (true, true) => "Nothing was sent",
                (true, false) => "Once that is mended, the same command goes on where it was",
                (false, _) => "The same command goes on where it was",
            };
            format!("{} {next}", sentence(&why))
        });
        Ended { tally: journal.tally, first_failure: journal.first_failure.take(), given_up }
    }

    async fn go_through(
        self: &Arc<Self>,
        input: &Input,
        concurrency: usize,
        progress: &Progress,
        under_way: &mut JoinSet<Result<(), String>>,
    ) -> Result<(), String> {
        let mut shown = interval(SHOWN_EVERY);
        shown.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut next, mut synced, mut is_known) = (0, Instant::now(), false);
        loop {
            let mut fresh = Vec::new();
            while under_way.len() + fresh.len() < concurrency && next < input.len() {
                if !self.journal().is_concluded(input.number(next)) {
                    fresh.push(input.line(next)?);
                }
                next += 1;
            }
            if let Some(line) = fresh.first().filter(|_| !is_known) {
                self.is_claviger(line).await?;
                is_known = true;
            }
            for (line, earlier) in self.begin(fresh)? {
                under_way.spawn(self.clone().carry_out(line, earlier));
            }
            tokio::select! {
                done = under_way.join_next() => match done {
                    None => return Ok(()),
                    Some(done) => done.map_err(|error| error.to_string())??,
                },
                _ = shown.tick() => progress.show(self.journal().tally),
            }
            // All at once, so that what begins next needs the disk once.
            while let Some(done) = under_way.try_join_next() {
                done.map_err(|error| error.to_string())??;
            }
            if synced.elapsed() >= SYNCED_EVERY {
                self.journal().sync().map_err(|error| unwritten("results", &error))?;
                synced = Instant::now();
            }
        }
    }

    pub(super) fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes those that are sent for the first time; the others with the attempt of an earlier run.
    fn begin(&self, lines: Vec<Line>) -> Result<Vec<(Line, Option<u32>)>, String> {
        let mut journal = self.journal();
        let earlier = |line: Line| {
            let attempt = journal.attempt(line.number);
            (line, attempt)
        };
        let lines: Vec<_> = lines.into_iter().map(earlier).collect();
        let fresh: Vec<_> =
            lines.iter().filter(|(_, earlier)| earlier.is_none()).map(|(line, _)| (line, 1)).collect();
        if !fresh.is_empty() {
            journal.sends(fresh.into_iter()).map_err(|error| unwritten("journal", &error))?;
        }
        Ok(lines)
    }

    async fn carry_out(self: Arc<Self>, line: Line, earlier: Option<u32>) -> Result<(), String> {
        let concluded = self.conclude(&line, earlier).await?;
        self.patience.progress();
        self.journal().concludes(&line, &concluded).map_err(|error| unwritten("results", &error))
    }

    async fn conclude(&self, line: &Line, earlier: Option<u32>) -> Result<Concluded, String> {
        let (mut attempt, mut anew, mut is_doubtful) = (earlier.unwrap_or(1), 0, earlier.is_some());
        let mut told = match earlier {
            Some(_) => Told::Unknown(None, "an earlier run ended before its answer came".to_owned()),
            None => self.attempt(line, attempt).await?,
        };
        loop {
            match told {
                Told::Over(answer) => return self.over(line, answer, is_doubtful).await,
                Told::Unknown(answer, why) => {
                    is_doubtful = true;
                    if anew > 0 {
                        self.patience.wait(None, anew, &why).await?;
                    }
                    match self.settle(line, attempt, answer, &why).await? {
                        Settled::So(concluded) => return Ok(concluded),
                        Settled::Anew(answer) if anew == MOST_ANEW => {
                            let settled = Some(format!("given up after {MOST_ANEW} more tries: {why}"));
                            let (status, body) = Answer::parts(answer);
                            return Ok(Concluded { outcome: Outcome::Failed, status, body, settled });
                        }
                        Settled::Anew(_) => {
                            (anew, attempt) = (anew + 1, attempt + 1);
                            let noted = self.journal().sends(std::iter::once((line, attempt)));
                            noted.map_err(|error| unwritten("journal", &error))?;
                        }
                    }
                }
            }
            told = self.attempt(line, attempt).await?;
        }
    }

    /// Sends it until it is told something; waits where it was certainly not carried out.
    async fn attempt(&self, line: &Line, attempt: u32) -> Result<Told, String> {
        let mut times = 0;
        loop {
            let turn = self.patience.turn().await;
            turn.map_err(|why| self.unsent(line, attempt, why))?;
            let sent = self.send(line, attempt, Wanted::Effect).await;
            let (asked, why) = match sent {
                Ok(answer) => match answer.says() {
                    Says::Over => return Ok(Told::Over(answer)),
                    Says::Stop => return Err(self.unsent(line, attempt, self.said(&answer))),
                    Says::Elsewhere => return Err(self.said(&answer)),
                    Says::Wait(asked) => (asked, answer.message()),
                    Says::Unknown => {
                        let why = answer.message();
                        return Ok(Told::Unknown(Some(answer), why));
                    }
                },
                Err(lost) if lost.refuses_command => {
                    return Err(self.unsent(line, attempt, self.refused(lost)));
                }
                Err(lost) if lost.was_sent => return Ok(Told::Unknown(None, lost.why)),
                Err(lost) => (None, lost.why),
            };
            let waited = self.patience.wait(asked, times, &why).await;
            waited.map_err(|why| self.unsent(line, attempt, why))?;
            times += 1;
        }
    }

    pub(super) fn said(&self, answer: &Answer) -> String {
        self.is_refused.fetch_or(answer.refuses_command() || !answer.is_claviger, Ordering::Relaxed);
        format!("{}: {}", self.client.name(), answer.message())
    }

    /// Nobody could be asked the way that the command says.
    pub(super) fn refused(&self, lost: Lost) -> String {
        self.is_refused.store(true, Ordering::Relaxed);
        lost.why
    }

    /// The run ends before this attempt went out: the next one sends it.
    fn unsent(&self, line: &Line, attempt: u32, why: String) -> String {
        match self.journal().unsent(line, attempt) {
            Ok(()) => why,
            Err(error) => format!("{why}; and {}", unwritten("journal", &error)),
        }
    }

    pub(super) async fn send(&self, line: &Line, attempt: u32, wanted: Wanted) -> Result<Answer, Lost> {
        let key = self.journal().key(line.number, attempt);
        let key = (!line.repeats_safely()).then_some((&*key, wanted));
        self.client.send(&line.method, &line.target, line.body.as_deref(), key).await
    }

    /// What an answer comes to. One that says that it is there already may say so of what an earlier attempt made.
    async fn over(&self, line: &Line, answer: Answer, is_doubtful: bool) -> Result<Concluded, String> {
        if is_doubtful
            && answer.status == 422
            && let Some(found) = self.find(line).await?.ok().flatten()
        {
            return Ok(found);
        }
        let is_gone = is_doubtful && answer.status == 404 && line.method == Method::DELETE;
        let is_fine = (200..300).contains(&answer.status);
        let settled = if is_gone {
            Some("it is gone, after an attempt of unknown outcome".to_owned())
        } else {
            (is_doubtful && is_fine).then(|| "sent again after an unknown outcome".to_owned())
        };
        let outcome = if is_fine || is_gone { Outcome::Done } else { Outcome::Failed };
        Ok(Concluded { outcome, status: Some(answer.status), body: answer.body, settled })
    }
}

/// Why one of the two files cannot be written, and what to do.
fn unwritten(file: &str, error: &std::io::Error) -> String {
    let what = match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => ": make room",
        _ => "",
    };
    format!("the {file} cannot be written: {error}{what}")
}
