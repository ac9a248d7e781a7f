//! Keeps the tenants in force as they are in a store that other processes change as well. All that comes into force goes
//! through here, one thing after the other, each read after it was known to have changed: so what is in force is never
//! older than what was. Told of a change, it reads that record; where it may have missed one, all of them. A store that is
//! away changes nothing; it is asked again until it answers.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{
    change::Changed,
    error::VaultError,
    store::{Notice, Store, Stored, Version},
};
use crate::ids::TenantName;

/// Until a store that did not answer is asked again.
const AGAIN: Duration = Duration::from_secs(1);
/// How often the log repeats that it does not.
const REPEAT: Duration = Duration::from_mins(10);
/// Records that are read in one go.
const AT_A_TIME: usize = 64;

/// Somebody in this process changed a record, and waits until it is in force.
pub(super) type Asked = (TenantName, oneshot::Sender<()>);

/// What follows a store.
pub(super) struct Follower {
    pub(super) store: Arc<dyn Store>,
    pub(super) notices: mpsc::Receiver<Notice>,
    pub(super) asked: mpsc::Receiver<Asked>,
    pub(super) tell: mpsc::Sender<Changed>,
    /// Which records are in force.
    pub(super) known: BTreeMap<TenantName, Version>,
    /// How often all are read.
    pub(super) relist: Duration,
}

/// What is to be read.
#[derive(Default)]
struct Due {
    all: bool,
    some: BTreeSet<TenantName>,
    waiting: Vec<Asked>,
}

impl Follower {
    /// Until nobody is left to tell, or to change anything.
    pub(super) async fn run(mut self) {
        // Which remedy was told, and when.
        let (mut due, mut away) = (Due::default(), None::<(String, Instant)>);
        let mut next = Instant::now() + self.relist;
        loop {
            tokio::select! {
                notice = self.notices.recv() => match notice {
                    Some(notice) => due.note(notice),
                    None => return,
                },
                asked = self.asked.recv() => match asked {
                    Some(asked) => due.ask(asked),
                    None => return,
                },
                () = tokio::time::sleep_until(next) => due.all = true,
            }
            while let Ok(notice) = self.notices.try_recv() {
                due.note(notice);
            }
            while let Ok(asked) = self.asked.try_recv() {
                due.ask(asked);
            }
            if away.is_some() && !due.all && Instant::now() < next {
                // All will be read when it is back.
                continue;
            }
            let read = if due.all { self.all().await } else { self.some(&due.some).await };
            match read {
                Ok(changes) => {
                    if away.take().is_some() {
                        tracing::info!("changes of the vault are followed again");
                    }
                    if due.all {
                        next = Instant::now() + self.relist;
                    }
                    if !self.take_up(changes, std::mem::take(&mut due)).await {
                        return;
                    }
                }
                Err(error) => {
                    // The texts of one cause differ from try to try; its remedy does not.
                    let is_told = away
                        .as_ref()
                        .is_some_and(|(remedy, at)| *remedy == error.remedy() && at.elapsed() < REPEAT);
                    if !is_told {
                        tracing::error!(%error, remedy = error.remedy(), "changes of the vault are not followed: what is in force stays in force");
                        away = Some((error.remedy().to_owned(), Instant::now()));
                    }
                    (due.all, next) = (false, Instant::now() + AGAIN);
                    due.some.clear();
                }
            }
        }
    }

    /// What differs from what is in force.
    async fn all(&self) -> Result<Vec<(TenantName, Option<Stored>)>, VaultError> {
        let (all, is_other) = match self.store.list().await {
            Err(VaultError::Unavailable(why)) if why.is_replaced() => {
                let all = self.store.go_over(self.known.keys().cloned().collect()).await?;
                tracing::warn!(
                    tenants = all.len(),
                    "another vault is in the place of the one before; it has all tenants that are in force, and is followed from now on"
                );
                (all, true)
            }
            all => (all?, false),
        };
        let there: HashSet<_> = all.iter().map(|stored| stored.record.alias.clone()).collect();
        let gone = self.known.keys().filter(|alias| !there.contains(*alias));
        let mut changes: Vec<_> = gone.map(|alias| (alias.clone(), None)).collect();
        // Another vault counts its versions anew.
        let is_new =
            |stored: &Stored| is_other || self.known.get(&stored.record.alias) != Some(&stored.version);
        let new = all.into_iter().filter(is_new);
        changes.extend(new.map(|stored| (stored.record.alias.clone(), Some(stored))));
        Ok(changes)
    }

    async fn some(
        &self,
        aliases: &BTreeSet<TenantName>,
    ) -> Result<Vec<(TenantName, Option<Stored>)>, VaultError> {
        let mut changes = Vec::new();
        let aliases: Vec<_> = aliases.iter().collect();
        for aliases in aliases.chunks(AT_A_TIME) {
            let reads = aliases.iter().map(|alias| self.store.get(alias));
            for (alias, read) in aliases.iter().zip(futures_util::future::join_all(reads).await) {
                let now = read?;
                if self.known.get(*alias) != now.as_ref().map(|stored| &stored.version) {
                    changes.push(((*alias).clone(), now));
                }
            }
        }
        Ok(changes)
    }

    /// Has the changes come into force; whoever waits for one of them goes on then.
    async fn take_up(&mut self, changes: Vec<(TenantName, Option<Stored>)>, due: Due) -> bool {
        let mut waiting = due.waiting;
        let mut taken_up = Vec::new();
        for (alias, now) in changes {
            match &now {
                Some(stored) => self.known.insert(alias.clone(), stored.version),
                None => self.known.remove(&alias),
            };
            let (done, told) = oneshot::channel();
            if self.tell.send(Changed { alias: alias.clone(), now, done }).await.is_err() {
                return false;
            }
            if waiting.iter().any(|(waiting, _)| *waiting == alias) {
                taken_up.push(told);
            }
        }
        if !taken_up.is_empty() {
            // Not here: the next change is read meanwhile.
            tokio::spawn(async move {
                futures_util::future::join_all(taken_up).await;
                waiting.clear();
            });
        }
        true
    }
}

impl Due {
    fn note(&mut self, notice: Notice) {
        match notice {
            Notice::One(alias) => {
                self.some.insert(alias);
            }
            Notice::Any => self.all = true,
        }
    }

    fn ask(&mut self, asked: Asked) {
        self.waiting.retain(|(_, waiting)| !waiting.is_closed());
        self.some.insert(asked.0.clone());
        self.waiting.push(asked);
    }
}
