mod property;

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::*;
use crate::catalog::Catalog;

const MASKED: &str = "[redacted by claviger]";

fn secrets_of(id: &str) -> &'static Secrets {
    Catalog::logto().secrets(Catalog::logto().by_id(id).unwrap()).unwrap()
}

/// Names at several depths, of which one is an ordinary one elsewhere.
static DEEP: LazyLock<Secrets> = LazyLock::new(|| {
    Secrets::parse(["/secret", "/config/headers", "/config/auth/pass", "/value/value"].into_iter()).unwrap()
});

/// Masks `text`, cut into pieces that end at `cuts`.
fn mask(secrets: &'static Secrets, text: &[u8], cuts: &[usize]) -> Result<Vec<u8>, Unmaskable> {
    let mut redactor = Redactor::new(secrets);
    let mut masked = Vec::new();
    let mut from = 0;
    for cut in cuts.iter().copied().chain([text.len()]) {
        let cut = cut.clamp(from, text.len());
        masked.extend(redactor.mask(Bytes::copy_from_slice(&text[from..cut]))?);
        from = cut;
    }
    redactor.finish().map(|()| masked)
}

fn masked(secrets: &'static Secrets, text: &str) -> String {
    String::from_utf8(mask(secrets, text.as_bytes(), &[]).unwrap()).unwrap()
}

/// What masking means, said another way.
fn reference(secrets: &Secrets, place: Place, value: &mut Value) {
    match value {
        Value::Array(elements) => elements.iter_mut().for_each(|v| reference(secrets, place, v)),
        Value::Object(members) => {
            for (name, value) in members {
                let inner = match place {
                    Place::Above(step) => secrets.member(step, name.as_bytes()),
                    other => other,
                };
                reference(secrets, inner, value);
            }
        }
        Value::String(_) | Value::Number(_) if place == Place::Secret => *value = MASKED.into(),
        _ => {}
    }
}

#[test]
fn each_answer_of_fact_7_is_masked_in_both_shapes() {
    let app =
        json!({"id": "a", "name": "n", "secret": "S", "customData": {"secret": "mine"}, "isAdmin": false});
    let app_masked =
        json!({"id": "a", "name": "n", "secret": MASKED, "customData": {"secret": "mine"}, "isAdmin": false});
    let older = json!({"id": "a", "secret": "#internal:S"});
    let older_masked = json!({"id": "a", "secret": MASKED});
    let sso = json!({"id": "s", "config": {"issuer": "i", "clientSecret": "S", "trust": false},
        "domains": ["d"], "providerConfig": {"clientSecret": "S", "scope": "openid"}});
    let sso_masked = json!({"id": "s", "config": {"issuer": MASKED, "clientSecret": MASKED, "trust": false},
        "domains": ["d"], "providerConfig": {"clientSecret": MASKED, "scope": MASKED}});
    let connector = json!({"id": "c", "config": {"host": "h", "port": 587, "auth": {"user": "u", "pass": "S"},
        "templates": [{"content": "x"}], "none": null}, "formItems": [{"key": "clientSecret"}], "target": "mail"});
    let connector_masked = json!({"id": "c", "config": {"host": MASKED, "port": MASKED,
        "auth": {"user": MASKED, "pass": MASKED}, "templates": [{"content": MASKED}], "none": null},
        "formItems": [{"key": "clientSecret"}], "target": "mail"});
    let hook = json!({"id": "h", "config": {"url": "https://u", "headers": {"Authorization": "Bearer S"}}, "signingKey": "S"});
    let hook_masked = json!({"id": "h", "config": {"url": "https://u", "headers": {"Authorization": MASKED}}, "signingKey": MASKED});
    let script =
        json!({"script": "S", "environmentVariables": {"API_KEY": "S"}, "contextSample": {"user": {}}});
    let script_masked =
        json!({"script": MASKED, "environmentVariables": {"API_KEY": MASKED}, "contextSample": {"user": {}}});
    let row = |name: &str, secret: &str| json!({"name": name, "value": secret, "expiresAt": null});
    for (id, plain, want) in [
        ("GetApplication", &app, &app_masked),
        ("CreateApplication", &app, &app_masked),
        ("UpdateApplication", &older, &older_masked),
        ("DeleteApplicationLegacySecret", &older, &older_masked),
        ("ListApplications", &json!([app, older]), &json!([app_masked, older_masked])),
        ("ListRoleApplications", &json!([older]), &json!([older_masked])),
        ("ListOrganizationApplications", &json!([app]), &json!([app_masked])),
        (
            "ListApplicationSecrets",
            &json!([row("a", "S"), row("b", "S")]),
            &json!([row("a", MASKED), row("b", MASKED)]),
        ),
        ("CreateApplicationSecret", &row("a", "S"), &row("a", MASKED)),
        ("UpdateApplicationSecret", &row("a", "S"), &row("a", MASKED)),
        ("ListConnectors", &json!([connector]), &json!([connector_masked])),
        ("CreateConnector", &connector, &connector_masked),
        ("GetConnector", &connector, &connector_masked),
        ("UpdateConnector", &connector, &connector_masked),
        ("ListSsoConnectors", &json!([sso]), &json!([sso_masked])),
        ("CreateSsoConnector", &sso, &sso_masked),
        ("GetSsoConnector", &sso, &sso_masked),
        ("UpdateSsoConnector", &sso, &sso_masked),
        ("ListOrganizationJitSsoConnectors", &json!([sso]), &json!([sso_masked])),
        ("ListHooks", &json!([hook]), &json!([hook_masked])),
        ("CreateHook", &hook, &hook_masked),
        ("GetHook", &hook, &hook_masked),
        ("UpdateHook", &hook, &hook_masked),
        ("UpdateHookSigningKey", &hook, &hook_masked),
        ("ListUserPersonalAccessTokens", &json!([row("a", "pat_S")]), &json!([row("a", MASKED)])),
        ("CreateUserPersonalAccessToken", &row("a", "pat_S"), &row("a", MASKED)),
        ("UpdatePersonalAccessTokenName", &row("a", "pat_S"), &row("a", MASKED)),
        ("UpdateUserPersonalAccessToken", &row("a", "pat_S"), &row("a", MASKED)),
        (
            "CreateUserMfaVerification",
            &json!({"type": "Totp", "secret": "S", "secretQrCode": "data:S"}),
            &json!({"type": "Totp", "secret": MASKED, "secretQrCode": MASKED}),
        ),
        (
            "CreateUserMfaVerification",
            &json!({"type": "BackupCode", "codes": ["S", "S"]}),
            &json!({"type": "BackupCode", "codes": [MASKED, MASKED]}),
        ),
        (
            "CreateSubjectToken",
            &json!({"subjectToken": "S", "expiresIn": 600}),
            &json!({"subjectToken": MASKED, "expiresIn": 600}),
        ),
        (
            "ListOneTimeTokens",
            &json!([{"email": "e", "token": "S"}]),
            &json!([{"email": "e", "token": MASKED}]),
        ),
        ("AddOneTimeTokens", &json!({"token": "S"}), &json!({"token": MASKED})),
        ("GetOneTimeToken", &json!({"token": "S"}), &json!({"token": MASKED})),
        ("VerifyOneTimeToken", &json!({"token": "S"}), &json!({"token": MASKED})),
        ("ReplaceOneTimeTokenStatus", &json!({"token": "S"}), &json!({"token": MASKED})),
        (
            "GetCaptchaProvider",
            &json!({"config": {"siteKey": "k", "secretKey": "S"}}),
            &json!({"config": {"siteKey": "k", "secretKey": MASKED}}),
        ),
        (
            "UpdateCaptchaProvider",
            &json!({"config": {"secretKey": "S"}}),
            &json!({"config": {"secretKey": MASKED}}),
        ),
        (
            "ListJwtCustomizers",
            &json!([{"key": "jwt.accessToken", "value": script}]),
            &json!([{"key": "jwt.accessToken", "value": script_masked}]),
        ),
        ("GetJwtCustomizer", &script, &script_masked),
        ("UpsertJwtCustomizer", &script, &script_masked),
        ("UpdateJwtCustomizer", &script, &script_masked),
        (
            "ListActions",
            &json!([{"key": "action.postSignIn", "value": script}]),
            &json!([{"key": "action.postSignIn", "value": script_masked}]),
        ),
        ("GetAction", &script, &script_masked),
        ("UpsertAction", &script, &script_masked),
        ("UpdateAction", &script, &script_masked),
    ] {
        let secrets = secrets_of(id);
        let got: Value = serde_json::from_str(&masked(secrets, &plain.to_string())).unwrap();
        assert_eq!(&got, want, "{id}");
        // A list where there was one, and one where there was a list.
        let other = if let Value::Array(rows) = plain { rows[0].clone() } else { json!([plain, plain]) };
        assert!(!masked(secrets, &other.to_string()).contains("\"S\""), "{id}");
    }
}

#[test]
fn everything_but_the_secret_stays_byte_for_byte() {
    for (plain, want) in [
        (
            " \t{\r\n \"secret\" :  \"a\\\"b\" , \"x\":1.50e+1 }\n",
            " \t{\r\n \"secret\" :  M , \"x\":1.50e+1 }\n",
        ),
        ("{\"secret\":\"\"}", "{\"secret\":M}"),
        ("{\"secret\":-0.5E-3}", "{\"secret\":M}"),
        ("{\"secret\":[1 ,2]}", "{\"secret\":[M ,M]}"),
        ("{\"secret\":[null,true,false,{},[]]}", "{\"secret\":[null,true,false,{},[]]}"),
        (
            "{\"secret\":{\"secret\":\"a\",\"b\":[{\"c\":7}]}}",
            "{\"secret\":{\"secret\":M,\"b\":[{\"c\":M}]}}",
        ),
        ("{\"secret\":\"a\",\"secret\":\"b\"}", "{\"secret\":M,\"secret\":M}"),
        ("{\"s\\u0065cre\\u0074\":\"a\"}", "{\"s\\u0065cre\\u0074\":M}"),
        ("{\"\\u0053ecret\":\"a\",\"SECRET\":1}", "{\"\\u0053ecret\":M,\"SECRET\":M}"),
        ("{\"\\u0054ecret\":\"a\"}", "{\"\\u0054ecret\":\"a\"}"),
        ("{\"secret\\u0000\":\"a\",\"secret \":\"b\"}", "{\"secret\\u0000\":\"a\",\"secret \":\"b\"}"),
        (
            "{\"s\\ud83d\\ude00\":\"a\",\"\\ud800\":1,\"é\":\"é😀\"}",
            "{\"s\\ud83d\\ude00\":\"a\",\"\\ud800\":1,\"é\":\"é😀\"}",
        ),
        ("{\"x\":\"secret\",\"y\":[\"secret\",\"v\"]}", "{\"x\":\"secret\",\"y\":[\"secret\",\"v\"]}"),
        (
            "{\"config\":{\"headers\":{\"a\":\"b\"},\"auth\":{\"pass\":\"p\",\"u\":\"v\"}}}",
            "{\"config\":{\"headers\":{\"a\":M},\"auth\":{\"pass\":M,\"u\":\"v\"}}}",
        ),
        (
            "{\"headers\":\"a\",\"config\":\"b\",\"auth\":{\"pass\":\"p\"}}",
            "{\"headers\":\"a\",\"config\":\"b\",\"auth\":{\"pass\":\"p\"}}",
        ),
        ("{\"a\":{\"secret\":\"x\"}}", "{\"a\":{\"secret\":\"x\"}}"),
        ("[[[{\"secret\":\"x\"}]]]", "[[[{\"secret\":M}]]]"),
        ("", ""),
        (" \n", " \n"),
        ("null", "null"),
        ("17", "17"),
        ("\"secret\"", "\"secret\""),
    ] {
        let want = want.replace('M', &format!("\"{MASKED}\""));
        assert_eq!(masked(&DEEP, plain), want, "{plain}");
        for cut in 0..=plain.len() {
            assert_eq!(
                mask(&DEEP, plain.as_bytes(), &[cut]).unwrap(),
                want.as_bytes(),
                "{plain} cut at {cut}"
            );
        }
        let every: Vec<usize> = (0..plain.len()).collect();
        assert_eq!(mask(&DEEP, plain.as_bytes(), &every).unwrap(), want.as_bytes(), "{plain}");
    }
}

#[test]
fn what_could_be_read_in_two_ways_does_not_pass() {
    for text in [
        "{",
        "}",
        "[",
        "]",
        "[}",
        "{]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\" 1}",
        "{\"a\":1,}",
        "{,}",
        "[1,]",
        "[,]",
        "[1 2]",
        "{'secret':'x'}",
        "{secret:\"x\"}",
        "// x\n{}",
        "/**/{}",
        "{}{}",
        "{} x",
        "[] []",
        "1 2",
        "nul",
        "nulll",
        "tru",
        "True",
        "NaN",
        "Infinity",
        "-",
        "01",
        "1.",
        ".5",
        "+1",
        "1e",
        "1e+",
        "0x10",
        "-a",
        "\"a",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"a\nb\"",
        "\"a\tb\"",
        "\"\0\"",
        "\u{feff}{}",
        "\0",
        "<html>",
        "secret=x",
        "{\"a\":1",
        "[{\"secret\":\"x\"",
        "{\"secret\":\"x",
        "{\"secret\":1",
        "{\"secret\":t",
    ] {
        assert!(mask(&DEEP, text.as_bytes(), &[]).is_err(), "{text}");
        assert!(serde_json::from_str::<serde::de::IgnoredAny>(text).is_err(), "{text}: or the test is wrong");
    }
    // Not UTF-8: overlong, a lone continuation, a surrogate, cut off; and UTF-16.
    for bytes in [
        &b"{\"\xc1\xb3ecret\":\"x\"}"[..],
        b"\"\x80\"",
        b"\"\xed\xa0\x80\"",
        b"\"\xf0\x9f\x98\"",
        b"\"\xf0\x9f",
        b"\xff\xfe{\0}\0",
        b"\0{\0}",
    ] {
        for cut in 0..bytes.len() {
            assert!(mask(&DEEP, bytes, &[cut]).is_err(), "{bytes:?} cut at {cut}");
        }
    }
}

#[test]
fn an_error_is_for_good() {
    let mut redactor = Redactor::new(&DEEP);
    assert_eq!(redactor.mask(Bytes::from_static(b"{]")), Err(Unmaskable::Malformed));
    assert_eq!(redactor.mask(Bytes::from_static(b"{}")), Err(Unmaskable::Malformed));
    assert_eq!(redactor.finish(), Err(Unmaskable::Malformed));
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(masked(&DEEP, &nested(MAX_DEPTH)), nested(MAX_DEPTH));
    assert_eq!(mask(&DEEP, nested(MAX_DEPTH + 1).as_bytes(), &[]), Err(Unmaskable::TooDeep));
    let on_the_way = format!("{{\"config\":{}", nested(MAX_DEPTH));
    assert_eq!(mask(&DEEP, on_the_way.as_bytes(), &[]), Err(Unmaskable::TooDeep));
}

/// What a caller stores in its `customData` keeps nobody from a list.
#[test]
fn depth_beyond_the_places_of_secrets_is_followed() {
    for (levels, open, close) in
        [(70, "{\"a\":", "}"), (7_000, "[{\"secret\":", "}]"), (deep::MOST - 70, "[", "]")]
    {
        let inner = format!("{}\"mine\"{}", open.repeat(levels), close.repeat(levels));
        let with = |secret: &str| {
            format!("[{{\"customData\":{inner},\"secret\":{secret}}},{{\"secret\":{secret}}}]")
        };
        let text = with("\"S\"");
        let cuts: Vec<usize> = (0..text.len()).step_by(61).collect();
        let got = mask(&DEEP, text.as_bytes(), &cuts).unwrap();
        assert!(got == with(&format!("\"{MASKED}\"")).as_bytes(), "{levels}");
        let wrong = format!("{{\"customData\":{}1{}", "[".repeat(levels), "}".repeat(levels));
        assert_eq!(mask(&DEEP, wrong.as_bytes(), &[]), Err(Unmaskable::Malformed), "{levels}");
        let all_secret = format!("{{\"secret\":{inner}}}");
        assert!(
            !String::from_utf8(mask(&DEEP, all_secret.as_bytes(), &[]).unwrap()).unwrap().contains("mine")
        );
    }
    let bottomless = format!("{{\"customData\":{}", "[".repeat(deep::MOST + 100));
    assert_eq!(mask(&DEEP, bottomless.as_bytes(), &[]), Err(Unmaskable::TooDeep));
}

#[test]
fn a_name_of_any_length_takes_no_memory_and_is_not_one_of_ours() {
    let text = format!("{{\"secret{}\":\"x\",\"secret\":\"y\"}}", "t".repeat(100_000));
    let cuts: Vec<usize> = (0..text.len()).step_by(97).collect();
    let got = mask(&DEEP, text.as_bytes(), &cuts).unwrap();
    let got = String::from_utf8(got).unwrap();
    assert!(got.contains("\"x\"") && !got.contains("\"y\""));
}

#[test]
fn a_chunk_without_a_secret_is_not_copied() {
    let mut redactor = Redactor::new(&DEEP);
    for chunk in [&b"[{\"a\":\"b"[..], b"c\"},", b"{\"d\":1}", b"]"] {
        let chunk = Bytes::copy_from_slice(chunk);
        let masked = redactor.mask(chunk.clone()).unwrap();
        assert_eq!(masked.as_ptr(), chunk.as_ptr());
    }
    redactor.finish().unwrap();
}

#[test]
fn a_large_list_is_masked_in_the_memory_of_one_chunk() {
    let row = br#"{"id":"abcdefghijkl","name":"an application","secret":"S3CR3T-of-an-application","customData":{}},"#;
    let mut redactor = Redactor::new(secrets_of("ListApplications"));
    let size = size_of_val(&redactor);
    assert!(size < 1024, "{size} bytes, and no heap");
    let mut sent = redactor.mask(Bytes::from_static(b"[")).unwrap().len();
    let chunk = Bytes::from(row.repeat(8192 / row.len()));
    for _ in 0..20_000_000 / chunk.len() {
        let masked = redactor.mask(chunk.clone()).unwrap();
        assert!(memchr::memmem::find(&masked, b"S3CR3T").is_none());
        sent += masked.len();
    }
    sent += redactor.mask(Bytes::from_static(b"null]")).unwrap().len();
    redactor.finish().unwrap();
    assert!(sent > 18_000_000);
}
