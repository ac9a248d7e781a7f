//! What is said of a body before it is sent.

use super::*;

/// Logto would act on an empty object, whatever the Content-Type says.
#[test]
fn no_body_is_refused_where_an_operation_takes_an_object() {
    let limits = crate::config::Config::default().limits;
    let asked = |operation: &str, content_type: Option<&'static str>, body: &[u8]| {
        let value = content_type.map(|it| (header::CONTENT_TYPE, HeaderValue::from_static(it)));
        let headers = HeaderMap::from_iter(value);
        check((&Method::POST, &headers, operation), body, &limits).map_err(|error| error.to_string())
    };
    let refused = Err("the request has no body, and its operation takes a JSON object".to_owned());
    let json = Some("application/json; charset=utf-8");
    let types = [
        json,
        None,
        Some("application/x-www-form-urlencoded"),
        Some("text/json"),
        Some("multipart/form-data"),
    ];
    for operation in ["CreateUser", "UpdateUser", "ReplaceUserRoles"] {
        for content_type in types {
            for body in [&b""[..], b"\r\n "] {
                assert_eq!(asked(operation, content_type, body), refused, "{operation} {content_type:?}");
            }
        }
        assert_eq!(asked(operation, json, b"{}"), Ok(()), "{operation}");
    }
    for operation in ["GetUser", "DeleteUser", "CreateUserAsset", "other", ""] {
        for content_type in types {
            assert_eq!(asked(operation, content_type, b""), Ok(()), "{operation}");
        }
    }
}
