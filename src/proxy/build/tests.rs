//! What a tenant of the vault takes of memory, from its record to its place in the directory with a refresh task at work.

use std::{sync::Arc, time::SystemTime};

use allocation_counter::measure;

use super::Shared;
use crate::{
    clock::{Clock, Random},
    config::{Config, Endpoint},
    ids::TenantName,
    limit::Limited as _,
    observe::Metrics,
    secret::Secret,
    token::{GrantEvents, Tokens},
    upstream::Tenant,
    vault::{Record, VaultTenants},
};

const MANY: usize = 2000;
/// Of so many there are series of metrics from the start: what they take is no matter of how many there are.
const PRESENT: usize = 100;
/// Bytes of a tenant; its token comes to it, about a thousand.
const MOST: i64 = 4 * 1024;

/// Whom nobody tells anything.
struct Nobody;

impl GrantEvents for Nobody {
    fn grant_finished(&self, _: &TenantName, _: &'static str, _: std::time::Duration) {}
    fn secret_fallback(&self, _: &TenantName) {}
}

fn record(number: usize) -> Record {
    let name = format!("customer-{number:06}");
    let endpoint = Endpoint::parse(&format!("https://{name}.logto.app")).unwrap();
    let resource = format!("{endpoint}/api").into();
    let secret = Secret::new(b"a-secret-of-thirty-two-characters".to_vec());
    let client = "m2m-application-00001".into();
    Record::new(
        TenantName::parse(&name).unwrap(),
        endpoint,
        resource,
        client,
        secret,
        "x",
        SystemTime::UNIX_EPOCH,
    )
}

#[tokio::test]
async fn a_tenant_takes_less_than_four_kib_of_memory_beside_its_token() {
    let (clock, metrics) = (Clock::system(), Arc::new(Metrics::new()));
    let tokens =
        Tokens::new(clock.clone(), Random::system(), Arc::new(Nobody), tokio::runtime::Handle::current());
    let shared = Shared::new(metrics, clock, tokens);
    let config = Config::default();
    // Once, so that what is allocated once is allocated.
    let some = VaultTenants::new((MANY..MANY + PRESENT).map(record), &config).beside(&config);
    let kept = shared.pipeline(Arc::new(some), None, None).unwrap();
    let each = |bytes: i64| bytes / i64::try_from(MANY).unwrap();
    let (mut vault, mut beside, mut pipeline) = (None, None, None);
    let of_records = measure(|| vault = Some(VaultTenants::new((0..MANY).map(record), &config)));
    let of_configuration = measure(|| beside = vault.as_ref().map(|vault| Arc::new(vault.beside(&config))));
    let of_handles =
        measure(|| pipeline = Some(shared.pipeline(beside.clone().unwrap(), None, Some(&kept)).unwrap()));
    let of_tasks = measure(|| pipeline.as_ref().unwrap().warm());
    let [records, configuration, handles, tasks] =
        [of_records, of_configuration, of_handles, of_tasks].map(|it| each(it.bytes_current));
    let all = records + configuration + handles + tasks;
    let parts =
        format!("records {records}, configuration {configuration}, handles {handles}, refresh tasks {tasks}");
    assert!(all < MOST, "{all} bytes: {parts}");
    // What is made when it is first needed is not made because somebody looks.
    let of_looks = measure(|| pipeline.as_ref().unwrap().tenants().all().iter().for_each(|it| look(it)));
    assert_eq!(of_looks.bytes_current, 0);
}

/// What metrics and `/status` read of a tenant.
fn look(tenant: &Tenant) {
    let health = tenant.health();
    assert_eq!((health.consecutive(), health.look(), health.last().is_none()), (0, 0, true));
    health.answered(tokio::time::Instant::now());
    let (quota, in_flight) = (tenant.quota().status().unwrap(), tenant.in_flight().used());
    assert_eq!((quota.waiting, in_flight), ([0; 3], 0));
    assert!((quota.pace - 1.0).abs() < f64::EPSILON);
    tenant.metrics().look(|_, _| unreachable!("nobody has asked it"));
    assert!(!tenant.token_status().scopes.is_empty());
}
