//! Secrets that are read when a grant needs them: read anew when refused, and an unreadable one is no verdict.

use base64::Engine as _;

use super::*;
use crate::secret::{Age, ClientSecret, Read, Reading, SecretHandle, SecretProvider, Unreadable};

/// Says what it is told to say, and remembers that it was refused.
#[derive(Debug)]
struct Fake {
    /// What it has in memory, and what it would read anew.
    memory: Mutex<Option<&'static str>>,
    origin: Mutex<Result<&'static str, &'static str>>,
    reads: Mutex<u32>,
}

impl Fake {
    fn new(memory: Option<&'static str>, origin: Result<&'static str, &'static str>) -> Arc<Self> {
        Arc::new(Self { memory: Mutex::new(memory), origin: Mutex::new(origin), reads: Mutex::new(0) })
    }

    fn now_says(&self, origin: Result<&'static str, &'static str>) {
        *self.origin.lock().unwrap() = origin;
    }
}

impl SecretProvider for Fake {
    fn read(&self) -> Read<'_> {
        Box::pin(async {
            if let Some(secret) = *self.memory.lock().unwrap() {
                return Ok(Reading { secret: secret_of(secret), age: Age::Cached });
            }
            *self.reads.lock().unwrap() += 1;
            let secret = self.origin.lock().unwrap().map_err(Unreadable::new)?;
            *self.memory.lock().unwrap() = Some(secret);
            Ok(Reading { secret: secret_of(secret), age: Age::Fresh })
        })
    }

    fn last(&self) -> Option<Secret> {
        self.memory.lock().unwrap().map(secret_of)
    }

    fn refused(&self, secret: &Secret) {
        self.memory.lock().unwrap().take_if(|known| secret_of(known) == *secret);
    }
}

fn secret_of(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec())
}

/// As if configured as a command of this name.
fn handle(name: &str, fake: &Arc<Fake>) -> SecretHandle {
    let configured = ClientSecret::Exec(Arc::new(crate::secret::Command {
        program: name.into(),
        arguments: Vec::new(),
        ttl: MINUTE,
        timeout: SECOND,
    }));
    SecretHandle::provided(configured, fake.clone())
}

fn with(world: &World, secrets: &[SecretHandle]) -> TokenSource {
    TokenSource { secrets: secrets.into(), ..world.source("acme") }
}

fn sent(world: &World) -> Vec<String> {
    let decode = |call: Call| {
        let value = call.authorization.expect("Basic");
        let encoded = value.to_str().unwrap().strip_prefix("Basic ").unwrap().to_owned();
        let pair = base64::engine::general_purpose::STANDARD.decode(encoded).unwrap();
        String::from_utf8(pair).unwrap().split_once(':').unwrap().1.to_owned()
    };
    world.issuer.calls().into_iter().map(decode).collect()
}

#[tokio::test(start_paused = true)]
async fn b10_a_secret_from_memory_that_is_refused_is_read_anew_in_the_same_grant() {
    let world = World::new(Reply::Token(3600));
    world.issuer.once(WRONG_SECRET);
    let fake = Fake::new(Some("old"), Ok("new"));
    let token = world.tokens.handle(with(&world, &[handle("vault", &fake)]));
    assert_eq!(value(&token.get(soon()).await.unwrap()), "token-2");
    assert_eq!(sent(&world), ["old", "new"]);
    assert_eq!(world.events.count("acme fallback"), 0, "it is the same source");
}

#[tokio::test(start_paused = true)]
async fn b13_a_secret_that_stays_the_same_is_not_sent_twice_and_read_anew_by_the_next_grant() {
    let world = World::new(WRONG_SECRET);
    let fake = Fake::new(Some("old"), Ok("old"));
    let token = world.tokens.handle(with(&world, &[handle("vault", &fake)]));
    assert!(token.get(soon()).await.expect_err("no token").is_terminal());
    assert_eq!((sent(&world), *fake.reads.lock().unwrap()), (vec!["old".to_owned()], 1));
    // One that was read just now is not read again at once.
    pass(2 * MINUTE).await;
    token.get(soon()).await.expect_err("no token");
    assert_eq!((sent(&world).len(), *fake.reads.lock().unwrap()), (2, 2));
    // The secret manager has the new one by now.
    fake.now_says(Ok("new"));
    world.issuer.always(Reply::Token(3600));
    pass(5 * MINUTE).await;
    token.get(soon()).await.expect("a token");
    assert_eq!(sent(&world), ["old", "old", "new"]);
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_secret_is_tried_again_by_itself_and_says_why() {
    let world = World::new(Reply::Token(3600));
    let fake = Fake::new(None, Err("the command vault was not found"));
    let token = world.tokens.handle(with(&world, &[handle("vault", &fake)]));
    token.warm();
    let error = token.get(soon()).await.expect_err("no token");
    assert_eq!((error.label(), error.is_terminal()), ("secret_unreadable", false));
    assert_eq!(error.to_string(), "the client secret cannot be read: the command vault was not found");
    refused_at_once(&token).await;
    assert_eq!(world.issuer.count(), 0);
    fake.now_says(Ok("new"));
    pass(MINUTE).await;
    assert_eq!(at_once(&token).await, "token-1", "nobody had to ask");
}

#[tokio::test(start_paused = true)]
async fn another_command_lifts_what_is_held_against_the_one_before() {
    let world = World::new(Reply::Token(3600));
    let broken = Fake::new(None, Err("down"));
    let token = world.tokens.handle(with(&world, &[handle("vault", &broken)]));
    token.get(soon()).await.expect_err("no token");
    // The same command is no reason to ask again.
    world.tokens.handle(with(&world, &[handle("vault", &broken)]));
    refused_at_once(&token).await;
    world.tokens.handle(with(&world, &[handle("bao", &Fake::new(None, Ok("new")))]));
    token.get(soon()).await.expect("a token");
}

#[tokio::test(start_paused = true)]
async fn an_unreadable_secret_leaves_the_grant_to_the_other() {
    for (reply, label) in [(Reply::Token(3600), None), (WRONG_SECRET, Some("secret_unreadable"))] {
        let world = World::new(reply);
        let fake = Fake::new(None, Err("down"));
        for secrets in [
            [handle("vault", &fake), secret_of("held").into()],
            [secret_of("held").into(), handle("vault", &fake)],
        ] {
            let token = world.tokens.handle(with(&world, &secrets));
            let error = token.get(soon()).await.err();
            assert_eq!(error.as_ref().map(TokenError::label), label, "what passes by itself is the verdict");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_both_sources_say_is_sent_once() {
    let world = World::new(WRONG_SECRET);
    let fake = Fake::new(Some("old"), Ok("held"));
    let token = world.tokens.handle(with(&world, &[secret_of("held").into(), handle("vault", &fake)]));
    token.get(soon()).await.expect_err("no token");
    assert_eq!(sent(&world), ["held", "old"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_is_told_before_and_withheld_after() {
    let body = r#"{"error":"invalid_client","error_description":"not canary-old, not canary-new"}"#;
    let world = World::new(Reply::Status(401, body));
    let fake = Fake::new(Some("canary-old"), Ok("canary-new"));
    let heard: Arc<Mutex<Vec<Secret>>> = Arc::default();
    let hears = heard.clone();
    let source = with(&world, &[handle("vault", &fake)])
        .telling(Some(Arc::new(move |secret: &Secret| hears.lock().unwrap().push(secret.clone()))));
    let token = world.tokens.handle(source);
    let error = token.get(soon()).await.expect_err("no token");
    assert_eq!(*heard.lock().unwrap(), ["canary-old", "canary-new"].map(secret_of));
    let shown = format!("{error} {error:?} {:?}", world.tokens.status());
    assert!(!shown.contains("canary"), "{shown}");
}
