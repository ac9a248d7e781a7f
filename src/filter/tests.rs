use http::{Request, Response};

use super::{redact::Unmaskable, *};
use crate::{catalog::Catalog, secret::Secret, token::Token};

const TOKEN: &str = "eyJhbGciOiJFUzM4NCJ9.eyJqdGkiOiJhYmMifQ.c2lnbmF0dXJlLWlzLXJhbmRvbQZ8";
const SECRET: &str = "dK3-the-tenants-own-secret-9fQ";

fn hidden(id: &str) -> Option<&'static Secrets> {
    Catalog::logto().secrets(Catalog::logto().by_id(id).unwrap())
}

fn head(status: u16, headers: &[(&str, &str)]) -> Parts {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(()).unwrap().into_parts().0
}

/// Of a caller that takes this coding.
fn asked(method: &Method, coding: &str) -> request::Parts {
    let request = Request::builder().method(method).header("accept-encoding", coding);
    request.body(()).unwrap().into_parts().0
}

fn screen(
    method: &Method,
    head: &mut Parts,
    hidden: Option<&'static Secrets>,
) -> Result<ResponseFilter, Blocked> {
    filter(&asked(method, "identity"), head, hidden)
}

fn filter(
    request: &request::Parts,
    head: &mut Parts,
    hidden: Option<&'static Secrets>,
) -> Result<ResponseFilter, Blocked> {
    let known = KnownSecrets::new(&[Secret::new(SECRET.into())]);
    ResponseFilter::new(request, head, hidden, EchoGuard::new(Token::of(TOKEN), None, &known), 200)
}

fn last(screen: &mut ResponseFilter, body: &'static str) -> Result<Bytes, Blocked> {
    screen.take_last(Bytes::from_static(body.as_bytes()));
    rest(screen).map(Bytes::from)
}

/// All that may pass of what came.
fn rest(screen: &mut ResponseFilter) -> Result<Vec<u8>, Blocked> {
    let mut passed = Vec::new();
    while let Some(data) = screen.pass_on()? {
        passed.extend(data);
    }
    Ok(passed)
}

const JSON: (&str, &str) = ("content-type", "application/json; charset=utf-8");

#[test]
fn a_masked_answer_has_no_header_of_the_unmasked_one() {
    for method in [Method::GET, Method::HEAD] {
        let mut head = head(
            200,
            &[
                JSON,
                ("content-length", "12"),
                ("etag", "\"x\""),
                ("digest", "x"),
                ("total-number", "3"),
                ("vary", "Origin"),
            ],
        );
        let mut screen = screen(&method, &mut head, hidden("ListHooks")).unwrap();
        let mut names: Vec<&str> = head.headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["content-type", "total-number", "vary"], "{method}");
        if method == Method::GET {
            assert_eq!(screen.kept(), None, "nobody knows its length");
            assert_eq!(
                last(&mut screen, "[{\"signingKey\":1}]").unwrap(),
                "[{\"signingKey\":\"[redacted by claviger]\"}]"
            );
        } else {
            assert_eq!(screen.kept(), Some(0));
        }
    }
}

#[test]
fn any_other_answer_stays_as_it_is() {
    let headers = [JSON, ("content-length", "18"), ("etag", "\"x\""), ("content-encoding", "identity")];
    for (status, hidden) in [
        (200, None),
        (400, hidden("GetHook")),
        (404, hidden("GetHook")),
        (500, hidden("GetHook")),
        (304, hidden("GetHook")),
    ] {
        let mut head = head(status, &headers);
        let mut screen = screen(&Method::GET, &mut head, hidden).unwrap();
        assert_eq!(head.headers.len(), headers.len(), "{status}");
        assert_eq!(last(&mut screen, "{\"signingKey\":\"x\"}").unwrap(), "{\"signingKey\":\"x\"}");
    }
}

#[test]
fn what_cannot_be_masked_is_withheld() {
    for (status, headers, want) in [
        (200, &[JSON, ("content-encoding", "br")][..], Blocked::Encoded),
        (200, &[JSON, ("content-encoding", "gzip, gzip")], Blocked::Encoded),
        (206, &[JSON, ("content-encoding", "gzip")], Blocked::Encoded),
        (201, &[JSON, ("content-encoding", "identity"), ("content-encoding", "br")], Blocked::Encoded),
        (206, &[JSON], Blocked::Partial),
        (200, &[], Blocked::NotJson),
        (200, &[("content-type", "text/plain")], Blocked::NotJson),
        (200, &[("content-type", "application/json; charset=utf-16")], Blocked::NotJson),
        (200, &[("content-type", "application/json;CHARSET=\"utf-7\"")], Blocked::NotJson),
        (200, &[JSON, ("content-type", "text/plain")], Blocked::NotJson),
        (200, &[("content-type", "application/jsonp")], Blocked::NotJson),
    ] {
        let got = screen(&Method::GET, &mut head(status, headers), hidden("GetHook")).err();
        assert_eq!(got, Some(want), "{status} {headers:?}");
    }
    for headers in [
        &[("content-type", "application/json")][..],
        &[("content-type", "Application/Problem+JSON;charset=UTF-8")],
        &[JSON, ("content-encoding", "identity")],
    ] {
        assert!(screen(&Method::GET, &mut head(200, headers), hidden("GetHook")).is_ok(), "{headers:?}");
    }
    // Without a body there is nothing to mask.
    assert!(screen(&Method::DELETE, &mut head(204, &[]), hidden("GetHook")).is_ok());
    assert!(screen(&Method::POST, &mut head(201, &[("content-length", "0")]), hidden("GetHook")).is_ok());
    assert!(screen(&Method::HEAD, &mut head(200, &[]), hidden("GetHook")).is_ok());
}

#[test]
fn an_operation_that_nobody_knows_may_answer_with_something_else() {
    let unknown = Some(Secrets::of_unknown());
    let mut text = head(201, &[("content-type", "text/plain"), ("content-length", "7")]);
    assert_eq!(last(&mut screen(&Method::POST, &mut text, unknown).unwrap(), "Created").unwrap(), "Created");
    assert!(text.headers.contains_key("content-length"));
    let mut json = head(200, &[JSON]);
    let masked = last(
        &mut screen(&Method::GET, &mut json, unknown).unwrap(),
        "{\"a\":[{\"clientSecret\":\"x\",\"b\":\"y\"}]}",
    );
    assert_eq!(masked.unwrap(), "{\"a\":[{\"clientSecret\":\"[redacted by claviger]\",\"b\":\"y\"}]}");
    let twice = &[JSON, JSON][..];
    let utf_16 = &[("content-type", "Application/JSON; charset=utf-16")][..];
    for headers in
        [&[], twice, utf_16, &[("content-type", "text/json")], &[("content-type", "application/x-ndjson")]]
    {
        let refused = screen(&Method::GET, &mut head(200, headers), unknown).err();
        assert_eq!(refused, Some(Blocked::NotJson), "{headers:?}");
    }
    let encoded = &mut head(200, &[JSON, ("content-encoding", "br")]);
    assert_eq!(screen(&Method::GET, encoded, unknown).err(), Some(Blocked::Encoded));
}

#[test]
fn what_is_not_what_it_says_breaks_off() {
    let cut = |body: &'static str| {
        last(&mut screen(&Method::GET, &mut head(200, &[JSON]), hidden("GetHook")).unwrap(), body)
    };
    assert_eq!(cut("{\"signingKey\":\"x\""), Err(Blocked::Unmaskable(Unmaskable::Unfinished)));
    assert_eq!(cut("<html>"), Err(Blocked::Unmaskable(Unmaskable::Malformed)));
    assert_eq!(cut("").unwrap(), "");
}

#[test]
fn an_echo_is_stopped_with_and_without_secrets_to_mask_but_not_where_it_was_masked() {
    let echo: &'static str = format!("{{\"name\":\"{TOKEN}\"}}").leak();
    let masked: &'static str = format!("{{\"signingKey\":\"{TOKEN}\"}}").leak();
    for (status, hidden, want) in [
        (200, None, true),
        (400, None, true),
        (200, hidden("GetHook"), false),
        (500, hidden("GetHook"), true),
    ] {
        let screen = || screen(&Method::GET, &mut head(status, &[JSON]), hidden).unwrap();
        assert_eq!(last(&mut screen(), echo), Err(Blocked::Echo));
        assert_eq!(last(&mut screen(), masked) == Err(Blocked::Echo), want, "{status}");
    }
    let in_head = &mut head(200, &[JSON, ("x-debug", TOKEN)]);
    assert_eq!(screen(&Method::GET, in_head, None).err(), Some(Blocked::Echo));
}

mod compressed;

#[test]
fn b25_what_connectors_say_in_errors_is_masked() {
    let general = r#"{"code":"connector.general","data":{"options":{"headers":{"authorization":"S3"},"n":5}},"message":"{\"S3\"}"}"#;
    let masked = r#"{"code":"connector.general","data":{"options":{"headers":{"authorization":"[redacted by claviger]"},"n":"[redacted by claviger]"}},"message":"[redacted by claviger]"}"#;
    let late = r#"{"message":"S3","data":"S3","code":"connector.general"}"#;
    let late_masked =
        r#"{"message":"[redacted by claviger]","data":"[redacted by claviger]","code":"connector.general"}"#;
    let other = r#"{"message":"no connector","code":"connector.not_found","data":{"type":"S3"}}"#;
    let other_masked =
        r#"{"message":"no connector","code":"connector.not_found","data":{"type":"[redacted by claviger]"}}"#;
    let plain = r#"{"message":"said","code":"user.username_already_in_use","data":{"type":"said"}}"#;
    for (status, body, want) in [
        (400, general, masked),
        (500, late, late_masked),
        (404, other, other_masked),
        (422, plain, plain),
        (500, r#"{"message":"Internal server error"}"#, r#"{"message":"Internal server error"}"#),
        (400, "no JSON", "no JSON"),
        (
            400,
            r#"{"code":"x","code":"connector.general","data":"S3"}"#,
            r#"{"code":"x","code":"connector.general","data":"[redacted by claviger]"}"#,
        ),
        (200, general, general),
    ] {
        for pieces in [1, 3, 7] {
            let length = body.len().to_string();
            let mut head = head(status, &[JSON, ("content-length", &length), ("etag", "x")]);
            let mut filter = screen(&Method::POST, &mut head, None).unwrap();
            assert_eq!(filter.reads_error(), status >= 400);
            let mut passed = Vec::new();
            for chunk in body.as_bytes().chunks(body.len() / pieces) {
                filter.take(Bytes::copy_from_slice(chunk));
                passed.extend(rest(&mut filter).unwrap());
                assert!(status == 200 || passed.is_empty(), "not before it is there whole");
            }
            passed.extend(last(&mut filter, "").unwrap());
            filter.finish_error(&mut head.headers);
            assert_eq!(std::str::from_utf8(&passed).unwrap(), want);
            assert_eq!(head.headers.contains_key("content-length"), body == want);
        }
    }
}

#[test]
fn b25_what_connectors_say_is_masked_whatever_their_error_says_that_it_is() {
    let error = r#"{"code":"connector.general","data":"S3","message":"S3"}"#;
    let masked =
        r#"{"code":"connector.general","data":"[redacted by claviger]","message":"[redacted by claviger]"}"#;
    let types = ["text/plain", "application/octet-stream", "application/json; charset=utf-16", "text/json"];
    let typed = types.iter().map(|kind| vec![("content-type", *kind)]);
    for headers in typed.chain([vec![], vec![JSON, ("content-type", "text/plain")]]) {
        let mut head = head(400, &headers);
        let mut filter = screen(&Method::POST, &mut head, None).unwrap();
        assert_eq!(last(&mut filter, error).unwrap(), masked, "{headers:?}");
        let text = |body| last(&mut screen(&Method::POST, &mut head.clone(), None).unwrap(), body);
        assert_eq!(text("Bad Request").unwrap(), "Bad Request", "{headers:?}");
        assert!(matches!(text("connector.general: S3"), Err(Blocked::Unmaskable(_))), "{headers:?}");
    }
    let mut filter = screen(&Method::POST, &mut head(502, &[("content-type", "text/plain")]), None).unwrap();
    filter.take(Bytes::from(b"no JSON, and no end ".repeat(5_000)));
    assert!(rest(&mut filter).is_err(), "nobody has looked through all of it");
}

#[test]
fn b25_an_error_that_is_late_goes_on_masked() {
    for ends in [false, true] {
        let mut head = head(422, &[JSON, ("content-length", "40")]);
        let mut filter = screen(&Method::POST, &mut head, None).unwrap();
        filter.take(Bytes::from_static(br#"{"code":"user.exists","mess"#));
        assert_eq!(rest(&mut filter).unwrap(), b"");
        filter.give_up_error();
        filter.finish_error(&mut head.headers);
        assert!(!head.headers.contains_key("content-length"));
        let mut passed = Vec::new();
        if !ends {
            filter.take(Bytes::from_static(br#"age""#));
            passed.extend(rest(&mut filter).unwrap());
        }
        passed.extend(last(&mut filter, if ends { r#"age":"S3"}"# } else { r#":"S3"}"# }).unwrap());
        assert_eq!(passed, br#"{"code":"user.exists","message":"[redacted by claviger]"}"#);
    }
}

#[test]
fn b25_an_error_without_end_is_masked_as_it_comes() {
    let mut head = head(400, &[JSON]);
    let mut filter = screen(&Method::POST, &mut head, None).unwrap();
    let mut passed = Vec::new();
    for chunk in [&br#"{"code":"x","n":["#[..], &b"0,".repeat(40_000), br#"0],"data":"S3"}"#] {
        filter.take(Bytes::copy_from_slice(chunk));
        passed.extend(rest(&mut filter).unwrap());
    }
    passed.extend(last(&mut filter, "").unwrap());
    assert!(passed.ends_with(br#"0],"data":"[redacted by claviger]"}"#));
}
