//! Anything at all as an answer.

use proptest::prelude::*;

use super::*;

fn answer(status: u16, content_type: Option<Vec<u8>>, retry_after: Option<Vec<u8>>, body: Vec<u8>) -> Answer {
    let header = |bytes: Vec<u8>| HeaderValue::from_bytes(&bytes).ok();
    Answer {
        status: StatusCode::from_u16(status).unwrap(),
        content_type: content_type.and_then(header),
        retry_after: retry_after.and_then(header),
        body: Zeroizing::new(body),
    }
}

/// A JSON value as a text, of every kind and size.
fn member() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|b| b.to_string()),
        any::<i64>().prop_map(|n| n.to_string()),
        any::<f64>().prop_map(|n| format!("{n:e}")),
        "-?[0-9]{1,400}",
        "-?[0-9]e[0-9]{1,4}",
        any::<String>().prop_map(|s| serde_json::to_string(&s).unwrap()),
        "\"-?[0-9]{1,30}\"",
        "\"(inf|nan|NaN|infinity|-inf|1e999|0x10|٣)\"",
        Just("\"Bearer\"".to_owned()),
        Just("\"bEARER\"".to_owned()),
        Just("\"all\"".to_owned()),
        Just("[1]".to_owned()),
        Just("{\"a\":{}}".to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn b05_no_bytes_make_it_panic(
        status in 100u16..1000,
        content_type in proptest::option::of(any::<Vec<u8>>()),
        retry_after in proptest::option::of(any::<Vec<u8>>()),
        body in any::<Vec<u8>>(),
        scopes in proptest::collection::vec(any::<String>(), 0..4),
    ) {
        let answer = answer(status, content_type, retry_after, body);
        let _ = parse(&answer, &scopes, SystemTime::UNIX_EPOCH);
    }

    #[test]
    fn b05_a_life_is_always_bounded_and_a_token_always_fit_for_a_header(
        token in prop_oneof![member(), Just("\"tok\"".to_owned())],
        token_type in prop_oneof![member(), Just("\"Bearer\"".to_owned())],
        expires_in in proptest::option::of(member()),
        scope in member(),
    ) {
        let life = expires_in.map_or(String::new(), |value| format!(r#""expires_in":{value},"#));
        let body = format!(r#"{{{life}"access_token":{token},"token_type":{token_type},"scope":{scope}}}"#);
        if let Ok(grant) = parse(&answer(200, None, None, body.into_bytes()), &[], SystemTime::UNIX_EPOCH) {
            prop_assert!(grant.life >= SECOND && grant.life <= MAX_LIFE);
            prop_assert!(grant.header.is_sensitive());
            let sent = grant.header.to_str().unwrap().strip_prefix("Bearer ").unwrap();
            prop_assert!(!sent.is_empty() && !sent.contains(char::is_whitespace));
        }
    }

    #[test]
    fn b05_what_an_issuer_says_is_bounded_and_printable(
        status in 400u16..500, error in any::<String>(), description in any::<String>(),
    ) {
        let body = serde_json::json!({ "error": error, "error_description": description.repeat(50) });
        let failure = parse(&answer(status, None, None, body.to_string().into_bytes()), &[], SystemTime::UNIX_EPOCH)
            .unwrap_err();
        let shown = failure.fault.to_string();
        prop_assert!(shown.len() < 350 && shown.bytes().all(|b| matches!(b, b' '..=b'~')), "{shown}");
    }
}
