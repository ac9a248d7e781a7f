//! What the scripts are to do, written once more, and many random requests to both, with the server's clock in the test's hand.

use std::collections::BTreeMap;

use super::{
    super::script::{CLAIM_TEXT, Claimed, Fate, SETTLE_TEXT, Said, names, said},
    *,
};
use crate::redis::Script;

/// As few keys, and bytes of answers, as make them fall over each other.
const MOST: usize = 6;
const MEMORY: usize = 100;

#[derive(Debug, Clone)]
struct Record {
    claimed: Claimed,
    at: u64,
    hold: u64,
    ends: u64,
    /// `None` while it is under way.
    fate: Option<Fate>,
}

#[derive(Default)]
struct Model(BTreeMap<String, Record>);

impl Record {
    fn is_open(&self) -> bool {
        matches!(self.fate, None | Some(Fate::Unknown))
    }

    fn bytes(&self) -> usize {
        if let Some(Fate::Answered(_, sealed)) = &self.fate { sealed.len() } else { 0 }
    }
}

impl Model {
    fn claim(&mut self, now: u64, claimed: &Claimed, hold: u64, ttl: u64) -> Said {
        self.0.retain(|_, record| record.ends > now);
        if let Some(record) = self.0.get(&claimed.name) {
            return match &record.fate {
                _ if record.claimed.content != claimed.content
                    && record.claimed.content[..16] == claimed.content[..16] =>
                {
                    Said::Reused
                }
                None if record.hold > now => Said::UnderWay,
                None | Some(Fate::Unknown | Fate::Free) => Said::Unknown,
                Some(Fate::NotKept(status, why)) => Said::NotKept(*status, *why),
                Some(Fate::Answered(status, sealed)) => Said::Answered(*status, sealed.clone()),
            };
        }
        if !self.has_room(&claimed.caller) {
            return Said::Full;
        }
        let (hold, ends) = (now + hold, now + hold.max(ttl));
        let record = Record { claimed: claimed.clone(), at: now, hold, ends, fate: None };
        self.0.insert(claimed.name.clone(), record);
        Said::First
    }

    fn settle(&mut self, now: u64, claimed: &Claimed, left: u64, fate: &Fate) -> &'static str {
        self.0.retain(|_, record| record.ends > now);
        let record = self.0.get(&claimed.name).cloned();
        if record
            .as_ref()
            .is_some_and(|record| record.claimed.claim != claimed.claim || record.fate.is_some())
        {
            return "over";
        }
        if matches!(fate, Fate::Free) {
            self.0.remove(&claimed.name);
            return "told";
        }
        let mut anew = Record { claimed: claimed.clone(), at: now, hold: now, ends: now + left, fate: None };
        match record {
            Some(record) => anew = record,
            None if left == 0 || !self.has_room(&claimed.caller) => return "over",
            None => {}
        }
        anew.fate = Some(fate.clone());
        self.0.insert(claimed.name.clone(), anew);
        while self.0.values().map(Record::bytes).sum::<usize>() > MEMORY {
            let caller = self.biggest(Record::bytes).expect("there are bytes");
            let name = self.oldest(&caller, |record| record.bytes() > 0);
            let record = self.0.get_mut(&name).expect("it is there");
            if let Some(Fate::Answered(status, _)) = record.fate {
                record.fate = Some(Fate::NotKept(status, NotKept::NoRoom));
            }
        }
        "told"
    }

    fn has_room(&mut self, caller: &str) -> bool {
        let open = || self.0.values().filter(|record| record.is_open());
        let own = open().filter(|record| record.claimed.caller == caller).count();
        if own > 0 && own >= MOST - open().count() {
            return false;
        }
        while self.0.len() >= MOST {
            let Some(biggest) = self.biggest(|record| usize::from(!record.is_open())) else { return false };
            let oldest = self.oldest(&biggest, |record| !record.is_open());
            self.0.remove(&oldest);
        }
        true
    }

    fn biggest(&self, weight: impl Fn(&Record) -> usize) -> Option<String> {
        let mut callers: BTreeMap<&str, usize> = BTreeMap::new();
        for record in self.0.values() {
            *callers.entry(&record.claimed.caller).or_default() += weight(record);
        }
        let biggest = callers.into_iter().max_by_key(|(caller, weight)| (*weight, *caller));
        biggest.filter(|(_, weight)| *weight > 0).map(|(caller, _)| caller.to_owned())
    }

    fn oldest(&self, caller: &str, is_one: impl Fn(&Record) -> bool) -> String {
        let theirs = self.0.iter().filter(|(_, record)| record.claimed.caller == caller && is_one(record));
        theirs.min_by_key(|(name, record)| (record.at, *name)).expect("there is one").0.clone()
    }
}

/// The scripts, told the time.
struct Scripts {
    claim: Script,
    settle: Script,
    redis: Redis,
    keys: [String; 7],
}

impl Scripts {
    fn new(redis: Redis) -> Self {
        let timed = |text: &str| {
            let timed = text.replace("redis.call('TIME')", "{ARGV[#ARGV - 1], ARGV[#ARGV]}");
            assert_ne!(timed, text);
            Script::new(Box::leak(timed.into_boxed_str()))
        };
        let (claim, settle) = (timed(CLAIM_TEXT), timed(SETTLE_TEXT));
        Self { claim, settle, keys: names(redis.prefix()), redis }
    }

    async fn run<T: ::redis::FromRedisValue>(
        &self,
        script: &Script,
        now: u64,
        mut arguments: Vec<Vec<u8>>,
    ) -> T {
        arguments.extend([now / 1000, now % 1000 * 1000].map(|part| part.to_string().into_bytes()));
        let keys = self.keys.each_ref().map(String::as_str);
        self.redis.run(script, &keys, &arguments).await.unwrap()
    }
}

fn hexed(number: usize, digits: usize) -> String {
    format!("{number:0digits$x}")
}

#[tokio::test]
async fn b60_the_scripts_do_what_their_model_does_whatever_they_are_asked() {
    let Some(server) = Server::start().await else { return };
    let scripts = Scripts::new(server.redis());
    scripts.redis.connected(MINUTE).await.unwrap();
    let mut random = fastrand::Rng::with_seed(60);
    let (mut model, mut now, mut claims) = (Model::default(), 1_800_000_000_000_u64, Vec::<Claimed>::new());
    let (mut seen, mut told) = (BTreeMap::<String, u32>::new(), 0);
    for n in 0..5000 {
        now += random.u64(0..400) + if n % 101 == 0 { 9000 } else { 0 };
        if n % 997 == 996 {
            server.ask::<String>("FLUSHALL").await;
            model.0.clear();
        }
        if random.bool() {
            let name = random.usize(..12);
            let claimed = Claimed {
                name: hexed(name, 32),
                // Now and then by another key.
                content: hexed(usize::from(random.u8(..) < 20), 16)
                    + &hexed(usize::from(random.u8(..) < 20), 32),
                claim: hexed(n, 32),
                caller: hexed(name % 3, 16),
                most: MOST,
            };
            let (hold, ttl) = (random.u64(0..6000), random.u64(1..9000));
            let answer: Vec<Vec<u8>> = scripts.run(&scripts.claim, now, claimed.claiming(hold, ttl)).await;
            let answer = said(&answer).unwrap();
            let word = format!("{answer:?}");
            *seen.entry(word.split('(').next().unwrap().to_owned()).or_default() += 1;
            assert_eq!(answer, model.claim(now, &claimed, hold, ttl), "{n}: {claimed:?}");
            if answer == Said::First {
                claims.push(claimed);
            }
        } else if !claims.is_empty() {
            // Mostly of the last few, some a second time, some long over.
            let back = if random.u8(..) < 200 { 4 } else { 60 };
            let claimed = &claims[claims.len() - 1 - random.usize(..back).min(claims.len() - 1)];
            let status = StatusCode::from_u16(random.u16(200..210)).unwrap();
            let fate = match random.u8(..8) {
                0 => Fate::Free,
                1 => Fate::Unknown,
                2 | 3 => Fate::NotKept(status, NotKept::TooLarge),
                _ => Fate::Answered(status, vec![random.u8(..); random.usize(1..MEMORY * 11 / 10)]),
            };
            let left = if random.u8(..) < 20 { 0 } else { random.u64(1..9000) };
            let answer: String =
                scripts.run(&scripts.settle, now, claimed.settling(left, &fate, MEMORY)).await;
            assert_eq!(answer, model.settle(now, claimed, left, &fate), "{n}: {claimed:?} {fate:?}");
            told += u32::from(answer == "told");
        }
    }
    assert!(seen.len() == 7 && seen.values().all(|count| *count > 20), "{seen:?}");
    assert!(told > 1000, "{told}");
    // All goes when its time is over, whatever became of it. The last one has long enough that Redis does not forget it first.
    now += 20_000;
    let mut last = claims[0].clone();
    last.claim = hexed(9999, 32);
    let _: Vec<Vec<u8>> = scripts.run(&scripts.claim, now, last.claiming(6000, 9000)).await;
    let _: String = scripts.run(&scripts.settle, now, last.settling(9000, &Fate::Free, MEMORY)).await;
    assert_eq!(
        server.ask::<u64>("DBSIZE").await,
        0,
        "{}",
        server.ask::<Vec<String>>("KEYS *").await.join(" ")
    );
}
