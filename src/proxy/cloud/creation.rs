//! A creation from its sending to its storing. It owns all that it needs, so that it can go on when its caller has left.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{StatusCode, request, response};
use tokio::time::Instant;

use super::{
    list::List,
    note::{Note, UNANSWERED},
    steps::{CreationStep, Steps},
    storing::Tries,
    unresolved::{Asked, Unresolved},
};
use crate::{
    config::{Cloud, Config},
    headers,
    idempotency::Begun,
    ids::TenantName,
    limit::Dispatch,
    observe::Apart,
    proxy::{
        build::{prove, reserve},
        error::{CreationError, Failure},
        once::outcome_of_creation,
        underway::Underway,
    },
    tenants::Directory,
    token::Tokens,
    upstream::{self, Created, CreationAnswer, FilteredBody, Outbound, Prepared, Tenant},
    vault::{self, Reservation, Vault, VaultError, fault_point},
};

/// What is said to whoever does not know whether there is a tenant now.
const AGAIN: &str = ". The same request may be given again: they are listed before anything is sent";
/// What those between say who stopped waiting for an answer: Request Timeout, and nginx' Client Closed Request.
const GAVE_UP: [u16; 2] = [408, 499];
/// What the account says to one creation more than it takes, or to the same a second time: perhaps somebody between has sent it twice, and
/// the answer to the first got lost.
const SECOND: [u16; 4] = [402, 403, 409, 422];

/// A creation, ready to be sent.
pub(super) struct Creation {
    pub(super) tenant: Arc<Tenant>,
    pub(super) dispatch: Dispatch<Tenant>,
    pub(super) body: Prepared,
    pub(super) head: request::Parts,
    pub(super) worker: usize,
    pub(super) deadline: Instant,
    pub(super) idle: Duration,
    pub(super) asked: Asked,
    pub(super) keep: Keep,
    pub(super) unresolved: Arc<Unresolved>,
    /// What its repeats are told by, where it has an `Idempotency-Key`.
    pub(super) begun: Option<Begun>,
    /// Where it is counted as long as it runs.
    pub(super) underway: Underway,
}

/// What it takes to keep a credential.
pub(super) struct Keep {
    pub(super) vault: Vault,
    pub(super) tokens: Tokens,
    pub(super) config: Arc<Config>,
    pub(super) account: Arc<Cloud>,
    /// Whose aliases are taken.
    pub(super) taken: Arc<Directory<Tenant>>,
    /// Of the alias that the request names.
    pub(super) reservation: Option<Reservation>,
    pub(super) created_by: String,
    pub(super) now: SystemTime,
    /// Who is told how far it has come.
    pub(super) steps: Steps,
    /// That it was begun; from when it is sent.
    pub(super) note: Option<Note>,
}

/// An answer to hand on.
pub(super) enum Outcome {
    /// Logto created nothing, as far as it says; tenants of that name that nobody here has the credential of.
    Refused(response::Parts, Box<FilteredBody>, Vec<String>),
    /// The tenant is there, and known here.
    Kept((response::Parts, Bytes), Kept),
}

/// A tenant that is known here.
pub(super) struct Kept {
    pub(super) alias: TenantName,
    /// Why its credential did not get a token yet.
    pub(super) unproved: Option<String>,
}

/// A tenant whose credential is not kept.
struct Lost {
    /// Which it is, or which it may be.
    ids: Vec<String>,
    /// Under which alias it can be adopted.
    alias: Option<TenantName>,
    why: String,
}

impl Creation {
    /// What the log calls it if it is cut off.
    fn what(&self) -> String {
        let account = &self.keep.account.name;
        match (&self.keep.reservation, &self.asked.name) {
            (Some(reservation), _) => format!("the creation of the tenant {}", reservation.alias()),
            (None, Some(name)) => format!("the creation of a tenant named {name:?} by the account {account}"),
            (None, None) => format!("the creation of a tenant by the account {account}"),
        }
    }

    pub(super) async fn run(mut self, mut apart: Apart) -> Result<Outcome, Failure> {
        let _task = self.underway.begin(self.what());
        let mut begun = self.begun.take();
        if let Some(begun) = &mut begun {
            begun.is_sent();
        }
        let outcome = self.carry_out(&mut apart).await;
        if let Some(begun) = begun {
            begun.settle(outcome_of_creation(outcome.as_ref().err())).await;
        }
        outcome
    }

    async fn carry_out(self, apart: &mut Apart) -> Result<Outcome, Failure> {
        let Self {
            tenant,
            dispatch,
            body,
            head,
            worker,
            deadline,
            idle,
            asked,
            mut keep,
            unresolved,
            begun: _,
            underway: _,
        } = self;
        let vault = keep.vault.clone();
        let list = List { tenant: &tenant, worker, idle, name: asked.name.as_deref(), vault: &vault };
        if unresolved.has(&asked, Instant::now()) {
            if let Some(found) = list.without_credential(apart).await?.filter(|found| !found.is_empty()) {
                return Err(keep.not_stored(&found, UNANSWERED).into());
            }
            unresolved.settle(&asked);
        }
        keep.begin(asked.name.clone()).await?;
        fault_point("create.noted");
        keep.steps.tell(CreationStep::Sent { account: keep.account.name.clone() });
        let outbound = Outbound { head: &head, worker, deadline };
        let mut answer = match upstream::send(dispatch, outbound, body, apart).await {
            Ok(answer) => answer,
            Err(error) if error.may_have_been_carried_out() => {
                unresolved.add(asked.clone(), Instant::now());
                let found = list.found(apart).await;
                keep.leave_note().await;
                return Err(keep.unknown(error.into(), found, asked.name.as_deref()));
            }
            Err(error) => {
                keep.forget_note().await;
                return Err(error.into());
            }
        };
        let status = answer.status();
        let is_unknown = status.is_server_error() || GAVE_UP.contains(&status.as_u16());
        if is_unknown {
            unresolved.add(asked.clone(), Instant::now());
        }
        headers::hand_on(answer.headers_mut());
        if !status.is_success() {
            match is_unknown {
                true => keep.leave_note().await,
                false => keep.forget_note().await,
            }
            let found = if SECOND.contains(&status.as_u16()) { list.found(apart).await } else { Ok(None) };
            let found = found.ok().flatten().unwrap_or_default();
            keep.doubt(status, &found);
            let (head, body) = answer.filtered(&head, idle).await?;
            return Ok(Outcome::Refused(head, body, found));
        }
        let CreationAnswer { head, body, id, created } = match answer.created(&head, idle).await {
            Ok(answer) => answer,
            Err(error) => {
                unresolved.add(asked.clone(), Instant::now());
                let found = list.found(apart).await;
                keep.leave_note().await;
                return Err(keep.unknown(error.into(), found, asked.name.as_deref()));
            }
        };
        fault_point("create.answered");
        let lost = match created {
            Ok(created) => match keep.credential(created).await {
                Ok(kept) => return Ok(Outcome::Kept((head, body), kept)),
                Err(lost) => lost,
            },
            Err(why) => {
                let ids = match id {
                    Some(id) => vec![id],
                    // Its answer does not say which it is, and the account's list may.
                    None => list.found(apart).await.ok().flatten().unwrap_or_default(),
                };
                let alias = keep.alias(&ids);
                Lost { ids, alias, why: format!("the answer to its creation {why}") }
            }
        };
        unresolved.add(asked, Instant::now());
        Err(keep.lose(lost).await.into())
    }
}

impl Keep {
    /// Notes that it begins, under its alias, or one that nobody has where that is made of Logto's ID later.
    async fn begin(&mut self, name: Option<String>) -> Result<(), Failure> {
        let alias = match &self.reservation {
            Some(reservation) => reservation.alias().clone(),
            None => Note::new_alias().ok_or(Failure::Panic)?,
        };
        let record = vault::Record::note(alias, &self.account, name, self.created_by.clone(), self.now);
        self.note = Some(Note::store(&self.vault, self.reservation.as_ref(), record).await?);
        Ok(())
    }

    /// Nothing was created, so nobody needs the note.
    async fn forget_note(&self) {
        if let Some(note) = &self.note {
            note.forget(&self.vault).await;
        }
    }

    /// Nobody knows what became of it. Where the request names no alias, nobody would find the note.
    async fn leave_note(&mut self) {
        match self.note.take() {
            Some(note) if self.reservation.is_some() => note.mark_unanswered(&self.vault).await,
            Some(note) => note.forget(&self.vault).await,
            None => {}
        }
    }

    /// The tenant exists, and nobody has its credential: that is in the log, in the vault and in the answer.
    async fn lose(&mut self, lost: Lost) -> CreationError {
        let Lost { ids, mut alias, why } = lost;
        let (account, shown) = (&self.account.name, ids.join(", "));
        tracing::error!(%account, id = shown, why, remedy = "adopt the tenant, with a secret from the Logto Console",
            "a tenant was created, and its credential is not stored");
        match (&*ids, self.note.take()) {
            ([only], Some(note)) => {
                let made = match (&self.reservation, &alias) {
                    (None, Some(alias)) => Some(reserve(Some(&self.vault), &self.taken, alias.clone()).await),
                    _ => None,
                };
                if let Some(Err(VaultError::AliasTaken { .. })) = made {
                    alias = None;
                }
                note.complete(&self.vault, made.and_then(Result::ok).as_ref(), only.clone()).await;
            }
            (_, note) => {
                self.note = note;
                self.leave_note().await;
            }
        }
        self.not_stored_as(alias.as_ref(), &ids, why)
    }

    /// The alias that the request names, or else the one that is made of Logto's ID, if it is free.
    fn alias(&self, ids: &[String]) -> Option<TenantName> {
        match (&self.reservation, ids) {
            (Some(reservation), _) => Some(reservation.alias().clone()),
            (None, [only]) => {
                let made = self.account.alias.alias(only).ok();
                made.filter(|alias| self.taken.get(alias.as_str()).is_none())
            }
            _ => None,
        }
    }

    /// It was refused, and there is such a tenant all the same: an older one, or this one.
    fn doubt(&self, status: StatusCode, found: &[String]) {
        if !found.is_empty() {
            let (account, ids) = (&self.account.name, found.join(", "));
            tracing::warn!(%account, ids, status = status.as_u16(), remedy = "Look at it in the Logto Console: if it was created just now, adopt it or delete it.",
                "Logto Cloud refuses to create a tenant, and the account has one of that name whose credential is not here");
        }
    }

    fn not_stored(&self, ids: &[String], why: impl Into<String>) -> CreationError {
        self.not_stored_as(self.alias(ids).as_ref(), ids, why)
    }

    fn not_stored_as(
        &self,
        alias: Option<&TenantName>,
        ids: &[String],
        why: impl Into<String>,
    ) -> CreationError {
        CreationError::not_stored(ids, alias, self.account.template.as_ref(), why)
    }

    fn unknown(
        &self,
        cause: Failure,
        found: Result<Option<Vec<String>>, Failure>,
        name: Option<&str>,
    ) -> Failure {
        let found = match (found, name) {
            (Ok(Some(ids)), _) if !ids.is_empty() => {
                return self.not_stored(&ids, cause.to_string()).into();
            }
            (Ok(Some(_)), Some(name)) => {
                format!(
                    "the account's tenants were listed, and none that is not known here is named {name:?}{AGAIN}"
                )
            }
            (Ok(_), _) => {
                "the request names no tenant by which it could be found in the list of them".to_owned()
            }
            (Err(_), _) => format!("the account's tenants could not be listed either{AGAIN}"),
        };
        CreationError::Unknown { told: cause.describe().into(), cause: cause.to_string(), found }.into()
    }

    /// Stores the credential, and proves it meanwhile: what does not work yet may in a moment, and is not to be lost.
    async fn credential(&self, created: Created) -> Result<Kept, Lost> {
        let Created { id, endpoint, client_id, secret } = created;
        self.steps.tell(CreationStep::Created { tenant_id: id.clone(), endpoint: endpoint.to_string() });
        let lost = |alias: Option<&TenantName>, why: String| Lost {
            ids: vec![id.clone()],
            alias: alias.cloned(),
            why,
        };
        let mut tries = Tries::new();
        let made;
        let reservation = match &self.reservation {
            Some(reservation) => reservation,
            None => {
                let alias = self.account.alias.alias(&id);
                let alias =
                    alias.map_err(|error| lost(None, format!("no alias can be made of its ID: {error}")))?;
                made = tries.reserve(&self.vault, &self.taken, &alias).await.map_err(|error| {
                    let is_free = !matches!(error, VaultError::AliasTaken { .. });
                    lost(is_free.then_some(&alias), error.to_string())
                })?;
                &made
            }
        };
        let resource = format!("{endpoint}/api").into();
        let alias = reservation.alias().clone();
        let mut record = vault::Record::new(
            alias.clone(),
            endpoint,
            resource,
            client_id.into(),
            secret,
            self.created_by.clone(),
            self.now,
        );
        (record.tenant_id, record.template) = (Some(id.clone()), self.account.template.clone());
        let tenant = record.tenant(&self.config);
        let storing = async {
            let stored = tries.store(&self.vault, reservation, self.note.as_ref(), record).await;
            fault_point("create.stored");
            self.steps.tell_if(stored.is_ok(), || CreationStep::Stored { alias: alias.clone() });
            stored
        };
        let proving = async {
            let proved = prove(&self.tokens, &self.config, &tenant).await;
            self.steps.tell_if(proved.is_ok(), || CreationStep::Proved);
            proved
        };
        let (stored, proved) = tokio::join!(storing, proving);
        stored.map_err(|error| lost(Some(&alias), error.to_string()))?;
        let unproved = proved.err().map(|error| {
            tracing::warn!(tenant = %alias, id, %error, remedy = error.remedy(), "a tenant was created and stored, and gives no token yet");
            "its credential is stored, and got no token yet".to_owned()
        });
        let caller = &self.created_by;
        tracing::info!(tenant = %alias, id, caller, "a tenant was created, and its credential stored");
        Ok(Kept { alias, unproved })
    }
}
