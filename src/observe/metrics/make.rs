//! Makes one metric: the prefix of its name, and the buckets of every histogram. A wrong name or label is a mistake
//! in the table above, so it panics, and every process would at its start.

use prometheus::{
    Gauge, GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
};

/// Seconds; from a cached answer on the same machine to Logto's statement timeout.
const BUCKETS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 75.0];

const VALID: &str = "the names and labels in metrics.rs are valid";

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace("claviger")
}

pub(super) fn counters(name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    IntCounterVec::new(opts(name, help), labels).expect(VALID)
}

pub(super) fn counter(name: &str, help: &str) -> IntCounter {
    IntCounter::with_opts(opts(name, help)).expect(VALID)
}

pub(super) fn gauge(name: &str, help: &str) -> IntGauge {
    IntGauge::with_opts(opts(name, help)).expect(VALID)
}

pub(super) fn float_gauge(name: &str, help: &str) -> Gauge {
    Gauge::with_opts(opts(name, help)).expect(VALID)
}

pub(super) fn counter_gauge(name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    IntGaugeVec::new(opts(name, help), labels).expect(VALID)
}

pub(super) fn gauges(name: &str, help: &str, labels: &[&str]) -> GaugeVec {
    GaugeVec::new(opts(name, help), labels).expect(VALID)
}

pub(super) fn histograms(name: &str, help: &str, labels: &[&str]) -> HistogramVec {
    let opts = HistogramOpts { common_opts: opts(name, help), buckets: BUCKETS.to_vec() };
    HistogramVec::new(opts, labels).expect(VALID)
}
