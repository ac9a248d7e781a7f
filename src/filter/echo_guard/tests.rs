use proptest::prelude::*;

use super::*;

const TOKEN: &str = "eyJhbGciOiJFUzM4NCJ9.eyJqdGkiOiJhYmMifQ.c2lnbmF0dXJlLWlzLXJhbmRvbQZ8";
/// The one before it.
const OTHER: &str = "eyJhbGciOiJFUzM4NCJ9.eyJqdGkiOiJ4eXoifQ.c2lnbmF0dXJlLW9mLW9sZA9K";
const SECRET: &str = "s3cr3t\"with/odd+letters";

fn guard(token: &str, secrets: &[&str]) -> EchoGuard {
    let secrets: Vec<Secret> = secrets.iter().map(|s| Secret::new(s.as_bytes().to_vec())).collect();
    EchoGuard::new(Token::of(token), Some(Token::of(OTHER)), &KnownSecrets::new(&secrets))
}

/// What gets through, up to the echo if there is one.
fn run(guard: &mut EchoGuard, chunks: &[&[u8]]) -> (Vec<u8>, Result<(), Echo>) {
    let mut passed = Vec::new();
    for (n, chunk) in chunks.iter().enumerate() {
        let chunk = Bytes::copy_from_slice(chunk);
        let got = if n + 1 == chunks.len() { guard.last(chunk) } else { guard.pass(chunk) };
        match got {
            Ok(data) => passed.extend_from_slice(&data),
            Err(echo) => return (passed, Err(echo)),
        }
    }
    (passed, Ok(()))
}

#[test]
fn a_credential_is_found_wherever_it_stands_and_no_part_of_it_gets_out() {
    let in_form: String = form_urlencoded::byte_serialize(SECRET.as_bytes()).collect();
    for echo in [TOKEN, OTHER, SECRET, "s3cr3t\\\"with/odd+letters", &in_form] {
        for (before, after) in [("", ""), ("{\"token\":\"", "\"}"), ("eyJhbGci", "e"), ("s3cr3", "s3c")] {
            let text = format!("{before}{echo}{after}");
            for first in 0..=text.len() {
                for second in [first, text.len().min(first + 1), text.len()] {
                    let chunks = [
                        &text.as_bytes()[..first],
                        &text.as_bytes()[first..second],
                        &text.as_bytes()[second..],
                    ];
                    let (passed, result) = run(&mut guard(TOKEN, &[SECRET]), &chunks);
                    assert_eq!(result, Err(Echo), "{text} cut at {first} and {second}");
                    assert!(before.as_bytes().starts_with(&passed), "{} of {text}", passed.len());
                }
            }
            let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
            assert_eq!(run(&mut guard(TOKEN, &[SECRET]), &bytes).1, Err(Echo));
        }
    }
}

#[test]
fn what_only_looks_alike_passes_whole() {
    let nearly = &TOKEN[..TOKEN.len() - 1];
    for text in [nearly, &TOKEN[1..], "eyJhbGciOiJFUzM4NCJ9.eyJqdGkiOiJhYmMifQ.", "e", "", "s3cr3t", "Q8Z8"] {
        for first in 0..=text.len() {
            let chunks = [&text.as_bytes()[..first], &text.as_bytes()[first..]];
            let (passed, result) = run(&mut guard(TOKEN, &[SECRET]), &chunks);
            assert_eq!((passed.as_slice(), result), (text.as_bytes(), Ok(())), "{text} cut at {first}");
        }
    }
}

#[test]
fn nothing_is_copied_where_nothing_looks_alike() {
    let mut guard = guard(TOKEN, &[SECRET]);
    for chunk in ["[{\"id\":1},", "{\"id\":2},"] {
        let chunk = Bytes::copy_from_slice(chunk.as_bytes());
        assert_eq!(guard.pass(chunk.clone()).unwrap().as_ptr(), chunk.as_ptr());
        assert_eq!(guard.kept(), 0);
    }
    assert_eq!(guard.pass(Bytes::from_static(b"{\"name")).unwrap(), "{\"nam", "a token begins with an e");
    assert_eq!(guard.kept(), 1);
    assert_eq!(guard.last(Bytes::from_static(b"\":1}]")).unwrap(), "e\":1}]");
}

#[test]
fn headers_are_looked_through() {
    let check = |value: &str| {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", "application/json".parse().unwrap());
        headers.append("x-debug", "1".parse().unwrap());
        headers.append("x-debug", value.parse().unwrap());
        guard(TOKEN, &["client-secret-0"]).check(&headers)
    };
    assert_eq!(check(&format!("Bearer {TOKEN}")), Err(Echo));
    assert_eq!(check("client-secret-0"), Err(Echo));
    assert_eq!(check("client-secret-1 and more than that"), Ok(()));
}

#[test]
fn what_is_too_short_is_not_looked_for() {
    let text = "{\"a\":\"short\"}";
    let (passed, result) = run(&mut guard("short", &["short", "a"]), &[text.as_bytes()]);
    assert_eq!((passed.as_slice(), result), (text.as_bytes(), Ok(())));
    assert_eq!(KnownSecrets::new(&[Secret::new(b"eleven-char".to_vec())]).now().len(), 0);
    assert_eq!(
        KnownSecrets::new(&[Secret::new(b"twelve-chars".to_vec())]).now().len(),
        1,
        "one form is enough"
    );
}

#[test]
fn it_does_not_print_what_it_looks_for() {
    let mut guard = guard(TOKEN, &[SECRET]);
    let _ = guard.pass(Bytes::from_static(b"eyJhbGciOiJFUzM4"));
    let printed = format!("{guard:?} {:?}", guard.held);
    assert!(!printed.contains("eyJ") && !printed.contains("s3cr3t"), "{printed}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Over few letters, so that beginnings and repetitions are common.
    #[test]
    fn it_finds_what_a_search_of_the_whole_finds(
        token in "[ab]{12,20}",
        secret in "[abc]{12,14}",
        text in "[abc]{0,200}",
        planted in prop::option::of(0..200_usize),
        cuts in prop::collection::vec(0..200_usize, 0..8),
    ) {
        let mut text = text;
        if let Some(at) = planted {
            text.insert_str(at.min(text.len()), &token);
        }
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &text.as_bytes()[pair[0]..pair[1]]).collect();
        let (passed, result) = run(&mut guard(&token, &[&secret]), &chunks);
        let first = [text.find(&token), text.find(&secret)].into_iter().flatten().min();
        match first {
            None => prop_assert_eq!((passed.as_slice(), result), (text.as_bytes(), Ok(()))),
            Some(at) => {
                prop_assert_eq!(result, Err(Echo));
                prop_assert!(passed.len() <= at && text.as_bytes().starts_with(&passed));
            }
        }
    }
}

#[test]
fn secrets_that_are_read_later_are_known_from_then_on_and_the_last_ones_stay_known() {
    let secret = |n: u32| Secret::new(format!("a-secret-with-number-{n}").into_bytes());
    let known = KnownSecrets::learning(&[secret(0)], None);
    let learner = known.learner().unwrap();
    let finds = |known: &KnownSecrets, n| known.are_in(&[b"x", secret(n).expose(), b"x"].concat());
    assert!(finds(&known, 0) && !finds(&known, 1));
    for n in [1, 2, 3, 4, 1, 5] {
        learner(&secret(n));
        assert!(finds(&known, 0) && finds(&known, n), "{n}");
    }
    assert_eq!((1..=5).map(|n| finds(&known, n)).collect::<Vec<_>>(), [true, false, true, true, true]);
    // An answer that is under way looks for what was known when it began.
    let guard = EchoGuard::new(Token::of(TOKEN), None, &known);
    learner(&secret(6));
    assert!(!are_in(&guard.held, secret(6).expose()) && finds(&known, 6));
    // The tenant's next handle goes on with it.
    let next = KnownSecrets::learning(&[], Some(&known));
    assert!(finds(&next, 6) && !finds(&next, 0));
    assert!(KnownSecrets::new(&[secret(0)]).learner().is_none(), "nothing else is ever read");
}
