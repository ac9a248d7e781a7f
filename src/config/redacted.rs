//! The configuration as it is in effect, for the admin page. What is secret is left out altogether: no value,
//! no length, no digest. Values of `parameters` are left out too, since nobody knows what they are.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{
    Address, Caller, ClientAuth, Config, Identity, LogFormat, LogRequests, Policy, Rate, Roots, RuleText,
    Tenant, TenantScope,
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
        authz: _,
        log,
        audit: _,
        reload,
        shutdown,
        issuers: _,
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
        "reload": { "interval": duration(reload.interval) },
        "shutdown": { "delay": duration(shutdown.delay), "drain": duration(shutdown.drain) },
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
            "roots": match &tenant.tls.roots {
                Roots::System => "system".into(),
                Roots::Bundled => "bundled".into(),
                Roots::File { path, pem: _ } => json!({ "file": path.display().to_string() }),
            },
            "http2": tenant.tls.http2,
        },
    })
}

fn policy(policy: &Policy) -> Value {
    let texts = |rules: &[RuleText]| rules.iter().map(|rule| rule.text.clone()).collect::<Vec<_>>();
    json!({ "allow": texts(&policy.allow), "deny": texts(&policy.deny) })
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
            TenantScope::All => vec!["*".to_owned()],
            TenantScope::Only(names) => names.iter().map(ToString::to_string).collect(),
        },
        "policies": caller.policies.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "rate": caller.rate.as_ref().map_or_else(|| "off".into(), rate),
    })
}
