//! What is simulated, as a file says it: the quota, who asks, how urgently and how often, and how many sign in.

mod written;

use std::time::Duration;

pub use self::written::InvalidScenario;
use self::written::Section;
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

const QUOTA: &str = "quota = { requests = 200, per = \"10s\", share = 0.7 }";
const LOAD: &str = "[load.NAME], and below it rate, in requests per second, or connections, that each ask again when they are answered";
const CLASSES: &str = "\"interactive\", \"normal\" or \"batch\"";
/// The most requests of one second.
const MOST_A_SECOND: f64 = 100_000.0;

impl Scenario {
    /// Reads a file in TOML.
    ///
    /// # Errors
    /// [`InvalidScenario`].
    pub fn parse(text: &str) -> Result<Self, InvalidScenario> {
        let table = written::table(text)?;
        let file = Section::top(text, table.get_ref())
            .knows(&["duration", "quota", "patience", "queue", "latency", "direct", "sign_in", "load"])?;
        let duration = file.duration("duration", Duration::from_mins(1))?;
        if duration.is_zero() || duration > Duration::from_hours(24) {
            return Err(file.wrong("duration", "write one above \"0s\", of at most \"24h\""));
        }
        let loads = file
            .section("load", LOAD)?
            .ok_or_else(|| InvalidScenario::whole(&format!("there is no load. Write {LOAD}")))?;
        let loads = loads.sections(LOAD)?.into_iter().map(|(name, load)| Load::read(name, load, duration));
        let queue = file.count("queue", (0, 1_000_000), "how many may wait")?;
        let scenario = Self {
            duration,
            quota: file
                .section("quota", QUOTA)?
                .map_or_else(|| Ok(Quota::of_cloud()), |quota| read_quota(quota))?,
            patience: file.duration("patience", Duration::from_secs(30))?,
            queue: queue.map_or(1024, |queue| queue as usize),
            latency: file.duration("latency", Duration::from_millis(50))?.max(Duration::from_millis(1)),
            direct: file.flag("direct")?,
            sign_in: file.number("sign_in", (0.0, MOST_A_SECOND), "sign-ins per second")?.unwrap_or_default(),
            loads: loads.collect::<Result<_, _>>()?,
        };
        if scenario.loads.is_empty() {
            return Err(file.wrong("load", &format!("there is none. Write {LOAD}")));
        }
        if scenario.requests() > MOST {
            return Err(InvalidScenario::whole(
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

fn read_quota(quota: Section<'_>) -> Result<Quota, InvalidScenario> {
    let quota = quota.knows(&["requests", "per", "share", "burst"])?;
    let cloud = Quota::of_cloud();
    let per = quota.duration("per", cloud.per)?;
    if per < Duration::from_millis(1) {
        return Err(quota.wrong("per", "write a period of at least \"1ms\", such as \"10s\""));
    }
    let requests = quota.count("requests", (1, 1_000_000), "how many the tenant allows in each period")?;
    // As of a tenant: a quota that is written is spent whole, unless a share is written too.
    let share = if requests.is_some() { 1.0 } else { cloud.share };
    let share = quota.number("share", (0.01, 1.0), "the part of it that is spent here")?.unwrap_or(share);
    let made = Quota::new(requests.unwrap_or(cloud.requests), per, share);
    let burst = quota.count("burst", (1, 1_000_000), "the most at once")?;
    Ok(Quota { burst: burst.unwrap_or(made.burst), ..made })
}

impl Load {
    fn read(name: String, load: Section<'_>, duration: Duration) -> Result<Self, InvalidScenario> {
        let load = load.knows(&["priority", "weight", "rate", "connections", "from", "until"])?;
        let class = match load.text("priority", CLASSES)? {
            None => Class::Normal,
            Some(text) => Class::ALL
                .into_iter()
                .find(|class| class.name() == text)
                .ok_or_else(|| load.wrong("priority", &format!("write {CLASSES}")))?,
        };
        let rate = load.number("rate", (0.0, MOST_A_SECOND), "requests per second")?;
        let connections = load.count("connections", (1, 10_000), "how many connections ask")?;
        let asks = match (rate, connections) {
            (Some(rate), None) if rate > 0.0 => Asks::Rate(rate),
            (None, Some(connections)) => Asks::Connections(connections),
            (Some(_), Some(_)) => {
                return Err(load.wrong("connections", "there is a rate as well: take one of the two out"));
            }
            _ => {
                let what = "write rate, in requests per second and above 0, or connections, that each ask again when they are answered";
                return Err(load.is_wrong(what));
            }
        };
        let from = load.duration("from", Duration::ZERO)?;
        let until = load.duration("until", duration)?.min(duration);
        if from >= until {
            return Err(load.is_wrong(
                "it ends before it begins: write an until after from, or a longer duration of the scenario",
            ));
        }
        let weight = load.count("weight", (1, 100), "its share in its class")?.unwrap_or(1);
        Ok(Self { name, class, weight, asks, from, until })
    }
}
