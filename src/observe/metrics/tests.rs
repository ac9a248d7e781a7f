use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use super::{state::MOST_PRESENT, *};
use crate::{
    ids::{IssuerName, TenantName},
    observe::TenantMetrics,
};

#[test]
fn every_metric_of_the_contract_can_be_read() {
    let metrics = Metrics::new();
    let tenant = &TenantName::parse("acme").unwrap();
    let issuer = &IssuerName::parse("kubernetes").unwrap();
    metrics.requests.of([&"c", tenant, &"ListUsers", &"2xx", &"upstream"]).inc();
    metrics.duration.of([tenant, &"ListUsers"]).observe(0.1);
    metrics.upstream_duration.of([tenant, &"ListUsers"]).observe(0.1);
    metrics.retries.of([&"connect"]).inc();
    metrics.rate_limited.of([&"caller"]).inc();
    metrics.policy_denied.of([&"caller_unknown"]).inc();
    metrics.authentication_failed.of([&"jwt", &"expired"]).inc();
    metrics.token_requests.of([tenant, &"ok"]).inc();
    metrics.token_duration.of([tenant]).observe(0.003);
    metrics.token_cache.of([&"hit"]).inc();
    metrics.token_expiry.set_time([tenant], UNIX_EPOCH);
    metrics.token_failures.set([tenant], 2);
    metrics.token_shared.of([tenant]).inc();
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
        "claviger_retries_total{reason=\"connect\"} 1",
        "claviger_rate_limited_total{policy=\"caller\"} 1",
        "claviger_policy_denied_total{reason=\"caller_unknown\"} 1",
        "claviger_authentication_failed_total{method=\"jwt\",reason=\"expired\"} 1",
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

/// The families of a scrape of a process that has answered nothing, but knows two tenants: name, help and kind.
fn families() -> (String, Vec<(String, String, String)>) {
    let metrics = Arc::new(Metrics::new());
    for name in ["acme", "umbrella"] {
        TenantMetrics::new(metrics.clone(), TenantName::parse(name).unwrap(), 1);
    }
    let text = metrics.render_with(|| {});
    let helps = text.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split_once(' '));
    let kind = |name: &str| {
        let prefix = format!("# TYPE {name} ");
        text.lines().find_map(|line| line.strip_prefix(prefix.as_str())).unwrap().to_owned()
    };
    let families = helps.map(|(name, help)| (name.to_owned(), help.to_owned(), kind(name))).collect();
    (text, families)
}

#[test]
fn each_help_is_one_sentence_that_says_the_unit() {
    let (_, families) = families();
    // Those without a metric yet have no line; their help is written by the same rule.
    assert!(families.len() > 20, "{families:?}");
    for (name, help, kind) in families {
        assert!(help.ends_with('.') && !help.trim_end_matches('.').contains(". "), "{name}: {help}");
        assert!(help.starts_with(char::is_uppercase), "{name}: {help}");
        if name.contains("_seconds") {
            assert!(help.ends_with("in seconds."), "{name}: {help}");
        } else if name.ends_with("_bytes") {
            assert!(help.ends_with("in bytes."), "{name}: {help}");
        } else if name != "claviger_build_info" && !name.ends_with("_successful") {
            assert!(help.starts_with("Number of "), "{name}: {help}");
        }
        let counts = name.ends_with("_total");
        assert_eq!(counts, kind == "counter", "{name} is a {kind}");
        assert_eq!(
            name.ends_with("_timestamp_seconds"),
            help.starts_with("Unix time at which") && name != "process_start_time_seconds",
            "{name}: {help}"
        );
    }
}

#[test]
fn what_has_labels_of_closed_sets_is_there_from_the_start() {
    let (text, _) = families();
    for line in [
        "claviger_retries_total{reason=\"connect_timeout\"} 0",
        "claviger_rate_limited_total{policy=\"caller\"} 0",
        "claviger_policy_denied_total{reason=\"not_permitted\"} 0",
        "claviger_authentication_failed_total{method=\"certificate\",reason=\"revoked\"} 0",
        "claviger_token_requests_total{outcome=\"invalid_client\",tenant=\"umbrella\"} 0",
        "claviger_token_request_duration_seconds_count{tenant=\"acme\"} 0",
        "claviger_token_secret_fallback_total{tenant=\"acme\"} 0",
        "claviger_quota_used_total{tenant=\"acme\"} 0",
        "claviger_echo_guard_total{tenant=\"acme\"} 0",
        "claviger_token_cache_total{result=\"wait\"} 0",
        "claviger_tls_handshakes_failed_total{reason=\"revoked\"} 0",
        "claviger_panics_total 0",
        "claviger_audit_lost_total 0",
    ] {
        assert!(text.contains(&format!("{line}\n")), "{line} is not in\n{text}");
    }
    for name in [
        "cpu_seconds_total",
        "resident_memory_bytes",
        "virtual_memory_bytes",
        "open_fds",
        "max_fds",
        "threads",
    ] {
        let prefix = format!("process_{name} ");
        let value = text.lines().find_map(|line| line.strip_prefix(prefix.as_str())).expect(name);
        assert!(value.parse::<f64>().unwrap() >= 0.0, "{name} {value}");
    }
}

#[test]
#[should_panic(expected = "is not in the set")]
fn a_reason_outside_of_its_set_is_found_by_the_first_test_that_counts_it() {
    Metrics::new().retries.of([&"boredom"]);
}

#[test]
fn many_tenants_make_no_large_scrape() {
    let metrics = Arc::new(Metrics::new());
    for number in 0..MOST_PRESENT + 50 {
        TenantMetrics::new(metrics.clone(), TenantName::parse(&format!("t{number}")).unwrap(), 1);
    }
    let text = metrics.render_with(|| {});
    let first = text.lines().filter(|line| line.starts_with("claviger_quota_used_total{")).count();
    assert_eq!(first, MOST_PRESENT);
}
