//! Connectors and single-sign-on connectors, which show their configuration with all secrets (fact 7).

use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    answer::Answer,
    call::Call,
    check::{self, Kind, Need},
    errors::{ApiError, Outcome},
    store::{Connector, Object, SsoConnector},
};

const PICTURE: &str = "data:image/svg+xml;base64,";

pub(crate) fn run(operation: &str, call: &mut Call<'_>) -> Option<Outcome> {
    Some(match operation {
        "ListConnectors" => {
            let rows: Vec<Shown<'_>> = call.store.connectors.iter().map(shown).collect();
            Ok(Answer::ok(&rows))
        }
        "GetConnector" => connector(call).map(|row| Answer::ok(&shown(row))),
        "CreateConnector" => create(call),
        "UpdateConnector" => update(call),
        "DeleteConnector" => delete(call),
        "ListConnectorFactories" => {
            let row = |id: &'static str| {
                let (factory, about) = factory(id);
                ListedFactory { about, id, factory }
            };
            let rows: Vec<ListedFactory> = FACTORIES.iter().map(|(id, ..)| row(id)).collect();
            Ok(Answer::ok(&rows))
        }
        "ListSsoConnectors" => list_sso(call),
        "GetSsoConnector" => sso(call).map(|row| Answer::ok(&sso_shown(row, View::Full))),
        "CreateSsoConnector" => create_sso(call),
        "UpdateSsoConnector" => update_sso(call),
        "DeleteSsoConnector" => delete_sso(call),
        _ => return None,
    })
}

/// The factories that the emulator knows: id, target, name, type.
const FACTORIES: &[(&str, &str, &str, &str)] = &[
    ("github-universal", "github", "GitHub", "Social"),
    ("simple-mail-transfer-protocol", "smtp", "SMTP", "Email"),
];

/// What the factory says about itself. Logto sends longer texts and pictures.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Factory {
    target: &'static str,
    name: Value,
    description: Value,
    logo: &'static str,
    logo_dark: Option<&'static str>,
    readme: &'static str,
    form_items: [(); 0],
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_token_storage_supported: Option<bool>,
}

#[derive(Debug, Serialize)]
struct ListedFactory {
    #[serde(flatten)]
    about: About,
    id: &'static str,
    #[serde(flatten)]
    factory: Factory,
}

/// Stands at the end of a connector, but at the beginning of a factory.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct About {
    #[serde(rename = "type")]
    kind: &'static str,
    is_demo: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    id: &'a str,
    sync_profile: bool,
    enable_token_storage: bool,
    config: &'a Value,
    metadata: &'a Value,
    connector_id: &'a str,
    #[serde(flatten)]
    factory: Factory,
    #[serde(flatten)]
    about: About,
    extra_info: Object,
}

fn factory(id: &str) -> (Factory, About) {
    let known = FACTORIES.iter().find(|(known, ..)| *known == id);
    let (_, target, name, kind) = known.copied().unwrap_or(("", "unknown", "Unknown", "Social"));
    let social = kind == "Social";
    let factory = Factory {
        target,
        name: json!({ "en": name }),
        description: json!({ "en": name }),
        logo: PICTURE,
        logo_dark: social.then_some(PICTURE),
        readme: "",
        form_items: [],
        platform: social.then_some("Universal"),
        is_token_storage_supported: social.then_some(true),
    };
    (factory, About { kind, is_demo: false })
}

fn shown(row: &Connector) -> Shown<'_> {
    let (factory, about) = factory(&row.connector_id);
    Shown {
        id: &row.id,
        sync_profile: row.sync_profile,
        enable_token_storage: false,
        config: &row.config,
        metadata: &row.metadata,
        connector_id: &row.connector_id,
        factory,
        about,
        extra_info: Object::new(),
    }
}

fn connector<'a>(call: &'a mut Call<'_>) -> Result<&'a mut Connector, ApiError> {
    let id = call.param(0).to_owned();
    let found = call.store.connectors.iter_mut().find(|row| row.id == id);
    found.ok_or_else(|| ApiError::no_such("connectors", &id))
}

fn create(call: &mut Call<'_>) -> Outcome {
    let body = call.body();
    let rules = [
        ("connectorId", Need::Required, Kind::Text),
        ("config", Need::Optional, Kind::Object),
        ("metadata", Need::Optional, Kind::Object),
        ("syncProfile", Need::Optional, Kind::Flag),
    ];
    check::object(&body, &rules)?;
    let connector_id = body.get("connectorId").and_then(Value::as_str).unwrap_or_default().to_owned();
    if !FACTORIES.iter().any(|(known, ..)| *known == connector_id) {
        let message = "Can not find connector with given standard connector id.";
        return Err(ApiError::unprocessable("connector.not_found_with_connector_id", message));
    }
    call.store.room("connectors", call.store.connectors.len())?;
    let row = Connector {
        id: call.store.new_id(12),
        connector_id,
        config: body.get("config").cloned().unwrap_or_else(|| json!({})),
        metadata: body.get("metadata").cloned().unwrap_or_else(|| json!({})),
        sync_profile: body.get("syncProfile").and_then(Value::as_bool).unwrap_or_default(),
    };
    let answer = Answer::ok(&shown(&row));
    call.store.connectors.push(row);
    Ok(answer)
}

fn update(call: &mut Call<'_>) -> Outcome {
    let body = call.body();
    let rules = [("config", Need::Optional, Kind::Object), ("metadata", Need::Optional, Kind::Object)];
    check::object(&body, &rules)?;
    let row = connector(call)?;
    if let Some(config) = body.get("config") {
        row.config = config.clone();
    }
    if let Some(metadata) = body.get("metadata") {
        row.metadata = metadata.clone();
    }
    row.sync_profile = body.get("syncProfile").and_then(Value::as_bool).unwrap_or(row.sync_profile);
    Ok(Answer::ok(&shown(row)))
}

fn delete(call: &mut Call<'_>) -> Outcome {
    let id = connector(call)?.id.clone();
    call.store.connectors.retain(|row| row.id != id);
    Ok(Answer::no_content())
}

/// Creates answer less than reads.
#[derive(Clone, Copy, PartialEq, Eq)]
enum View {
    Plain,
    Full,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SsoShown<'a> {
    tenant_id: &'static str,
    #[serde(flatten)]
    row: &'a SsoConnector,
    #[serde(flatten)]
    provider: Option<Provider<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Provider<'a> {
    name: &'a str,
    provider_type: &'static str,
    provider_logo: &'static str,
    provider_logo_dark: &'static str,
    provider_config: &'a Value,
}

fn sso_shown(row: &SsoConnector, view: View) -> SsoShown<'_> {
    let provider = Provider {
        name: &row.provider_name,
        provider_type: "oidc",
        provider_logo: PICTURE,
        provider_logo_dark: PICTURE,
        provider_config: &row.config,
    };
    SsoShown { tenant_id: "default", row, provider: (view == View::Full).then_some(provider) }
}

fn sso<'a>(call: &'a mut Call<'_>) -> Result<&'a mut SsoConnector, ApiError> {
    let id = call.param(0).to_owned();
    let found = call.store.sso_connectors.iter_mut().find(|row| row.id == id);
    found.ok_or_else(|| ApiError::no_such("sso_connectors", &id))
}

fn list_sso(call: &mut Call<'_>) -> Outcome {
    let (store, lister, _) = call.lister();
    lister.list(store.sso_connectors.iter().map(|row| sso_shown(row, View::Full)).collect())
}

fn create_sso(call: &mut Call<'_>) -> Outcome {
    let body = call.body();
    let rules = [
        ("providerName", Need::Required, Kind::Text),
        ("connectorName", Need::Required, Kind::Text),
        ("config", Need::Optional, Kind::Object),
        ("domains", Need::Optional, Kind::Texts),
    ];
    check::object(&body, &rules)?;
    call.store.room("SSO connectors", call.store.sso_connectors.len())?;
    let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut config = body.get("config").cloned().unwrap_or_else(|| json!({}));
    if config.get("trustUnverifiedEmail").is_none() {
        config["trustUnverifiedEmail"] = json!(false);
    }
    let row = SsoConnector {
        id: call.store.new_id(12),
        provider_name: text("providerName"),
        connector_name: text("connectorName"),
        config,
        domains: body.get("domains").cloned().unwrap_or_else(|| json!([])),
        branding: body.get("branding").cloned().unwrap_or_else(|| json!({})),
        sync_profile: body.get("syncProfile").and_then(Value::as_bool).unwrap_or_default(),
        enable_token_storage: false,
        created_at: call.now,
    };
    let answer = Answer::ok(&sso_shown(&row, View::Plain));
    call.store.sso_connectors.push(row);
    Ok(answer)
}

fn update_sso(call: &mut Call<'_>) -> Outcome {
    let body = call.body();
    let rules = [("connectorName", Need::Optional, Kind::Text), ("config", Need::Optional, Kind::Object)];
    check::object(&body, &rules)?;
    let row = sso(call)?;
    if let Some(name) = body.get("connectorName").and_then(Value::as_str) {
        row.connector_name = name.to_owned();
    }
    if let Some(config) = body.get("config") {
        row.config = config.clone();
    }
    Ok(Answer::ok(&sso_shown(row, View::Full)))
}

fn delete_sso(call: &mut Call<'_>) -> Outcome {
    let id = sso(call)?.id.clone();
    call.store.sso_connectors.retain(|row| row.id != id);
    Ok(Answer::no_content())
}
