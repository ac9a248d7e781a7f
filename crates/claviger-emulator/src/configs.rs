//! Configuration with secrets or consequences: signing keys, JWT customizer, captcha, subject tokens (fact 7).

use std::collections::BTreeMap;

use http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    answer::{Answer, Members},
    body::Parsed,
    call::Call,
    check::{self, Issues, Kind, Need},
    errors::{ApiError, Outcome},
    jwt::Algorithm,
};

pub(crate) fn run(operation: &str, call: &mut Call<'_>) -> Option<Outcome> {
    Some(match operation {
        "GetOidcKeys" => keys(call),
        "RotateOidcKeys" => rotate(call),
        "DeleteOidcKey" => delete_key(call),
        "ListJwtCustomizers" => Ok(list_customizers(call)),
        "GetJwtCustomizer" => show_customizer(call),
        "UpsertJwtCustomizer" => set_customizer(call),
        "DeleteJwtCustomizer" => delete_customizer(call),
        "GetCaptchaProvider" => show_captcha(call),
        "UpdateCaptchaProvider" => set_captcha(call),
        "DeleteCaptchaProvider" => {
            call.store.captcha.take().map(|_| Answer::no_content()).ok_or_else(ApiError::not_found)
        }
        "CreateSubjectToken" => subject_token(call),
        "CreateVerificationCode" => {
            let message = "Cannot find any available connector for type: Email.";
            Err(ApiError::new(StatusCode::NOT_IMPLEMENTED, "connector.not_found", message))
        }
        "ListActions" => Ok(Answer::ok(&Vec::<Value>::new())),
        "GetUserAssetServiceStatus" => {
            let enabled = ("isExperienceAvatarUploadEnabled", json!(true));
            Ok(Answer::ok(&Members([("status", json!("not_configured")), enabled])))
        }
        "ListDomains" => Ok(Answer::ok(&Vec::<Value>::new())),
        "CreateDomain" => {
            let message = "Domain hostname provider is not configured.";
            Err(ApiError::bad_request("domain.not_configured", message))
        }
        "CreateUserAsset" => Err(user_asset(call)),
        _ => return None,
    })
}

fn keys(call: &mut Call<'_>) -> Outcome {
    if call.param(0) == "cookie-keys" {
        let key = Members([("id", json!("cookie-key")), ("createdAt", json!(call.now / 1000))]);
        return Ok(Answer::ok(&[key]));
    }
    Ok(Answer::ok(&call.keys.list()))
}

fn rotate(call: &mut Call<'_>) -> Outcome {
    let body = call.body();
    check::object(&body, &[("signingKeyAlgorithm", Need::Optional, Kind::OneOf(&["EC", "RSA"]))])?;
    if call.param(0) == "cookie-keys" {
        return keys(call);
    }
    let algorithm = match body.get("signingKeyAlgorithm").and_then(Value::as_str) {
        Some("RSA") => Algorithm::Rs256,
        _ => Algorithm::Es384,
    };
    let id = call.store.new_id(21);
    call.keys.rotate(algorithm, id, call.now / 1000).map_err(|_| ApiError::internal())?;
    keys(call)
}

fn delete_key(call: &mut Call<'_>) -> Outcome {
    let id = call.param(1).to_owned();
    if call.keys.is_current(&id) {
        let message = "At least one key is required.";
        return Err(ApiError::unprocessable("oidc.key_required", message));
    }
    if call.keys.forget(&id) { Ok(Answer::no_content()) } else { Err(ApiError::not_found()) }
}

fn camel(path: &str) -> &str {
    if path == "client-credentials" { "jwt.clientCredentials" } else { "jwt.accessToken" }
}

fn list_customizers(call: &Call<'_>) -> Answer {
    let rows = call.store.customizers.iter();
    let rows: Vec<Value> = rows.map(|(path, value)| json!({ "key": camel(path), "value": value })).collect();
    Answer::ok(&rows)
}

/// The script first, as Logto has it.
#[derive(Serialize)]
struct Customizer<'a> {
    script: Option<&'a Value>,
    #[serde(flatten)]
    others: BTreeMap<&'a str, &'a Value>,
}

impl<'a> Customizer<'a> {
    fn of(stored: &'a Value) -> Self {
        let members = stored.as_object().into_iter().flatten();
        let others =
            members.filter(|(name, _)| *name != "script").map(|(name, value)| (name.as_str(), value));
        Self { script: stored.get("script"), others: others.collect() }
    }
}

fn show_customizer(call: &Call<'_>) -> Outcome {
    let path = call.param(0);
    let found = call.store.customizers.iter().find(|(known, _)| known == path);
    found.map(|(_, value)| Answer::ok(&Customizer::of(value))).ok_or_else(ApiError::not_found)
}

fn set_customizer(call: &mut Call<'_>) -> Outcome {
    let body = call.body();
    let rules =
        [("script", Need::Required, Kind::Text), ("environmentVariables", Need::Optional, Kind::Object)];
    check::object(&body, &rules)?;
    let path = call.param(0).to_owned();
    if !matches!(path.as_str(), "client-credentials" | "access-token") {
        return Err(check::invalid("params"));
    }
    let known = call.store.customizers.iter_mut().find(|(known, _)| *known == path);
    if let Some((_, value)) = known {
        value.clone_from(&body);
        return Ok(Answer::ok(&Customizer::of(&body)));
    }
    let answer = Answer::created(&Customizer::of(&body));
    call.store.customizers.push((path, body));
    Ok(answer)
}

fn delete_customizer(call: &mut Call<'_>) -> Outcome {
    let path = call.param(0).to_owned();
    let before = call.store.customizers.len();
    call.store.customizers.retain(|(known, _)| *known != path);
    if call.store.customizers.len() == before { Err(ApiError::not_found()) } else { Ok(Answer::no_content()) }
}

fn captcha(call: &Call<'_>, config: &Value) -> Members<5> {
    Members([
        ("tenantId", json!(call.store.tenant)),
        ("id", json!("captcha00000000000001")),
        ("config", config.clone()),
        ("createdAt", json!(call.now)),
        ("updatedAt", json!(call.now)),
    ])
}

fn show_captcha(call: &Call<'_>) -> Outcome {
    let config = call.store.captcha.as_ref().and_then(|stored| stored.get("config"));
    config.map(|config| Answer::ok(&captcha(call, config))).ok_or_else(ApiError::not_found)
}

fn set_captcha(call: &mut Call<'_>) -> Outcome {
    let body = call.body();
    check::object(&body, &[("config", Need::Required, Kind::Object)])?;
    let answer = Answer::ok(&captcha(call, &body["config"]));
    call.store.captcha = Some(body);
    Ok(answer)
}

fn subject_token(call: &mut Call<'_>) -> Outcome {
    let body = call.body();
    check::object(&body, &[("userId", Need::Required, Kind::Text)])?;
    let user = body.get("userId").and_then(Value::as_str);
    if !call.store.users.iter().any(|row| Some(row.id.as_str()) == user) {
        return Err(ApiError::no_such("users", user.unwrap_or_default()));
    }
    let token = format!("sub_{}", call.store.new_secret());
    Ok(Answer::created(&Members([("subjectToken", json!(token)), ("expiresIn", json!(600))])))
}

fn user_asset(call: &Call<'_>) -> ApiError {
    match call.parsed {
        Parsed::Multipart => {
            ApiError::bad_request("storage.not_configured", "Storage provider is not configured.")
        }
        Parsed::Absent | Parsed::Value(_) => Issues::required("object", &[]).attach(check::invalid("files")),
    }
}
