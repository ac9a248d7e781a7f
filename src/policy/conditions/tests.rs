use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;

use super::*;
use crate::config::{Conditions, OtherParameters, QueryCondition};

/// Conditions that leave other parameters alone.
fn check_query(conditions: &[(String, QueryCondition)], query: Option<&str>) -> Result<(), Broken> {
    let others = OtherParameters::Unrestricted;
    super::check_query(&Conditions { query: conditions.to_vec(), others, body: None }, query)
}

fn asked(name: &str, condition: QueryCondition) -> (String, QueryCondition) {
    (name.into(), condition)
}

fn at_most(max: u64) -> QueryCondition {
    QueryCondition { max: Some(max), ..QueryCondition::default() }
}

/// What a query comes to: `ok`, or the words of what is broken.
fn query(conditions: &[(String, QueryCondition)], query: &str) -> String {
    check_query(conditions, Some(query)).map_or_else(|broken| broken.to_string(), |()| "ok".into())
}

#[test]
fn a_number_is_a_plain_number_within_its_bounds() {
    let bounds = QueryCondition { min: Some(2), ..at_most(50) };
    let conditions = [asked("page_size", bounds)];
    for fine in
        ["", "page=3", "page_size=2", "page_size=50", "a=%26page_size%3D99&page_size=7", "&&page_size=%35&"]
    {
        assert_eq!(query(&conditions, fine), "ok", "{fine}");
    }
    assert_eq!(
        query(&conditions, "page_size=51"),
        "query parameter page_size is above 50, the most that the grant allows"
    );
    assert_eq!(
        query(&conditions, "page_size=1"),
        "query parameter page_size is below 2, the least that the grant allows"
    );
    let numbers = [
        "",
        "050",
        "+5",
        "-5",
        "5.0",
        "5e0",
        "0x5",
        "0b1",
        "5%00",
        "%205",
        "5+",
        "5_0",
        "٥",
        "%D9%A5",
        "9007199254740993",
        "18446744073709551617",
        "Infinity",
        "NaN",
        "5,6",
        "%2535",
        "[5]",
    ];
    for number in numbers {
        assert_ne!(query(&conditions, &format!("page_size={number}")), "ok", "{number}");
    }
    assert_eq!(query(&conditions, "page_size"), "query parameter page_size must be a plain decimal number");
    assert_eq!(check_query(&conditions, None), Ok(()));
}

#[test]
fn no_spelling_smuggles_a_parameter_past_its_condition() {
    let conditions = [
        asked("page_size", at_most(50)),
        asked("search", QueryCondition { forbidden: true, ..QueryCondition::default() }),
    ];
    let attacks = [
        // Repeated: Node makes an array of them, others take the first or the last.
        "page_size=5&page_size=99",
        "page_size=99&page_size=5",
        "page_size=5&page_size=5",
        "page_size=5&page%5Fsize=99",
        "page%5Fsize=99",
        "page%5fsize=9",
        "%70age_size=99",
        "page%255Fsize=99",
        "page%25255Fsize=99",
        "page%2525252525252525255Fsize=99",
        "page_size[]=99",
        "page_size%5B%5D=99",
        "page_size[0]=99",
        "page_size[a][b]=99",
        "page_size.x=99",
        "page_size%00=99",
        "page_size+=99",
        "+page_size=99",
        "%20page_size=99",
        "%09page_size=99",
        "?page_size=99",
        "%3Fpage_size=99",
        "[page_size]=99",
        "PAGE_SIZE=99",
        "Page_Size=99",
        "page=1;page_size=99",
        "page_size=5;page_size=99",
        "page_size=5%",
        "x=%&page_size=5",
        "x=%zz",
        "x=%C3&page_size=5",
        "x=%FF",
        "x=%C0%AF",
        "x=\u{e9}",
        "x=a\\b",
        "x={}",
        "x=%0Apage_size=99",
        "x=%0D%0A",
        "search=",
        "search",
        "search=x",
        "search.primaryEmail=x",
        "search[]=x",
        "searchable=x",
        "Search=x",
    ];
    for attack in attacks {
        assert_ne!(query(&conditions, attack), "ok", "{attack}");
    }
    for fine in
        ["page=2", "research=1", "page_size_x=9", "page_sizes=9", "x=a[b]", "page_size=5&order=search"]
    {
        assert_eq!(query(&conditions, fine), "ok", "{fine}");
    }
    let many = "x=1&".repeat(1000) + "page_size=5";
    assert_ne!(query(&conditions, &many), "ok", "Node does not look at it");
}

#[test]
fn required_and_one_of() {
    let required = QueryCondition { required: true, ..QueryCondition::default() };
    let conditions = [asked("userId", required)];
    assert_eq!(query(&conditions, "userId=u1"), "ok");
    for absent in ["", "userId=", "userId", "x=userId", "userid=u1"] {
        assert_ne!(query(&conditions, absent), "ok", "{absent}");
    }
    assert_eq!(check_query(&conditions, None), Err(Broken::Missing("userId".into())));
    let values =
        QueryCondition { one_of: Some(vec!["a b".into(), "c&d".into()]), ..QueryCondition::default() };
    let conditions = [asked("mode", values)];
    for fine in ["mode=a+b", "mode=a%20b", "mode=c%26d", ""] {
        assert_eq!(query(&conditions, fine), "ok", "{fine}");
    }
    for other in
        ["mode=", "mode=a%2Bb", "mode=A+b", "mode=c&d", "mode=a+b+", "mode=a%2520b", "mode=a+b&mode=a+b"]
    {
        assert_ne!(query(&conditions, other), "ok", "{other}");
    }
}

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

fn body(headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> String {
    let header = |(name, value): &(&str, &str)| {
        (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
    };
    let mut map = HeaderMap::new();
    for (name, value) in headers.iter().map(header) {
        map.append(name, value);
    }
    let members = ["name".to_owned(), "customData".to_owned()];
    body::check(&members, &map, body.as_ref()).map_or_else(|broken| broken.to_string(), |()| "ok".into())
}

#[test]
fn only_the_members_of_the_grant() {
    for fine in [
        "{}",
        r#"{"name":"a"}"#,
        r#"{"name":"a","customData":{"isSuspended":true,"x":1,"x":2}}"#,
        " {\"customData\" : [ ] }\r\n",
        r#"{"\u006eame":null}"#,
        "",
    ] {
        assert_eq!(body(JSON, fine), "ok", "{fine}");
    }
    assert_eq!(body(JSON, r#"{"isSuspended":true}"#), "member isSuspended is not allowed by the grant");
    assert_eq!(
        body(JSON, r#"{"name":"a","\u0069sSuspended":true}"#),
        "member isSuspended is not allowed by the grant"
    );
    assert_eq!(body(JSON, r#"{"name":1,"name":2}"#), "member name is given more than once");
    assert_eq!(body(JSON, r#"{"name":1,"n\u0061me":2}"#), "member name is given more than once");
    for text in [r"<b>\n", "cvt_Q5FfUymMpLkk", "0f0e0d0c0b0a0908", "a.b", "", &"a".repeat(41)] {
        assert_eq!(
            body(JSON, format!("{{\"{text}\":1}}")),
            "member (not a plain name) is not allowed by the grant"
        );
    }
    for attack in [
        r#"{"__proto__":{"isSuspended":true}}"#,
        r#"{"Name":1}"#,
        r#"{"name ":1}"#,
        r#"{"":1}"#,
        r#"{"name\u0000":1}"#,
        r#"{"\ud83d":1}"#,
        r#"{"customData.isSuspended":1}"#,
        r#"[{"name":1}]"#,
        r#""name""#,
        "null",
        "1",
        " ",
        r#"{"name":1}{"isSuspended":true}"#,
        r#"{"name":1},"#,
        r#"{"name":1,}"#,
        r#"{"name":1 /* "isSuspended" */}"#,
        r#"{'name':1}"#,
        r#"{name:1}"#,
        r#"{"name":NaN}"#,
        r#"{"name":1"#,
        "\u{feff}{\"name\":1}",
        "\u{b}{\"name\":1}",
    ] {
        assert_ne!(body(JSON, attack), "ok", "{attack}");
    }
}

#[test]
fn only_one_reading_of_the_bytes() {
    const FINE: &str = r#"{"name":"a"}"#;
    for content_type in [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=\"UTF-8\"",
    ] {
        assert_eq!(body(&[("content-type", content_type)], FINE), "ok", "{content_type}");
    }
    for content_type in [
        "application/json; charset=utf-16",
        "application/json; charset=utf-7",
        "application/json; charset=utf-8; charset=utf-16",
        "application/json; charset=iso-8859-1",
        "application/json; charset=",
        "application/json; charset",
        "application/json; x=y",
        "application/json, text/plain",
        "application/json-patch+json",
        "application/vnd.api+json",
        "application/csp-report",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain",
        "text/json",
        "",
    ] {
        assert_ne!(body(&[("content-type", content_type)], FINE), "ok", "{content_type}");
    }
    assert_ne!(body(&[], FINE), "ok");
    assert_ne!(body(&[JSON[0], ("content-type", "application/x-www-form-urlencoded")], FINE), "ok");
    assert_eq!(body(&[JSON[0], ("content-encoding", "identity")], FINE), "ok");
    for coding in ["gzip", "x-gzip", "deflate", "br", "identity, gzip", "gzip, identity", ""] {
        assert_ne!(body(&[JSON[0], ("content-encoding", coding)], FINE), "ok", "{coding}");
    }
    assert_ne!(body(&[JSON[0], ("content-encoding", "identity"), ("content-encoding", "gzip")], FINE), "ok");
    let utf16: Vec<u8> = FINE.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_ne!(body(JSON, utf16), "ok");
    assert_ne!(body(JSON, b"{\"name\":\"\xff\"}"), "ok");
    assert_ne!(body(JSON, b"{\"name\":\"\xc0\xa2,\\\"isSuspended\\\":1\"}"), "ok");
    assert_ne!(body(JSON, b"+AHsAIg-name+ACI:1+AH0-"), "ok");
    assert_ne!(body(JSON, b"\x1f\x8b\x08\0"), "ok");
}

/// How many ways a parser that is nothing like ours could see `page_size`: decoded, cut at a bracket or dot.
fn other_readings(query: &str) -> Vec<String> {
    let split = query.split(['&', ';']);
    let pairs =
        split.flat_map(|pair| form_urlencoded::parse(pair.as_bytes()).into_owned().collect::<Vec<_>>());
    let simple = |name: &str| {
        let name = name.trim_start_matches('?').trim().to_lowercase();
        name.split(['[', '.', '\0']).next().unwrap_or_default().to_owned()
    };
    pairs.filter(|(name, _)| simple(name) == "page_size").map(|(_, value)| value).collect()
}

proptest! {
    #[test]
    fn what_passes_is_within_bounds_for_every_reader(
        pieces in proptest::collection::vec(
            prop_oneof![
                Just("page_size"), Just("page%5Fsize"), Just("PAGE_SIZE"), Just("page"), Just("="), Just("&"), Just(";"),
                Just("50"), Just("51"), Just("0"), Just("%35"), Just("%2535"), Just("[]"), Just("[0]"), Just("%5B%5D"),
                Just("."), Just("+"), Just("%20"), Just("%00"), Just("%"), Just("?"), Just("x"), Just("%26"), Just("%3D"),
            ],
            0..12,
        ),
    ) {
        let query = pieces.concat();
        if check_query(&[asked("page_size", at_most(50))], Some(&query)).is_ok() {
            let seen = other_readings(&query);
            prop_assert!(seen.len() <= 1, "{query}: {seen:?}");
            prop_assert!(seen.iter().all(|n| n.parse::<u64>().is_ok_and(|n| n <= 50)), "{query}: {seen:?}");
        }
    }

    #[test]
    fn what_passes_has_no_other_member(
        pieces in proptest::collection::vec(
            prop_oneof![
                Just("{"), Just("}"), Just("[") , Just("]"), Just(","), Just(":"), Just("\"name\""), Just("\"isSuspended\""),
                Just("\"\\u006eame\""), Just("\"customData\""), Just("1"), Just("null"), Just("\"name\":1"), Just(" "),
                Just("{\"name\":"), Just("\\"), Just("\""), Just("\"isSuspended\":true"), Just("\u{feff}"),
            ],
            0..10,
        ),
    ) {
        let text = pieces.concat();
        if !text.is_empty() && body(JSON, &text) == "ok" {
            let value: serde_json::Value = serde_json::from_str(&text).unwrap();
            let object = value.as_object().unwrap();
            prop_assert!(object.keys().all(|key| key == "name" || key == "customData"), "{text}");
        }
    }
}

#[test]
fn b32_what_is_not_listed_is_refused_where_all_else_is_forbidden() {
    let closed = |listed: Vec<(String, QueryCondition)>, query: Option<&str>| {
        let conditions = Conditions { query: listed, others: OtherParameters::Forbidden, body: None };
        super::check_query(&conditions, query).map_or_else(|broken| broken.to_string(), |()| "ok".into())
    };
    let listed = || vec![asked("page_size", at_most(5)), asked("search", at_most(9))];
    for query in ["page_size=5", "search=1&page_size=5", "", "&&"] {
        assert_eq!(closed(listed(), Some(query)), "ok", "{query}");
    }
    assert_eq!(closed(listed(), None), "ok");
    let unlisted = |name: &str| format!("query parameter {name} is not among those that the grant allows");
    assert_eq!(closed(listed(), Some("page=1")), unlisted("page"));
    assert_eq!(closed(Vec::new(), Some("page_size=1")), unlisted("page_size"));
    for query in [
        "=1",
        "a",
        "%61=1",
        "p%61ge=1",
        "PAGE=1",
        "page[]=1",
        "page%00=1",
        "%2561=1",
        "a+b=1",
        "*=1",
        "%2A=1",
        "pat_x=1",
    ] {
        assert_ne!(closed(listed(), Some(query)), "ok", "{query}");
        assert_ne!(closed(Vec::new(), Some(query)), "ok", "{query}");
    }
    for query in [
        "search.name=1",
        "Page_Size=1",
        "page%5Fsize=1",
        "page_size[]=1",
        "?page_size=1",
        "page_size=1&page_size=2",
    ] {
        assert_ne!(closed(listed(), Some(query)), "ok", "{query}");
    }
    assert!(!closed(listed(), Some("pat_secret=1")).contains("pat_secret"), "free text is not repeated");
    let conditions = Conditions { query: listed(), others: OtherParameters::Forbidden, body: None };
    assert_eq!(
        Words(&conditions).to_string(),
        "page_size at most 5; search at most 9; no other query parameter"
    );
}
