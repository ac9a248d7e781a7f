//! The closed sets of labels: what is counted under one of these is there from the start, with 0, so that the first event
//! is an increase that an alert sees. In debug builds, and so in all tests, to count anything else panics.

/// Of `retries_total`.
pub(super) const RETRIES: &[[&str; 1]] = &[
    ["401"],
    ["429"],
    ["500"],
    ["502"],
    ["503"],
    ["504"],
    ["refused"],
    ["connect"],
    ["connect_timeout"],
    ["closed"],
    ["reset"],
    ["timeout"],
];

/// Of `vault_operations_total`.
pub(super) const VAULT: &[[&str; 2]] = &[
    ["create", "done"],
    ["create", "refused"],
    ["create", "unavailable"],
    ["get", "done"],
    ["get", "refused"],
    ["get", "unavailable"],
    ["replace", "done"],
    ["replace", "refused"],
    ["replace", "unavailable"],
    ["remove", "done"],
    ["remove", "refused"],
    ["remove", "unavailable"],
    ["list", "done"],
    ["list", "refused"],
    ["list", "unavailable"],
];

/// Of `cache_requests_total`.
pub(super) const CACHE: &[[&str; 1]] = &[["hit"], ["miss"], ["revalidated"], ["collapsed"]];

/// Of `explanations_total`.
pub(super) const EXPLANATIONS: &[[&str; 1]] = &[["allowed"], ["denied"], ["unauthenticated"], ["unclear"]];

/// Of `rotations_total`.
pub(super) const ROTATIONS: &[[&str; 1]] = &[["switched"], ["retired"], ["failed"]];

/// Of `idempotency_keys_total`.
pub(super) const IDEMPOTENCY: &[[&str; 1]] = &[
    ["first"],
    ["replayed"],
    ["in_progress"],
    ["reused"],
    ["unknown"],
    ["not_kept"],
    ["malformed"],
    ["full"],
    ["unavailable"],
];

/// Of `rate_limited_total`.
pub(super) const LIMITS: &[[&str; 1]] = &[
    ["caller"],
    ["quota"],
    ["circuit"],
    ["in_flight"],
    ["identification"],
    ["unauthenticated"],
    ["memory"],
    ["connections"],
];

/// Of `policy_denied_total`: error codes without their prefix.
pub(super) const DENIALS: &[[&str; 1]] = &[
    ["bad_request"],
    ["caller_unknown"],
    ["host_not_allowed"],
    ["method_not_allowed"],
    ["not_found"],
    ["not_permitted"],
    ["operation_unknown"],
    ["origin_not_allowed"],
    ["path_ambiguous"],
    ["tenant_unknown"],
];

/// Of `authentication_failed_total`, as in `docs/callers.md`.
pub(super) const AUTHENTICATION: &[[&str; 2]] = &[
    ["none", "none_sent"],
    ["none", "scheme"],
    ["none", "several"],
    ["api_key", "unknown"],
    ["api_key", "scheme"],
    ["claviger_token", "sealed"],
    ["claviger_token", "expired"],
    ["claviger_token", "no_caller"],
    ["claviger_token", "key_gone"],
    ["jwt", "issuer_unknown"],
    ["jwt", "audience"],
    ["jwt", "expired"],
    ["jwt", "not_yet_valid"],
    ["jwt", "key_unknown"],
    ["jwt", "signature"],
    ["jwt", "algorithm"],
    ["jwt", "header"],
    ["jwt", "times"],
    ["jwt", "subject"],
    ["jwt", "malformed"],
    ["jwt", "cut"],
    ["jwt", "no_caller"],
    ["jwt", "two_callers"],
    ["jwt", "client_id"],
    ["jwt", "issuer_unavailable"],
    ["certificate", "expired"],
    ["certificate", "not_yet_valid"],
    ["certificate", "revoked"],
    ["certificate", "revocation_list"],
    ["certificate", "untrusted"],
    ["certificate", "no_caller"],
    ["certificate", "two_callers"],
];

/// Of `token_requests_total`, for each tenant.
pub(super) const TOKEN_REQUESTS: &[&str] = &[
    "ok",
    "unreachable",
    "timeout",
    "status",
    "rate_limited",
    "token_cap",
    "invalid",
    "invalid_client",
    "invalid_scope",
    "invalid_target",
    "rejected",
    "scope_missing",
];

/// Of `token_cache_total`.
pub(super) const LOOK_UPS: &[[&str; 1]] = &[["hit"], ["wait"]];

/// Of `tls_handshakes_failed_total`.
pub(super) const HANDSHAKES: &[[&str; 1]] = &[
    ["certificate_expired"],
    ["unknown_authority"],
    ["revoked"],
    ["revocation_list"],
    ["certificate_refused"],
    ["nothing_shared"],
    ["not_tls"],
    ["too_slow"],
    ["refused_by_peer"],
    ["closed"],
    ["silent"],
    ["other"],
];

/// Of `admin_refused_total`.
pub(super) const ADMIN: &[[&str; 1]] = &[["token_wrong"], ["token_missing"]];

/// Of `unreadable_requests_total`.
pub(super) const UNREADABLE: &[[&str; 1]] =
    &[["head_too_large"], ["head_too_slow"], ["malformed"], ["tls"], ["http2"]];
