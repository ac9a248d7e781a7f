//! The table of answers.

use super::*;

fn parsed(body: &str) -> Result<Grant, Fault> {
    let answer = Answer {
        status: StatusCode::OK,
        content_type: Some(HeaderValue::from_static("application/json")),
        retry_after: None,
        body: Zeroizing::new(body.as_bytes().to_vec()),
    };
    parse(&answer, &["all".to_owned()], SystemTime::UNIX_EPOCH).map_err(|failure| failure.fault)
}

fn with_life(expires_in: &str) -> Result<Duration, Fault> {
    parsed(&format!(r#"{{"access_token":"t","token_type":"Bearer","scope":"all"{expires_in}}}"#))
        .map(|grant| grant.life)
}

#[test]
fn b05_a_life_that_is_odd_is_short_bounded_or_refused() {
    for (text, seconds) in [
        ("3600", 3600),
        ("\"3600\"", 3600),
        ("3599.9", 3599),
        ("1", 1),
        ("1e3", 1000),
        ("86401", 86_400),
        ("1e400", 86_400),
        ("18446744073709551616", 86_400),
        ("\"99999999999999999999\"", 86_400),
        // Not numbers: as if it were not there.
        ("null", 60),
        ("true", 60),
        ("\"\"", 60),
        ("\"soon\"", 60),
        ("\"inf\"", 60),
        ("\"NaN\"", 60),
        ("[3600]", 60),
        ("{}", 60),
    ] {
        assert_eq!(with_life(&format!(",\"expires_in\":{text}")), Ok(Duration::from_secs(seconds)), "{text}");
    }
    assert_eq!(with_life(""), Ok(UNSTATED_LIFE));
    for text in ["0", "-1", "\"0\"", "\"-3600\"", "0.9", "-1e400", "1e-400", "-0"] {
        let flaw = with_life(&format!(",\"expires_in\":{text}"));
        assert_eq!(flaw, Err(Fault::Invalid(Flaw::Expired)), "{text}");
    }
}

#[test]
fn b05_a_token_is_a_word_that_a_header_can_carry() {
    let token = |token: &str| {
        parsed(&format!(r#"{{"access_token":{token},"token_type":"bearer","expires_in":60,"scope":"all"}}"#))
            .map(|grant| grant.header.to_str().unwrap().to_owned())
    };
    assert_eq!(token(r#""a.b-c_d~e+f/g==""#).unwrap(), "Bearer a.b-c_d~e+f/g==");
    assert_eq!(token(r#""a\/\u0062""#).unwrap(), "Bearer a/b", "escapes are JSON's business");
    for (odd, flaw) in [
        (r#""""#, Flaw::NoToken),
        ("null", Flaw::NoToken),
        ("17", Flaw::Malformed),
        (r#"["t"]"#, Flaw::Malformed),
        (r#""a b""#, Flaw::OddToken),
        (r#"" a""#, Flaw::OddToken),
        (r#""a\r\nX: y""#, Flaw::OddToken),
        (r#""a\u0000""#, Flaw::OddToken),
        (r#""é""#, Flaw::OddToken),
        (&format!("\"{}\"", "x".repeat(16 * 1024 + 1)), Flaw::OddToken),
    ] {
        assert_eq!(token(odd), Err(Fault::Invalid(flaw)), "{odd:.40}");
    }
    token(&format!("\"{}\"", "x".repeat(16 * 1024))).expect("as long as may be");
}

#[test]
fn b05_what_is_no_token_answer_says_what_it_is() {
    for (body, flaw) in [
        ("", Flaw::Empty),
        (" \r\n", Flaw::Empty),
        ("<!DOCTYPE html><html>", Flaw::Html),
        ("\n <html>", Flaw::Html),
        ("{}", Flaw::NoToken),
        ("OK", Flaw::Malformed),
        ("[]", Flaw::Malformed),
        ("{\"access_token\":\"t\"", Flaw::Malformed),
        (r#"{"access_token":"t","access_token":"u","token_type":"Bearer","scope":"all"}"#, Flaw::Malformed),
        (r#"{"access_token":"t","expires_in":60,"scope":"all"}"#, Flaw::TokenType),
        (r#"{"access_token":"t","expires_in":60,"scope":"all","token_type":"DPoP"}"#, Flaw::TokenType),
        (r#"{"access_token":"t","expires_in":60,"scope":"all","token_type":7}"#, Flaw::TokenType),
    ] {
        assert_eq!(parsed(body).err(), Some(Fault::Invalid(flaw)), "{body}");
    }
    let page = Answer {
        status: StatusCode::OK,
        content_type: Some(HeaderValue::from_static("Text/HTML; charset=utf-8")),
        retry_after: None,
        body: Zeroizing::new(b"{}".to_vec()),
    };
    let failure = parse(&page, &[], SystemTime::UNIX_EPOCH).unwrap_err();
    assert_eq!(failure.fault, Fault::Invalid(Flaw::Html));
    assert!(failure.fault.remedy().contains("endpoint"));
}

#[test]
fn b14_each_scope_is_looked_for_by_itself() {
    let grant = |scope: &str, wanted: &[&str]| {
        let answer = Answer {
            status: StatusCode::OK,
            content_type: None,
            retry_after: None,
            body: Zeroizing::new(
                format!(r#"{{"access_token":"t","token_type":"Bearer"{scope}}}"#).into_bytes(),
            ),
        };
        let wanted = wanted.iter().map(|scope| (*scope).to_owned()).collect::<Vec<_>>();
        parse(&answer, &wanted, SystemTime::UNIX_EPOCH).map(|_| ()).map_err(|failure| failure.fault)
    };
    assert_eq!(grant(r#","scope":"b a more""#, &["a", "b"]), Ok(()));
    assert_eq!(grant("", &[]), Ok(()), "none asked for, none missed");
    let missing = |missing: &str| Err(Fault::ScopeMissing { missing: missing.into() });
    assert_eq!(grant(r#","scope":"b""#, &["a", "b", "c"]), missing("a c"));
    assert_eq!(grant("", &["all"]), missing("all"));
    assert_eq!(grant(r#","scope":"ALL""#, &["all"]), missing("all"), "RFC 6749 section 3.3: case matters");
}

#[test]
fn refusals_are_told_in_the_users_terms() {
    let remedy = |status: u16, body: &str| {
        let answer = Answer {
            status: StatusCode::from_u16(status).unwrap(),
            content_type: None,
            retry_after: None,
            body: Zeroizing::new(body.as_bytes().to_vec()),
        };
        parse(&answer, &[], SystemTime::UNIX_EPOCH).unwrap_err().fault.remedy()
    };
    let oauth = |error: &str, description: &str| {
        remedy(400, &format!(r#"{{"error":"{error}","error_description":"{description}"}}"#))
    };
    assert!(oauth("invalid_client", "client authentication failed").contains("secret is wrong"));
    assert!(oauth("invalid_client", "invalid client abc").contains("client_id"));
    assert!(oauth("invalid_request", "client secret has expired").contains("expired"));
    assert!(oauth("invalid_target", "resource indicator is missing").contains("trailing slash"));
    assert!(oauth("invalid_redirect_uri", "").contains("machine-to-machine"));
    assert!(oauth("access_denied", "").contains("organization"));
    assert!(remedy(404, "Not Found").contains("endpoint"));
    assert!(remedy(302, "").contains("redirect"));
    assert!(remedy(429, r#"{"code":"auth.exceed_token_limit"}"#).contains("plan"));
}

/// Logto has not seen the request.
#[test]
fn a_page_of_what_is_in_front_of_logto_is_not_an_error_of_logtos_own() {
    for (content_type, body, remedy) in [
        (
            "text/html",
            "<html>503 Service Temporarily Unavailable</html>",
            "What is in front of Logto answers in its place",
        ),
        ("application/json", "{}", "It is an error of Logto's own"),
    ] {
        let answer = Answer {
            status: StatusCode::SERVICE_UNAVAILABLE,
            content_type: Some(HeaderValue::from_static(content_type)),
            retry_after: None,
            body: Zeroizing::new(body.into()),
        };
        let fault = parse(&answer, &[], SystemTime::UNIX_EPOCH).unwrap_err().fault;
        assert!(fault.remedy().starts_with(remedy), "{fault}. {}", fault.remedy());
        assert!(fault.to_string().contains("503") && fault.label() == "status", "{fault}");
    }
}

fn refused(status: u16, kind: &'static str, body: &str) -> Fault {
    let answer = Answer {
        status: StatusCode::from_u16(status).unwrap(),
        content_type: Some(HeaderValue::from_static(kind)),
        retry_after: None,
        body: Zeroizing::new(body.as_bytes().to_vec()),
    };
    parse(&answer, &[], SystemTime::UNIX_EPOCH).unwrap_err().fault
}

/// As nginx has it for `deny` and `auth_basic`, and Kong.
#[test]
fn a_refusal_that_is_no_oauth_error_is_of_what_is_in_front_of_logto() {
    for (status, kind, body) in [
        (403, "text/html", "<html>\r\n<head><title>403 Forbidden</title></head>"),
        (401, "text/html", "<html>"),
        (401, "application/json", r#"{"message":"Unauthorized"}"#),
    ] {
        let fault = refused(status, kind, body);
        assert_eq!(
            fault.to_string(),
            format!("not Logto, but something in its place answered with status {status}")
        );
        assert!(
            fault.remedy().starts_with("A reverse proxy or a firewall in front of Logto refuses: have it")
        );
    }
    assert_eq!(refused(404, "text/html", "<html>"), Fault::Status(404), "another server");
    assert!(refused(502, "text/html", "<html>").remedy().contains("whether Logto runs"));
}

#[test]
fn another_claviger_is_known_by_its_code() {
    let body = r#"{"code":"claviger.caller_unknown","error":"invalid_client","error_description":"The caller could not"}"#;
    let fault = refused(401, "application/json", body);
    assert_eq!(
        fault.to_string(),
        "Logto refused with invalid_client: another Claviger is at `endpoint`, and has no caller with this name and key"
    );
    assert!(fault.remedy().starts_with("Set `endpoint` to Logto's own address; or, to go through that"));
    assert!(fault.blames_secret(), "another secret may be a caller's key");
    let other = r#"{"code":"claviger.bad_request","error":"invalid_target","error_description":"d"}"#;
    assert_eq!(refused(400, "application/json", other).to_string(), "Logto refused with invalid_target: d");
}
