//! Which of the tokens that rest in Redis are good.

use super::*;
use crate::{
    config::{RedisAddress, RedisOptions},
    token::tests::{Reply, World},
};

const HOUR: Duration = Duration::from_hours(1);
const MINUTE: Duration = Duration::from_mins(1);

fn shared(clock: Clock) -> SharedTokens {
    let options = RedisOptions {
        timeout: MINUTE,
        connect_timeout: MINUTE,
        ..RedisOptions::at(vec![RedisAddress::Unix("/nobody/is/there".into())])
    };
    SharedTokens::new(Redis::new(&options).expect("there is no TLS"), &Secret::new(b"k".to_vec()), clock)
}

/// As it is sealed: it was asked for so long ago.
fn text(clock: &Clock, life: Duration, ago: Duration) -> Vec<u8> {
    let asked = clock.now().wall.duration_since(UNIX_EPOCH).unwrap() - ago;
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap().to_be_bytes();
    [&millis(life)[..], &millis(asked), b"token"].concat()
}

#[tokio::test(start_paused = true)]
async fn b59_a_token_is_taken_while_it_is_fresh_by_either_clock_and_not_known() {
    let world = World::new(Reply::Token(3600));
    let (clock, source) = (Clock::system(), world.source("acme"));
    let shared = shared(clock.clone());
    let judged = |text: &[u8], left: Duration, known: &[Arc<Token>]| {
        shared.judged(text, left, &source, known, 0).map(|minted| minted.asked)
    };
    let now = clock.now();
    let young = text(&clock, HOUR, MINUTE);
    let asked = judged(&young, HOUR - MINUTE, &[]).expect("it is fresh");
    assert_eq!(now.instant.duration_since(asked.instant).as_secs(), 60, "its life goes on");
    assert!(
        judged(&young, HOUR * 9, &[])
            .is_some_and(|asked| now.instant.duration_since(asked.instant) >= MINUTE)
    );
    assert!(judged(&young, MINUTE, &[]).is_none(), "it ends within a minute, by the clock of Redis");
    assert!(judged(&text(&clock, HOUR, HOUR - MINUTE), HOUR, &[]).is_none(), "the same, by our own");
    assert!(judged(&text(&clock, HOUR, MINUTE * 45), MINUTE * 15, &[]).is_none(), "it is due for renewal");
    assert!(judged(&young, HOUR - MINUTE, &[Token::of("another")]).is_some());
    assert!(judged(&young, HOUR - MINUTE, &[Token::of("another"), Token::of("token")]).is_none());
    for end in 0..HEAD {
        assert!(judged(&young[..end], HOUR, &[]).is_none(), "{end}");
    }
}
