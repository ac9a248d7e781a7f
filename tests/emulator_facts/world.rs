//! An emulator with the data that the recorded exchanges presuppose, and a clock that a test sets.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use claviger_emulator::{Client, Emulator, MANAGEMENT_API, ManagementRole, Options, Seed};
use serde_json::{Value, json};

use crate::wire::{self, Answer, Request};

/// The time of the recordings, in seconds.
pub(crate) const NOW: u64 = 1_795_191_970;
pub(crate) const ENDPOINT: &str = "http://127.0.0.1:3001";
pub(crate) const HOST: &str = "127.0.0.1:3001";
pub(crate) const M2M: &str = "k4deq2c6a2s1p08nven40";
pub(crate) const NO_ROLE: &str = "p3zvy76r925pkha76za9c";
pub(crate) const ROTATING: &str = "gp8pe0t6nm58moe8kgkma";
pub(crate) const SECRET: &str = "the right secret";

pub(crate) struct World {
    pub(crate) logto: Emulator,
    clock: Arc<AtomicU64>,
    good: String,
    /// From ids in the recordings to ids here.
    pub(crate) ids: BTreeMap<&'static str, String>,
}

impl World {
    /// Clients only.
    pub(crate) async fn bare() -> Self {
        Self::start(Seed::Empty).await
    }

    /// Clients and the demonstration data with five users.
    pub(crate) async fn demo() -> Self {
        Self::start(Seed::Demo { users: 5 }).await
    }

    async fn start(seed: Seed) -> Self {
        let clock = Arc::new(AtomicU64::new(NOW));
        let client = |id: &str, role| Client { id: id.into(), secrets: vec![SECRET.into()], role };
        let time = Arc::clone(&clock);
        let options = Options {
            endpoint: Some(ENDPOINT.into()),
            admin_authority: Some("127.0.0.1:3002".into()),
            seed,
            clients: vec![
                client(M2M, ManagementRole::Granted),
                client(NO_ROLE, ManagementRole::Missing),
                client(ROTATING, ManagementRole::Missing),
            ],
            clock: Arc::new(move || UNIX_EPOCH + Duration::from_secs(time.load(Ordering::SeqCst))),
            random_seed: Some(1),
            ..Options::default()
        };
        let logto = Emulator::start(options).await.expect("a free port");
        let good = logto.forge(&json!({}), &Self::claims()).expect("signs");
        Self { logto, clock, good, ids: BTreeMap::new() }
    }

    pub(crate) fn advance(&self, by: u64) {
        self.clock.fetch_add(by, Ordering::SeqCst);
    }

    pub(crate) fn claims() -> Value {
        json!({
            "jti": "forged", "sub": M2M, "iat": NOW, "exp": NOW + 3600, "scope": "all", "client_id": M2M,
            "iss": format!("{ENDPOINT}/oidc"), "aud": MANAGEMENT_API,
        })
    }

    /// A token with the usual claims, changed by `changes`; null removes a claim.
    pub(crate) fn token(&self, changes: Value) -> String {
        self.logto.forge(&json!({}), &Self::changed(changes)).expect("signs")
    }

    pub(crate) fn changed(changes: Value) -> Value {
        let mut claims = Self::claims();
        let members = claims.as_object_mut().expect("is an object");
        for (name, value) in changes.as_object().expect("is an object") {
            if value.is_null() {
                members.remove(name);
            } else {
                members.insert(name.clone(), value.clone());
            }
        }
        claims
    }

    pub(crate) async fn send(&self, request: &Request) -> Answer {
        wire::send(self.logto.addr(), request).await.unwrap_or_else(|error| panic!("{request:?}: {error}"))
    }

    /// Calls the API with a good token.
    pub(crate) async fn api(&self, method: &str, path: &str, body: Value) -> Answer {
        let mut request = Request::new(method, path)
            .header("Host", HOST)
            .header("Authorization", &format!("Bearer {}", self.good));
        if !body.is_null() {
            request = request.body("application/json", body.to_string());
        }
        self.send(&request).await
    }

    async fn create(&mut self, recorded: &'static str, path: &str, body: Value) {
        let answer = self.api("POST", path, body).await;
        assert!(matches!(answer.status, 200 | 201), "{path}: {answer:?}");
        let id = answer.json()["id"].as_str().expect("has an id").to_owned();
        self.ids.insert(recorded, id);
    }

    /// What the recordings presuppose, made through the API.
    pub(crate) async fn with_recorded_data() -> Self {
        let mut world = Self::demo().await;
        for user in world.api("GET", "/api/users", Value::Null).await.json().as_array().expect("a list") {
            let path = format!("/api/users/{}", user["id"].as_str().expect("text"));
            assert_eq!(world.api("DELETE", &path, Value::Null).await.status, 204);
        }
        let users = ["iitspuprwueh", "kvrgaogxz6dg", "vmunfywa295x", "gtpklypirpvp", "xktx1wfc9kja"];
        for (n, id) in (1..).zip(users) {
            let body = json!({
                "username": format!("user{n}"), "primaryEmail": format!("user{n}@example.com"),
                "password": format!("Str0ng-Passw0rd-{n}"), "name": format!("User {n}"), "customData": { "n": n },
            });
            world.create(id, "/api/users", body).await;
        }
        let secrets = format!("/api/applications/{ROTATING}/secrets");
        assert_eq!(world.api("POST", &secrets, json!({ "name": "spare" })).await.status, 201);
        world
            .create("kf1ocg81uwv1co0z38d19", "/api/roles", json!({ "name": "r0", "description": "d" }))
            .await;
        world.create("4q7tb1gag4ql", "/api/organizations", json!({ "name": "Org1" })).await;
        world
            .create(
                "9ls9a5rfhk9pobdosghoy",
                "/api/applications",
                json!({ "name": "trad", "type": "Traditional" }),
            )
            .await;
        world
            .create("7djdul5cabig0x7qa1y72", "/api/applications", json!({ "name": "spa", "type": "SPA" }))
            .await;
        let config = json!({ "clientId": "cid", "clientSecret": "s", "scope": "read:user" });
        let body = json!({ "connectorId": "github-universal", "config": config });
        world.create("cz8oou4ubkkc", "/api/connectors", body).await;
        let body = json!({
            "providerName": "OIDC", "connectorName": "oidc1", "domains": ["corp.example"],
            "config": { "clientId": "cid", "clientSecret": "s", "issuer": "http://127.0.0.1:3001/oidc" },
        });
        world.create("11etaxa5o0vi", "/api/sso-connectors", body).await;
        let headers = json!({ "Authorization": "Bearer x" });
        let body = json!({
            "name": "h", "events": ["PostRegister"], "config": { "url": "http://127.0.0.1:9/x", "headers": headers },
        });
        world.create("8ubk4jwzn758giho8nvcc", "/api/hooks", body).await;
        world
            .create("5jy6sg4zezqu40cu2uea3", "/api/one-time-tokens", json!({ "email": "ott@example.com" }))
            .await;
        world.ids.insert("5csopxq2vsdd70f2524hi", "management-api-role00".to_owned());
        world
    }
}
