//! Replays the recorded exchanges that are one request each and compares status, headers and the shape of the body.
//!
//! They are not part of the project: `TEST_CLAVIGER_TRANSCRIPTS` names their folder. The table of facts stands on its own.

#[path = "recording.rs"]
mod recording;
#[path = "shape.rs"]
mod shape;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::wire::{Answer, Request};
use crate::world::{M2M, NO_ROLE, NOW, ROTATING, SECRET, World};
pub(crate) use recording::basic;
use recording::{Exchange, Skip};

/// Recordings that cannot be compared, by the beginning of their name, and why.
const SKIPPED: &[(&str, &str)] = &[
    ("enc_", "heads alone were recorded: in the table"),
    ("req_gzip_body", "compressed request bodies are refused"),
    ("dberr_", "needs a broken database; covered by faults"),
    ("dbdown_", "needs a broken database; covered by faults"),
    ("slow_users", "needs a slow database; covered by faults"),
    ("trustproxy_", "another configuration of Logto"),
    ("devmode_", "another configuration of Logto"),
    ("https_", "another configuration of Logto"),
    ("http_on_https_port", "another configuration of Logto"),
    ("ssl_termination", "another configuration of Logto"),
    ("token_customizer_denies", "scripts are not run"),
    ("lang_", "texts are not localised"),
    ("search_posix", "search mode posix is refused"),
    ("openapi_custom_host", "the document is a smaller one here"),
    ("sec_connector_create_smtp", "the recorded Logto had no factory for SMTP"),
    ("sec_saml_", "SAML applications have no state here"),
    ("wk_api_phrases", "no phrases here"),
    ("wk_api_sign_in_exp", "no sign-in experience here"),
    ("experience_no_session", "the experience API is not in the management group"),
];

#[tokio::test]
#[ignore = "replays what a real Logto answered: TEST_CLAVIGER_TRANSCRIPTS=FOLDER"]
async fn recorded_exchanges() {
    let folder =
        std::env::var_os("TEST_CLAVIGER_TRANSCRIPTS").expect("TEST_CLAVIGER_TRANSCRIPTS names the folder");
    let mut names: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("readable").map(|entry| entry.expect("readable").path()).collect();
    names.sort();
    let mut compared = 0;
    let mut skipped: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut wrong = Vec::new();
    for path in names {
        let name = path.file_stem().expect("has a name").to_string_lossy().into_owned();
        let text = String::from_utf8_lossy(&std::fs::read(&path).expect("readable")).into_owned();
        let unusable = SKIPPED.iter().find(|(prefix, _)| name.starts_with(prefix));
        let exchange = match unusable {
            Some((_, why)) => Err(Skip((*why).to_owned())),
            None => Exchange::parse(&name, &text),
        };
        match exchange {
            Err(Skip(why)) => skipped.entry(why).or_default().push(name),
            Ok(exchange) => {
                compared += 1;
                let differences = replay(&name, exchange).await;
                wrong.extend(differences.into_iter().map(|what| format!("{name}: {what}")));
            }
        }
    }
    println!("{compared} recorded exchanges compared");
    for (why, names) in &skipped {
        println!("{} skipped: {why}: {}", names.len(), names.join(" "));
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
    assert!(compared >= 100, "only {compared} exchanges were compared");
}

async fn replay(name: &str, exchange: Exchange) -> Vec<String> {
    let world = World::with_recorded_data().await;
    let mut request = exchange.request;
    prepare(name, &world, &exchange.recorded, &mut request).await;
    let mut recorded = exchange.recorded;
    for (old, here) in &world.ids {
        for (_, value) in &mut recorded.headers {
            *value = value.replace(old, here);
        }
        request.target = request.target.replace(old, here);
        let body = String::from_utf8_lossy(&request.body).replace(old, here);
        request.body = body.into_bytes();
    }
    let answer = world.send(&request).await;
    shape::differences(name, &recorded, &answer)
}

/// Puts tokens, secrets and bodies where the recording has placeholders, and the data into the state it was in.
async fn prepare(name: &str, world: &World, recorded: &Answer, request: &mut Request) {
    let token = token(name, world);
    let secret = if recorded.status == 401 { "a wrong secret" } else { SECRET };
    for (key, value) in &mut request.headers {
        *value = value.replace("<JWT>", &token).replace("<PAT>", "pat_x");
        if key == "basic" {
            *key = "Authorization".to_owned();
            let pair = world.ids.iter().fold(value.clone(), |pair, (old, here)| pair.replace(old, here));
            *value = recording::basic(&pair.replace("<SECRET>", secret));
        }
    }
    request.target = request.target.replace("<JWT>", &token);
    let body = String::from_utf8_lossy(&request.body).replace("<SECRET>", SECRET).replace("<JWT>", &token);
    request.body = body.into_bytes();
    recording::fill_body(name, request);

    let app = |id: &str| format!("/api/applications/{id}");
    match name {
        "app_delete" | "app_create_m2m" | "self_created_app" => {}
        "app_secret_create_dup" | "app_secret_rename" => {
            world.api("POST", &format!("{}/secrets", app(ROTATING)), json!({ "name": "second" })).await;
        }
        "app_secret_delete" => {
            world.api("POST", &format!("{}/secrets", app(ROTATING)), json!({ "name": "renamed" })).await;
        }
        "token_deleted_app" => {
            world.api("DELETE", &app(ROTATING), Value::Null).await;
        }
        "token_expired_secret" => {
            let body = json!({ "name": "short", "expiresAt": (NOW + 5) * 1000 });
            let made = world.api("POST", &format!("{}/secrets", app(ROTATING)), body).await.json();
            let pair = format!("{ROTATING}:{}", made["value"].as_str().expect("text"));
            request.headers.retain(|(key, _)| key != "Authorization");
            request.headers.push(("Authorization".to_owned(), recording::basic(&pair)));
            world.advance(6);
        }
        "token_client_wrong_tenant" => {}
        "token_ok_admin_tenant_m-default" | "host_switch_to_admin_tenant_token" => {
            request.headers.retain(|(key, _)| key != "Authorization");
            let pair = "m-default:CANARY-logto-admin-tenant-secret";
            request.headers.push(("Authorization".to_owned(), recording::basic(pair)));
        }
        "token_custom_resource" | "mapi_with_other_resource_token" | "resources_list" => {
            let body = json!({ "name": "X", "indicator": "https://x.example/api", "accessTokenTtl": 120 });
            world.api("POST", "/api/resources", body).await;
        }
        "token_org_no_resource" | "token_org_with_mapi_resource" | "sec_org_apps" => {
            let path = format!("/api/organizations/{}/applications", world.ids["4q7tb1gag4ql"]);
            world.api("POST", &path, json!({ "applicationIds": [M2M] })).await;
        }
        "token_with_allowed_origin" => {
            let body = json!({ "customClientMetadata": { "corsAllowedOrigins": ["https://app.example"] } });
            world.api("PATCH", &app(M2M), body).await;
        }
        "token_via_is_admin_flag" => {
            world.api("PATCH", &app(NO_ROLE), json!({ "isAdmin": true })).await;
        }
        "token_ttl5_via_sql" => world.logto.set_token_ttl(std::time::Duration::from_secs(5)),
        "sec_legacy_app_get" | "sec_legacy_app_delete" => {
            request.target = request.target.replace(NO_ROLE, "demo-web");
        }
        "user_roles_post_dup" => {
            let path = format!("/api/users/{}/roles", world.ids["iitspuprwueh"]);
            let body = json!({ "roleIds": [world.ids["kf1ocg81uwv1co0z38d19"]] });
            world.api("POST", &path, body).await;
        }
        "user_delete" => {
            request.target = format!("/api/users/{}", world.ids["xktx1wfc9kja"]);
        }
        "sec_mfa_list" => {
            let path = format!("/api/users/{}/mfa-verifications", world.ids["kvrgaogxz6dg"]);
            for kind in ["Totp", "BackupCode"] {
                world.api("POST", &path, json!({ "type": kind })).await;
            }
        }
        "sec_pat_list" | "sec_pat_rename" => {
            let path = format!("/api/users/{}/personal-access-tokens", world.ids["kvrgaogxz6dg"]);
            world.api("POST", &path, json!({ "name": "pat1" })).await;
        }
        _ if name.contains("jwtc_") && recorded.status == 201 => {
            world.api("DELETE", "/api/configs/jwt-customizer/client-credentials", Value::Null).await;
        }
        "keyrot_keys" | "keyrot_delete_old" => {
            world.logto.rotate_keys().expect("makes a key");
            let keys = world.api("GET", "/api/configs/oidc/private-keys", Value::Null).await.json();
            request.target =
                request.target.replace("iwuvwq7u71akyidp74soi", keys[1]["id"].as_str().expect("text"));
            let token = world.token(json!({}));
            request.headers.retain(|(key, _)| key != "Authorization");
            request.headers.push(("Authorization".to_owned(), format!("Bearer {token}")));
        }
        "logs_list" | "logs_list_filter" => {
            let basic = recording::basic(&format!("{M2M}:{SECRET}"));
            let ask = Request::new("POST", "/oidc/token").header("Host", "x").header("Authorization", &basic);
            world.send(&ask).await;
        }
        "keyrot_jwks_after" => {
            world.logto.rotate_keys_to(claviger_emulator::Algorithm::Rs256).expect("makes a key");
        }
        "keyrot_old_token_still_ok" => world.logto.rotate_keys().expect("makes a key"),
        "keyrot_oldest_token_after_second_rotate" | "keyrot_token_of_deleted_key" => {
            world.logto.rotate_keys().expect("makes a key");
            world.logto.rotate_keys().expect("makes a key");
        }
        "live_token_after_app_deleted" => {
            world.api("DELETE", &app(M2M), Value::Null).await;
        }
        "live_token_after_role_removed" => {
            world.logto.set_role(M2M, claviger_emulator::ManagementRole::Missing);
        }
        _ if name.starts_with("user_create_") || name == "user_delete_setup" => {
            let old = world.api("GET", "/api/users", Value::Null).await.json();
            for user in old.as_array().expect("a list") {
                let path = format!("/api/users/{}", user["id"].as_str().expect("text"));
                world.api("DELETE", &path, Value::Null).await;
            }
        }
        "etag_if_none_match" | "etag_if_none_match_paged" => {
            let path = request.target.replace("kvrgaogxz6dg", &world.ids["kvrgaogxz6dg"]);
            let answer = world.api("GET", &path, Value::Null).await;
            let tag = answer.value("etag").expect("has a tag").to_owned();
            for (key, value) in &mut request.headers {
                if key.eq_ignore_ascii_case("if-none-match") {
                    value.clone_from(&tag);
                }
            }
        }
        _ => {}
    }
}

/// The token that the recording was made with.
fn token(name: &str, world: &World) -> String {
    let iss = |iss: &str| world.token(json!({ "iss": iss }));
    match name {
        "jwt_expired_1h" => world.token(json!({ "iat": NOW - 7200, "exp": NOW - 3600 })),
        "jwt_expired_1s" | "token_ttl5_after5s" => world.token(json!({ "iat": NOW - 3600, "exp": NOW - 1 })),
        "jwt_iat_future" => world.token(json!({ "iat": NOW + 60 })),
        "jwt_nbf_future" => world.token(json!({ "nbf": NOW + 60 })),
        "jwt_no_exp" => world.token(json!({ "exp": null })),
        "jwt_no_sub" => world.token(json!({ "sub": null })),
        "jwt_sub_not_client" => world.token(json!({ "sub": "someone-else" })),
        "jwt_scope_all_read" => world.token(json!({ "scope": "all:read" })),
        "jwt_scope_not_string" => world.token(json!({ "scope": ["all"] })),
        "jwt_aud_array" => world.token(json!({ "aud": ["x", claviger_emulator::MANAGEMENT_API] })),
        "jwt_wrong_aud" => world.token(json!({ "aud": "https://other.example/api" })),
        "jwt_wrong_iss" => iss("https://evil.example/oidc"),
        "jwt_iss_localhost" => iss("http://localhost:3001/oidc"),
        "mapi_with_org_token" => {
            world.token(json!({ "aud": "urn:logto:organization:4q7tb1gag4ql", "scope": null }))
        }
        "mapi_with_other_resource_token" => {
            world.token(json!({ "aud": "https://x.example/api", "scope": null }))
        }
        "mapi_with_org_resource_token" => {
            world.token(json!({ "organization_id": "4q7tb1gag4ql", "scope": null }))
        }
        "auth_no_scope_403" | "auth_norole_403" => world.token(json!({ "scope": null })),
        "jwt_no_kid" => forge(world, json!({ "kid": null })),
        "jwt_unknown_kid" => forge(world, json!({ "kid": "unknown" })),
        "jwt_typ_jwt" => forge(world, json!({ "typ": "JWT" })),
        "jwt_admin_key_admin_iss" => {
            let claims = World::changed(json!({ "iss": "http://127.0.0.1:3002/oidc" }));
            world.logto.forge_as_admin(&json!({}), &claims).expect("signs")
        }
        "auth_tampered_signature" => {
            let token = world.token(json!({}));
            let (signed, _) = token.rsplit_once('.').expect("has a signature");
            format!("{signed}.{}", "A".repeat(128))
        }
        _ => world.token(json!({})),
    }
}

fn forge(world: &World, header: Value) -> String {
    world.logto.forge(&header, &World::claims()).expect("signs")
}
