//! A tenant's client secret is replaced by a new one, by nobody's hand: made at Logto, proved by a grant, stored, used, and the
//! one before it deleted after an overlap. What is to be done next is read from the record in the vault, which says how far
//! it has come; each step is stored before the next begins, so whoever finds a rotation half done goes on with it. Never:
//! a secret deleted that is not known to be replaced, or two secrets made where one was asked for.

mod configured;
mod due;
mod failures;
mod learn;
mod lease;
mod leases;
mod questions;
mod steps;
mod turn;
mod watch;

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use tokio::sync::Notify;

pub use self::failures::RotationFailure;
use self::{failures::Failures, leases::Leases, questions::Questions};
use crate::{
    config::{self, Config, Rotate},
    ids::{OPERATOR, TenantName},
    observe::audit::TenantRecord,
    proxy::{Pipeline, Shared, Unproved},
    upstream::{ApplicationSecrets, SecretsError},
    vault::{Record, Step, Stored, Unavailable, Vault, VaultError},
};

/// How often the vault is looked through at the least; also how soon what failed is tried again.
const ROUND: Duration = Duration::from_mins(10);

/// Whom the audit log names where nobody asked.
const SCHEDULE: &str = "schedule";
const NOT_RETIRED: &str =
    "the client secret was rotated, but the old one could not be deleted at Logto yet: it still works there";

/// Rotates secrets.
pub struct Rotator {
    shared: Arc<Shared>,
    pipeline: Arc<ArcSwap<Pipeline>>,
    /// Tenants whose rotation goes on just now.
    turns: Mutex<HashSet<TenantName>>,
    /// Tenants of whose secrets Logto was asked what it knows.
    questions: Questions,
    /// Tenants whose rotation has failed here.
    failed: Failures,
    /// Of the secrets in use, as they were at the last look.
    dates: Mutex<BTreeMap<TenantName, SecretDates>>,
    /// Which of several processes goes on.
    leases: Leases,
    /// Something was begun, whose end is due sooner than the next look.
    begun: Notify,
}

/// How old a tenant's secret is.
#[derive(Debug, Clone)]
pub struct SecretDates {
    /// Whose.
    pub tenant: TenantName,
    /// Since when Claviger has it.
    pub since: SystemTime,
    /// When Logto ceases to take it.
    pub expires_at: Option<SystemTime>,
    /// When the one before it is to be deleted at Logto.
    pub retires_at: Option<SystemTime>,
}

/// Why a rotation did not go on. It is gone on with later, from where it is.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// The vault does not do it.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// Logto does not do it.
    #[error(transparent)]
    Logto(#[from] SecretsError),
    /// Whoever gives the configured one does not.
    #[error("the client secret of the configuration cannot be read: {0}")]
    Unreadable(String),
    /// The new secret does not work. It was deleted again where Logto refuses it.
    #[error("the new secret could not be verified: {0}")]
    Unproved(#[from] Unproved),
    /// The tenant in force is another one.
    #[error("the tenant {0} in force is that of the configuration")]
    Configured(TenantName),
    /// Another tenant has the secrets as well.
    #[error(
        "the tenants {alias} and {other} are one application at Logto: a rotation of one takes the other's secret away"
    )]
    Shared {
        /// Whose secret was to be replaced.
        alias: TenantName,
        /// Whose it is as well.
        other: TenantName,
    },
    /// It went on to its last step, and not further.
    #[error("the client secret was rotated, but the old one could not be deleted at Logto yet: {0}")]
    NotRetired(Box<Self>),
    /// One is under way.
    #[error(
        "a rotation of tenant {0} is under way: the secret before is still in its overlap, or somebody, here or at another replica, asked just now"
    )]
    Underway(TenantName),
}

impl RotationError {
    /// What is behind it.
    fn cause(&self) -> &Self {
        match self {
            Self::NotRetired(error) => error.cause(),
            error => error,
        }
    }

    /// What to do about it: a sentence.
    pub fn remedy(&self) -> &str {
        match self {
            Self::Vault(error) => error.remedy(),
            Self::Unproved(error) => error.remedy(),
            Self::Logto(SecretsError::Token(error)) => error.remedy(),
            Self::Logto(_) => "It is tried again by itself within ten minutes, from where it stopped.",
            Self::Unreadable(_) => "Look at where the tenant's client_secret comes from.",
            Self::Configured(_) => "Change its secret where the configuration takes it from.",
            Self::Shared { .. } => {
                "Give each an application of its own at Logto, or remove one of the two: claviger tenant remove."
            }
            Self::NotRetired(error) => error.remedy(),
            Self::Underway(_) => "Wait until it has ended; `claviger tenant show` says when.",
        }
    }
}

impl Rotator {
    /// Of the tenants in this pipeline.
    pub fn new(shared: Arc<Shared>, pipeline: Arc<ArcSwap<Pipeline>>) -> Self {
        let (turns, questions, failed, dates, begun) = Default::default();
        Self { shared, pipeline, turns, questions, failed, dates, leases: Leases::new(), begun }
    }

    /// Of the secrets in use, as they were at the last look at the vault: after each change, and ten minutes ago at most.
    pub fn dates(&self) -> Vec<SecretDates> {
        self.dates.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Why the rotation of this tenant's secret has failed here, until it is tried again.
    pub fn failure(&self, alias: &TenantName) -> Option<RotationFailure> {
        self.failed.of(alias)
    }

    /// Begins a rotation, and goes as far as it can go now: to the overlap.
    ///
    /// # Errors
    /// [`RotationError`]; what was begun is gone on with later.
    pub async fn rotate(&self, alias: &TenantName) -> Result<Stored, RotationError> {
        let _turn = self.turn_soon(alias).await?;
        let stored = self.stored(alias).await?;
        if matches!(stored.record.rotation.step, Some(Step::Retire { .. })) {
            return Err(RotationError::Underway(alias.clone()));
        }
        if self.elsewhere(&stored).is_some() {
            return Err(RotationError::Underway(alias.clone()));
        }
        let rotated = self.told(stored, OPERATOR).await;
        if rotated.is_ok() {
            // What failed before is mended: the end of the overlap is not to wait for another try.
            self.failed.forget(alias);
        }
        self.begun.notify_one();
        rotated
    }

    /// How long until something is to be done for this tenant; `None`: never by itself.
    fn left(&self, record: &Record) -> Option<Duration> {
        let at = due::at(record, plan(record, &self.pipeline.load().config()))?;
        Some(at.duration_since(self.shared.clock.now().wall).unwrap_or_default())
    }

    /// Does what is due; how long until the next thing is, such as the end of the overlap that has begun.
    async fn go_on(&self, stored: Stored) -> Duration {
        let alias = stored.record.alias.clone();
        // Whoever has the turn does it.
        let Ok(_turn) = self.turn(&alias) else { return ROUND };
        match self.told(stored, SCHEDULE).await {
            Ok(stored) => self.left(&stored.record).unwrap_or(ROUND),
            // Whether the process that was first goes on is looked at in time.
            Err(RotationError::Underway(_)) => self.lease(),
            Err(error) => {
                // That the tenant in force is another one is known.
                let is_known = matches!(error.cause(), RotationError::Configured(_));
                let failure = (!is_known).then(|| self.told_of(&alias, &error));
                self.failed.add(alias, ROUND, failure);
                ROUND
            }
        }
    }

    fn told_of(&self, alias: &TenantName, error: &RotationError) -> RotationFailure {
        let at = self.now();
        let (what, remedy) = (error.to_string(), error.remedy().to_owned());
        let failure = RotationFailure { what, remedy, at, next_try: at.checked_add(ROUND).unwrap_or(at) };
        let next_try = humantime::format_rfc3339_seconds(failure.next_try);
        match error {
            RotationError::NotRetired(error) => {
                tracing::error!(tenant = %alias, %error, remedy = error.remedy(), %next_try, "{NOT_RETIRED}");
            }
            error => {
                tracing::error!(tenant = %alias, %error, remedy = error.remedy(), %next_try, "the secret was not rotated");
            }
        }
        failure
    }

    /// What fails is counted and recorded here, what succeeds where it is done.
    async fn told(&self, stored: Stored, by: &'static str) -> Result<Stored, RotationError> {
        let alias = stored.record.alias.clone();
        // In a box: its steps call Logto, and whoever rotates holds it.
        let done = Box::pin(self.with_lease(stored, by)).await;
        match &done {
            // Whoever does it says so.
            Ok(_) | Err(RotationError::Underway(_)) => {}
            Err(error) => self.record(&alias, by, "failed", None, Some(error.to_string())),
        }
        done
    }

    /// Counts what came of a step, and records it: of the secret that has this name at Logto.
    fn record(
        &self,
        alias: &TenantName,
        by: &'static str,
        outcome: &'static str,
        secret: Option<String>,
        error: Option<String>,
    ) {
        self.shared.metrics.rotations.of([&outcome]).inc();
        if let Some(audit) = &self.shared.audit {
            let record = TenantRecord::new(self.now(), alias.clone(), "rotate", by, outcome, error);
            audit.tenant(TenantRecord { secret, ..record });
        }
    }

    async fn store(&self, record: Record, known: crate::vault::Version) -> Result<Stored, RotationError> {
        let vault = self.vault()?;
        // Whatever versions say, as after a copy of the store was put back: the secrets of one application are never stored as another's.
        let there = vault.get(&record.alias).await?;
        if there.is_some_and(|there| !there.record.is_same_application(&record.endpoint, &record.client_id)) {
            return Err(VaultError::Changed(record.alias).into());
        }
        let version = vault.replace(record.clone(), known).await?;
        Ok(Stored { record, version })
    }

    async fn stored(&self, alias: &TenantName) -> Result<Stored, RotationError> {
        let stored = self.vault()?.get(alias).await?;
        // The note of a creation is nobody's credential.
        match stored.filter(|stored| stored.record.creating.is_none()) {
            Some(stored) => Ok(stored),
            None => self.take_over(alias, OPERATOR).await,
        }
    }

    fn vault(&self) -> Result<&Vault, VaultError> {
        self.shared.vault.as_ref().ok_or_else(|| Unavailable::not_configured().into())
    }

    /// The application's secrets, by the tenant in force.
    fn logto(&self, record: &Record) -> Result<ApplicationSecrets, RotationError> {
        let tenant = self.pipeline.load().tenants().get(record.alias.as_str());
        let ours = tenant.filter(|tenant| {
            let config = tenant.config();
            config.client_id == record.client_id && config.endpoint == record.endpoint
        });
        let ours = ours.ok_or_else(|| RotationError::Configured(record.alias.clone()))?;
        Ok(ours.application_secrets())
    }

    fn now(&self) -> SystemTime {
        self.shared.clock.now().wall
    }

    /// Refuses where another tenant in force lives by the same application: its secret would be deleted.
    fn has_own_application(&self, record: &Record) -> Result<(), RotationError> {
        let all = self.pipeline.load().tenants().all();
        match record.sharing(all.iter().map(|tenant| tenant.config())).into_iter().next() {
            None => Ok(()),
            Some(other) => Err(RotationError::Shared { alias: record.alias.clone(), other }),
        }
    }
}

/// How often the tenant's secret is to be replaced, where its template or its table says.
fn plan(record: &Record, config: &Config) -> Option<Rotate> {
    match record.configured {
        true => configured(record, config)?.rotate,
        false => record.template_in(config)?.rotate,
    }
}

/// The tenant of the configuration whose secret it is. `config.tenants` are in order of name.
fn configured<'c>(record: &Record, config: &'c Config) -> Option<&'c Arc<config::Tenant>> {
    let found = config.tenants.binary_search_by(|tenant| tenant.name.cmp(&record.alias)).ok()?;
    Some(&config.tenants[found]).filter(|_| record.configured)
}

impl fmt::Debug for Rotator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rotator")
    }
}

#[cfg(test)]
mod tests;
