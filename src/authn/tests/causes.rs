//! What the operator learns of a request that was not authenticated, and its sender does not.

use super::*;

const JWT: &str = "eyJhbGciOiJFUzM4NCJ9.eyJzdWIiOiJ4In0.c2ln";

#[test]
fn the_operator_learns_the_cause_and_the_one_who_asks_does_not() {
    let f = Fixture::new();
    let why = |peer: &Peer, headers: &[(&'static str, &str)]| {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        let error = f.verify(&Presented::by_headers(peer, &map)).expect_err("it is to be refused");
        let told = if error.has_expired() {
            "the token has expired"
        } else {
            "the caller could not be authenticated"
        };
        assert_eq!(error.to_string(), told, "no more than what is in the token");
        assert_eq!(error.retry_after(), None);
        (error.method(), error.reason(), error.cause())
    };
    let said = |tried, reason, cause: &str| (tried, reason, cause.to_owned());
    let token = |seal: &Seal, name: &str| {
        let name = CallerName::parse(name).unwrap();
        let token = seal.issue(&name, None, f.now(), Duration::from_secs(600)).unwrap();
        format!("Bearer {}", std::str::from_utf8(token.expose()).unwrap())
    };
    let none = "no credential was sent, and this listener accepts no caller by locality";
    assert_eq!(why(&NETWORK, &[]), said("none", "none_sent", none));
    assert_eq!(
        why(&NETWORK, &[("authorization", "Basic eDp5")]),
        said("none", "scheme", "the scheme of Authorization is not supported here")
    );
    assert_eq!(
        why(&LOOPBACK, &[("claviger-key", "a"), ("claviger-key", "b")]),
        said("none", "several", "more than one credential was sent, where one is allowed")
    );
    assert_eq!(
        why(&LOOPBACK, &[("claviger-key", "wrong")]),
        said("api_key", "unknown", "Claviger-Key is not a caller's key")
    );
    let unknown = said(
        "api_key",
        "unknown",
        "the bearer token is neither a caller's key nor a token that is accepted here",
    );
    assert_eq!(why(&NETWORK, &[("authorization", "Bearer wrong")]), unknown);
    for (name, sent, reason, cause) in [
        (
            "x-api-key",
            "wrong",
            ("none", "scheme"),
            "no credential was sent where one is read: X-API-Key and Api-Key are not",
        ),
        ("claviger-key", "", ("api_key", "unknown"), "Claviger-Key is empty: was a variable unset?"),
        (
            "claviger-key",
            "\"wrong\"",
            ("api_key", "unknown"),
            "Claviger-Key is in quotes, which do not belong to it",
        ),
        // With the end of a line, as of `echo new-key | base64`.
        (
            "claviger-key",
            "bmV3LWtleQo=",
            ("api_key", "unknown"),
            "Claviger-Key is the base64 of a caller's key, and has to be the key itself",
        ),
        (
            "claviger-key",
            "/run/secrets/key",
            ("api_key", "unknown"),
            "Claviger-Key is a path, and has to be what the file has in it",
        ),
        (
            "authorization",
            "Bearer file:///run/secrets/key",
            ("api_key", "unknown"),
            "the bearer token is a path, and has to be what the file has in it",
        ),
        ("claviger-key", "/Kq0zZk/3mQ", ("api_key", "unknown"), "Claviger-Key is not a caller's key"),
        (
            "claviger-key",
            JWT,
            ("api_key", "unknown"),
            "Claviger-Key is a JWT, which is accepted as Authorization: Bearer alone, and of configured issuers",
        ),
        (
            "authorization",
            &format!("Bearer {JWT}"),
            ("jwt", "issuer_unknown"),
            "a JWT was sent, and no issuer is configured ([issuers])",
        ),
        (
            "claviger-key",
            &key("new-key").to_hex(),
            ("api_key", "unknown"),
            "Claviger-Key is the SHA-256 of a caller's key, and has to be the key itself",
        ),
        (
            "authorization",
            &format!("Bearer sha256:{}", key("new-key").to_hex()),
            ("api_key", "unknown"),
            "the bearer token is the SHA-256 of a caller's key, and has to be the key itself",
        ),
        // That of a key that nobody has.
        (
            "claviger-key",
            &key("wrong").to_hex(),
            ("api_key", "unknown"),
            "Claviger-Key is not a caller's key",
        ),
        (
            "claviger-key",
            "keyed:new-key",
            ("api_key", "unknown"),
            "Claviger-Key is a caller's name with something behind it, and has to be the key alone",
        ),
        (
            "authorization",
            "Bearer keyed:wrong",
            ("api_key", "unknown"),
            "the bearer token is a caller's name with something behind it, and has to be the key alone",
        ),
        (
            "claviger-key",
            "keyed=wrong",
            ("api_key", "unknown"),
            "Claviger-Key is a caller's name with something behind it, and has to be the key alone",
        ),
        (
            "authorization",
            "Bearer keyed",
            ("api_key", "unknown"),
            "the bearer token is a caller's name, and has to be its key",
        ),
        (
            "claviger-key",
            "undefined",
            ("api_key", "unknown"),
            "Claviger-Key is what becomes of an unset variable",
        ),
        (
            "authorization",
            "Bearer [object Object]",
            ("api_key", "unknown"),
            "the bearer token is a variable or a template that nobody replaced",
        ),
        ("claviger-key", "nobody:wrong", ("api_key", "unknown"), "Claviger-Key is not a caller's key"),
        (
            "claviger-key",
            "${KEY}",
            ("api_key", "unknown"),
            "Claviger-Key is a variable or a template that nobody replaced",
        ),
        (
            "claviger-key",
            token(&f.seal, "keyed").trim_start_matches("Bearer "),
            ("api_key", "unknown"),
            "Claviger-Key is a token of the broker, which goes as Authorization: Bearer",
        ),
        ("authorization", "Bearer Bearer wrong", ("api_key", "unknown"), "Authorization has Bearer twice"),
        (
            "authorization",
            "Bearer 'wrong'",
            ("api_key", "unknown"),
            "the bearer token is in quotes, which do not belong to it",
        ),
    ] {
        assert_eq!(why(&NETWORK, &[(name, sent)]), said(reason.0, reason.1, cause));
    }
    let foreign = token(&Seal::new(None).unwrap(), "keyed");
    let sealed = "broker token: cannot be opened (another broker.key, or other client secrets?)";
    assert_eq!(why(&NETWORK, &[("authorization", &foreign)]), said("claviger_token", "sealed", sealed));
    let gone = token(&f.seal, "gone");
    let cause = "broker token: its caller is no longer in the configuration";
    assert_eq!(why(&LOOPBACK, &[("authorization", &gone)]), said("claviger_token", "no_caller", cause));
    let own = token(&f.seal, "keyed");
    f.seconds.fetch_add(607, Ordering::Relaxed);
    let ended = said("claviger_token", "expired", "broker token: expired 7 s ago");
    assert_eq!(why(&NETWORK, &[("authorization", &own)]), ended);
    for (secret, cause) in [
        ("wrong", "client_id and client_secret are not a caller's name and key"),
        (JWT, "client_secret is a JWT, which goes as client_assertion"),
    ] {
        let client = Client::Secret { id: "keyed", secret: secret.as_bytes(), raw: secret.as_bytes() };
        let error = f.verify(&Presented::by_client(&NETWORK, &HeaderMap::new(), Some(client))).unwrap_err();
        assert_eq!(error.cause(), cause);
    }
    let mut strict = Fixture::new();
    strict.config.remove(1);
    let error = strict.verify(&Presented::by_headers(&Peer::at(Reach::Unix), &HeaderMap::new()));
    let cause = "no credential was sent, no caller has the peer's user or group, and this listener accepts no caller by locality";
    assert_eq!(error.unwrap_err().cause(), cause);
}

/// A cause is for those who are refused: it would be made for each request otherwise.
#[test]
fn a_known_key_is_not_looked_at_for_what_it_may_be_instead() {
    let odd = ["{like-a-template}", "keyed:and-more", "eyJ.like.jwt", "plain"];
    let keys = odd.map(|it| Identity::ApiKey { keys: vec![key(it)], label: None });
    let config = [caller("keyed", keys.to_vec())];
    let usage = KeyUsage::default();
    let keys = api_key::ApiKeys::new(&config, &usage.keys(&config));
    for text in odd {
        for (name, value) in [("claviger-key", text.to_owned()), ("authorization", format!("Bearer {text}"))]
        {
            let value = HeaderValue::from_str(&value).unwrap();
            let headers = HeaderMap::from_iter([(HeaderName::from_static(name), value)]);
            let presented = Presented::by_headers(&NETWORK, &headers);
            let measured = allocation_counter::measure(|| {
                assert!(matches!(keys.authenticate(&presented), Outcome::Now(Finding::Known(_))));
            });
            assert_eq!(measured.count_total, 0, "{name}: {text}");
        }
    }
    // What is a JWT is mostly a good one, of an issuer that is asked next.
    let headers = HeaderMap::from_iter([(
        http::header::AUTHORIZATION,
        HeaderValue::from_str(&format!("Bearer {JWT}")).unwrap(),
    )]);
    let presented = Presented::by_headers(&NETWORK, &headers);
    let measured = allocation_counter::measure(|| {
        assert!(matches!(keys.authenticate(&presented), Outcome::Now(Finding::Pass(Some(_)))));
    });
    assert_eq!(measured.count_total, 0);
}

/// Whoever reads the remedy alone is not to look in the wrong place.
#[test]
fn a_remedy_fits_its_cause() {
    let f = Fixture::new();
    let remedy = |name: &'static str, sent: &str| {
        let headers = HeaderMap::from_iter([(HeaderName::from_static(name), sent.parse().unwrap())]);
        let error = f.verify(&Presented::by_headers(&NETWORK, &headers)).expect_err("it is to be refused");
        error.operators_remedy()
    };
    let compare = "Compare the key with callers.NAME.identify.api_key; was it rotated, or does a line end belong to it?";
    for sent in ["wrong", "nobody:wrong"] {
        assert_eq!(remedy("claviger-key", sent), Some(compare));
    }
    assert_eq!(remedy("authorization", "Bearer wrong"), Some(compare));
    let look = "`cause` says what the client sends in the place of a key: have it send the key as it is, or that where it belongs.";
    for sent in ["", "\"wrong\"", "${KEY}", JWT, "keyed:wrong", &key("new-key").to_hex()] {
        assert_eq!(remedy("claviger-key", sent), Some(look), "{sent}");
    }
    for sent in ["Bearer Bearer wrong", "Bearer 'wrong'"] {
        assert_eq!(remedy("authorization", sent), Some(look), "{sent}");
    }
    let none = "Write [issuers.NAME] with issuer and audience, or have the client send an API key.";
    assert_eq!(remedy("authorization", &format!("Bearer {JWT}")), Some(none));
}
