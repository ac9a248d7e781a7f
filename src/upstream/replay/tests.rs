//! What is said of a body before it is sent.

use super::*;

/// Logto would act on an empty object.
#[test]
fn json_without_a_body_is_refused_where_an_operation_takes_one() {
    let limits = crate::config::Config::default().limits;
    let asked = |operation: &str, content_type: Option<&'static str>, body: &[u8]| {
        let value = content_type.map(|it| (header::CONTENT_TYPE, HeaderValue::from_static(it)));
        let headers = HeaderMap::from_iter(value);
        check((&Method::POST, &headers, operation), body, &limits).map_err(|error| error.to_string())
    };
    let refused = Err("the request says that it is JSON, and has no body".to_owned());
    let json = Some("application/json; charset=utf-8");
    for operation in ["CreateUser", "UpdateUser", "ReplaceUserRoles"] {
        assert_eq!(asked(operation, json, b""), refused, "{operation}");
        assert_eq!(asked(operation, json, b"{}"), Ok(()), "{operation}");
        for other in [None, Some("application/x-www-form-urlencoded"), Some("text/json")] {
            assert_eq!(asked(operation, other, b""), Ok(()), "{operation} {other:?}");
        }
    }
    for operation in ["GetUser", "DeleteUser", "other", ""] {
        assert_eq!(asked(operation, json, b""), Ok(()), "{operation}");
    }
}
