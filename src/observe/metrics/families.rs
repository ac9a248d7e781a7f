//! Families of metrics. To declare one is to register it: name, help and labels stand in one place, and the number of labels
//! is part of the type, so that a wrong one does not compile. A label's value is of this program or the name of something
//! configured, never what a caller sent. A name that is wrong or taken panics, and every process would at its start.

use std::{
    sync::{Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use prometheus::{
    Gauge, GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
    core::{Collector, MetricVec, MetricVecBuilder},
};

use crate::ids::{CallerName, IssuerName, TenantName};

/// Seconds. The first holds refusals and what an upstream on the same machine answers at once; the last is above
/// `timeouts.deadline` (75 s) and the one before it Logto's statement timeout (60 s, fact 8.4), so that neither ends up among those
/// without a bound.
const BUCKETS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 61.0, 80.0];

pub(super) const VALID: &str = "the names and labels in metrics.rs are valid";

/// What may be the value of a label.
pub(crate) trait Label {
    /// As it is written.
    fn text(&self) -> &str;
}

/// A family of metrics with `N` labels; where their values are a closed set, with that set.
#[derive(Debug)]
pub(crate) struct Family<V, const N: usize> {
    metrics: V,
    closed: Option<&'static [[&'static str; N]]>,
}

pub(crate) type Counters<const N: usize> = Family<IntCounterVec, N>;
pub(crate) type Histograms<const N: usize> = Family<HistogramVec, N>;
/// Gauges that are set for each scrape, after what was set for the last one is forgotten: nothing is left of what is gone.
pub(crate) type Gauges<const N: usize> = Family<GaugeVec, N>;

/// Makes families, and shows them.
#[derive(Debug, Default)]
pub(super) struct Families {
    registry: Registry,
    set_for_scrape: Vec<GaugeVec>,
    /// Held while gauges are set and shown.
    scrape: Mutex<()>,
}

impl<T: MetricVecBuilder, const N: usize> Family<MetricVec<T>, N> {
    /// The metric with these labels.
    pub(crate) fn of(&self, labels: [&dyn Label; N]) -> T::M {
        let labels = labels.map(Label::text);
        debug_assert!(
            self.closed.is_none_or(|closed| closed.contains(&labels)),
            "{labels:?} is not in the set"
        );
        self.metrics.with_label_values(&labels)
    }
}

impl<const N: usize> Gauges<N> {
    pub(crate) fn set(&self, labels: [&dyn Label; N], value: impl Into<f64>) {
        self.of(labels).set(value.into());
    }

    pub(crate) fn set_time(&self, labels: [&dyn Label; N], at: SystemTime) {
        self.set(labels, unix_seconds(at));
    }
}

impl Families {
    pub(super) fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.register(IntCounter::with_opts(opts(name, help)).expect(VALID))
    }

    pub(super) fn counters<const N: usize>(&self, name: &str, help: &str, labels: [&str; N]) -> Counters<N> {
        Family {
            metrics: self.register(IntCounterVec::new(opts(name, help), &labels).expect(VALID)),
            closed: None,
        }
    }

    /// With labels that have these values and no others: all of them are there from the start.
    pub(super) fn closed_counters<const N: usize>(
        &self,
        name: &str,
        help: &str,
        labels: [&str; N],
        closed: &'static [[&'static str; N]],
    ) -> Counters<N> {
        let family = Family { closed: Some(closed), ..self.counters(name, help, labels) };
        for values in closed {
            family.metrics.with_label_values(values);
        }
        family
    }

    pub(super) fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.register(IntGauge::with_opts(opts(name, help)).expect(VALID))
    }

    /// Absent until it is set.
    pub(super) fn gauge_if_set(&self, name: &str, help: &str) -> IntGaugeVec {
        self.register(IntGaugeVec::new(opts(name, help), &[]).expect(VALID))
    }

    /// A moment, in seconds since 1970.
    pub(super) fn time(&self, name: &str, help: &str) -> Gauge {
        self.register(Gauge::with_opts(opts(name, help)).expect(VALID))
    }

    pub(super) fn gauges<const N: usize>(&mut self, name: &str, help: &str, labels: [&str; N]) -> Gauges<N> {
        let gauges = self.register(GaugeVec::new(opts(name, help), &labels).expect(VALID));
        self.set_for_scrape.push(gauges.clone());
        Family { metrics: gauges, closed: None }
    }

    /// In seconds.
    pub(super) fn histograms<const N: usize>(
        &self,
        name: &str,
        help: &str,
        labels: [&str; N],
    ) -> Histograms<N> {
        let opts = HistogramOpts { common_opts: opts(name, help), buckets: BUCKETS.to_vec() };
        Family { metrics: self.register(HistogramVec::new(opts, &labels).expect(VALID)), closed: None }
    }

    /// Always 1: what there is to know is in the label.
    pub(super) fn fact(&self, name: &str, help: &str, label: &str, value: &str) {
        let fact =
            self.register(IntGauge::with_opts(opts(name, help).const_label(label, value)).expect(VALID));
        fact.set(1);
    }

    pub(super) fn register<M: Collector + Clone + 'static>(&self, metric: M) -> M {
        self.registry.register(Box::new(metric.clone())).expect("the names in metrics.rs are distinct");
        metric
    }

    /// The Prometheus text format, version 0.0.4. `set` sets the gauges; two scrapes at a time take turns.
    pub(super) fn render_with(&self, set: impl FnOnce()) -> String {
        let _turn = self.scrape.lock().unwrap_or_else(PoisonError::into_inner);
        self.set_for_scrape.iter().for_each(GaugeVec::reset);
        set();
        self.render()
    }

    pub(super) fn render(&self) -> String {
        // The encoder fails only on a family without metrics, which `gather` leaves out.
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap_or_default()
    }
}

pub(super) fn opts(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace("claviger")
}

pub(super) fn unix_seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

impl Label for &'static str {
    fn text(&self) -> &str {
        self
    }
}

impl Label for CallerName {
    fn text(&self) -> &str {
        self.as_str()
    }
}

impl Label for IssuerName {
    fn text(&self) -> &str {
        self.as_str()
    }
}

impl Label for TenantName {
    fn text(&self) -> &str {
        self.as_str()
    }
}
