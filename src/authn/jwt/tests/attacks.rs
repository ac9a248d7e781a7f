//! Tokens that must be rejected: over the network, and where locality alone would do, as something invalid was
//! presented. Each differs in one thing from a token that is accepted.

use aws_lc_rs::hmac;

use super::*;

fn refuse(attacks: impl IntoIterator<Item = (impl std::fmt::Display, String)>) {
    let world = World::offline();
    assert_eq!(world.who(&EC.sign(&account("shop", "billing"))), Ok("billing"), "what they are made of");
    assert_eq!(world.who(&RSA.sign(&account("shop", "billing"))), Ok("billing"));
    for (what, token) in attacks {
        assert_eq!(world.who(&token), Err(Unauthenticated), "{what}");
        assert_eq!(world.who_locally(&token), Err(Unauthenticated), "{what}, locally");
        assert_eq!(world.who(&token), Err(Unauthenticated), "{what}, again");
    }
}

fn claims() -> Value {
    account("shop", "billing")
}

fn with_header(signer: &Signer, changes: Value) -> String {
    signer.sign_text(&with(signer.header(), changes).to_string(), &claims().to_string())
}

fn with_claims(changes: Value) -> String {
    EC.sign(&with(claims(), changes))
}

#[test]
fn forged() {
    let valid = EC.sign(&claims());
    let (message, signature) = valid.rsplit_once('.').unwrap();
    let (header, payload) = message.split_once('.').unwrap();
    let other = BASE64.encode(account("jobs", "x").to_string());
    let mut flipped = BASE64.decode(signature).unwrap();
    flipped[10] ^= 1;
    let zero = BASE64.encode([0; 64]);
    refuse([
        ("another key under the same id", STRANGER.sign(&claims())),
        ("other claims under a valid signature", format!("{header}.{other}.{signature}")),
        ("a changed signature", format!("{message}.{}", BASE64.encode(&flipped))),
        ("a signature of zeros (CVE-2022-21449)", format!("{message}.{zero}")),
        ("half a signature", format!("{message}.{}", &signature[..signature.len() / 2])),
        ("no signature", format!("{message}.")),
        ("no claims", format!("{header}..{signature}")),
        ("the signature of another token", {
            let another = EC.sign(&account("jobs", "x"));
            format!("{header}.{payload}.{}", another.rsplit_once('.').unwrap().1)
        }),
    ]);
}

#[test]
fn algorithms() {
    let unsigned = |alg: &str| {
        let header = json!({ "alg": alg, "kid": EC.kid, "typ": "JWT" });
        format!("{}.{}.", BASE64.encode(header.to_string()), BASE64.encode(claims().to_string()))
    };
    let hmac_with = |signer: &Signer, secret: &[u8]| {
        let header = json!({ "alg": "HS256", "kid": signer.kid, "typ": "JWT" });
        let message =
            format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims().to_string()));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
        format!("{message}.{}", BASE64.encode(tag))
    };
    let bytes =
        |signer: &Signer, member: &str| BASE64.decode(signer.jwk()[member].as_str().unwrap()).unwrap();
    let mut attacks: Vec<(String, String)> = ["none", "None", "NONE", "nOnE", "", "ES256"]
        .map(|alg| (format!("unsigned, {alg:?}"), unsigned(alg)))
        .into();
    attacks
        .extend(["none", "HS256", "es256", "ES256K", "ES512", "RS1", "ES256 "].map(|alg| {
            (format!("a valid signature under {alg:?}"), with_header(&EC, json!({ "alg": alg })))
        }));
    attacks.extend(
        [
            ("HS256 with the modulus", hmac_with(&RSA, &bytes(&RSA, "n"))),
            ("HS256 with the key set", hmac_with(&RSA, RSA.jwk().to_string().as_bytes())),
            ("HS256 with a coordinate", hmac_with(&EC, &bytes(&EC, "x"))),
            ("HS256 with nothing", hmac_with(&EC, b"")),
            ("an EC key as RS256", with_header(&EC, json!({ "alg": "RS256" }))),
            ("an EC key as EdDSA", with_header(&EC, json!({ "alg": "EdDSA" }))),
            ("P-256 as ES384", with_header(&EC, json!({ "alg": "ES384" }))),
            ("P-384 as ES256", with_header(&EC384, json!({ "alg": "ES256" }))),
            ("an RSA key as ES256", with_header(&RSA, json!({ "alg": "ES256" }))),
            ("an EC signature under the id of an RSA key", with_header(&EC, json!({ "kid": RSA.kid }))),
            ("an RSA signature under the id of an EC key", with_header(&RSA, json!({ "kid": EC.kid }))),
            ("RS256 called PS256", {
                let token = RSA.sign(&claims());
                let header = BASE64.encode(with(RSA.header(), json!({ "alg": "PS256" })).to_string());
                format!("{header}.{}", token.split_once('.').unwrap().1)
            }),
            ("no algorithm", with_header(&EC, json!({ "alg": null }))),
            ("a list of algorithms", with_header(&EC, json!({ "alg": ["ES256"] }))),
            ("a number for an algorithm", with_header(&EC, json!({ "alg": 256 }))),
        ]
        .map(|(what, token)| (what.to_owned(), token)),
    );
    refuse(attacks);
}

#[test]
fn key_ids() {
    let long = "k".repeat(257);
    let mut attacks: Vec<(String, String)> = [
        "unknown",
        "",
        "../../dev/null",
        "/dev/null",
        "ec-1\u{0}",
        "EC-1",
        " ec-1",
        "ec-1 ",
        "ec-1' OR '1'='1",
        "https://evil.example/jwks.json",
        "*",
        &long,
    ]
    .map(|kid| (format!("the key id {kid:?}"), with_header(&EC, json!({ "kid": kid }))))
    .into();
    let other = [json!(1), json!(["ec-1"]), json!({ "kid": "ec-1" }), json!(true)];
    attacks.extend(other.map(|kid| (format!("the key id {kid}"), with_header(&EC, json!({ "kid": kid })))));
    attacks.push((
        "the key id twice".into(),
        EC.sign_text(r#"{"alg":"ES256","kid":"rsa-1","kid":"ec-1"}"#, &claims().to_string()),
    ));
    attacks.push((
        "no key id where there are several keys of the kind".into(),
        with_header(&RSA, json!({ "kid": null, "alg": "ES256" })),
    ));
    refuse(attacks);
}

#[test]
fn keys_that_a_token_brings_along() {
    let jwk = STRANGER.jwk();
    refuse([
        ("jwk", with_header(&STRANGER, json!({ "jwk": jwk }))),
        ("jwk without kid", with_header(&STRANGER, json!({ "jwk": jwk, "kid": null }))),
        ("jwk beside a valid signature", with_header(&EC, json!({ "jwk": EC.jwk() }))),
        ("jku", with_header(&STRANGER, json!({ "jku": "https://evil.example/jwks.json" }))),
        ("jku of the issuer", with_header(&EC, json!({ "jku": format!("{CLUSTER}/openid/v1/jwks") }))),
        ("x5u", with_header(&EC, json!({ "x5u": "https://evil.example/cert.pem" }))),
        ("x5c", with_header(&EC, json!({ "x5c": ["MIIB"] }))),
        ("crit", with_header(&EC, json!({ "crit": ["exp"] }))),
        ("crit, empty", with_header(&EC, json!({ "crit": [] }))),
        ("b64", with_header(&EC, json!({ "b64": false }))),
        ("zip", with_header(&EC, json!({ "zip": "DEF" }))),
        ("nested", with_header(&EC, json!({ "cty": "JWT" }))),
        ("a logout token", with_header(&EC, json!({ "typ": "logout+jwt" }))),
        ("a security event", with_header(&EC, json!({ "typ": "secevent+jwt" }))),
        ("a type that is none", with_header(&EC, json!({ "typ": 1 }))),
    ]);
}

#[test]
fn claims_of_another_time_place_or_purpose() {
    let year = 365 * 86_400;
    let attacks = [
        json!({ "exp": NOW - year }),
        json!({ "exp": NOW - 30 }),
        json!({ "exp": null }),
        json!({ "exp": (NOW + 60).to_string() }),
        json!({ "exp": -1 }),
        json!({ "exp": 0 }),
        json!({ "exp": [NOW + 60] }),
        json!({ "exp": 1e300 }),
        json!({ "exp": true }),
        json!({ "nbf": NOW + year }),
        json!({ "nbf": "soon" }),
        json!({ "iat": NOW + year }),
        json!({ "iat": {} }),
        json!({ "aud": null }),
        json!({ "aud": "another" }),
        json!({ "aud": "claviger2" }),
        json!({ "aud": "Claviger" }),
        json!({ "aud": " claviger" }),
        json!({ "aud": "https://claviger.example/" }),
        json!({ "aud": [] }),
        json!({ "aud": ["another"] }),
        json!({ "aud": [["claviger"]] }),
        json!({ "aud": ["claviger", ["x"]] }),
        json!({ "aud": ["claviger", 1] }),
        json!({ "aud": { "claviger": true } }),
        json!({ "aud": { "0": "claviger" } }),
        json!({ "iss": null }),
        json!({ "iss": [CLUSTER] }),
        json!({ "iss": 1 }),
        json!({ "sub": null }),
        json!({ "sub": "" }),
        json!({ "sub": ["system:serviceaccount:shop:billing"] }),
        json!({ "sub": "system:serviceaccount:shop:billing:x" }),
        json!({ "sub": "system:serviceaccount:shop" }),
        json!({ "sub": "system:serviceaccount:shop/billing" }),
        json!({ "sub": "system:serviceaccount::billing" }),
        json!({ "sub": "system:serviceaccount:jobs:" }),
        json!({ "sub": "x:system:serviceaccount:shop:billing" }),
        json!({ "sub": "System:serviceaccount:shop:billing" }),
        json!({ "kubernetes.io": { "namespace": "other" } }),
        json!({ "kubernetes.io": { "namespace": 1 } }),
        json!({ "kubernetes.io": { "namespace": "shop", "serviceaccount": { "name": "other" } } }),
        json!({ "kubernetes.io": { "namespace": "shop", "serviceaccount": {} } }),
        json!({ "kubernetes.io": { "namespace": "shop", "serviceaccount": "billing" } }),
        json!({ "kubernetes.io": "shop" }),
    ];
    refuse(attacks.map(|changes| (changes.to_string(), with_claims(changes))));
}

#[test]
fn issuers_that_are_nearly_ours() {
    let world = World::offline();
    for issuer in [
        "https://kubernetes.default.svc/",
        "HTTPS://kubernetes.default.svc",
        "https://kubernetes.default.svc.",
        "http://kubernetes.default.svc",
        "kubernetes",
        "https://kubernetes.default.svc:443",
        "",
    ] {
        assert_eq!(world.who(&with_claims(json!({ "iss": issuer }))), Err(Unauthenticated), "{issuer}");
    }
    let crossed = RSA.sign(&ci(json!({ "groups": ["admins"] })));
    assert_eq!(world.who(&crossed), Err(Unauthenticated), "a key of the one issuer for the other's name");
    let by_ci = EC.sign(&with(claims(), json!({ "iss": CI })));
    assert_eq!(world.who(&by_ci), Err(Unauthenticated), "the subject of the one from the other");
}

#[test]
fn members_twice() {
    let text = claims().to_string();
    let header = EC.header().to_string();
    let added = |member: &str| EC.sign_text(&header, &text.replacen('{', &format!("{{{member},"), 1));
    refuse([
        ("sub", added(r#""sub":"system:serviceaccount:shop:admin""#)),
        ("sub, escaped", added(r#""s\u0075b":"system:serviceaccount:shop:admin""#)),
        ("aud", added(r#""aud":"another""#)),
        ("iss", added(r#""iss":"https://evil.example""#)),
        ("exp", added(r#""exp":1"#)),
        ("a nested one", added(r#""extra":{"a":1,"a":2}"#)),
        ("one in an array", added(r#""extra":[{"a":1,"a":2}]"#)),
        ("alg", EC.sign_text(r#"{"alg":"none","alg":"ES256","kid":"ec-1"}"#, &text)),
    ]);
}

#[test]
fn encodings() {
    let valid = EC.sign(&claims());
    let parts: Vec<&str> = valid.split('.').collect();
    let (header, payload, signature) = (parts[0], parts[1], parts[2]);
    let resigned = |message: String| EC.sign_message(&message);
    // The last character of 64 bytes holds four bits that no byte needs.
    let last = signature.chars().last().unwrap();
    let loose = char::from_u32(u32::from(last) + 1).unwrap();
    let stem = &signature[..signature.len() - 1];
    let latin: Vec<u8> =
        claims().to_string().replace("billing-0", "caf\u{e9}").chars().map(|c| c as u8).collect();
    refuse([
        ("a padded signature", format!("{header}.{payload}.{signature}==")),
        ("padded claims", resigned(format!("{header}.{payload}="))),
        ("trailing bits in the signature", format!("{header}.{payload}.{stem}{loose}")),
        ("the other alphabet", format!("{header}.{payload}.{}", signature.replacen(last, "+", 1))),
        ("a trailing letter", format!("{valid}A")),
        ("claims with trailing bytes", {
            let claims = BASE64.encode(format!("{}{{}}", claims()));
            resigned(format!("{header}.{claims}"))
        }),
        ("claims that are no object", resigned(format!("{header}.{}", BASE64.encode("[]")))),
        ("claims that are a string", resigned(format!("{header}.{}", BASE64.encode("\"x\"")))),
        ("claims that are no JSON", resigned(format!("{header}.{}", BASE64.encode("{sub:1}")))),
        ("claims in another charset", resigned(format!("{header}.{}", BASE64.encode(latin)))),
        ("claims with a byte order mark", {
            resigned(format!("{header}.{}", BASE64.encode(format!("\u{feff}{}", claims()))))
        }),
        ("claims nested without end", {
            let deep = format!("{{\"a\":{}{}}}", "[".repeat(5000), "]".repeat(5000));
            resigned(format!("{header}.{}", BASE64.encode(deep)))
        }),
        ("a header with trailing bytes", EC.sign_text(&format!("{} x", EC.header()), &claims().to_string())),
        ("an oversized token", with_claims(json!({ "padding": "x".repeat(13_000) }))),
        ("an enormous token", with_claims(json!({ "padding": "x".repeat(1_000_000) }))),
    ]);
    let world = World::offline();
    assert_eq!(world.who(&with_claims(json!({ "padding": "x".repeat(11_000) }))), Ok("billing"));
    for other in [
        format!("{valid}."),
        format!(".{valid}"),
        format!("{valid}.{signature}"),
        format!("{header}.{payload}"),
    ] {
        assert_eq!(world.who(&other), Err(Unauthenticated), "{other}");
    }
}
