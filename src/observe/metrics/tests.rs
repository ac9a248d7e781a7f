use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::ids::{IssuerName, TenantName};

#[test]
fn every_metric_of_the_contract_can_be_read() {
    let metrics = Metrics::new();
    let tenant = &TenantName::parse("acme").unwrap();
    let issuer = &IssuerName::parse("kubernetes").unwrap();
    metrics.requests.of([&"c", tenant, &"ListUsers", &"2xx", &"upstream"]).inc();
    metrics.duration.of([tenant, &"ListUsers"]).observe(0.1);
    metrics.upstream_duration.of([tenant, &"ListUsers"]).observe(0.1);
    metrics.retries.of([&"refused"]).inc();
    metrics.rate_limited.of([&"caller"]).inc();
    metrics.policy_denied.of([&"caller_unknown"]).inc();
    metrics.identification_failed.of([&"jwt", &"expired"]).inc();
    metrics.token_requests.of([tenant, &"ok"]).inc();
    metrics.token_duration.of([tenant]).observe(0.003);
    metrics.token_cache.of([&"hit"]).inc();
    metrics.token_expiry.set_time([tenant], UNIX_EPOCH);
    metrics.token_failures.set([tenant], 2);
    metrics.token_secret_fallbacks.of([tenant]).inc();
    metrics.upstream_failures.set([tenant], 4);
    metrics.issuer_keys.set([issuer], 2);
    metrics.issuer_failures.set([issuer], 1);
    metrics.handshakes_failed.of([&"revoked"]).inc();
    metrics.certificate_expiry.set_time([], UNIX_EPOCH + Duration::from_secs(7));
    metrics.crl_next_update.set_time([], UNIX_EPOCH + Duration::from_secs(6));
    metrics.quota_used.of([tenant]).inc();
    metrics.quota_remaining.set([tenant], 3);
    metrics.echo_guard.of([tenant]).inc();
    metrics.reloaded(Some(UNIX_EPOCH + Duration::from_secs(5)));
    let text = metrics.families.render();
    for line in [
        "claviger_requests_total{caller=\"c\",code=\"2xx\",operation=\"ListUsers\",source=\"upstream\",tenant=\"acme\"} 1",
        "claviger_request_duration_seconds_count{operation=\"ListUsers\",tenant=\"acme\"} 1",
        "claviger_upstream_request_duration_seconds_count{operation=\"ListUsers\",tenant=\"acme\"} 1",
        "claviger_requests_in_flight 0",
        "claviger_retries_total{reason=\"refused\"} 1",
        "claviger_rate_limited_total{policy=\"caller\"} 1",
        "claviger_policy_denied_total{reason=\"caller_unknown\"} 1",
        "claviger_identification_failed_total{reason=\"expired\",way=\"jwt\"} 1",
        "claviger_token_requests_total{outcome=\"ok\",tenant=\"acme\"} 1",
        "claviger_token_request_duration_seconds_count{tenant=\"acme\"} 1",
        "claviger_token_cache_total{result=\"hit\"} 1",
        "claviger_token_expiry_timestamp_seconds{tenant=\"acme\"} 0",
        "claviger_token_refresh_failures_consecutive{tenant=\"acme\"} 2",
        "claviger_issuer_keys{issuer=\"kubernetes\"} 2",
        "claviger_issuer_key_fetch_failures_consecutive{issuer=\"kubernetes\"} 1",
        "claviger_tls_handshakes_failed_total{reason=\"revoked\"} 1",
        "claviger_tls_certificate_expiry_timestamp_seconds 7",
        "claviger_tls_crl_next_update_timestamp_seconds 6",
        "claviger_quota_remaining{tenant=\"acme\"} 3",
        "claviger_echo_guard_total{tenant=\"acme\"} 1",
        "claviger_config_last_reload_successful 1",
        "claviger_config_last_reload_success_timestamp_seconds 5",
        "claviger_build_info{version=",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
}

#[test]
fn a_scrape_forgets_what_the_last_one_was_told() {
    let metrics = Metrics::new();
    let (gone, there) = (TenantName::parse("gone").unwrap(), TenantName::parse("there").unwrap());
    let set = |tenants: &[&TenantName]| {
        metrics.render_with(|| tenants.iter().for_each(|name| metrics.quota_remaining.set([*name], 1)))
    };
    metrics.quota_used.of([&gone]).inc();
    assert!(set(&[&gone, &there]).contains("quota_remaining{tenant=\"gone\"} 1"));
    let text = set(&[&there]);
    assert!(!text.contains("quota_remaining{tenant=\"gone\"}"), "{text}");
    assert!(text.contains("quota_remaining{tenant=\"there\"} 1"), "{text}");
    assert!(text.contains("quota_used_total{tenant=\"gone\"} 1"), "what is counted stays: {text}");
}
