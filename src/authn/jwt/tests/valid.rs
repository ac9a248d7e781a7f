//! Tokens that must be accepted, for as long as they are valid.

use super::*;
use crate::authn::jwt::key_set::VERIFICATIONS;

#[test]
fn a_service_account_is_known_by_namespace_and_name() {
    let world = World::offline();
    for signer in [&*RSA, &EC, &EC384, &ED] {
        assert_eq!(world.who(&signer.sign(&account("shop", "billing"))), Ok("billing"), "{}", signer.alg());
    }
    assert_eq!(world.who(&EC.sign(&account("jobs", "nightly"))), Ok("jobs"), "any in the namespace");
    for (namespace, name) in [("shop", "checkout"), ("shop2", "billing"), ("billing", "shop")] {
        assert_eq!(
            world.who(&EC.sign(&account(namespace, name))),
            Err(Unauthenticated),
            "{namespace}/{name}"
        );
    }
    let plain = with(account("shop", "billing"), json!({ "kubernetes.io": null }));
    assert_eq!(world.who(&EC.sign(&plain)), Ok("billing"), "other distributions leave it out");
}

#[test]
fn every_listed_algorithm_verifies() {
    let world = World::offline();
    for alg in ["RS256", "RS384", "RS512", "PS256"] {
        let header = with(RSA.header(), json!({ "alg": alg }));
        let token = RSA.sign_text(&header.to_string(), &account("shop", "billing").to_string());
        assert_eq!(world.who(&token), Ok("billing"), "{alg}");
    }
    for alg in ["PS384", "PS512"] {
        let header = with(RSA.header(), json!({ "alg": alg }));
        let token = RSA.sign_text(&header.to_string(), &account("shop", "billing").to_string());
        assert_eq!(world.who(&token), Err(Unauthenticated), "{alg} is valid, but not listed");
    }
}

#[test]
fn other_issuers_tokens_by_rules_on_their_claims() {
    let world = World::offline();
    let who = |extra: Value| world.who(&EC.sign(&ci(extra)));
    assert_eq!(who(json!({ "ref": "refs/heads/main", "build": { "stage": 3 } })), Ok("main"));
    assert_eq!(who(json!({ "ref": ["x", "refs/heads/release"], "build": { "stage": "3" } })), Ok("main"));
    assert_eq!(who(json!({ "ref": "refs/heads/main" })), Err(Unauthenticated), "one of two");
    assert_eq!(who(json!({ "ref": "refs/heads/mainly", "build": { "stage": 3 } })), Err(Unauthenticated));
    assert_eq!(who(json!({ "ref": "Refs/heads/main", "build": { "stage": 3 } })), Err(Unauthenticated));
    assert_eq!(who(json!({ "groups": ["admins"] })), Ok("admins"));
    assert_eq!(who(json!({ "groups": "admins" })), Ok("admins"));
    assert_eq!(who(json!({ "groups": [["admins"]] })), Err(Unauthenticated));
    assert_eq!(who(json!({ "groups": { "admins": true } })), Err(Unauthenticated));
    assert_eq!(who(json!({ "groups": "admins operators" })), Err(Unauthenticated));
    assert_eq!(
        who(json!({ "groups": ["operators", "admins"] })),
        Err(Unauthenticated),
        "two callers are none"
    );
    assert_eq!(who(json!({ "example.com/roles": { "kind": "robot" } })), Ok("dotted"));
    let twice = json!({ "example.com/roles": { "kind": "robot" }, "example.com/roles.kind": "human" });
    assert_eq!(who(twice), Err(Unauthenticated), "a path to two claims");
}

#[test]
fn times_are_taken_with_leeway_and_no_more() {
    let world = World::offline();
    let at = |changes: Value| world.who(&EC.sign(&with(account("shop", "billing"), changes)));
    assert_eq!(at(json!({ "exp": NOW - 29 })), Ok("billing"));
    assert_eq!(at(json!({ "exp": NOW - 30 })), Err(Unauthenticated));
    assert_eq!(at(json!({ "nbf": NOW + 30 })), Ok("billing"));
    assert_eq!(at(json!({ "nbf": NOW + 31 })), Err(Unauthenticated));
    assert_eq!(at(json!({ "iat": NOW + 31 })), Err(Unauthenticated));
    assert_eq!(at(json!({ "exp": (NOW + 5) as f64 + 0.5, "nbf": null, "iat": null })), Ok("billing"));
}

#[test]
fn a_token_is_verified_once_in_its_life_and_not_accepted_beyond_it() {
    let world = World::offline();
    let token = EC.sign(&account("shop", "billing"));
    VERIFICATIONS.set(0);
    for _ in 0..5 {
        assert_eq!(world.who(&token), Ok("billing"));
        world.pass(700);
    }
    assert_eq!(VERIFICATIONS.get(), 1);
    world.pass(3607 + 30 - 3500 - 1);
    assert_eq!(world.who(&token), Ok("billing"));
    world.pass(1);
    assert_eq!(world.who(&token), Err(Unauthenticated));
    assert_eq!(VERIFICATIONS.get(), 1);
}

#[test]
fn a_new_token_is_remembered_at_once_where_there_is_no_room() {
    let keys = set(&[&EC]);
    let keyring = Keyring::of_file(issuer("ci", CI, file(keys.clone())), &keys).unwrap();
    let subject = Arc::new(Subject::of(&keyring.issuer().name, "x"));
    let (key, expires, caller) = (Digest::of(b"key"), Duration::ZERO, CallerIndex(0));
    let verified = Verified { keyring, key, expires, caller, subject };
    let digest = |n: u8| Digest::of(&[n]);
    let remembered = remember(4);
    for n in 0..4 {
        remembered.insert(digest(n), verified.clone());
        for _ in 0..8 {
            remembered.get(&digest(n));
        }
    }
    remembered.run_pending_tasks();
    remembered.insert(digest(9), verified);
    remembered.run_pending_tasks();
    assert!(remembered.get(&digest(9)).is_some());
    assert_eq!(remembered.entry_count(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_forged_token_is_verified_once_in_ten_seconds() {
    let world = World::offline();
    let forged = STRANGER.sign(&account("shop", "billing"));
    VERIFICATIONS.set(0);
    for _ in 0..5 {
        assert_eq!(world.who(&forged), Err(Unauthenticated));
    }
    assert_eq!(VERIFICATIONS.get(), 1);
    tokio::time::advance(Duration::from_secs(11)).await;
    assert_eq!(world.who(&forged), Err(Unauthenticated));
    assert_eq!(VERIFICATIONS.get(), 2);
}

#[test]
fn a_token_of_another_issuer_is_passed_over() {
    let world = World::offline();
    let foreign = STRANGER.sign(&with(account("shop", "billing"), json!({ "iss": "https://sdk.example" })));
    assert_eq!(world.who_locally(&foreign), Ok("local"));
    assert_eq!(world.who(&foreign), Err(Unauthenticated));
    for opaque in ["abc.def.ghi", "e.y.J", "opaque", "a.b", "eyJhIjoxfQ.x", "eyJ.a.b.c.d"] {
        assert_eq!(world.who_locally(opaque), Ok("local"), "{opaque}");
    }
}
