//! What the operator is told of tokens that do not authenticate: the cause, and no word that the sender chose.

use super::{
    super::keyring::COOL_DOWN,
    keys::{KEYS, at_a_url, settle, valid},
    *,
};

const CHOSEN: &str = "SENDER-chosen-3kQ8vT";

fn why(token: &str) -> (String, &'static str) {
    let why = World::offline().why(token).now_or_never().expect("nothing to wait for");
    assert!(!why.cause().contains(CHOSEN), "{why:?}");
    let told =
        if why.has_expired() { "the token has expired" } else { "the caller could not be authenticated" };
    assert_eq!(why.to_string(), told, "for the one who asks");
    (why.cause(), why.reason())
}

fn of_cluster(text: &str) -> String {
    format!("issuer kubernetes: {text}")
}

#[test]
fn each_cause_by_its_name() {
    let claims = |changes: Value| EC.sign(&with(account("shop", "billing"), changes));
    let header = |changes: Value| {
        let header = with(EC.header(), changes).to_string();
        EC.sign_text(&header, &account("shop", "billing").to_string())
    };
    for (token, text, reason) in [
        (claims(json!({ "aud": CHOSEN })), "aud names none of the configured audiences", "audience"),
        (claims(json!({ "aud": null })), "aud names none of the configured audiences", "audience"),
        (claims(json!({ "exp": NOW - 100 })), "expired 100 s ago", "expired"),
        (claims(json!({ "exp": NOW - 3600 })), "expired 60 min ago", "expired"),
        (claims(json!({ "exp": NOW - 86_400 })), "expired 24 h ago", "expired"),
        (claims(json!({ "exp": 5 })), "expired more than two days ago", "expired"),
        (claims(json!({ "nbf": NOW + 90 })), "not valid for another 90 s", "not_yet_valid"),
        (claims(json!({ "iat": NOW + 7200 })), "not valid for another 2 h", "not_yet_valid"),
        (claims(json!({ "exp": null })), "exp is missing, or exp, nbf or iat is not a number", "times"),
        (claims(json!({ "nbf": CHOSEN })), "exp is missing, or exp, nbf or iat is not a number", "times"),
        (
            claims(json!({ "iat": NOW * 1000 })),
            "nbf or iat is in milliseconds, and is to be in seconds (RFC 7519, NumericDate)",
            "times",
        ),
        (
            claims(json!({ "exp": (NOW + 600) * 1000 })),
            "exp is in milliseconds, and is to be in seconds (RFC 7519, NumericDate)",
            "times",
        ),
        (claims(json!({ "sub": "" })), "sub is missing or empty", "subject"),
        (header(json!({ "kid": CHOSEN })), "kid names no key of the issuer (4 keys held)", "key_unknown"),
        (header(json!({ "kid": 1 })), "kid is not a string, or is empty or too long", "header"),
        (header(json!({ "kid": RSA.kid })), "the key that kid names is not for alg", "key_unknown"),
        (header(json!({ "alg": CHOSEN })), "alg is not allowed", "algorithm"),
        (header(json!({ "typ": CHOSEN })), "typ is neither JWT nor at+jwt", "header"),
        (
            header(json!({ "jku": CHOSEN })),
            "the header has a member that carries a key or an extension",
            "header",
        ),
        (STRANGER.sign(&account("shop", "billing")), "the signature is invalid", "signature"),
        (EC.sign(&account("shop", CHOSEN)), "verified, but its claims match no caller", "no_caller"),
    ] {
        assert_eq!(why(&token), (of_cluster(text), reason));
    }
    let both = EC.sign(&ci(json!({ "groups": ["operators", "admins"] })));
    assert_eq!(why(&both), ("issuer ci: verified, but its claims match two callers".into(), "two_callers"));
    let foreign = claims(json!({ "iss": CHOSEN }));
    assert_eq!(why(&foreign), ("iss names no configured issuer".into(), "issuer_unknown"));
    assert_eq!(why(&claims(json!({ "iss": null }))), ("the JWT has no iss".into(), "malformed"));
    for cut in ["eyJx.y", "eyJx", "eyJx.y.z.a"] {
        let text = "the JWT is incomplete: one of its three parts, or the end of its signature, is missing";
        assert_eq!(why(cut), (text.into(), "cut"));
    }
    let (whole, cut) = (
        EC.sign(&account("shop", "billing")),
        "the JWT is incomplete: one of its three parts, or the end of its signature, is missing",
    );
    for less in [1, 2, 3, 4, 40, 86] {
        let (why, reason) = why(&whole[..whole.len() - less]);
        assert_eq!((why.trim_start_matches(&of_cluster("")), reason), (cut, "cut"), "{less}");
    }
    let odd = format!("eyJx.y.{}=", "z".repeat(85));
    assert_eq!(why(&odd), ("the JWT is not well-formed".into(), "malformed"));
}

/// Another credential would not help: the issuer's setting is what is wrong.
#[test]
fn what_the_issuer_leaves_out_is_for_the_operator_to_have_set_there() {
    let remedy = |changes: Value| {
        let token = EC.sign(&with(account("shop", "billing"), changes));
        let why = World::offline().why(&token).now_or_never().expect("nothing to wait for");
        why.operators_remedy()
    };
    let times = Some(
        "Have the issuer set exp: a number, in seconds since 1970, as nbf and iat are where it sets them.",
    );
    assert_eq!(remedy(json!({ "exp": null })), times);
    assert_eq!(remedy(json!({ "exp": "3600" })), times);
    assert_eq!(remedy(json!({ "sub": "" })), Some("Have the issuer set sub: whom the token is about."));
}

#[test]
fn a_refused_token_is_remembered_with_its_cause_and_an_accepted_one_ends_with_one() {
    let world = World::offline();
    let cause = |token: &str| world.why(token).now_or_never().expect("nothing to wait for").cause();
    let forged = STRANGER.sign(&account("shop", "billing"));
    assert_eq!(cause(&forged), of_cluster("the signature is invalid"));
    assert_eq!(cause(&forged), of_cluster("the signature is invalid"), "from memory");
    let valid = EC.sign(&account("shop", "billing"));
    assert_eq!(world.who(&valid), Ok("billing"));
    world.pass(3607 + 31);
    assert_eq!(cause(&valid), of_cluster("expired 31 s ago"));
}

#[test]
fn an_assertion_says_what_is_wrong_with_it() {
    let world = World::offline();
    let why = |id: Option<&str>, jwt: &str| {
        let (peer, headers) = (Peer::at(Reach::Loopback), HeaderMap::new());
        let client = Client::Assertion { id, jwt: jwt.as_bytes() };
        let presented = Presented::by_client(&peer, &headers, Some(client));
        let identified = world.callers.authenticate(&presented).now_or_never().expect("nothing to wait for");
        identified.map(|_| ()).map_err(|error| (error.method(), error.cause()))
    };
    let valid = valid();
    assert_eq!(why(Some("billing"), &valid), Ok(()));
    let other = "verified, but client_id is not the name of its caller";
    assert_eq!(why(Some("jobs"), &valid), Err(("jwt", other.into())));
    assert_eq!(why(None, "x"), Err(("jwt", "client_assertion is not a JWT of a configured issuer".into())));
    let cut = "the JWT is incomplete: one of its three parts, or the end of its signature, is missing";
    assert_eq!(why(None, "eyJx.y"), Err(("jwt", cut.into())));
    let foreign = EC.sign(&with(account("shop", "billing"), json!({ "iss": CHOSEN })));
    assert_eq!(why(None, &foreign), Err(("jwt", "iss names no configured issuer".into())));
}

#[tokio::test(start_paused = true)]
async fn without_any_key_it_is_not_the_callers_fault() {
    let (fake, world) = at_a_url();
    fake.gone();
    settle().await;
    let why = world.why(&valid()).await;
    assert_eq!((why.method(), why.reason()), ("jwt", "issuer_unavailable"));
    assert_eq!(why.cause(), of_cluster("the issuer's signing keys are unavailable"));
    let wait = why.retry_after().expect("it says when");
    assert_eq!(wait, COOL_DOWN, "it was asked just now");
    let wrong = EC.sign(&with(account("shop", "billing"), json!({ "aud": "x" })));
    assert_eq!(world.why(&wrong).await.retry_after(), None, "what is wrong in any case is the caller's");
    fake.put(KEYS, set(&[&EC]));
    tokio::time::advance(wait).await;
    assert_eq!(world.ask(&Peer::at(Reach::Network), &valid()).await, Ok("billing"), "as long as it says");
}

#[tokio::test(start_paused = true)]
async fn tokens_of_keys_that_are_not_there_are_counted_once_each() {
    let (_fake, world) = at_a_url();
    assert_eq!(world.ask(&Peer::at(Reach::Network), &valid()).await, Ok("billing"));
    tokio::time::advance(COOL_DOWN).await;
    for _ in 0..3 {
        let why = world.why(&RSA.sign(&account("shop", "billing"))).await;
        assert_eq!(why.cause(), of_cluster("kid names no key of the issuer (1 key held)"));
    }
    world.why(&STRANGER.sign(&account("shop", "billing"))).await;
    let status = world.callers.keyrings()[0].status();
    assert_eq!((status.missed, status.kids), (3, vec![EC.kid.to_owned()]));
}
