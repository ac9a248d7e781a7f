use http::Method;
use proptest::prelude::*;

use super::*;

/// What was read of a text, as one line: method, host, target, header fields, body, and what a log says.
fn read(text: &str) -> String {
    let asked = match Asked::parse(text) {
        Ok(asked) => asked,
        Err(unclear) => return format!("unclear: {unclear}"),
    };
    let mut line = asked.method.to_string();
    line.extend(asked.authority.iter().map(|host| format!(" //{host}")));
    line.push_str(&format!(" {}", asked.target));
    for (name, value) in &asked.headers {
        line.push_str(&format!(" {name}={}", value.to_str().unwrap()));
    }
    if let Some(body) = asked.body.as_deref().filter(|body| !body.is_empty()) {
        line.push_str(&format!(" {}", String::from_utf8_lossy(body)));
    }
    for (what, value) in [("caller", &asked.caller), ("tenant", &asked.tenant)] {
        line.extend(value.iter().map(|value| format!(" {what}:{value}")));
    }
    line
}

#[test]
fn what_is_at_hand_is_read_as_it_is() {
    for (text, expected) in [
        ("/api/users", "GET /api/users"),
        ("/t/prod/api/users?page_size=2", "GET /t/prod/api/users?page_size=2"),
        ("GET /api/users", "GET /api/users"),
        ("get /api/users", "GET /api/users"),
        ("  Delete\t/api/users/u1\n", "DELETE /api/users/u1"),
        ("api/users/u1", "GET /api/users/u1"),
        ("ListUsers", "GET /api/users"),
        ("UpdateUser", "PATCH /api/users/{userId}"),
        ("https://claviger.internal/t/prod/api/users", "GET //claviger.internal /t/prod/api/users"),
        ("https://acme.logto.app/api/users#top", "GET //acme.logto.app /api/users"),
        ("post http://localhost:3600/api/users", "POST //localhost:3600 /api/users"),
        ("localhost:3600/api/users", "GET //localhost:3600 /api/users"),
        ("/api/../users", "GET /api/../users"),
        (
            "10.0.0.1 - - [28/Nov/2026:10:00:00 +0000] \"PATCH /api/users/u1?x=1 HTTP/1.1\" 403 211",
            "PATCH /api/users/u1?x=1",
        ),
        ("curl http://127.0.0.1:3600/api/users", "GET //127.0.0.1:3600 /api/users"),
        (
            "$ curl -s 'http://127.0.0.1:3600/api/users?page_size=2' -i",
            "GET //127.0.0.1:3600 /api/users?page_size=2",
        ),
        ("curl localhost:3600/api/users | jq '.[] | .id'", "GET //localhost:3600 /api/users"),
        ("/usr/bin/curl -X DELETE https://h/api/roles/r1", "DELETE //h /api/roles/r1"),
        ("curl -XDELETE https://h/api/roles/r1", "DELETE //h /api/roles/r1"),
        ("curl --request patch --url https://h/api/users/u1", "PATCH //h /api/users/u1"),
        ("curl -sSfLo /dev/null -I https://h/api/users", "HEAD //h /api/users"),
        (
            "curl -X POST http://h/api/users -H 'Content-Type: application/json' -d '{\"username\":\"ada\"}'",
            "POST //h /api/users content-type=application/json {\"username\":\"ada\"}",
        ),
        (
            "curl http://h/api/users -d a=1 --data-raw '@b' --data-urlencode 'c=d e&'",
            "POST //h /api/users content-type=application/x-www-form-urlencoded a=1&@b&c=d%20e%26",
        ),
        (
            "curl --json '{\"name\":' --json '\"x\"}' https://h/api/roles",
            "POST //h /api/roles content-type=application/json {\"name\":\"x\"}",
        ),
        ("curl -G http://h/api/users?a=1 -d page_size=5", "GET //h /api/users?a=1&page_size=5"),
        ("curl -G http://h/api/users --data-urlencode 'search=%x%'", "GET //h /api/users?search=%25x%25"),
        ("curl http://h/api/users --url-query page=2", "GET //h /api/users?page=2"),
        ("curl -T file http://h/api/users", "PUT //h /api/users"),
        ("curl http://h/api/users/../roles", "GET //h /api/roles"),
        ("curl --path-as-is http://h/api/users/../roles", "GET //h /api/users/../roles"),
        (
            "curl 'https://h/api/users' \\\n  -H 'Claviger-Key: k1' \\\n  -H 'Cookie: c=1' \\\n  --compressed",
            "GET //h /api/users claviger-key=k1",
        ),
        (
            "curl https://h/oidc/token -u any:thing -d grant_type=client_credentials",
            "POST //h /oidc/token content-type=application/x-www-form-urlencoded authorization=Basic YW55OnRoaW5n \
             grant_type=client_credentials",
        ),
        ("curl --oauth2-bearer t https://h/api/users", "GET //h /api/users authorization=Bearer t"),
        (
            "curl ^\"https://h/api/users^\" ^\n  -X ^\"PATCH^\" ^\n  --data-raw ^\"^{^\\^\"a^\\^\":1^}^\"",
            "PATCH //h /api/users content-type=application/x-www-form-urlencoded {\"a\":1}",
        ),
        (
            "curl 'https://h/api/users' --data-raw $'{\"name\":\"O\\'Hara\"}'",
            "POST //h /api/users content-type=application/x-www-form-urlencoded {\"name\":\"O'Hara\"}",
        ),
        ("KEY=x curl https://h/api/users -H \"Claviger-Key: $KEY\"", "GET //h /api/users"),
        ("curl https://h/api/users -H 'Authorization:' -H 'X;'", "GET //h /api/users"),
        (
            r#"{"time":"2026-11-28T10:00:00.000Z","schema":1,"caller":"billing","tenant":"acme","operation":"GetUser","method":"GET","path":"/api/users/u1","status":403}"#,
            "GET /api/users/u1 caller:billing tenant:acme",
        ),
        (
            r#"{"level":"INFO","target":"claviger::request","message":"request","caller":"","tenant":"acme","operation":"UpdateUser","method":"PATCH"}"#,
            "PATCH /api/users/{userId} tenant:acme",
        ),
        (
            r#"2026-11-28T10:00:00.1Z stderr F {"method":"DELETE","path":"/api/roles/[redacted]","caller":"local"}"#,
            "DELETE /api/roles/redacted caller:local",
        ),
        (r#"{"log":"{\"method\":\"GET\",\"path\":\"/api/hooks\"}\n","stream":"stderr"}"#, "GET /api/hooks"),
        (r#"{"operation":"token","tenant":"acme"}"#, "POST /oidc/token tenant:acme"),
    ] {
        assert_eq!(read(text), expected, "{text}");
    }
}

#[test]
fn what_is_no_request_is_told_so_and_not_repeated() {
    const KEY: &str = "cvk_0123456789abcdef";
    for (text, says) in [
        ("", "there is no request"),
        (" \n", "there is no request"),
        (KEY, "this is no request. Write GET /api/users"),
        ("one two", "this is no request"),
        ("GET users", "a path begins with \"/\""),
        ("G€T /api/users", "the method is GET"),
        ("one two three", "this is no request"),
        ("ftp://h/api/users", "a URL begins with http://"),
        ("curl -X GET", "the curl command has no URL"),
        ("curl http://a/api/users http://b/api/users", "several requests"),
        ("curl http://a/api/users --next http://b/api/users", "several requests"),
        (
            "curl http://a/api/users -H 'Claviger-Key: cvk_0123456789abcdef\u{7f}'",
            "the value of claviger-key",
        ),
        ("GET /api/users\nGET /api/roles", "several lines"),
        (r#"{"message":"ready"}"#, "neither `path` nor `operation`"),
        (r#"{"operation":"other"}"#, "`operation` is none of the catalog"),
        (
            r#"{"path":"/api/users","method":"GET","status":401,"code":"claviger.caller_unknown"}"#,
            "refused before any rule was asked (401 claviger.caller_unknown): its cause and remedy say why",
        ),
        (
            r#"{"path":"/api/users","status":400,"code":"claviger.bad_request"}"#,
            "refused before any rule was asked (400 claviger.bad_request)",
        ),
        (
            r#"{"message":"a request was refused (431): its head is too large","peer":"127.0.0.1:7"}"#,
            "refused before any rule was asked (its head could not be read)",
        ),
        (
            "2026-11-29T20:00:00Z  WARN a request was refused (431): its head is too large peer=127.0.0.1:7",
            "refused before any rule was asked (its head could not be read)",
        ),
        (
            "WARN 401   0.0 ms  GET     /api/users     from 127.0.0.1:7  ListUsers",
            "refused before any rule was asked (401)",
        ),
        (
            "401 0.0 ms GET /api/users from 127.0.0.1:7 ListUsers\n   claviger.caller_unknown: no credential\n",
            "refused before any rule was asked (401)",
        ),
    ] {
        let said = read(text);
        assert!(said.starts_with("unclear: ") && said.contains(says), "{text}: {said}");
        assert!(!said.contains(KEY), "{said}");
    }
    let long = "x".repeat(MAX_LEN + 1);
    assert_eq!(read(&long), "unclear: this is longer than 64 KiB");
}

#[test]
fn what_was_not_read_is_said() {
    for (text, note) in [
        ("curl http://h/api/users -d @body.json", "its body is in a file or a variable"),
        ("curl http://h/api/users --json \"$BODY\"", "its body is in a file or a variable"),
        ("curl http://h/api/users -F file=@x", "its body is in a file or a variable"),
        ("curl -G http://h/api/users --data-urlencode name@file", "its query is in a file or a variable"),
        ("curl http://h/api/users -H \"Authorization: Bearer $(cat t)\"", "name its caller with --caller"),
        ("curl http://h/api/users -u \"$USER:$PASS\"", "name its caller with --caller"),
        ("curl http://h/api/users -H @headers", "a file of header fields was not read"),
        ("curl http://h/api/users -K more", "--config"),
        ("curl http://h/api/users -E c.pem", "--cert"),
        (r#"{"path":"/api/users"}"#, "without a query"),
        (
            r#"{"path":"/api/users","status":431,"code":"claviger.bad_request","caller":"local"}"#,
            "the line says 431 claviger.bad_request, for a reason that is not looked at here",
        ),
    ] {
        let asked = Asked::parse(text).unwrap();
        assert!(asked.notes.iter().any(|said| said.contains(note)), "{text}: {:?}", asked.notes);
        assert!(asked.body.is_none_or(|body| body.is_empty()), "{text}");
    }
}

#[test]
fn an_option_of_explain_behind_curl_is_no_option_of_curl() {
    let says = |option: &str| {
        format!(
            "unclear: {option} stands behind curl, and was read as an option of curl: write it in front of it, as in \
             claviger explain {option} … curl …"
        )
    };
    for option in ["--caller", "--tenant", "--address"] {
        for value in [format!("{option} billing"), format!("{option}=billing")] {
            assert_eq!(read(&format!("curl http://h/api/users {value}")), says(option), "{value}");
        }
    }
    assert_eq!(read("curl http://h/api/users --config good.toml"), says("--config"));
    assert_eq!(read("curl http://h/api/users --config curlrc"), "GET //h /api/users");
}

#[test]
fn what_is_no_request_is_told_what_is() {
    let cut =
        "unclear: this begins like a line of the log, and is cut off: give the whole line, to its last }";
    let line = r#"{"timestamp":"2026-11-29T22:25:45Z","level":"INFO","path":"/api/users","status":403}"#;
    for text in
        [&line[..60], &format!("2026-11-29T22:25:45Z stderr F {}", &line[..40]), r#"{"log":"{\"timest"#]
    {
        assert_eq!(read(text), cut, "{text}");
    }
    assert!(read(&format!("{line}\n{line}")).starts_with("unclear: these are several lines"));
    for text in ["hello world", "nonsense", "hello"] {
        assert!(
            read(text).starts_with("unclear: this is no request. Write GET /api/users, "),
            "{text}: {}",
            read(text)
        );
    }
    assert_eq!(read("GET api/users"), "unclear: a path begins with \"/\": write /api/users");
}

#[test]
fn a_line_says_itself_why_it_was_refused_where_that_cannot_be_judged_again() {
    let of = |more: &str| {
        let line = format!(
            r#"{{"caller":"support","operation":"ListUsers","method":"GET","path":"/api/users","status":403,"code":"claviger.not_permitted"{more}}}"#
        );
        let asked = Asked::parse(&line).unwrap();
        (asked.refused, asked.notes.join("; "))
    };
    let without = "decided without a query, which logs leave out";
    let broken = r#","cause":"ListUsers: query parameter page_size is above 50 \u001b""#;
    let (refused, notes) = of(broken);
    assert_eq!(refused, Some(Refused::Condition));
    assert_eq!(
        notes,
        format!(
            "{without}; the line says 403 claviger.not_permitted: ListUsers: query parameter page_size is above 50 "
        )
    );
    assert_eq!(of(r#","cause":"no rule allows ListUsers""#), (None, without.to_owned()));
    let line = r#"{"caller":"x","method":"PATCH","path":"/api/users/u1","has_query":false,"status":413,"code":"claviger.body_too_large","cause":"more than 1 MiB"}"#;
    let asked = Asked::parse(line).unwrap();
    assert_eq!(asked.refused, Some(Refused::Beyond));
    assert_eq!(
        asked.notes,
        [
            "decided without a body, which logs leave out",
            "the line says 413 claviger.body_too_large, for a reason that is not looked at here: more than 1 MiB"
        ]
    );
    let shown = "22:26:13Z  403  0.1 ms  GET  /api/roles  billing → acme  ListRoles\n    claviger.not_permitted: ListRoles: query parameter page_size is above 50";
    assert_eq!(Asked::parse(shown).unwrap().refused, Some(Refused::Condition));
}

#[test]
fn words_of_a_shell_are_taken_as_they_are() {
    let of = |words: &[&str]| {
        let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
        let asked = Asked::of_words(&words).unwrap();
        (asked.method, asked.target, asked.body.unwrap_or_default())
    };
    let body = "{\"a b\": \"$c 'd'\"}";
    assert_eq!(
        of(&["curl", "http://h/api/users?x=a b", "-d", body]),
        (Method::POST, "/api/users?x=a b".into(), body.into())
    );
    assert_eq!(of(&["patch", "/api/users/u1"]), (Method::PATCH, "/api/users/u1".into(), vec![]));
    assert_eq!(of(&["curl http://h/api/users -I"]), (Method::HEAD, "/api/users".into(), vec![]));
}

#[test]
fn a_request_cannot_be_printed() {
    let asked = Asked::parse("curl http://h/api/users -u name:hunter2 -d password=hunter3").unwrap();
    let printed = format!("{asked:?} {:?}", asked.headers);
    assert!(!printed.contains("hunter") && !printed.contains(&BASE64_OF_IT[..8]), "{printed}");
    assert!(asked.has_credential());
}

/// `name:hunter2`
const BASE64_OF_IT: &str = "bmFtZTpodW50ZXIy";

/// Pieces that commands, URLs and log lines are made of, so that generated texts get far into the reader.
fn soup() -> impl Strategy<Value = String> {
    let pieces = [
        "curl",
        " ",
        " ",
        "-X",
        "-d",
        "-H",
        "--json",
        "--data-urlencode",
        "-G",
        "-u",
        "--url",
        "'",
        "\"",
        "\\",
        "\n",
        "$",
        "`",
        "^\"",
        "$'",
        "@",
        "=",
        "http://",
        "h",
        "/api/users",
        "/t/",
        "?",
        "&",
        "#",
        "..",
        "/",
        "{",
        "}",
        "\"path\":",
        "\"log\":",
        "GET",
        "Claviger-Key: x",
        ":",
        "|",
        ";",
        "é",
        "\u{0}",
        "%",
        "-",
        "--",
        "[",
        "]",
        "\\u",
        "\\x",
        "0",
        "ListUsers",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..40).prop_map(|pieces| pieces.concat())
}

#[test]
fn another_command_is_told_that_curl_is_understood() {
    for text in
        ["wget http://h/api/users", "sudo http GET h/api/users", "/usr/bin/wget -q http://h/api/users"]
    {
        let why = Asked::parse(text).unwrap_err().to_string();
        assert!(why.starts_with("only curl commands are understood"), "{text}: {why}");
    }
    let words = ["wget", "http://h/api/users"].map(str::to_owned);
    assert!(Asked::of_words(&words).unwrap_err().to_string().starts_with("only curl"));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]
    #[test]
    fn no_text_makes_it_panic(text in prop_oneof![any::<String>(), soup(), soup().prop_map(|text| format!("curl {text}"))]) {
        if let Ok(asked) = Asked::parse(&text) {
            prop_assert!(asked.target.starts_with('/') || asked.target.len() <= text.len());
        }
        let words: Vec<String> = text.split(' ').map(ToOwned::to_owned).collect();
        let _: Result<Asked, Unclear> = Asked::of_words(&words);
    }
}
