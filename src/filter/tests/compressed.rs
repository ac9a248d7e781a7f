//! Answers that come compressed.

use proptest::{collection::vec, prelude::*};

use super::{
    super::gunzip::{
        Gunzip, Undecodable,
        tests::{gzip, pieces},
    },
    *,
};

const GZIP: (&str, &str) = ("content-encoding", "gzip");

/// A filter of a compressed answer to a caller that takes this coding.
fn of_gzip(coding: &str, hidden: Option<&'static Secrets>) -> ResponseFilter {
    filter(&asked(&Method::GET, coding), &mut head(200, &[JSON, GZIP]), hidden).unwrap()
}

/// What passes of these chunks, chunk by chunk, and the error that ended it.
fn passed(screen: &mut ResponseFilter, chunks: Vec<Bytes>) -> (Vec<Vec<u8>>, Option<Blocked>) {
    let mut passed = Vec::new();
    for chunk in chunks {
        screen.take(chunk);
        match rest(screen) {
            Ok(data) => passed.push(data),
            Err(blocked) => return (passed, Some(blocked)),
        }
    }
    screen.take_last(Bytes::new());
    match rest(screen) {
        Ok(data) => passed.push(data),
        Err(blocked) => return (passed, Some(blocked)),
    }
    assert!(screen.is_done());
    (passed, None)
}

#[test]
fn a_compressed_answer_has_the_headers_of_the_form_that_goes_on() {
    let all = [
        JSON,
        GZIP,
        ("content-length", "77"),
        ("etag", "\"58a-x\""),
        ("last-modified", "Fri, 20 Nov 2026 16:27:10 GMT"),
        ("digest", "x"),
        ("vary", "Accept-Encoding, Origin"),
    ];
    let names = |coding: &str, hidden: Option<&'static Secrets>, headers: &[(&str, &str)]| {
        let mut head = head(200, headers);
        filter(&asked(&Method::GET, coding), &mut head, hidden).unwrap();
        let mut names: Vec<String> = head.headers.iter().map(|(name, _)| name.to_string()).collect();
        names.sort_unstable();
        names.join(" ")
    };
    let as_it_came = "content-encoding content-length content-type digest etag last-modified vary";
    assert_eq!(names("gzip, br", None, &all), as_it_came);
    for plain in ["identity", "br", "gzip;q=0, *"] {
        // Logto's ETag is of the text, and the same for all codings (fact 5.5).
        assert_eq!(names(plain, None, &all), "content-type etag last-modified vary", "{plain}");
    }
    for coding in ["gzip", "identity"] {
        assert_eq!(names(coding, hidden("ListHooks"), &all), "content-type vary", "{coding}");
        for vary in
            [&[JSON, GZIP][..], &[JSON, GZIP, ("vary", "*")], &[JSON, GZIP, ("vary", "accept-ENCODING")]]
        {
            assert_eq!(names(coding, None, vary).matches("vary").count(), 1, "{vary:?}");
        }
        assert_eq!(names(coding, None, &[JSON, GZIP, ("vary", "Origin")]).matches("vary").count(), 2);
    }
}

#[test]
fn what_has_no_body_has_none_to_decompress() {
    for (method, status, headers) in [
        (Method::HEAD, 200, &[JSON, GZIP][..]),
        (Method::GET, 304, &[GZIP]),
        (Method::DELETE, 204, &[("content-encoding", "br")]),
        (Method::GET, 200, &[JSON, GZIP, ("content-length", "0")]),
    ] {
        for hidden in [None, hidden("GetHook")] {
            let mut screen = screen(&method, &mut head(status, headers), hidden).unwrap();
            assert_eq!(screen.kept(), Some(0), "{method} {status}");
            assert_eq!(last(&mut screen, "").unwrap(), "");
        }
    }
    // Nor has what says that it has one.
    for coding in ["gzip", "identity"] {
        assert_eq!(passed(&mut of_gzip(coding, hidden("GetHook")), Vec::new()), (vec![Vec::new()], None));
    }
}

#[test]
fn nothing_passes_that_the_guard_cannot_read() {
    for status in [200, 201, 404, 500] {
        for coding in ["br", "deflate", "zstd", "gzip, gzip", "x", ""] {
            let head = &mut head(status, &[JSON, ("content-encoding", coding)]);
            assert_eq!(screen(&Method::GET, head, None).err(), Some(Blocked::Encoded), "{status} {coding}");
        }
    }
    let good = gzip(&b"[{\"id\":\"a\"}]".repeat(9), 6);
    for coding in ["gzip", "identity"] {
        for hidden in [None, hidden("GetHook")] {
            for (bytes, want) in [
                (b"{\"id\":\"plain\"}".to_vec(), Undecodable::Header),
                (good[..good.len() - 1].to_vec(), Undecodable::Unfinished),
                ([good.as_slice(), b"{}"].concat(), Undecodable::Trailing),
                ([&good[..good.len() - 2], &[9, 9]].concat(), Undecodable::Corrupt),
            ] {
                let mut screen = of_gzip(coding, hidden);
                screen.take_last(bytes.into());
                let Err(blocked) = rest(&mut screen) else { panic!("{want:?} passed") };
                assert!(matches!(blocked, Blocked::Undecodable(_) | Blocked::Unmaskable(_)), "{blocked:?}");
                assert_eq!(rest(&mut screen), Ok(Vec::new()), "and nothing after it");
            }
        }
    }
}

#[test]
fn the_bytes_as_they_came_go_on_where_nothing_is_masked_and_the_caller_takes_them() {
    let text = br#"[{"id":"a","name":"b"},{"id":"c"}]"#.repeat(99);
    let bytes = gzip(&text, 6);
    let whole = |coding, hidden| {
        let mut screen = of_gzip(coding, hidden);
        screen.take_last(bytes.clone().into());
        rest(&mut screen).unwrap()
    };
    assert_eq!(whole("gzip", None), bytes);
    assert_eq!(whole("identity", None), text);
    let one = gzip(br#"{"id":"a","signingKey":"S"}"#, 6);
    for coding in ["gzip", "identity"] {
        let mut screen = of_gzip(coding, hidden("GetHook"));
        screen.take_last(one.clone().into());
        assert_eq!(rest(&mut screen).unwrap(), br#"{"id":"a","signingKey":"[redacted by claviger]"}"#);
    }
}

#[test]
fn what_is_held_back_has_a_bound() {
    // `e` could begin the token; then come stored blocks with nothing in them, without end.
    let begun = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..], &[0, 1, 0, 0xfe, 0xff, b'e']].concat();
    let mut screen = of_gzip("gzip", None);
    screen.take(begun.into());
    assert_eq!(rest(&mut screen).unwrap(), b"");
    let blocks = Bytes::from([0, 0, 0, 0xff, 0xff].repeat(200));
    let mut held = 0;
    let blocked = loop {
        screen.take(blocks.clone());
        match rest(&mut screen) {
            Ok(data) => assert_eq!(data, b""),
            Err(blocked) => break blocked,
        }
        held += blocks.len();
    };
    assert_eq!(blocked, Blocked::Undecodable(Undecodable::Empty));
    assert!((60_000..70_000).contains(&held), "{held}");
}

/// What a caller can read of these bytes, which need not be whole.
fn readable(bytes: &[u8]) -> Vec<u8> {
    let (mut gunzip, mut input, mut text) =
        (Gunzip::new(u32::MAX), Bytes::copy_from_slice(bytes), Vec::new());
    while let Ok(Some(piece)) = gunzip.read(&mut input) {
        text.extend(piece);
    }
    text
}

#[test]
fn an_echo_in_a_compressed_answer_is_stopped_wherever_a_chunk_ends() {
    for credential in [TOKEN, SECRET] {
        let before = "an e, a d, eyJ and dK3 begin what is none; ".repeat(3);
        let text = format!("{{\"a\":\"{before}\",\"b\":\"{credential}\",\"c\":\"{}\"}}", "x".repeat(80));
        let start = text.find(credential).unwrap();
        for level in [0, 1, 6] {
            let bytes = gzip(text.as_bytes(), level);
            for coding in ["gzip", "identity"] {
                for end in 0..=bytes.len() {
                    let (passed, blocked) = passed(&mut of_gzip(coding, None), pieces(&bytes, &[end]));
                    assert_eq!(blocked, Some(Blocked::Echo), "{coding} {level} {end}");
                    let passed = passed.concat();
                    let read = if coding == "gzip" { readable(&passed) } else { passed };
                    assert!(
                        read.len() <= start && text.as_bytes().starts_with(&read),
                        "{coding} {level} {end}"
                    );
                }
                let every: Vec<usize> = (0..bytes.len()).collect();
                assert_eq!(passed(&mut of_gzip(coding, None), pieces(&bytes, &every)).1, Some(Blocked::Echo));
            }
        }
    }
}

proptest! {
    #[test]
    fn a_compressed_answer_passes_as_the_same_uncompressed(
        values in vec(prop_oneof![Just(TOKEN), Just("eyJhbGci"), Just("dK3-the-te"), Just("e"), Just("plain")], 1..30),
        pad in 0..3000_usize,
        level in 0..=9_u8,
        ends in vec(any::<usize>(), 0..12),
        takes_gzip in any::<bool>(),
        is_masked in any::<bool>(),
    ) {
        let coding = if takes_gzip { "gzip" } else { "identity" };
        let hidden = if is_masked { hidden("ListHooks") } else { None };
        let rows: Vec<String> = values
            .iter()
            .map(|value| format!("{{\"n\":\"{}\",\"signingKey\":\"{value}\"}}", "z".repeat(pad / values.len())))
            .collect();
        let text = format!("[{}]", rows.join(","));
        let mut plain = screen(&Method::GET, &mut head(200, &[JSON]), hidden).unwrap();
        plain.take_last(Bytes::from(text.clone()));
        let want = rest(&mut plain);
        let bytes = gzip(text.as_bytes(), level);
        let chunks = pieces(&bytes, &ends);
        let (passed, blocked) = passed(&mut of_gzip(coding, hidden), chunks);
        let passed = passed.concat();
        match want {
            Ok(want) if takes_gzip && !is_masked => {
                prop_assert_eq!(blocked, None);
                prop_assert!(passed == bytes && want == text.as_bytes());
            }
            Ok(want) => {
                prop_assert_eq!(blocked, None);
                prop_assert_eq!(passed, want);
            }
            Err(want) => {
                prop_assert_eq!(blocked, Some(want));
                let read = if takes_gzip { readable(&passed) } else { passed };
                let start = text.find(TOKEN).unwrap();
                prop_assert!(read.len() <= start && text.as_bytes().starts_with(&read));
            }
        }
    }

    #[test]
    fn no_byte_of_a_compressed_answer_goes_on_before_what_it_says_was_screened(
        words in vec(prop_oneof![Just("eyJhbGciOiJFUzM4NCJ9.eyJqdGkiO"), Just("dK3-the-tenants-own-secre"), Just("e"), Just("x ")], 1..60),
        level in 0..=9_u8,
        ends in vec(any::<usize>(), 0..40),
    ) {
        // Beginnings of secrets, of which none goes on to its end.
        let text = words.concat();
        let bytes = gzip(text.as_bytes(), level);
        let chunks = pieces(&bytes, &ends);
        let mut screen = of_gzip("gzip", None);
        let mut plain = EchoGuard::new(Token::of(TOKEN), None, &KnownSecrets::new(&[Secret::new(SECRET.into())]));
        let (mut came, mut out, mut seen, mut clear) = (Vec::new(), Vec::new(), 0, 0);
        for chunk in chunks {
            came.extend_from_slice(&chunk);
            screen.take(chunk);
            out.extend(rest(&mut screen).unwrap());
            let said = readable(&came);
            clear += plain.pass(Bytes::copy_from_slice(&said[seen..])).unwrap().len();
            seen = said.len();
            // At its end all of it is clear.
            prop_assert!(readable(&out).len() <= clear || came == bytes);
        }
        screen.take_last(Bytes::new());
        out.extend(rest(&mut screen).unwrap());
        prop_assert_eq!(out, bytes);
    }
}

#[test]
fn b25_a_compressed_error_is_masked_and_goes_on_as_text() {
    let general = br#"{"code":"connector.general","data":{"k":"S3"},"message":"S3"}"#;
    let masked = r#"{"code":"connector.general","data":{"k":"[redacted by claviger]"},"message":"[redacted by claviger]"}"#;
    let plain = br#"{"code":"user.exists","message":"said"}"#;
    for (text, want) in [(&general[..], masked.as_bytes()), (&plain[..], &plain[..])] {
        let whole = gzip(text, 6);
        for size in [1, 7, whole.len()] {
            let mut head = head(422, &[JSON, GZIP, ("content-length", "77")]);
            let mut screen = filter(&asked(&Method::POST, "gzip"), &mut head, None).unwrap();
            let chunks = whole.chunks(size).map(Bytes::copy_from_slice).collect();
            let (passed, blocked) = passed(&mut screen, chunks);
            screen.finish_error(&mut head.headers);
            assert_eq!((passed.concat().as_slice(), blocked), (want, None), "{size}");
            assert!(!head.headers.contains_key("content-encoding"));
            assert!(!head.headers.contains_key("content-length"));
        }
    }
}
