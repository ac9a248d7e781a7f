//! Rotation: two secrets in overlap, and a secret that changes.

use base64::Engine as _;

use super::*;

fn with_secrets(world: &World, secrets: &[&str]) -> TokenSource {
    TokenSource {
        secrets: secrets.iter().map(|secret| Secret::new(secret.as_bytes().to_vec()).into()).collect(),
        ..world.source("acme")
    }
}

fn secrets_sent(world: &World) -> Vec<String> {
    let decode = |call: Call| {
        let value = call.authorization.expect("Basic");
        let encoded = value.to_str().unwrap().strip_prefix("Basic ").unwrap().to_owned();
        let pair = base64::engine::general_purpose::STANDARD.decode(encoded).unwrap();
        String::from_utf8(pair).unwrap().split_once(':').unwrap().1.to_owned()
    };
    world.issuer.calls().into_iter().map(decode).collect()
}

#[tokio::test(start_paused = true)]
async fn b10_a_refused_secret_falls_back_to_the_other_in_the_same_grant() {
    for refusal in [WRONG_SECRET, EXPIRED_SECRET] {
        let world = World::new(Reply::Token(100));
        world.issuer.once(refusal);
        let handle = world.tokens.handle(with_secrets(&world, &["new", "old"]));
        assert_eq!(value(&handle.get(soon()).await.unwrap()), "token-2");
        assert_eq!(secrets_sent(&world), ["new", "old"]);
        assert_eq!(world.events.count("acme fallback"), 1);
        assert_eq!(world.events.count("acme finished ok"), 1, "it did not fail");
        // The one that works is tried first from then on.
        pass(85 * SECOND).await;
        assert_eq!(secrets_sent(&world), ["new", "old", "old"]);
        // Until it is refused in its turn.
        world.issuer.once(WRONG_SECRET);
        at_once(&handle).await;
        pass(85 * SECOND).await;
        assert_eq!(secrets_sent(&world), ["new", "old", "old", "old", "new"]);
    }
}

#[tokio::test(start_paused = true)]
async fn b10_both_refused_is_terminal_and_other_faults_do_not_try_the_other() {
    let world = World::new(WRONG_SECRET);
    let handle = world.tokens.handle(with_secrets(&world, &["new", "old"]));
    let error = handle.get(soon()).await.expect_err("no token");
    assert!(error.is_terminal() && error.label() == "invalid_client");
    assert_eq!(world.issuer.count(), 2);
    assert_eq!(world.events.count("acme fallback"), 0);

    for reply in [
        BROKEN,
        Reply::Status(400, r#"{"error":"invalid_target"}"#),
        Reply::Status(400, r#"{"error":"invalid_request"}"#),
    ] {
        let world = World::new(reply);
        world.tokens.handle(with_secrets(&world, &["new", "old"])).get(soon()).await.expect_err("no token");
        assert_eq!(world.issuer.count(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn b10_a_new_secret_is_tried_at_once_and_the_token_stays_until_there_is_another() {
    let world = World::new(Reply::Token(100));
    let handle = world.tokens.handle(with_secrets(&world, &["one"]));
    handle.get(soon()).await.unwrap();
    world.issuer.once(Reply::Slow(SECOND, Box::new(Reply::Token(100))));
    let reloaded = world.tokens.handle(with_secrets(&world, &["two"]));
    assert_eq!(at_once(&reloaded).await, "token-1");
    pass(2 * SECOND).await;
    assert_eq!(at_once(&handle).await, "token-2", "the old handle is the same slot");
    assert_eq!(secrets_sent(&world), ["one", "two"]);
    // Once.
    pass(60 * SECOND).await;
    assert_eq!(world.issuer.count(), 2);
}

/// Otherwise it would show when the token ends, hours after whoever made the mistake has gone home.
#[tokio::test(start_paused = true)]
async fn b10_a_new_secret_that_is_wrong_shows_at_once_and_the_token_stays_in_use() {
    let world = World::new(Reply::Token(3600));
    let handle = world.tokens.handle(with_secrets(&world, &["one"]));
    handle.get(soon()).await.unwrap();
    world.issuer.always(WRONG_SECRET);
    world.tokens.handle(with_secrets(&world, &["wrong"]));
    pass(SECOND).await;
    assert_eq!(secrets_sent(&world), ["one", "wrong"]);
    assert_eq!(at_once(&handle).await, "token-1");
    let status = handle.status();
    assert_eq!(status.last_error.expect("it is told").label(), "invalid_client");
    assert!(status.usable_for.is_some());
    // The next one is mended.
    world.issuer.always(Reply::Token(3600));
    world.tokens.handle(with_secrets(&world, &["two"]));
    pass(SECOND).await;
    assert_eq!(secrets_sent(&world), ["one", "wrong", "two"]);
    assert!(handle.status().last_error.is_none());
}

#[tokio::test(start_paused = true)]
async fn b13_a_new_secret_lifts_the_verdict_at_once() {
    let world = World::new(WRONG_SECRET);
    let handle = world.tokens.handle(with_secrets(&world, &["bad"]));
    handle.warm();
    handle.get(soon()).await.expect_err("no token");
    // A reload that changes nothing is not a reason to ask again.
    world.tokens.handle(with_secrets(&world, &["bad"]));
    refused_at_once(&handle).await;
    pass(SECOND).await;
    assert_eq!(world.issuer.count(), 1);

    world.issuer.always(Reply::Token(3600));
    world.tokens.handle(with_secrets(&world, &["good"]));
    pass(SECOND / 10).await;
    assert_eq!(at_once(&handle).await, "token-2", "a warm token is there before anybody asks");
    assert_eq!(secrets_sent(&world), ["bad", "good"]);
}

#[tokio::test(start_paused = true)]
async fn b13_a_verdict_on_the_old_secret_is_not_held_against_the_new_one() {
    let world = World::new(Reply::Token(3600));
    world.issuer.once(Reply::Slow(SECOND, Box::new(WRONG_SECRET)));
    let handle = world.tokens.handle(with_secrets(&world, &["bad"]));
    let waiting = tokio::spawn({
        let handle = handle.clone();
        async move { handle.get(soon()).await }
    });
    pass(SECOND / 2).await;
    world.tokens.handle(with_secrets(&world, &["good"]));
    assert_eq!(value(&waiting.await.unwrap().expect("a token")), "token-2");
    assert_eq!(secrets_sent(&world), ["bad", "good"]);
}

#[tokio::test(start_paused = true)]
async fn b10_new_secrets_are_tried_from_the_first_whatever_worked_before() {
    let world = World::new(Reply::Token(100));
    world.issuer.once(WRONG_SECRET);
    let handle = world.tokens.handle(with_secrets(&world, &["b", "a"]));
    handle.get(soon()).await.unwrap();
    world.tokens.handle(with_secrets(&world, &["c", "b"]));
    pass(SECOND).await;
    assert_eq!(secrets_sent(&world), ["b", "a", "c"]);
    pass(80 * SECOND).await;

    // The same when they change while a grant with the old ones is under way.
    world.issuer.once(WRONG_SECRET);
    world.issuer.once(Reply::Slow(SECOND, Box::new(Reply::Token(100))));
    at_once(&handle).await;
    pass(Duration::from_millis(79_500)).await;
    world.tokens.handle(with_secrets(&world, &["d", "c"]));
    pass(2 * SECOND).await;
    at_once(&handle).await;
    assert_eq!(secrets_sent(&world), ["b", "a", "c", "c", "b", "d"]);
}

#[tokio::test(start_paused = true)]
async fn b12_a_new_secret_does_not_shorten_what_the_issuer_asked_for() {
    let world = World::new(Reply::RetryAfter(429, "30".into()));
    let handle = world.tokens.handle(with_secrets(&world, &["one"]));
    handle.get(soon()).await.expect_err("no token");
    world.tokens.handle(with_secrets(&world, &["two"]));
    refused_at_once(&handle).await;
    assert_eq!(world.issuer.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn b37_asking_again_ends_a_cool_down_but_not_what_the_issuer_asked_for() {
    for (reply, ends) in [(WRONG_SECRET, true), (BROKEN, true), (Reply::RetryAfter(429, "30".into()), false)]
    {
        let world = World::new(reply);
        let handle = world.handle();
        handle.get(soon()).await.expect_err("no token");
        world.issuer.always(Reply::Token(3600));
        handle.retry();
        if ends {
            assert_eq!(value(&handle.get(soon()).await.expect("a token")), "token-2");
        } else {
            refused_at_once(&handle).await;
            assert_eq!(world.issuer.count(), 1);
        }
    }
    // With a token, and where nobody asked yet, there is nothing to do.
    let world = World::new(Reply::Token(3600));
    let handle = world.handle();
    handle.retry();
    pass(SECOND).await;
    assert_eq!(world.issuer.count(), 0);
    handle.get(soon()).await.expect("a token");
    handle.retry();
    assert_eq!(at_once(&handle).await, "token-1");
}

#[tokio::test(start_paused = true)]
async fn b37_a_grant_under_way_does_not_undo_it() {
    let world = World::new(Reply::Token(3600));
    world.issuer.once(Reply::Slow(SECOND, Box::new(WRONG_SECRET)));
    let handle = world.handle();
    let waiting = tokio::spawn({
        let handle = handle.clone();
        async move { handle.get(soon()).await }
    });
    pass(SECOND / 2).await;
    handle.retry();
    assert_eq!(value(&waiting.await.unwrap().expect("a token")), "token-2");
}

/// The canary: an issuer that repeats everything it was sent.
#[tokio::test(start_paused = true)]
async fn no_secret_and_no_token_can_be_printed() {
    let canary = "canary-7f3a";
    let encoded = base64::engine::general_purpose::STANDARD.encode(format!("app:{canary}"));
    for body in [
        format!(r#"{{"error":"invalid_client","error_description":"no such secret: {canary}"}}"#),
        format!(r#"{{"error":"invalid_client","error_description":"bad header Basic {encoded}"}}"#),
        format!(r#"{{"error":"{canary}","error_description":"?"}}"#),
        format!(r#"{{"error":"invalid_client","error_description":"{}{canary}"}}"#, "x".repeat(195)),
    ] {
        let world = World::new(Reply::Status(400, body.leak()));
        let handle = world.tokens.handle(with_secrets(&world, &[canary]));
        let error = handle.get(soon()).await.expect_err("no token");
        let shown = format!("{error} {error:?} {:?} {:?}", world.tokens.status(), handle);
        assert!(!shown.contains("canar") && !shown.contains(&encoded), "{shown}");
    }
    let world = World::new(Reply::Token(3600));
    let source = with_secrets(&world, &[canary]);
    let shown = format!("{source:?}");
    let handle = world.tokens.handle(source);
    let token = handle.get(soon()).await.unwrap();
    let shown = format!("{shown} {token:?} {:?} {handle:?} {:?}", token.header(), world.tokens.status());
    assert!(!shown.contains(canary) && !shown.contains("token-1"), "{shown}");
}

/// Logto repeats the client id, which is the secret where the two were swapped.
#[tokio::test(start_paused = true)]
async fn a_secret_in_the_place_of_the_client_id_is_not_shown_either() {
    let canary = "canary7f3aXYZcanary7f3aXYZ012345";
    let far = "x".repeat(190);
    for (body, expected) in [
        (
            format!(r#"{{"error":"invalid_client","error_description":"invalid client {canary}"}}"#),
            "invalid client <client_id>",
        ),
        (format!(r#"{{"error":"invalid_request","error_description":"{far} {canary}"}}"#), "<client_i"),
        (
            format!(r#"{{"error":"invalid_target","error_description":"{canary}, {canary} \u00e9"}}"#),
            "<client_id>, <client_id> ?",
        ),
        (format!(r#"{{"error":"{canary}","error_description":"?"}}"#), "unknown"),
    ] {
        let world = World::new(Reply::Status(400, body.leak()));
        let mut source = with_secrets(&world, &["abcdefghijklmnopqrstu"]);
        source.key = TokenKey { client_id: canary.into(), ..key("acme") }.into();
        let handle = world.tokens.handle(source);
        let error = handle.get(soon()).await.expect_err("no token");
        let shown = format!("{error} {error:?} {:?} {}", world.tokens.status(), error.remedy());
        assert!(!shown.contains("canar") && shown.contains(expected), "{shown}");
        let swapped = expected.starts_with("invalid client");
        assert_eq!(error.remedy().contains("swapped"), swapped, "{shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_client_id_of_its_own_length_is_not_called_swapped() {
    let body = r#"{"error":"invalid_client","error_description":"invalid client abcdefghijklmnopqrstu"}"#;
    let world = World::new(Reply::Status(400, body));
    let mut source = with_secrets(&world, &["canary7f3aXYZcanary7f3aXYZ012345"]);
    source.key = TokenKey { client_id: "abcdefghijklmnopqrstu".into(), ..key("acme") }.into();
    let error = world.tokens.handle(source).get(soon()).await.expect_err("no token");
    assert_eq!(error.to_string(), "Logto refused with invalid_client: invalid client <client_id>");
    assert!(error.remedy().contains("has no application with this `client_id`"), "{}", error.remedy());
}
