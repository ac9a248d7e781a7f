//! The Logto Cloud API, as far as it is public: a personal access token as bearer token, regions, tenants, the default
//! application with its secret in the answer to a creation, and a subscription that is bought once for each
//! `Idempotency-Key`. Each tenant is an emulator of its own, on a port of its own.
//!
//! Decides what an account answers. Bodies of refusals are documented for subscriptions alone; the others are guesses in
//! the same form. It must never answer with a secret that does not begin with the canary prefix.

use std::{
    collections::HashMap,
    fmt, io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http::{HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};

use crate::{
    answer::Answer,
    body::Parsed,
    options::{CANARY, Client, ManagementRole},
    received::Received,
};

/// The most tenants of an account.
const MOST: usize = 1000;

/// Whoever runs the tenants.
pub(crate) trait Tenants: fmt::Debug + Send + Sync {
    /// Starts the tenant `id` with this application; its endpoint.
    fn start(&self, id: &str, default: &Client) -> io::Result<String>;
    /// Ends it.
    fn stop(&self, id: &str);
}

/// An account at Logto Cloud.
#[derive(Debug)]
pub(crate) struct Account {
    token: String,
    running: Arc<dyn Tenants>,
    tenants: Mutex<Vec<CloudTenant>>,
    /// By `Idempotency-Key`: which tenant was subscribed.
    attempts: Mutex<HashMap<String, String>>,
}

#[derive(Debug)]
struct CloudTenant {
    id: String,
    name: String,
    tag: String,
    region: String,
    created_at: u64,
    subscribed: bool,
    endpoint: String,
}

impl Account {
    pub(crate) fn new(token: String, running: Arc<dyn Tenants>) -> Self {
        Self { token, running, tenants: Mutex::default(), attempts: Mutex::default() }
    }

    /// The answer; `None`: it has no such path.
    pub(crate) fn answer(&self, received: &Received<'_>, now: u64) -> Option<Answer> {
        let presented = received.headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
        if presented != Some(format!("Bearer {}", self.token).as_bytes()) {
            return Some(refused(StatusCode::UNAUTHORIZED, "Unauthorized", None));
        }
        let path = received.uri.path();
        let segments: Vec<&str> = path.trim_matches('/').split('/').skip(1).collect();
        Some(match (received.method, &*segments) {
            (&Method::GET, ["me", "regions"]) => Answer::ok(&json!({
                "regions": [{ "name": "EU", "displayName": "Europe" }, { "name": "US", "displayName": "United States" }],
            })),
            (&Method::GET, ["me", "stripe-customers"]) => Answer::ok(&json!([])),
            (&Method::GET, ["tenants"]) => {
                Answer::ok(&self.lock().iter().map(CloudTenant::shown).collect::<Vec<_>>())
            }
            (&Method::POST, ["tenants"]) => self.create(received, now),
            (method, ["tenants", id, rest @ ..]) => self.one(method, id, rest, received),
            _ => return None,
        })
    }

    fn create(&self, received: &Received<'_>, now: u64) -> Answer {
        let body = body(received);
        let text = |name: &str| body[name].as_str().map(str::to_owned);
        let tag = text("tag").unwrap_or_else(|| "development".to_owned());
        let region = text("regionName").unwrap_or_else(|| "EU".to_owned());
        if !["development", "production"].contains(&&*tag) || !["EU", "US"].contains(&&*region) {
            return refused(StatusCode::BAD_REQUEST, "Invalid tag or regionName", None);
        }
        if self.lock().len() >= MOST {
            return refused(StatusCode::UNPROCESSABLE_ENTITY, "Too many tenants", None);
        }
        // Lower-case letters and digits, as Logto's are.
        let name = |length| -> String {
            (0..length).map(|_| fastrand::alphanumeric().to_ascii_lowercase()).collect()
        };
        let (id, app) = (name(6), name(21));
        let client = Client {
            id: app,
            secrets: vec![format!("{CANARY}default-application-{id}")],
            role: ManagementRole::Granted,
        };
        let Ok(endpoint) = self.running.start(&id, &client) else {
            return refused(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error", None);
        };
        let tenant = CloudTenant {
            name: text("name").unwrap_or_else(|| "My project".to_owned()),
            id,
            tag,
            region,
            created_at: now,
            subscribed: false,
            endpoint,
        };
        let mut shown = tenant.shown();
        shown["defaultApplication"] = json!({ "id": client.id, "secret": client.secrets[0] });
        self.lock().push(tenant);
        Answer::created(&shown)
    }

    fn one(&self, method: &Method, id: &str, rest: &[&str], received: &Received<'_>) -> Answer {
        let mut tenants = self.lock();
        let Some(at) = tenants.iter().position(|tenant| tenant.id == id) else {
            return refused(StatusCode::NOT_FOUND, "Not found", None);
        };
        match (method, rest) {
            (&Method::GET, []) => Answer::ok(&tenants[at].shown()),
            (&Method::PATCH, []) => {
                if let Some(name) = body(received)["name"].as_str() {
                    name.clone_into(&mut tenants[at].name);
                }
                Answer::ok(&tenants[at].shown())
            }
            (&Method::DELETE, []) => {
                tenants.remove(at);
                self.running.stop(id);
                Answer::no_content()
            }
            (&Method::POST, ["subscription"]) => self.subscribe(&mut tenants[at], received),
            _ => refused(StatusCode::NOT_FOUND, "Not found", None),
        }
    }

    /// As documented: at most one charge for each key.
    fn subscribe(&self, tenant: &mut CloudTenant, received: &Received<'_>) -> Answer {
        let key = received.headers.get("idempotency-key").and_then(|key| key.to_str().ok());
        let key = key.filter(|key| (1..=255).contains(&key.len()));
        let (Some(key), Some(sku)) = (key, body(received)["skuId"].as_str().map(str::to_owned)) else {
            return refused(StatusCode::BAD_REQUEST, "Idempotency-Key and skuId are required", None);
        };
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        let status = match attempts.get(key) {
            Some(id) if *id == tenant.id => StatusCode::OK,
            Some(_) => {
                let message = "The key was used for another tenant";
                return refused(StatusCode::BAD_REQUEST, message, Some("idempotency_key_mismatch"));
            }
            None if tenant.subscribed => {
                let message = "The tenant already has a subscription";
                return refused(StatusCode::CONFLICT, message, Some("subscription_exists"));
            }
            None => {
                attempts.insert(key.to_owned(), tenant.id.clone());
                tenant.subscribed = true;
                StatusCode::CREATED
            }
        };
        let subscription = json!({ "id": "sub_1", "planId": sku, "status": "active" });
        let shown = json!({ "id": tenant.id, "tag": tenant.tag, "planId": sku });
        Answer::json(status, &json!({ "subscription": subscription, "tenant": shown }))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<CloudTenant>> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CloudTenant {
    fn shown(&self) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "tag": self.tag,
            "indicator": self.endpoint,
            "regionName": self.region,
            "createdAt": self.created_at,
            "isSuspended": false,
            "planId": if self.subscribed { "pro-202509" } else { "free" },
            "openInvoices": [],
        })
    }
}

fn body(received: &Received<'_>) -> Value {
    match received.payload.parse(received.headers) {
        Ok(Parsed::Value(value)) => value,
        _ => json!({}),
    }
}

/// `{ message, error: { code } }`
fn refused(status: StatusCode, message: &str, code: Option<&str>) -> Answer {
    let mut body = json!({ "message": message });
    if let Some(code) = code {
        body["error"] = json!({ "code": code });
    }
    Answer::json(status, &body)
}
