use super::*;

fn why(path: &str) -> Why {
    match CanonicalPath::parse(path) {
        Ok(path) => panic!("{path:?} was accepted"),
        Err(ambiguous) => ambiguous.why,
    }
}

#[test]
fn ordinary_paths_come_out_as_they_went_in() {
    for path in [
        "/api",
        "/api/users",
        "/api/users/u_1-2.3~4",
        "/api/.well-known/sign-in-exp",
        "/api/users/a@b.example",
        "/api/users/a:b!$&'()*+,=",
        "/api/users/a%20b",
        "/api/users/%E5%90%8D%E5%89%8D",
        "/api/users/%c3%a9",
        "/api/users/%F0%9F%94%91",
        "/api/users/a%22b%3Cc%3E%5B%5D%7B%7C%7D%5E%60",
        "/api/users/%40%2B%3A%2C",
        "/api/users/..a",
        "/api/users/.a",
    ] {
        let parsed = CanonicalPath::parse(path).unwrap().as_str();
        assert_eq!(parsed, path);
        assert!(std::ptr::eq(parsed, path), "copied");
    }
}

#[test]
fn one_trailing_slash_is_cut_off() {
    assert_eq!(CanonicalPath::parse("/api/users/").unwrap().as_str(), "/api/users");
    assert_eq!(why("/api/users//"), Why::EmptySegment);
    assert_eq!(why("/"), Why::EmptySegment);
    assert_eq!(why("//"), Why::EmptySegment);
}

#[test]
fn what_two_parsers_could_read_differently_is_refused() {
    for (path, expected) in [
        ("", Why::NotAbsolute),
        ("api/users", Why::NotAbsolute),
        ("*", Why::NotAbsolute),
        ("http://evil.example/api/users", Why::NotAbsolute),
        // dot segments, plain and encoded, in part or whole
        ("/api/users/../applications", Why::DotSegment),
        ("/api/users/./roles", Why::DotSegment),
        ("/api/users/..", Why::DotSegment),
        ("/api/users/../", Why::DotSegment),
        ("/api/users/...", Why::DotSegment),
        ("/api/users/%2e%2e/applications", Why::NeedlessEscape),
        ("/api/users/%2E%2E/applications", Why::NeedlessEscape),
        ("/api/users/.%2e/applications", Why::NeedlessEscape),
        ("/api/users/%2e", Why::NeedlessEscape),
        ("/api/users/%252e%252e/applications", Why::EscapedDelimiter),
        ("/api/users/..%2fapplications", Why::EscapedDelimiter),
        ("/api/users/..%5capplications", Why::EscapedDelimiter),
        ("/api/users/..\\applications", Why::RawByte),
        ("/api/users/..;/applications", Why::RawByte),
        ("/api/users/%2e%2e%2fapplications", Why::NeedlessEscape),
        // delimiters in disguise
        ("/api/users%2f1", Why::EscapedDelimiter),
        ("/api/users%2F1", Why::EscapedDelimiter),
        ("/api/users%5C1", Why::EscapedDelimiter),
        ("/api/users%3Fx", Why::EscapedDelimiter),
        ("/api/users/1%3f", Why::EscapedDelimiter),
        ("/api/users/1%23", Why::EscapedDelimiter),
        ("/api/users%3Bx=1", Why::EscapedDelimiter),
        ("/api/users/100%25", Why::EscapedDelimiter),
        ("/api/users%252f1", Why::EscapedDelimiter),
        ("/api/users;jsessionid=1", Why::RawByte),
        ("/api/users;/1", Why::RawByte),
        ("/api/users#x", Why::RawByte),
        ("/api/users?x", Why::RawByte),
        ("/api\\users", Why::RawByte),
        // empty segments
        ("//api/users", Why::EmptySegment),
        ("/api//users", Why::EmptySegment),
        ("/api/users//roles", Why::EmptySegment),
        // letters in disguise
        ("/api/%75sers", Why::NeedlessEscape),
        ("/%61pi/users", Why::NeedlessEscape),
        ("/api/users/%7Eme", Why::NeedlessEscape),
        ("/api/users/a%2Db", Why::NeedlessEscape),
        // control characters
        ("/api/users/%00", Why::EscapedControl),
        ("/api/users%00.json", Why::EscapedControl),
        ("/api/users/%0d%0aHost:x", Why::EscapedControl),
        ("/api/users/%09", Why::EscapedControl),
        ("/api/users/%7f", Why::EscapedControl),
        ("/api/users/%C2%85", Why::EscapedControl),
        ("/api/users/\0", Why::RawByte),
        ("/api/users/\t", Why::RawByte),
        ("/api/users/\r\n", Why::RawByte),
        ("/api/users/\x7f", Why::RawByte),
        // escapes that are none
        ("/api/users/%", Why::BadEscape),
        ("/api/users/%2", Why::BadEscape),
        ("/api/users/%2/", Why::BadEscape),
        ("/api/users/%zz", Why::BadEscape),
        ("/api/users/%u002e%u002e", Why::BadEscape),
        ("/api/users/%+1", Why::BadEscape),
        ("/api/users/% 20", Why::BadEscape),
        // UTF-8 that is none: overlong dot, slash and NUL, surrogate, cut short, lone continuation, beyond U+10FFFF
        ("/api/users/%c0%ae%c0%ae/applications", Why::NotUtf8),
        ("/api/users/%c0%af", Why::NotUtf8),
        ("/api/users/%e0%80%af", Why::NotUtf8),
        ("/api/users/%f0%80%80%ae", Why::NotUtf8),
        ("/api/users/%c0%80", Why::NotUtf8),
        ("/api/users/%ed%a0%80", Why::NotUtf8),
        ("/api/users/%c3", Why::NotUtf8),
        ("/api/users/%c3/%a9", Why::NotUtf8),
        ("/api/users/%c3a9", Why::NotUtf8),
        ("/api/users/%e5%90", Why::NotUtf8),
        ("/api/users/%80", Why::NotUtf8),
        ("/api/users/%f4%90%80%80", Why::NotUtf8),
        ("/api/users/%ff", Why::NotUtf8),
        // bytes that RFC 3986 does not have there
        ("/api/users/é", Why::RawByte),
        ("/api/users/\u{ff0e}\u{ff0e}", Why::RawByte),
        ("/api/\u{17f}ers", Why::RawByte),
        ("/api/users/a b", Why::RawByte),
        ("/api/users/{userId}", Why::RawByte),
        ("/api/users/\"", Why::RawByte),
        ("/api/users/<x>", Why::RawByte),
        ("/api/users/a|b^c`", Why::RawByte),
        ("/api/users/[x]", Why::RawByte),
        // what some file systems and servers cut off
        ("/api/users.", Why::TrailingDotOrSpace),
        ("/api/users./", Why::TrailingDotOrSpace),
        ("/api/users./1", Why::TrailingDotOrSpace),
        ("/api/users%20", Why::TrailingDotOrSpace),
        ("/api/users%20/1", Why::TrailingDotOrSpace),
    ] {
        assert_eq!(why(path), expected, "{path:?}");
    }
}

/// No router folds these to ASCII, and the bytes go on as they came, so they are an ordinary parameter.
#[test]
fn full_width_look_alikes_stay_what_they_are() {
    let path = "/api/users/%EF%BC%8E%EF%BC%8E%EF%BC%8F";
    assert_eq!(CanonicalPath::parse(path).unwrap().as_str(), path);
}

#[test]
fn length_and_depth_are_bounded() {
    let longest = format!("/{}", "a".repeat(MAX_LEN - 1));
    assert_eq!(CanonicalPath::parse(&longest).unwrap().as_str(), longest);
    assert_eq!(why(&format!("{longest}a")), Why::TooLong);
    let deepest = "/a".repeat(MAX_SEGMENTS);
    assert!(CanonicalPath::parse(&deepest).is_ok());
    assert!(CanonicalPath::parse(&format!("{deepest}/")).is_ok());
    assert_eq!(why(&format!("{deepest}/a")), Why::TooManySegments);
}

#[test]
fn the_message_says_where() {
    let error = CanonicalPath::parse("/api/users/%2e%2e").unwrap_err();
    assert_eq!(error.at, 11);
    assert_eq!(error.to_string(), "at byte 11 of the path: %2E is an escaped \".\", which needs no escape");
    assert_eq!(error.remedy(), "Write this character itself, without an escape.");
    let said = |path: &str| CanonicalPath::parse(path).unwrap_err().to_string();
    for (path, shown) in [
        ("/api/users/a%2Fb", "%2F is an escaped \"/\""),
        ("/api/users/a b", "a space may not stand"),
        ("/api/users/\u{e9}", "a character outside ASCII may not stand"),
        ("/api/users/\t", "the control character 0x09 may not stand"),
        ("/api/users/%C2%85", "%C2 begins an escaped control character"),
    ] {
        assert!(said(path).contains(shown), "{path}: {}", said(path));
    }
}

#[test]
fn a_free_name_may_have_delimiters_where_the_operation_has_one() {
    let read = |method: &str, path: &str| {
        let method = method.parse().unwrap();
        CanonicalPath::of_request(Catalog::logto(), &method, path).map(|path| path.as_str().to_owned())
    };
    let refused = |name: &str, at: &str| read("DELETE", &format!("{at}{name}")).map_err(|error| error.why);
    let tokens = "/api/users/u1/personal-access-tokens/";
    for name in
        ["CI%2FCD", "a%2f", "100%25", "%25zz", "x%3B%3F%23%5C", "%25%252", "v1.", "v1%20", "a%2F..b", "x"]
    {
        let path = format!("{tokens}{name}");
        assert_eq!(read("DELETE", &path), Ok(path.clone()), "{name}");
        assert_eq!(read("PATCH", &format!("{path}/")), Ok(path), "{name}");
    }
    for (name, why) in [
        ("..", Why::DotSegment),
        ("...", Why::DotSegment),
        ("%2E%2E", Why::NeedlessEscape),
        ("CI%2FC%44", Why::EscapedDelimiter),
        ("..%2F..%2Fu2", Why::EscapedDelimiter),
        ("a%2F.", Why::EscapedDelimiter),
        ("a%2F.%20", Why::EscapedDelimiter),
        ("..%3Bx%2Fy", Why::EscapedDelimiter),
        ("..%5C", Why::EscapedDelimiter),
        ("%252F", Why::EscapedDelimiter),
        ("a%2Fb%00", Why::EscapedDelimiter),
        ("a%2Fb%80", Why::EscapedDelimiter),
        ("CI%2FCD;x", Why::EscapedDelimiter),
    ] {
        assert_eq!(refused(name, tokens), Err(why), "{name}");
    }
    for at in [
        "/api/users/",
        "/api/custom-profile-fields/",
        "/api/users/u1/roles/",
        "/api/new/",
        "/api/users/a%2Fb/personal-access-tokens/",
        "/api//users/u1/personal-access-tokens/",
    ] {
        assert!(refused("CI%2FCD", at).is_err(), "{at}");
    }
    assert!(read("GET", &format!("{tokens}CI%2FCD")).is_err(), "no operation");
    // A server that decodes first could take these for what is above: an operation with PATCH, none with DELETE.
    for name in ["%2F", "%231", "%3Bx", "%20", "%20%2Fx", "%5Cx"] {
        assert!(read("DELETE", &format!("{tokens}{name}")).is_ok(), "{name}");
        assert!(read("PATCH", &format!("{tokens}{name}")).is_err(), "{name}");
    }
}
