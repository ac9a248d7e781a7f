//! The configuration as it is in effect, for the admin page. What is secret is left out altogether: no value,
//! no length, no digest. Values of `parameters` are left out too, since nobody knows what they are.

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value, json};

use super::{
    audit::{Audit, AuditOutput},
    caller::{Caller, Identity, Issue},
    effective::Config,
    issuer::{Issuer, Jwks},
    listen::Address,
    policy::{Conditions, Policy, QueryCondition, RuleText},
    rate::Rate,
    scope::{TenantMatch, TenantScope},
    sections::{LogFormat, LogRequests},
    tenant::{ClientAuth, Roots, Tenant},
    tls::ListenTls,
};

/// What stands where a secret is set.
const SET: &str = "(set)";

/// The effective configuration in the form of a configuration file, without secrets.
pub fn redacted(config: &Config) -> Value {
    let Config {
        listen,
        workers,
        timeouts,
        limits,
        retry,
        token,
        broker,
        authz,
        log,
        audit,
        reload,
        shutdown,
        issuers,
        tenants,
        policies,
        callers,
    } = config;
    json!({
        "listen": {
            "proxy": listen.proxy.iter().map(address).collect::<Vec<_>>(),
            "admin": listen.admin.as_ref().map_or_else(|| "off".into(), address),
            "unix_mode": format!("{:04o}", listen.unix_mode),
            "public_url": listen.public_url,
            "allowed_hosts": listen.allowed_hosts,
            "max_connections": listen.max_connections,
            "tls": listen.tls.as_ref().map(listen_tls),
        },
        "workers": workers.get(),
        "timeouts": {
            "head": duration(timeouts.head),
            "idle": duration(timeouts.idle),
            "body": duration(timeouts.body),
            "deadline": duration(timeouts.deadline),
            "connect": duration(timeouts.connect),
            "response": duration(timeouts.response),
            "token": duration(timeouts.token),
            "upstream_idle": duration(timeouts.upstream_idle),
        },
        "limits": {
            "head": limits.head,
            "body": limits.body,
            "form_body": limits.form_body,
            "multipart_body": limits.multipart_body,
            "replay": limits.replay,
            "queue": limits.queue,
            "failed_identifications": limits.failed_identifications,
        },
        "retry": {
            "attempts": retry.attempts,
            "backoff": duration(retry.backoff),
            "max_backoff": duration(retry.max_backoff),
            // As it was written: an f32 as JSON would show digits that nobody wrote.
            "budget": retry.budget.to_string().parse::<f64>().unwrap_or_default(),
        },
        "token": {
            "refresh_at": token.refresh_at,
            "min_interval": duration(token.min_interval),
            "backoff": duration(token.backoff),
            "max_backoff": duration(token.max_backoff),
        },
        "broker": {
            "ttl": duration(broker.ttl),
            "key": broker.key.as_ref().map(|_| SET),
        },
        "authz": { "enabled": authz },
        "log": {
            "format": match log.format {
                LogFormat::Json => "json",
                LogFormat::Human => "human",
            },
            "level": log.level,
            "requests": match log.requests {
                LogRequests::All => "all",
                LogRequests::Failures => "failures",
                LogRequests::Off => "off",
            },
        },
        "audit": self::audit(audit),
        "reload": { "interval": duration(reload.interval) },
        "shutdown": { "delay": duration(shutdown.delay), "drain": duration(shutdown.drain) },
        "issuers": named(issuers.iter().map(|issuer| (issuer.name.to_string(), self::issuer(issuer)))),
        "tenants": named(tenants.iter().map(|tenant| (tenant.name.to_string(), self::tenant(tenant)))),
        "policies": named(policies.iter().map(|policy| (policy.name.to_string(), self::policy(policy)))),
        "callers": named(callers.iter().map(|caller| (caller.name.to_string(), self::caller(caller)))),
    })
}

fn named(items: impl Iterator<Item = (String, Value)>) -> Map<String, Value> {
    items.collect()
}

fn address(address: &Address) -> String {
    match address {
        Address::Tcp(tcp) => tcp.to_string(),
        Address::Unix(path) => format!("unix:{}", path.display()),
    }
}

fn duration(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

fn rate(rate: &Rate) -> Value {
    json!({ "requests": rate.requests, "per": duration(rate.per), "burst": rate.burst })
}

fn tenant(tenant: &Tenant) -> Value {
    json!({
        "labels": tenant.labels.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "endpoint": tenant.endpoint.to_string(),
        "resource": tenant.resource,
        "client_id": tenant.client_id,
        "client_secret": tenant.client_secrets.iter().map(|_| SET).collect::<Vec<_>>(),
        "client_auth": match tenant.client_auth {
            ClientAuth::Basic => "client_secret_basic",
            ClientAuth::Post => "client_secret_post",
        },
        "scopes": tenant.scopes,
        "organization_id": tenant.organization_id,
        "parameters": named(tenant.parameters.iter().map(|(name, _)| (name.clone(), SET.into()))),
        "quota": tenant.quota.as_ref().map_or_else(|| "off".into(), rate),
        "max_in_flight": tenant.max_in_flight,
        "tls": {
            "roots": roots(&tenant.tls.roots),
            "http2": tenant.tls.http2,
        },
    })
}

fn tenant_match(one: &TenantMatch) -> Value {
    match one {
        TenantMatch::Name(name) => name.as_str().into(),
        TenantMatch::Pattern(pattern) => pattern.as_str().into(),
        TenantMatch::Label(label) => json!({ "label": label.as_str() }),
    }
}

fn roots(roots: &Roots) -> Value {
    match roots {
        Roots::System => "system".into(),
        Roots::Bundled => "bundled".into(),
        Roots::File { path, pem: _ } => json!({ "file": path.display().to_string() }),
    }
}

fn listen_tls(tls: &ListenTls) -> Value {
    let ListenTls { cert, key: _, client_ca, crl } = tls;
    json!({
        "cert": cert.path.display().to_string(),
        "key": SET,
        "client_ca": client_ca.as_ref().map(|file| file.path.display().to_string()),
        "crl": crl.as_ref().map(|file| file.path.display().to_string()),
    })
}

fn audit(audit: &Audit) -> Value {
    match &audit.output {
        AuditOutput::Off => json!({ "output": "off" }),
        AuditOutput::Stdout => json!({ "output": "stdout" }),
        AuditOutput::File { path, max_bytes, keep } => json!({
            "output": { "file": path.display().to_string() },
            "max_size": max_bytes,
            "keep": keep,
        }),
    }
}

fn issuer(issuer: &Issuer) -> Value {
    json!({
        "issuer": issuer.issuer,
        "jwks": match &issuer.jwks {
            Jwks::Discovery => Value::Null,
            Jwks::Url(url) => url.clone().into(),
            Jwks::File { path, json: _, origin: _ } => json!({ "file": path.display().to_string() }),
        },
        "audience": issuer.audience,
        "algorithms": issuer.algorithms.iter().map(|algorithm| algorithm.as_str()).collect::<Vec<_>>(),
        "leeway": duration(issuer.leeway),
        "tls": { "roots": roots(&issuer.ca) },
        "refresh": duration(issuer.refresh),
    })
}

fn policy(policy: &Policy) -> Value {
    let rules = |rules: &[Arc<RuleText>]| rules.iter().map(|text| rule(text)).collect::<Vec<_>>();
    json!({ "allow": rules(&policy.allow), "deny": rules(&policy.deny) })
}

fn rule(rule: &RuleText) -> Value {
    let Some(Conditions { query, body }) = &rule.conditions else { return rule.text.clone().into() };
    let mut shown = Map::from_iter([("operation".to_owned(), Value::from(rule.text.clone()))]);
    if !query.is_empty() {
        let conditions = query.iter().map(|(name, condition)| (name.clone(), query_condition(condition)));
        shown.insert("query".into(), named(conditions).into());
    }
    if let Some(body) = body {
        shown.insert("body".into(), body.clone().into());
    }
    shown.into()
}

/// As it was written: what is not asked is not shown.
fn query_condition(condition: &QueryCondition) -> Value {
    let QueryCondition { required, forbidden, max, min, one_of } = condition;
    let asked = [
        ("required", required.then_some(Value::Bool(true))),
        ("forbidden", forbidden.then_some(Value::Bool(true))),
        ("max", max.map(Value::from)),
        ("min", min.map(Value::from)),
        ("one_of", one_of.clone().map(Value::from)),
    ];
    let asked = asked.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    named(asked).into()
}

fn caller(caller: &Caller) -> Value {
    let identify = caller.identify.iter().map(|way| match way {
        Identity::Loopback => json!({ "loopback": true }),
        Identity::UnixUid(uid) => json!({ "unix_uid": uid }),
        Identity::UnixGid(gid) => json!({ "unix_gid": gid }),
        Identity::ServiceAccount { namespace, name, issuer } => json!({
            "service_account": format!("{namespace}/{}", name.as_deref().unwrap_or("*")),
            "issuer": issuer.as_str(),
        }),
        Identity::Jwt { issuer, claims } => json!({
            "jwt": {
                "issuer": issuer.as_str(),
                "claims": named(claims.iter().map(|(claim, values)| (claim.clone(), values.0.clone().into()))),
            },
        }),
        Identity::Spiffe(id) => json!({ "spiffe": id }),
        Identity::Dns(name) => json!({ "dns": name }),
        Identity::ApiKey(_) => json!({ "api_key": SET }),
    });
    json!({
        "identify": identify.collect::<Vec<_>>(),
        "tenants": match &caller.tenants {
            TenantScope::All => vec!["*".into()],
            TenantScope::Only(matches) => matches.iter().map(tenant_match).collect(),
        },
        "policies": caller.policies.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "reveal": caller.reveal.iter().map(|rule| rule.text.clone()).collect::<Vec<_>>(),
        "issue": match caller.issue {
            Issue::Claviger => "claviger",
            Issue::Upstream => "upstream",
        },
        "scopes": caller.scopes,
        "organization_id": caller.organization_id,
        "rate": caller.rate.as_ref().map_or_else(|| "off".into(), rate),
    })
}
