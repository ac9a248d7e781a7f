//! From what the files say to a [`Config`] that is right, with every problem collected on the way. Here are
//! the tools and the order; the rules about each section are in the modules below. It reads the files that
//! hold secrets and certificates, and opens nothing else.

use std::{
    collections::BTreeSet, ffi::OsStr, num::NonZeroUsize, ops::RangeInclusive, path::Path, time::Duration,
};

use super::{
    Config, Rate, RuleCheck,
    env::Environment,
    layer::Provenance,
    leaf::{Either, Leaf, List, Off, Size, Slot},
    load::{Inputs, References, is_told},
    path::KeyPath,
    problem::{Mistake, Problem},
    raw::{Raw, RawRate},
    short::Remarks,
    tree::Secrets,
};
use crate::{
    ids::Label,
    secret::{Secret, SecretError, SecretSource},
};

mod audit;
mod callers;
mod cross;
mod files;
mod identities;
mod issuers;
mod look_alikes;
mod policies;
mod reach;
mod scope;
mod settings;
mod tenants;
mod tls;

/// The names that are defined, be their tables right or wrong.
pub(super) struct Found {
    pub(super) issuers: Vec<String>,
    pub(super) tenants: Vec<String>,
    pub(super) policies: Vec<String>,
    /// Of tenants, as far as they were looked at.
    pub(super) labels: BTreeSet<Label>,
}

/// The state of one check.
pub(super) struct Checker<'a> {
    pub(super) provenance: &'a Provenance,
    pub(super) secrets: &'a Secrets,
    pub(super) env: &'a Environment,
    pub(super) rule_check: RuleCheck<'a>,
    pub(super) references: References,
    pub(super) names: Found,
    pub(super) remarks: Remarks,
    pub(super) inputs: Inputs,
}

impl Checker<'_> {
    /// The configuration; what is wrong with it is in `remarks`, and then it is not to be used.
    pub(super) fn config(&mut self, raw: Raw) -> Option<Config> {
        let defaults = Config::default();
        let top = KeyPath::default();
        let workers = self.count(&top, "workers", raw.workers, 1..=256);
        let mut config = Config {
            listen: self.listen(raw.listen.unwrap_or_default(), defaults.listen),
            workers: workers.and_then(NonZeroUsize::new).unwrap_or(defaults.workers),
            timeouts: self.timeouts(raw.timeouts.unwrap_or_default(), defaults.timeouts),
            limits: self.limits(raw.limits.unwrap_or_default(), defaults.limits),
            retry: self.retry(raw.retry.unwrap_or_default(), defaults.retry),
            token: self.token(raw.token.unwrap_or_default(), defaults.token),
            broker: self.broker(raw.broker.unwrap_or_default(), defaults.broker),
            authz: self.authz(raw.authz.unwrap_or_default(), defaults.authz),
            log: self.log(raw.log.unwrap_or_default(), defaults.log),
            audit: self.audit(raw.audit.unwrap_or_default(), defaults.audit),
            reload: self.reload(raw.reload.unwrap_or_default(), defaults.reload),
            shutdown: self.shutdown(raw.shutdown.unwrap_or_default(), defaults.shutdown),
            issuers: self.issuers(raw.issuers.unwrap_or_default()),
            tenants: self.tenants(raw.tenants.unwrap_or_default()),
            policies: self.policies(raw.policies.unwrap_or_default()),
            callers: Vec::new(),
        };
        config.callers = self.callers(raw.callers.unwrap_or_default());
        self.across(&config);
        self.remarks.problems.is_empty().then_some(config)
    }

    fn problem(&mut self, key: &KeyPath, what: impl Into<String>, remedy: impl Into<String>) {
        let problem = self.entry(key, what.into(), remedy.into());
        self.remarks.problems.push(problem);
    }

    fn warn(&mut self, key: &KeyPath, what: impl Into<String>, remedy: impl Into<String>) {
        let problem = self.entry(key, what.into(), remedy.into());
        self.remarks.warnings.push(problem);
    }

    /// A problem with something that is not there, unless it was there and refused.
    fn missing(&mut self, key: &KeyPath, what: impl Into<String>, remedy: impl Into<String>) {
        if !self.was_told(key) {
            self.problem(key, what, remedy);
        }
    }

    /// Whether something was said already about `key` or a part of it.
    fn was_told(&self, key: &KeyPath) -> bool {
        is_told(&self.remarks.told, key) || self.remarks.told.iter().any(|said| said.is_within(key))
    }

    fn entry(&self, key: &KeyPath, what: String, remedy: String) -> Problem {
        Problem { key: key.to_string(), origin: self.provenance.of(key), what, remedy }
    }

    fn mistake(&mut self, key: &KeyPath, mistake: Mistake) {
        self.problem(key, mistake.what, mistake.remedy);
        self.remarks.told.push(key.clone());
    }

    /// The value of a leaf that is given and right.
    fn leaf<T>(&mut self, section: &KeyPath, key: &str, leaf: Option<Leaf<T>>) -> Option<T> {
        match leaf?.0 {
            Ok(value) => Some(value),
            Err(mistake) => {
                self.mistake(&section.key(key), mistake);
                None
            }
        }
    }

    /// The values of a list that are right, each with its path.
    fn list<T>(&mut self, section: &KeyPath, key: &str, list: Option<List<T>>) -> Option<Vec<(KeyPath, T)>> {
        let (list, path) = (list?, section.key(key));
        let mut values = Vec::with_capacity(list.items.len());
        for (index, leaf) in list.items.into_iter().enumerate() {
            let at = if list.alone { path.clone() } else { path.index(index) };
            match leaf.0 {
                Ok(value) => values.push((at, value)),
                Err(mistake) => self.mistake(&at, mistake),
            }
        }
        Some(values)
    }

    fn duration(
        &mut self,
        section: &KeyPath,
        key: &str,
        leaf: Option<Leaf<Duration>>,
        allowed: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        let value = self.leaf(section, key, leaf)?;
        let text = |duration| humantime::format_duration(duration).to_string();
        if allowed.contains(&value) {
            return Some(value);
        }
        let (least, most) = (text(*allowed.start()), text(*allowed.end()));
        let what = format!("{} is out of range", text(value));
        self.problem(&section.key(key), what, format!("Write a duration from \"{least}\" to \"{most}\"."));
        None
    }

    fn size(
        &mut self,
        section: &KeyPath,
        key: &str,
        leaf: Option<Leaf<Size>>,
        allowed: RangeInclusive<u64>,
    ) -> Option<u64> {
        let Size(value) = self.leaf(section, key, leaf)?;
        if allowed.contains(&value) {
            return Some(value);
        }
        let remedy = format!("Write a size from {} to {} bytes.", allowed.start(), allowed.end());
        self.problem(&section.key(key), format!("{value} bytes is out of range"), remedy);
        None
    }

    /// A whole number in the range of its type and of its meaning.
    fn count<N: TryFrom<u64>>(
        &mut self,
        section: &KeyPath,
        key: &str,
        leaf: Option<Leaf<u64>>,
        allowed: RangeInclusive<u64>,
    ) -> Option<N> {
        let value = self.leaf(section, key, leaf)?;
        let number = N::try_from(value).ok().filter(|_| allowed.contains(&value));
        if number.is_none() {
            let remedy = format!("Write a whole number from {} to {}.", allowed.start(), allowed.end());
            self.problem(&section.key(key), format!("{value} is out of range"), remedy);
        }
        number
    }

    fn fraction(
        &mut self,
        section: &KeyPath,
        key: &str,
        leaf: Option<Leaf<f64>>,
        allowed: RangeInclusive<f64>,
    ) -> Option<f64> {
        let value = self.leaf(section, key, leaf)?;
        if allowed.contains(&value) {
            return Some(value);
        }
        let remedy = format!("Write a fraction from {} to {}.", allowed.start(), allowed.end());
        self.problem(&section.key(key), format!("{value} is out of range"), remedy);
        None
    }

    /// A rate that is given: `Some(None)` for "off".
    fn rate(
        &mut self,
        section: &KeyPath,
        key: &str,
        rate: Option<Either<Off, RawRate>>,
    ) -> Option<Option<Rate>> {
        let path = section.key(key);
        let raw = match rate? {
            Either::Text(leaf) => return self.leaf(section, key, Some(leaf)).map(|Off| None),
            Either::Table(raw) => raw,
        };
        const FORM: &str = "Write { requests = 50, per = \"1s\" }.";
        if raw.requests.is_none() {
            self.missing(&path.key("requests"), "the number of requests is missing", FORM);
        }
        if raw.per.is_none() {
            self.missing(&path.key("per"), "the period is missing", FORM);
        }
        let requests = self.count(&path, "requests", raw.requests, 1..=1_000_000);
        let per = self.duration(&path, "per", raw.per, MILLISECOND..=DAY);
        let burst = self.count(&path, "burst", raw.burst, 1..=1_000_000);
        let requests = requests?;
        Some(Some(Rate { requests, per: per?, burst: burst.unwrap_or(requests) }))
    }

    /// The secret in `slot`, which stands at `key`.
    fn secret(&mut self, key: &KeyPath, Slot(slot): &Slot) -> Option<Secret> {
        let source = self.secrets.at(*slot)?.clone();
        let (read, name) = match &source {
            SecretSource::Literal(_) => {
                let remedy =
                    "Put it into a file that only this process can read, and write { file = \"…\" }.";
                self.warn(key, "a secret is written in the configuration itself", remedy);
                (source.read(), None)
            }
            SecretSource::File(path) => {
                let read = source.read();
                self.inputs.file(path, read.as_ref().ok().map(Secret::expose));
                if read.is_ok() {
                    self.openness(key, path);
                }
                (read, None)
            }
            SecretSource::Env(name) => {
                let value = self.env.get(OsStr::new(name));
                self.inputs.value(name, value.map(|value| value.as_encoded_bytes()));
                let read = match value {
                    None => Err(SecretError::Unset { name: name.clone() }),
                    Some(value) => {
                        SecretSource::Literal(Secret::new(value.clone().into_encoded_bytes())).read()
                    }
                };
                (read, Some(name))
            }
        };
        let error = match read {
            Ok(secret) => return Some(secret),
            Err(error) => error,
        };
        if self.may_be_absent(&error) {
            return None;
        }
        let (what, remedy) = match (&error, name) {
            (SecretError::Empty { .. }, Some(name)) => {
                (format!("the environment variable {name} is empty"), "Set it to the secret.".into())
            }
            (SecretError::Empty { .. }, None) => match &source {
                SecretSource::Literal(_) => (
                    "the secret is empty".into(),
                    "Write { file = \"/run/secrets/…\" } or { env = \"NAME\" }.".into(),
                ),
                _ => (
                    error.to_string(),
                    "Write the secret into it, without anything else; if it is being written just now, wait."
                        .into(),
                ),
            },
            (SecretError::Unreadable { path, source }, _) => {
                let directory = std::io::Error::from(std::io::ErrorKind::IsADirectory);
                let source = if path.is_dir() { &directory } else { source };
                let what = format!("cannot read the file {}: {}", path.display(), reason(source));
                (what, unreadable_remedy(source).into())
            }
            (SecretError::TooLarge { .. }, _) => {
                (error.to_string(), "Name the file that holds the secret alone.".into())
            }
            (SecretError::Unset { name }, _) => {
                (error.to_string(), format!("Set {name}, or write {{ file = \"…\" }}."))
            }
        };
        self.problem(key, what, remedy);
        None
    }

    fn may_be_absent(&self, error: &SecretError) -> bool {
        let is_absent = match error {
            SecretError::Unset { .. } => true,
            SecretError::Unreadable { source, .. } => source.kind() == std::io::ErrorKind::NotFound,
            _ => false,
        };
        is_absent && self.references == References::MayBeAbsent
    }

    /// Warns of a secret that other users of the machine can read.
    fn openness(&mut self, key: &KeyPath, path: &Path) {
        use std::os::unix::fs::PermissionsExt;
        let Ok(about) = std::fs::metadata(path) else { return };
        let mode = about.permissions().mode();
        if mode & 0o007 == 0 || is_mounted(path) {
            return;
        }
        let what =
            format!("every user of this machine may read {} (mode {:04o})", path.display(), mode & 0o7777);
        self.warn(key, what, format!("Run: chmod o= {}", path.display()));
    }
}

/// Whether the file comes from a mounted volume, where the mode says little: Kubernetes links it through
/// `..data`, Docker puts it under /run/secrets with mode 0444, each visible in the container alone.
fn is_mounted(path: &Path) -> bool {
    let through_data = |path: &Path| {
        path.components().any(|part| {
            let part = part.as_os_str();
            part != ".." && part.as_encoded_bytes().starts_with(b"..")
        })
    };
    path.starts_with("/run/secrets")
        || through_data(path)
        || path.read_link().is_ok_and(|target| through_data(&target))
        || path.canonicalize().is_ok_and(|target| through_data(&target))
}

fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".into(),
        std::io::ErrorKind::PermissionDenied => "this process may not read it".into(),
        std::io::ErrorKind::IsADirectory => "it is a directory".into(),
        _ => error.to_string(),
    }
}

fn unreadable_remedy(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::NotFound => "Look at the path, and at what is mounted there.",
        std::io::ErrorKind::PermissionDenied => {
            "Give the user of this process read permission on the file and on the directories above it."
        }
        std::io::ErrorKind::IsADirectory => "Name the file in it that holds the value.",
        _ => "Look at the path, and at what is mounted there.",
    }
}

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Whether every byte may stand in client credentials (RFC 6749 appendix A: VSCHAR), and so in a header.
fn is_visible(bytes: &[u8]) -> bool {
    bytes.iter().all(|b| (0x20..=0x7e).contains(b))
}
