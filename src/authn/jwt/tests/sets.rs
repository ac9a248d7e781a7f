//! Which keys of a set are usable.

use super::{super::key_set::KeySet, *};

fn usable(jwk: Value) -> usize {
    KeySet::parse(json!({ "keys": [jwk] }).to_string().as_bytes()).unwrap().len()
}

#[test]
fn public_signature_keys_of_safe_kinds_and_sizes() {
    for signer in [&*RSA, &EC, &EC384, &ED] {
        assert_eq!(usable(signer.jwk()), 1);
        assert_eq!(usable(with(signer.jwk(), json!({ "use": "sig", "key_ops": ["verify"] }))), 1);
        assert_eq!(usable(with(signer.jwk(), json!({ "alg": signer.alg(), "x5t": "abc", "new": [1] }))), 1);
        assert_eq!(usable(with(signer.jwk(), json!({ "kid": null }))), 1);
        for changes in [
            json!({ "use": "enc" }),
            json!({ "key_ops": ["encrypt"] }),
            json!({ "key_ops": "verify" }),
            json!({ "alg": "RSA-OAEP" }),
            json!({ "alg": "HS256" }),
            json!({ "kty": "oct" }),
            json!({ "kty": "AKP" }),
            json!({ "kty": null }),
            json!({ "kid": 7 }),
            json!({ "d": "AQAB" }),
        ] {
            assert_eq!(usable(with(signer.jwk(), changes.clone())), 0, "{} {changes}", signer.alg());
        }
    }
    for (jwk, changes) in [
        (EC.jwk(), json!({ "crv": "P-384" })),
        (EC.jwk(), json!({ "crv": "secp256k1" })),
        (EC.jwk(), json!({ "alg": "ES384" })),
        (EC.jwk(), json!({ "x": "AA" })),
        (EC.jwk(), json!({ "y": null })),
        (ED.jwk(), json!({ "crv": "Ed448" })),
        (ED.jwk(), json!({ "crv": "X25519" })),
        (RSA.jwk(), json!({ "n": BASE64.encode([0xff; 128]) })),
        (RSA.jwk(), json!({ "n": BASE64.encode([&[0x7f][..], &[0xff; 255]].concat()) })),
        (RSA.jwk(), json!({ "n": BASE64.encode([0xff; 1025]) })),
        (RSA.jwk(), json!({ "n": "!" })),
        (RSA.jwk(), json!({ "e": "AQ" })),
        (RSA.jwk(), json!({ "e": "AQAA" })),
        (RSA.jwk(), json!({ "e": "" })),
        (json!({ "kty": "oct", "kid": "ec-1", "k": "c2VjcmV0" }), json!({})),
    ] {
        assert_eq!(usable(with(jwk, changes.clone())), 0, "{changes}");
    }
}

#[test]
fn keys_of_no_use_stand_in_nobodys_way() {
    let odd = [
        json!({ "kty": "oct", "kid": "ec-1", "k": "c2VjcmV0" }),
        json!(1),
        json!({}),
        json!({ "kty": "AKP" }),
    ];
    let keys: Vec<Value> = odd.into_iter().chain([EC.jwk()]).collect();
    let json = json!({ "keys": keys, "more": 1 }).to_string().into_bytes();
    let cluster = issuer("kubernetes", CLUSTER, file(json.clone()));
    let world = World::new(Keyring::of_file(cluster.clone(), &json).unwrap(), cluster);
    assert_eq!(world.who(&EC.sign(&account("shop", "billing"))), Ok("billing"));
}

#[test]
fn a_modulus_with_a_zero_in_front_is_the_same_key() {
    let n = BASE64.decode(RSA.jwk()["n"].as_str().unwrap()).unwrap();
    let padded = with(RSA.jwk(), json!({ "n": BASE64.encode([&[0][..], &n].concat()) }));
    let json = json!({ "keys": [padded] }).to_string().into_bytes();
    let cluster = issuer("kubernetes", CLUSTER, file(json.clone()));
    let world = World::new(Keyring::of_file(cluster.clone(), &json).unwrap(), cluster);
    assert_eq!(world.who(&RSA.sign(&account("shop", "billing"))), Ok("billing"));
}

#[test]
fn without_a_key_id_there_must_be_one_key_of_the_kind() {
    let token = |signer: &Signer| {
        let header = with(signer.header(), json!({ "kid": null }));
        signer.sign_text(&header.to_string(), &account("shop", "billing").to_string())
    };
    let world = World::offline();
    assert_eq!(world.who(&token(&EC)), Ok("billing"));
    let json = set(&[&EC, &STRANGER]);
    let cluster = issuer("kubernetes", CLUSTER, file(json.clone()));
    let several = World::new(Keyring::of_file(cluster.clone(), &json).unwrap(), cluster);
    assert_eq!(several.who(&token(&EC)), Err(Unauthenticated));
    assert_eq!(several.who(&EC.sign(&account("shop", "billing"))), Ok("billing"), "two keys of one id");
}

#[test]
fn a_file_without_a_key_of_use_is_refused() {
    let cluster = || issuer("kubernetes", CLUSTER, Jwks::Discovery);
    let of = |json: &[u8]| Keyring::of_file(cluster(), json).map(drop).unwrap_err();
    assert_eq!(of(b"{}"), KeySetError::Form);
    assert_eq!(of(b"[]"), KeySetError::Form);
    assert_eq!(of(br#"{"keys":{}}"#), KeySetError::Form);
    assert_eq!(of(br#"{"keys":[]}"#), KeySetError::Useless(0));
    assert_eq!(of(br#"{"keys":[{"kty":"oct","k":"AA"}]}"#), KeySetError::Useless(1));
}
