//! What the tenants hold at the start.
//!
//! Builds the built-in resource, scope and role, the clients, and the demonstration data, whose secrets all begin
//! with the canary prefix. It must never invent a secret without that prefix.

use std::io;

use serde_json::json;

use crate::{
    jwt,
    options::{CANARY, Client, MANAGEMENT_API, ManagementRole, Options, Seed},
    store::{
        Application, Connector, Hook, MANAGEMENT_RESOURCE, MANAGEMENT_ROLE, Object, OneTimeToken,
        Organization, PersonalToken, Resource, Role, Scope, SsoConnector, Store, User,
    },
    world::{Tenant, World},
};

/// Both tenants, ready to serve.
pub(crate) fn world(options: &Options, endpoint: &str, now: u64) -> io::Result<World> {
    let mut rng = options.random_seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
    let rows = options.limits.rows;
    let mut store = Store::new("default", rows, rng.fork());
    let ttl = options.token_ttl.as_secs();
    built_in(&mut store, &options.resource, ttl, now);
    for client in &options.clients {
        add_client(&mut store, client, now);
    }
    if let Seed::Demo { users } = options.seed {
        demo(&mut store, users, now);
    }
    let mut admin_store = Store::new("admin", rows, rng.fork());
    built_in(&mut admin_store, MANAGEMENT_API, ttl, now);
    let m_default = Client {
        id: "m-default".to_owned(),
        secrets: vec![canary("admin-tenant-secret")],
        role: ManagementRole::Granted,
    };
    add_client(&mut admin_store, &m_default, now);

    let admin_endpoint = options
        .admin_authority
        .as_deref()
        .map_or("http://admin.invalid".to_owned(), |name| format!("http://{name}"));
    Ok(World {
        default: tenant(endpoint, store, now)?,
        admin: tenant(&admin_endpoint, admin_store, now)?,
        resource: options.resource.clone(),
        token_ttl: options.token_ttl,
    })
}

fn tenant(endpoint: &str, mut store: Store, now: u64) -> io::Result<Tenant> {
    let keys = jwt::Keys::new(store.new_id(21), now / 1000)?;
    Ok(Tenant { issuer: format!("{endpoint}/oidc"), keys, store })
}

fn canary(name: &str) -> String {
    format!("{CANARY}{name}")
}

fn built_in(store: &mut Store, indicator: &str, access_token_ttl: u64, now: u64) {
    let tenant_id = store.tenant;
    store.resources.push(Resource {
        tenant_id,
        id: MANAGEMENT_RESOURCE.to_owned(),
        name: "Logto Management API".to_owned(),
        indicator: indicator.to_owned(),
        is_default: false,
        access_token_ttl,
    });
    store.scopes.push(Scope {
        tenant_id,
        id: "management-api-all".to_owned(),
        resource_id: MANAGEMENT_RESOURCE.to_owned(),
        name: "all".to_owned(),
        description: Some("Default scope for Management API, allows all permissions.".to_owned()),
        created_at: now,
    });
    store.roles.push(Role {
        tenant_id,
        id: MANAGEMENT_ROLE.to_owned(),
        name: "Logto Management API access".to_owned(),
        description: "Grants every permission of the Management API.".to_owned(),
        kind: "MachineToMachine".to_owned(),
        is_default: false,
    });
    store.role_scopes.push((MANAGEMENT_ROLE.to_owned(), "management-api-all".to_owned()));
}

fn add_client(store: &mut Store, client: &Client, now: u64) {
    store.applications.push(application(store.tenant, &client.id, &client.id, "MachineToMachine", now));
    store.set_secrets(&client.id, client.secrets.clone(), now);
    store.set_management_role(&client.id, client.role);
}

pub(crate) fn application(
    tenant_id: &'static str,
    id: &str,
    name: &str,
    kind: &str,
    now: u64,
) -> Application {
    Application {
        tenant_id,
        id: id.to_owned(),
        name: name.to_owned(),
        secret: None,
        description: None,
        kind: kind.to_owned(),
        oidc_client_metadata: json!({ "redirectUris": [], "postLogoutRedirectUris": [] }),
        custom_client_metadata: Object::new(),
        protected_app_metadata: serde_json::Value::Null,
        custom_data: Object::new(),
        is_third_party: false,
        app_level_access_control_enabled: false,
        created_at: now,
        is_admin: false,
    }
}

fn demo(store: &mut Store, users: usize, now: u64) {
    let tenant_id = store.tenant;
    for n in 1..=users.min(store.limit) {
        let user = demo_user(store, n, now);
        store.users.push(user);
    }
    for n in 1..=2 {
        store.roles.push(Role {
            tenant_id,
            id: format!("role{n:017}"),
            name: format!("role-{n}"),
            description: format!("Demonstration role {n}"),
            kind: "User".to_owned(),
            is_default: false,
        });
    }
    for n in 1..=3 {
        store.organizations.push(demo_organization(tenant_id, n, now));
    }
    let ids: Vec<String> = store.users.iter().take(10).map(|user| user.id.clone()).collect();
    for (n, id) in ids.iter().enumerate() {
        store.user_roles.push((id.clone(), format!("role{:017}", n % 2 + 1)));
        store.organization_users.push((format!("org{:09}", n % 3 + 1), id.clone()));
    }
    demo_applications(store, now);
    demo_connectors(store, now);
    if let Some(user_id) = ids.first() {
        store.personal_tokens.push(PersonalToken {
            tenant_id,
            user_id: user_id.clone(),
            name: "laptop".to_owned(),
            value: format!("pat_{}", canary("personal-access-token")),
            created_at: now,
            expires_at: None,
        });
    }
}

fn demo_user(store: &mut Store, n: usize, now: u64) -> User {
    User {
        id: store.new_id(12),
        username: Some(format!("user{n}")),
        primary_email: Some(format!("user{n}@example.com")),
        primary_phone: None,
        name: Some(format!("User {n}")),
        avatar: None,
        custom_data: json!({ "n": n }).as_object().cloned().unwrap_or_default(),
        identities: Object::new(),
        last_sign_in_at: None,
        created_at: now,
        updated_at: now,
        profile: Object::new(),
        application_id: None,
        is_suspended: false,
        has_password: true,
        password: Some(canary(&format!("password-{n}"))),
        mfa: Vec::new(),
    }
}

fn demo_organization(tenant_id: &'static str, n: usize, now: u64) -> Organization {
    Organization {
        tenant_id,
        id: format!("org{n:09}"),
        name: format!("Organization {n}"),
        description: None,
        custom_data: Object::new(),
        is_mfa_required: false,
        color: Object::new(),
        branding: Object::new(),
        custom_css: None,
        created_at: now,
    }
}

fn demo_applications(store: &mut Store, now: u64) {
    let tenant = store.tenant;
    let kinds = [
        ("demo-web", "Traditional"),
        ("demo-spa", "SPA"),
        ("demo-native", "Native"),
        ("demo-m2m", "MachineToMachine"),
    ];
    for (id, kind) in kinds {
        let mut app = application(tenant, id, id, kind, now);
        if kind == "Traditional" {
            // As an application from before multi-secret has it (fact 7).
            app.secret = Some(canary("legacy-application-secret"));
            app.oidc_client_metadata["redirectUris"] = json!(["https://web.example.com/callback"]);
        }
        store.applications.push(app);
        if matches!(kind, "Traditional" | "MachineToMachine") {
            store.set_secrets(id, vec![canary(&format!("secret-of-{id}"))], now);
        }
    }
    store.organization_applications.push(("org000000001".to_owned(), "demo-m2m".to_owned()));
}

fn demo_connectors(store: &mut Store, now: u64) {
    let tenant_id = store.tenant;
    store.connectors.push(Connector {
        id: "connector001".to_owned(),
        connector_id: "github-universal".to_owned(),
        config: json!({ "clientId": "github-client", "clientSecret": canary("github-client-secret") }),
        metadata: json!({}),
        sync_profile: false,
    });
    store.connectors.push(Connector {
        id: "connector002".to_owned(),
        connector_id: "simple-mail-transfer-protocol".to_owned(),
        config: json!({
            "host": "smtp.example.com", "port": 587, "fromEmail": "login@example.com",
            "auth": { "type": "login", "user": "mailer", "pass": canary("smtp-password") },
        }),
        metadata: json!({}),
        sync_profile: false,
    });
    store.sso_connectors.push(SsoConnector {
        id: "ssoconnector".to_owned(),
        provider_name: "OIDC".to_owned(),
        connector_name: "corp".to_owned(),
        config: json!({
            "issuer": "https://sso.example.com", "clientId": "sso-client",
            "clientSecret": canary("sso-client-secret"), "trustUnverifiedEmail": false,
        }),
        domains: json!(["corp.example.com"]),
        branding: json!({}),
        sync_profile: false,
        enable_token_storage: false,
        created_at: now,
    });
    store.hooks.push(Hook {
        tenant_id,
        id: "hook00000000000000001".to_owned(),
        name: "on-register".to_owned(),
        event: None,
        events: json!(["PostRegister"]),
        config: json!({
            "url": "https://hooks.example.com/logto",
            "headers": { "Authorization": format!("Bearer {}", canary("hook-header")) },
        }),
        signing_key: canary("hook-signing-key"),
        enabled: true,
        created_at: now,
    });
    store.one_time_tokens.push(OneTimeToken {
        tenant_id,
        id: "ott000000000000000001".to_owned(),
        email: "invited@example.com".to_owned(),
        token: canary("one-time-token"),
        context: json!({}),
        status: "active",
        created_at: now,
        expires_at: now + 600_000,
    });
    store.captcha = Some(json!({
        "config": { "type": "Turnstile", "siteKey": "site", "secretKey": canary("captcha-secret") },
    }));
    store.customizers.push((
        "client-credentials".to_owned(),
        json!({
            "script": "const getCustomJwtClaims = async () => ({});",
            "environmentVariables": { "API_KEY": canary("customizer-variable") },
        }),
    ));
}
