use super::*;

#[test]
fn every_metric_of_the_contract_can_be_read() {
    let metrics = Metrics::new();
    let tenant = TenantName::parse("acme").unwrap();
    metrics.requests("c", "acme", "ListUsers", "2xx", "upstream").inc();
    metrics.duration("acme", "ListUsers").observe(0.1);
    metrics.upstream_duration("acme", "ListUsers").observe(0.1);
    metrics.retried("refused");
    metrics.rate_limited("caller");
    metrics.policy_denied("caller_unknown");
    metrics.identification_failed("jwt", "expired");
    metrics.token_request(&tenant, "ok", Duration::from_millis(3));
    metrics.token_cache("hit").inc();
    metrics.token_expires(&tenant, UNIX_EPOCH);
    metrics.token_failures(&tenant, 2);
    metrics.token_secret_fallback(&tenant);
    metrics.issuer_keys(&IssuerName::parse("kubernetes").unwrap(), 2, 1);
    metrics.handshake_failed("revoked");
    metrics.certificate_expires(UNIX_EPOCH + Duration::from_secs(7));
    metrics.crl_next_update(UNIX_EPOCH + Duration::from_secs(6));
    metrics.quota_used(&tenant).inc();
    metrics.quota_remaining(&tenant, 3);
    metrics.echo_stopped("acme");
    metrics.reloaded(Some(UNIX_EPOCH + Duration::from_secs(5)));
    let text = metrics.render();
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
