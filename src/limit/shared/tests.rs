//! The script on a real `redis-server`, whose clock is in the test's hand, against a model of it.

mod utilisation;

use std::{path::Path, process::Stdio};

use tokio::process::{Child, Command};

use super::{lease::Lease, *};
use crate::{
    config::{RedisAddress, RedisOptions},
    redis::{Redis, Script},
};

fn server(directory: &Path) -> Option<(Child, Redis)> {
    let socket = directory.join("redis.sock");
    let mut command = Command::new("redis-server");
    command.args(["--port", "0", "--save", "", "--unixsocket"]).arg(&socket);
    let child = command.stdout(Stdio::null()).kill_on_drop(true).spawn().ok()?;
    let options = RedisOptions {
        timeout: Duration::from_secs(10),
        ..RedisOptions::at(vec![RedisAddress::Unix(socket)])
    };
    Some((child, Redis::new(&options).expect("there is no TLS")))
}

/// What the script is to do, in microseconds.
#[derive(Default)]
struct Model {
    at: u64,
    paused: u64,
    pace: f64,
    slow: u64,
    by: Option<usize>,
    limit: Option<String>,
}

impl Model {
    fn lease(&mut self, now: u64, who: usize, ask: &Ask) -> Lease {
        let micros = |nanos: u64| nanos / 1000;
        // What is further ahead than anything may be is of a clock that was set back.
        if self.slow <= now || self.slow > now + 180_000_000 || self.pace >= 1.0 {
            (self.pace, self.slow) = (1.0, 0);
        }
        if self.paused > now + 60_000_000 {
            self.paused = 0;
        }
        if ask.pace_lasts > 0 && (ask.pace <= self.pace || self.by == Some(who)) {
            (self.pace, self.slow, self.by) = (ask.pace, now + micros(ask.pace_lasts), Some(who));
        }
        if ask.pause > 0 {
            self.paused = self.paused.max(now + micros(ask.pause));
        }
        let most = now + micros(ask.most);
        let at = if self.at > most { now } else { self.at.max(now) };
        let at = (at + micros(ask.used)).max(now + micros(ask.least)).min(most);
        let pace = ask.pace.min(self.pace);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a test"
        )]
        let cost = (micros(ask.cost) as f64 / pace).round() as u64;
        let first = at - now;
        let may = self.paused <= now && first <= micros(ask.reach);
        let count = if may { ask.want.min((micros(ask.reach) - first) / cost + 1) } else { 0 };
        self.at = at + count * cost;
        let paused = self.paused.saturating_sub(now) * 1000;
        let is_others = self.limit.as_ref().is_some_and(|limit| *limit != ask.limit);
        // Where nothing is ahead, nothing is written.
        if self.at.max(self.paused).max(self.slow) > now {
            self.limit = Some(ask.limit.clone());
        }
        Lease { count, first: first * 1000, cost: cost * 1000, paused, is_others }
    }
}

#[tokio::test]
async fn b55_the_script_does_what_its_model_does_whatever_it_is_asked() {
    let directory = tempfile::tempdir().unwrap();
    let Some((_server, redis)) = server(directory.path()) else { return };
    redis.connected(Duration::from_secs(20)).await.unwrap();
    let text = lease::TEXT.replace("redis.call('TIME')", "{ARGV[12], ARGV[13]}");
    assert_ne!(text, lease::TEXT);
    let script = Script::new(Box::leak(text.into_boxed_str()));
    let mut random = fastrand::Rng::with_seed(7);
    let (mut model, mut now, mut granted) = (Model::default(), 1_800_000_000_000_000_u64, 0);
    let millis = |n: u64| n * 1_000_000;
    for n in 0..5000 {
        // Mostly a little later, seldom much; once in a while the clock is set back.
        now += random.u64(0..200_000) + if n % 97 == 0 { 3_000_000 } else { 0 };
        now -= if n % 1013 == 1012 { 100_000_000 } else { 0 };
        // A whole number of microseconds at each of these.
        let pace = [1.0, 0.5, 0.25, 0.8][random.usize(..4)];
        let rarely =
            |random: &mut fastrand::Rng, most| if random.u8(..) < 10 { random.u64(0..most) } else { 0 };
        let ask = Ask {
            cost: millis(10),
            reach: millis(random.u64(0..300)),
            want: random.u64(0..8),
            most: millis(500),
            used: millis(rarely(&mut random, 50)),
            least: millis(rarely(&mut random, 600)),
            pause: millis(rarely(&mut random, 200)),
            pace,
            pace_lasts: millis(rarely(&mut random, 2000)),
            limit: ["7/1000/7", "8/1000/7"][random.usize(..2)].into(),
        };
        let who = random.usize(..3);
        let mut arguments = lease::arguments(&who.to_string(), &ask).to_vec();
        arguments.extend([(now / 1_000_000).to_string(), (now % 1_000_000).to_string()]);
        let (count, first, cost, paused, others): (u64, u64, u64, u64, u8) =
            redis.run(&script, &["{claviger}:t"], &arguments).await.unwrap();
        let answer = Lease { count, first, cost, paused, is_others: others == 1 };
        assert_eq!(answer, model.lease(now, who, &ask), "{n}: {ask:?}");
        granted += count;
    }
    // Whatever somebody else wrote there stops nobody.
    for (field, garbage) in ["at", "paused", "pace", "slow", "limit"].iter().flat_map(|field| {
        ["99999999999999999999", "nan", "inf", "-inf", "x", "-1", "0"].map(|garbage| (*field, garbage))
    }) {
        let _: ::redis::Value = redis
            .ask(&::redis::cmd("HSET").arg("{claviger}:t").arg(field).arg(garbage).to_owned())
            .await
            .unwrap();
        now += 3_000_000;
        let ask = Ask {
            cost: millis(10),
            reach: millis(100),
            want: 1,
            most: millis(500),
            pace: 1.0,
            ..Ask::default()
        };
        let mut arguments = lease::arguments("0", &ask).to_vec();
        arguments.extend([(now / 1_000_000).to_string(), (now % 1_000_000).to_string()]);
        let (count, first, _cost, paused, _others): (u64, u64, u64, u64, u8) =
            redis.run(&script, &["{claviger}:t"], &arguments).await.unwrap();
        assert_eq!((count, first, paused), (1, 0, 0), "{field} {garbage}");
    }
    assert!(granted > 1000, "{granted}");
    let left: i64 = redis.ask(&::redis::cmd("PTTL").arg("{claviger}:t").to_owned()).await.unwrap();
    assert!(left > 0, "it goes when nobody needs it any more");
}
