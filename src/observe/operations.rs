//! Metric handles of one caller at one tenant, resolved on first use and kept: an array slot per operation,
//! so that the request path finds its counters without a label lookup and nothing is made that is not used.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock, PoisonError, RwLock},
};

use prometheus::{Histogram, IntCounter};

use super::{Metrics, Source};
use crate::{
    config::Config,
    ids::{CallerIndex, CallerName, TenantIndex, TenantName},
    policy::grants::{Action, ISSUE, Permit},
};

/// The handles of a caller at a tenant.
#[derive(Debug)]
pub struct Cells {
    metrics: Arc<Metrics>,
    caller: Box<str>,
    tenant: Box<str>,
    slots: OnceLock<Box<[OnceLock<Arc<OperationCells>>]>>,
    count: usize,
}

/// The handles of one operation.
#[derive(Debug)]
pub struct OperationCells {
    metrics: Arc<Metrics>,
    caller: Box<str>,
    tenant: Box<str>,
    operation: &'static str,
    answers: [[OnceLock<IntCounter>; CODES.len()]; 2],
    duration: Histogram,
    upstream: OnceLock<Histogram>,
}

const CODES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

impl Cells {
    /// Room for `count` operations.
    pub fn new(metrics: Arc<Metrics>, caller: &str, tenant: &str, count: usize) -> Self {
        Self { metrics, caller: caller.into(), tenant: tenant.into(), slots: OnceLock::new(), count }
    }

    /// The handles of the operation at `index`, named `operation`. An index out of range shares the last slot.
    pub fn operation(&self, index: usize, operation: &'static str) -> Arc<OperationCells> {
        let slots = self.slots.get_or_init(|| (0..self.count.max(1)).map(|_| OnceLock::new()).collect());
        slots[index.min(slots.len() - 1)]
            .get_or_init(|| {
                Arc::new(OperationCells::new(self.metrics.clone(), &self.caller, &self.tenant, operation))
            })
            .clone()
    }
}

impl OperationCells {
    /// Handles for these labels.
    pub fn new(metrics: Arc<Metrics>, caller: &str, tenant: &str, operation: &'static str) -> Self {
        let duration = metrics.duration(tenant, operation);
        let (answers, upstream) = Default::default();
        Self { metrics, caller: caller.into(), tenant: tenant.into(), operation, answers, duration, upstream }
    }

    /// Counts an answer.
    pub fn answered(&self, status: http::StatusCode, source: Source, seconds: f64) {
        let class = usize::from(status.as_u16() / 100).clamp(1, CODES.len()) - 1;
        self.answers[source as usize][class]
            .get_or_init(|| {
                self.metrics.requests(
                    &self.caller,
                    &self.tenant,
                    self.operation,
                    CODES[class],
                    source.as_str(),
                )
            })
            .inc();
        self.duration.observe(seconds);
    }

    /// Counts a try at the upstream.
    pub fn upstream_answered(&self, seconds: f64) {
        let make = || self.metrics.upstream_duration(&self.tenant, self.operation);
        self.upstream.get_or_init(make).observe(seconds);
    }

    /// Who asks.
    pub fn caller(&self) -> &str {
        &self.caller
    }

    /// At which tenant.
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// For which operation.
    pub fn operation(&self) -> &'static str {
        self.operation
    }
}

/// The tenants that one caller has asked.
type Known = RwLock<HashMap<TenantIndex, Arc<Cells>>>;

/// The handles of every caller at every tenant that it has asked, made on first use.
#[derive(Debug)]
pub struct CellTable {
    metrics: Arc<Metrics>,
    callers: Box<[CallerName]>,
    tenants: Box<[TenantName]>,
    slots: usize,
    known: Box<[Known]>,
    refused: Box<[OnceLock<Arc<OperationCells>>]>,
}

impl CellTable {
    /// An empty table.
    pub fn new(metrics: Arc<Metrics>, config: &Config, slots: usize) -> Self {
        Self {
            metrics,
            callers: config.callers.iter().map(|caller| caller.name.clone()).collect(),
            tenants: config.tenants.iter().map(|tenant| tenant.name.clone()).collect(),
            slots,
            known: config.callers.iter().map(|_| RwLock::default()).collect(),
            refused: config.callers.iter().map(|_| OnceLock::new()).collect(),
        }
    }

    /// The handles for what a caller was refused, by tenant and operation as far as they are known. A tenant that it
    /// may not name is no label.
    pub fn refused(
        &self,
        caller: CallerIndex,
        tenant: Option<TenantIndex>,
        operation: Option<(usize, &'static str)>,
    ) -> Arc<OperationCells> {
        if let Some(tenant) = tenant {
            // Behind those of the operations there is one for none.
            let (slot, name) = operation.unwrap_or((self.slots, ""));
            return self.at(caller, tenant, slot, name);
        }
        let make = || OperationCells::new(self.metrics.clone(), self.callers[caller.0].as_str(), "", "");
        self.refused[caller.0].get_or_init(|| Arc::new(make())).clone()
    }

    /// The handles for what is permitted.
    pub fn of(&self, permit: &Permit) -> Arc<OperationCells> {
        let (slot, name) = match permit.action() {
            Action::Forward(operation) => (operation.slot, operation.name),
            Action::Issue(_) => (self.slots - 2, ISSUE),
        };
        self.at(permit.caller().index(), permit.tenant(), slot, name)
    }

    fn at(
        &self,
        caller: CallerIndex,
        tenant: TenantIndex,
        slot: usize,
        name: &'static str,
    ) -> Arc<OperationCells> {
        let known = &self.known[caller.0];
        if let Some(cells) = known.read().unwrap_or_else(PoisonError::into_inner).get(&tenant) {
            return cells.operation(slot, name);
        }
        let make = || {
            Cells::new(
                self.metrics.clone(),
                self.callers[caller.0].as_str(),
                self.tenants[tenant.0].as_str(),
                self.slots + 1,
            )
        };
        let mut known = known.write().unwrap_or_else(PoisonError::into_inner);
        known.entry(tenant).or_insert_with(|| Arc::new(make())).operation(slot, name)
    }
}
