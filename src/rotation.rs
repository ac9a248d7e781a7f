//! A tenant's client secret is replaced by a new one, by nobody's hand: made at Logto, proved by a grant, stored, used, and the
//! one before it deleted after an overlap. What is to be done next is read from the record in the vault, which says how far
//! it has come; each step is stored before the next begins, so whoever finds a rotation half done goes on with it. Never:
//! a secret deleted that is not known to be replaced, or two secrets made where one was asked for.

mod configured;
mod due;
mod learn;
mod lease;
mod leases;
mod questions;
mod steps;
mod turn;
mod watch;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use tokio::{sync::Notify, time::Instant};

use self::{leases::Leases, questions::Questions};
use crate::{
    config::{self, Config, Rotate},
    ids::TenantName,
    observe::audit::TenantRecord,
    proxy::{Pipeline, Shared, Unproved},
    upstream::{ApplicationSecrets, SecretsError},
    vault::{Record, Step, Stored, Unavailable, Vault, VaultError},
};

/// How often the vault is looked through at the least; also how soon what failed is tried again.
const ROUND: Duration = Duration::from_mins(10);

/// Rotates secrets.
pub struct Rotator {
    shared: Arc<Shared>,
    pipeline: Arc<ArcSwap<Pipeline>>,
    /// Tenants whose rotation goes on just now.
    turns: Mutex<HashSet<TenantName>>,
    /// Tenants of whose secrets Logto was asked what it knows.
    questions: Questions,
    /// Tenants whose rotation has failed here, and when.
    failed: Mutex<HashMap<TenantName, Instant>>,
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
    /// One is under way.
    #[error(
        "a rotation of tenant {0} is under way: the secret before is still in its overlap, or somebody, here or at another replica, asked just now"
    )]
    Underway(TenantName),
}

impl RotationError {
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
        let rotated = self.audited(stored, true).await;
        if rotated.is_ok() {
            // What failed before is mended: the end of the overlap is not to wait for another try.
            self.failed.lock().unwrap_or_else(PoisonError::into_inner).remove(alias);
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
        match self.audited(stored, false).await {
            Ok(stored) => self.left(&stored.record).unwrap_or(ROUND),
            // Whether the process that was first goes on is looked at in time.
            Err(RotationError::Underway(_)) => self.lease(),
            Err(error) => {
                self.failed
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(alias.clone(), Instant::now());
                if !matches!(error, RotationError::Configured(_)) {
                    tracing::error!(tenant = %alias, %error, remedy = error.remedy(), "the secret was not rotated");
                }
                ROUND
            }
        }
    }

    async fn audited(&self, stored: Stored, asked: bool) -> Result<Stored, RotationError> {
        let alias = stored.record.alias.clone();
        // In a box: its steps call Logto, and whoever rotates holds it.
        let done = Box::pin(self.with_lease(stored)).await;
        if matches!(done, Err(RotationError::Underway(_))) {
            // Whoever does it says so.
            return done;
        }
        let outcome = match &done {
            Ok(stored) if stored.record.rotation.step.is_none() => "retired",
            Ok(_) => "switched",
            Err(_) => "failed",
        };
        self.shared.metrics.rotations.of([&outcome]).inc();
        if let Some(audit) = &self.shared.audit {
            let error = done.as_ref().err().map(ToString::to_string);
            let now = self.shared.clock.now().wall;
            let by = if asked { "operator" } else { "schedule" };
            audit.tenant(TenantRecord::new(now, alias, "rotate", by, outcome, error));
        }
        done
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
            None => self.take_over(alias).await,
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
