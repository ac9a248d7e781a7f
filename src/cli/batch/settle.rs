//! An operation that may have been carried out: what came of it. The running Claviger is asked first, by its key; then the list of
//! things where the one would be, by its identifiers. Only where that says that it is not there is it sent once more.

use serde_json::Value;

use super::{
    answer::{Answer, Says},
    client::Wanted,
    line::Line,
    outcome::{Concluded, Outcome, Settled},
    run::Run,
};
use crate::trust::NO_HTTP;

/// Pages of a list that are looked through.
const MOST_PAGES: usize = 1000;
/// By how much clocks may differ.
const SKEW: u64 = 10 * 1000;

impl Run {
    pub(super) async fn settle(
        &self,
        line: &Line,
        attempt: u32,
        answer: Option<Answer>,
        why: &str,
    ) -> Result<Settled, String> {
        if line.repeats_safely() {
            return Ok(Settled::Anew(answer));
        }
        let mut not_kept = None;
        match self.ask(line, attempt).await? {
            Some(answer) if answer.is_replayed && answer.status < 500 => {
                let fine = answer.status < 300;
                let outcome = if fine { Outcome::Done } else { Outcome::Failed };
                let settled = Some("by its Idempotency-Key".to_owned());
                return Ok(Settled::So(Concluded {
                    outcome,
                    status: Some(answer.status),
                    body: answer.body,
                    settled,
                }));
            }
            Some(answer) if answer.code() == "idempotency_not_kept" => {
                not_kept = answer.body["first_status"].as_u64().and_then(|it| u16::try_from(it).ok());
            }
            _ => {}
        }
        let looked = self.find(line).await?;
        if let Ok(Some(found)) = looked {
            return Ok(Settled::So(found));
        }
        if let Some(status) = not_kept.filter(|status| *status < 500) {
            let outcome = if status < 300 { Outcome::Done } else { Outcome::Failed };
            let settled = Some("by its Idempotency-Key; the answer itself is not kept".to_owned());
            let body = Value::Null;
            return Ok(Settled::So(Concluded { outcome, status: Some(status), body, settled }));
        }
        if line.unique.is_some() && looked.is_ok() || self.repeats_unknown {
            return Ok(Settled::Anew(answer));
        }
        let (status, body) = Answer::parts(answer);
        let settled = match looked {
            Err(not) => format!("{why}; and it cannot be looked for: {not}"),
            Ok(_) => format!("{why}; and nothing unique is known by which it could be found"),
        };
        Ok(Settled::So(Concluded { outcome: Outcome::Unknown, status, body, settled: Some(settled) }))
    }

    /// What the running Claviger knows of an attempt.
    async fn ask(&self, line: &Line, attempt: u32) -> Result<Option<Answer>, String> {
        let mut times = 0;
        loop {
            self.patience.turn().await?;
            let (asked, why) = match self.send(line, attempt, Wanted::Replay).await {
                Ok(answer) => match answer.says() {
                    Says::Stop | Says::Elsewhere => return Err(self.said(&answer)),
                    // A replayed 429 there is not.
                    Says::Wait(asked) => (asked, answer.message()),
                    Says::Over | Says::Unknown => return Ok(Some(answer)),
                },
                Err(lost) if lost.refuses_command => return Err(self.refused(lost)),
                Err(lost) => (None, lost.why),
            };
            self.patience.wait(asked, times, &why).await?;
            times += 1;
        }
    }

    /// Looks for what a creation was to make; why it cannot be looked for.
    pub(super) async fn find(&self, line: &Line) -> Result<Result<Option<Concluded>, String>, String> {
        let Some(unique) = &line.unique else { return Ok(Ok(None)) };
        for page in 1..=MOST_PAGES {
            let listed =
                self.read(&format!("{}&page={page}", unique.list), |it| it.says() == Says::Over).await?;
            let Some(things) = listed.body.as_array().filter(|_| listed.status == 200) else {
                // By the set-up, which may be mended: what came of it stays open until then.
                if matches!(listed.status, 400 | 403) {
                    let (number, lists) = (line.number, unique.lists);
                    let may = format!(
                        "line {number} may have been carried out, and it cannot be looked for by {lists}"
                    );
                    return Err(format!("{may}: {}. Have {lists} granted to the caller", self.said(&listed)));
                }
                return Ok(Err(listed.message()));
            };
            // One that was there before all this is not of our making, and Logto will say so.
            let is_old = |thing: &Value| {
                thing["createdAt"].as_u64().is_some_and(|created| created + SKEW < self.begun)
            };
            if let Some(thing) = things.iter().find(|thing| unique.is(thing) && !is_old(thing)) {
                let settled = Some("found by its identifiers".to_owned());
                let (outcome, body) = (Outcome::Done, thing.clone());
                return Ok(Ok(Some(Concluded { outcome, status: None, body, settled })));
            }
            if things.is_empty() {
                break;
            }
        }
        Ok(Ok(None))
    }

    /// Whether it is Claviger that will be sent operations such as this: anybody else might carry them out. It is asked for what is nowhere,
    /// below the same beginning, as what stands in front of it may pass on nothing else.
    pub(super) async fn is_claviger(&self, line: &Line) -> Result<(), String> {
        let nowhere = line.target.split_inclusive("/api/").next().unwrap_or("/api/");
        let asks_itself = self.client.is_in_process();
        if asks_itself { Ok(()) } else { self.read(nowhere, |it| it.is_claviger).await.map(drop) }
    }

    /// Asks until there is an answer that will do.
    async fn read(&self, target: &str, will_do: impl Fn(&Answer) -> bool) -> Result<Answer, String> {
        let mut times = 0;
        loop {
            self.patience.turn().await?;
            let (asked, why) = match self.client.send(&http::Method::GET, target, None, None).await {
                Ok(answer) if will_do(&answer) => return Ok(answer),
                Ok(answer) => match answer.says() {
                    Says::Wait(asked) => (asked, answer.message()),
                    Says::Unknown => (None, answer.message()),
                    _ => return Err(self.said(&answer)),
                },
                Err(lost) if lost.refuses_command || lost.why.ends_with(NO_HTTP) => {
                    return Err(self.refused(lost));
                }
                Err(lost) => (None, lost.why),
            };
            self.patience.wait(asked, times, &why).await?;
            times += 1;
        }
    }
}
