//! What is simulated, as a file says it: the quota, who asks, how urgently and how often, and how many sign in.

use std::{fmt, time::Duration};

use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Map, Value};
use toml::de::{DeTable, DeValue};

use crate::config::{Class, Quota};

/// The most requests that a run may come to.
const MOST: f64 = 5_000_000.0;

/// A load against a quota.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// How long, in virtual time.
    pub duration: Duration,
    /// What the tenant allows, and how much of it is spent.
    pub quota: Quota,
    /// `timeouts.quota`
    pub patience: Duration,
    /// `limits.quota_queue`
    pub queue: usize,
    /// How long the tenant takes to answer.
    pub latency: Duration,
    /// Whether the loads go straight to the tenant, with nothing in between.
    pub direct: bool,
    /// Sign-ins per second, which draw on the tenant's bucket without asking anybody here.
    pub sign_in: f64,
    /// Who asks, in order of name.
    pub loads: Vec<Load>,
}

/// A caller.
#[derive(Debug, Clone)]
pub struct Load {
    /// Its name.
    pub name: String,
    /// How urgent.
    pub class: Class,
    /// Its share in its class.
    pub weight: u32,
    /// How often it asks.
    pub asks: Asks,
    /// When it begins,
    pub from: Duration,
    /// and ends.
    pub until: Duration,
}

/// How often somebody asks.
#[derive(Debug, Clone, Copy)]
pub enum Asks {
    /// So often a second, whatever becomes of it.
    Rate(f64),
    /// On so many connections, on each again as soon as it is answered.
    Connections(u32),
}

/// Why a text is no scenario.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct InvalidScenario(String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default = "minute", deserialize_with = "duration")]
    duration: Duration,
    #[serde(default)]
    quota: WrittenQuota,
    #[serde(default = "patience", deserialize_with = "duration")]
    patience: Duration,
    #[serde(default = "queue")]
    queue: usize,
    #[serde(default = "latency", deserialize_with = "duration")]
    latency: Duration,
    #[serde(default)]
    direct: bool,
    #[serde(default)]
    sign_in: f64,
    load: std::collections::BTreeMap<String, WrittenLoad>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct WrittenQuota {
    requests: Option<u32>,
    per: Option<String>,
    share: Option<f64>,
    burst: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenLoad {
    #[serde(default)]
    priority: Option<String>,
    #[serde(default)]
    weight: Option<u32>,
    rate: Option<f64>,
    connections: Option<u32>,
    from: Option<String>,
    until: Option<String>,
}

fn minute() -> Duration {
    Duration::from_mins(1)
}

fn patience() -> Duration {
    Duration::from_secs(30)
}

fn queue() -> usize {
    1024
}

fn latency() -> Duration {
    Duration::from_millis(50)
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    parse_duration(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

fn parse_duration(text: &str) -> Result<Duration, InvalidScenario> {
    humantime::parse_duration(text)
        .map_err(|_| invalid(format_args!("{text:?} is no duration: write \"10s\"")))
}

fn invalid(what: impl fmt::Display) -> InvalidScenario {
    InvalidScenario(what.to_string())
}

impl Scenario {
    /// Reads a file in TOML.
    ///
    /// # Errors
    /// [`InvalidScenario`].
    pub fn parse(text: &str) -> Result<Self, InvalidScenario> {
        let table = DeTable::parse(text).map_err(|error| invalid(error.to_string().trim_end()))?;
        let value = Value::Object(object(table.get_ref())?);
        let written: Written = serde_json::from_value(value).map_err(invalid)?;
        let quota = written.quota.checked()?;
        let duration = written.duration;
        if duration.is_zero() || duration > Duration::from_hours(24) {
            return Err(invalid("duration: write one of up to \"24h\""));
        }
        if !(0.0..=100_000.0).contains(&written.sign_in) {
            return Err(invalid("sign_in: write sign-ins per second, 100000 at most"));
        }
        let loads = written.load.into_iter().map(|(name, load)| load.checked(name, duration));
        let loads = loads.collect::<Result<Vec<_>, _>>()?;
        let scenario = Self {
            duration,
            quota,
            patience: written.patience,
            queue: written.queue,
            latency: written.latency.max(Duration::from_millis(1)),
            direct: written.direct,
            sign_in: written.sign_in,
            loads,
        };
        if scenario.requests() > MOST {
            return Err(invalid(
                "this comes to more than 5 million requests: write a shorter duration, or lower rates",
            ));
        }
        Ok(scenario)
    }

    /// About how many requests it comes to.
    fn requests(&self) -> f64 {
        let of_load = |load: &Load| match load.asks {
            Asks::Rate(rate) => rate * load.until.saturating_sub(load.from).as_secs_f64(),
            Asks::Connections(connections) => {
                f64::from(connections) + self.quota.per_second() * self.duration.as_secs_f64()
            }
        };
        self.loads.iter().map(of_load).sum::<f64>() + self.sign_in * self.duration.as_secs_f64()
    }
}

impl WrittenQuota {
    fn checked(self) -> Result<Quota, InvalidScenario> {
        let cloud = Quota::of_cloud();
        let per = self.per.map_or(Ok(cloud.per), |text| parse_duration(&text))?;
        // As of a tenant: a quota that is written is spent whole, unless a share is written too.
        let share = if self.requests.is_some() { 1.0 } else { cloud.share };
        let (requests, share) = (self.requests.unwrap_or(cloud.requests), self.share.unwrap_or(share));
        if requests == 0
            || per < Duration::from_millis(1)
            || !(0.01..=1.0).contains(&share)
            || self.burst == Some(0)
        {
            return Err(invalid(
                "quota: write { requests = 200, per = \"10s\", share = 0.7 }, with a share from 0.01 to 1",
            ));
        }
        let quota = Quota::new(requests, per, share);
        Ok(Quota { burst: self.burst.unwrap_or(quota.burst), ..quota })
    }
}

impl WrittenLoad {
    fn checked(self, name: String, duration: Duration) -> Result<Load, InvalidScenario> {
        let class = match self.priority.as_deref() {
            None => Class::Normal,
            Some(text) => Class::ALL.into_iter().find(|class| class.name() == text).ok_or_else(|| {
                invalid(format_args!("load.{name}.priority: write \"interactive\", \"normal\" or \"batch\""))
            })?,
        };
        let asks = match (self.rate, self.connections) {
            (Some(rate), None) if rate > 0.0 && rate <= 100_000.0 => Asks::Rate(rate),
            (None, Some(connections)) if (1..=10_000).contains(&connections) => {
                Asks::Connections(connections)
            }
            (Some(_), Some(_)) => {
                return Err(invalid(format_args!("load.{name} has both rate and connections: take one out")));
            }
            _ => {
                return Err(invalid(format_args!(
                    "load.{name}: write rate, in requests per second, or connections, that each ask again when they are answered"
                )));
            }
        };
        let at = |text: Option<String>, usual| text.map_or(Ok(usual), |text| parse_duration(&text));
        let (from, until) = (at(self.from, Duration::ZERO)?, at(self.until, duration)?.min(duration));
        if from >= until {
            return Err(invalid(format_args!(
                "load.{name}: until, or the end of the scenario, is not after from"
            )));
        }
        let weight = self.weight.unwrap_or(1).clamp(1, 100);
        Ok(Load { name, class, weight, asks, from, until })
    }
}

fn object(table: &DeTable<'_>) -> Result<Map<String, Value>, InvalidScenario> {
    table.iter().map(|(key, value)| Ok((key.get_ref().to_string(), json(value.get_ref())?))).collect()
}

fn json(value: &DeValue<'_>) -> Result<Value, InvalidScenario> {
    let number = |text: &str| text.replace('_', "").parse::<serde_json::Number>().map(Value::Number);
    match value {
        DeValue::String(text) => Ok(Value::String(text.to_string())),
        DeValue::Integer(integer) => number(integer.as_str()).map_err(|_| invalid("a number cannot be read")),
        DeValue::Float(float) => number(float.as_str()).map_err(|_| invalid("a number cannot be read")),
        DeValue::Table(table) => object(table).map(Value::Object),
        DeValue::Boolean(boolean) => Ok(Value::Bool(*boolean)),
        DeValue::Array(_) | DeValue::Datetime(_) => {
            Err(invalid("there are no lists and no dates in a scenario"))
        }
    }
}
