//! The two scripts by which replicas claim and settle keys, and what is said and answered with them. Each is one step of the
//! server, whose clock it goes by. Of keys, callers and requests digests are there; of answers, what was sealed. A record that
//! cannot be read is one of unknown outcome.

use std::sync::LazyLock;

use http::StatusCode;

use crate::{
    idempotency::error::NotKept,
    redis::{Redis, RedisError, Script},
};

/// What the names of the keys end with; in a cluster one node has them all, by their prefix.
const KEYS: [&str; 7] = ["records", "answers", "due", "settled", "sizes", "counts", "numbers"];

/// What both scripts know. In milliseconds of the server's clock.
///
/// `records` has a line for each name: digest of the request, claim, caller, state, when it was claimed, until when it can be under
/// way, when it is forgotten, status, why its answer is not kept, bytes of its answer. States: under way (U), unknown (X), answered
/// (A), answered and not kept (N).
macro_rules! common {
    () => {
        r"local records, answers, due, settled, sizes, counts, numbers = unpack(KEYS)
local call = redis.call
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local function int(n) return string.format('%.0f', n) end
local function read(name)
  local line = call('HGET', records, name)
  if not line then return nil end
  local r = {}
  r.content, r.claim, r.caller, r.state, r.at, r.hold, r.ends, r.status, r.why, r.size =
    string.match(line, '^(%x+) (%x+) (%x+) ([UXAN]) (%d+) (%d+) (%d+) (%d+) (%l+) (%d+)$')
  if #(r.content or '') ~= 48 or #r.claim ~= 32 or #r.caller ~= 16 then return {} end
  for _, n in ipairs({'at', 'hold', 'ends', 'size'}) do r[n] = tonumber(r[n]) end
  return r
end
local function place(name, r) return r.state .. r.caller .. string.format('%013.0f', r.at) .. name end
local function add(set, caller, by)
  if tonumber(call('ZINCRBY', set, int(by), caller)) <= 0 then call('ZREM', set, caller) end
end
local function number(field, by)
  if call('HINCRBY', numbers, field, int(by)) <= 0 then call('HDEL', numbers, field) end
end
local function tally(r, by)
  if r.state == 'U' or r.state == 'X' then
    number('open', by)
    return number(r.caller, by)
  end
  add(counts, r.caller, by)
  if r.state == 'A' then
    add(sizes, r.caller, by * r.size)
    number('bytes', by * r.size)
  end
end
local function save(name, r)
  call('HSET', records, name, table.concat({r.content, r.claim, r.caller, r.state, int(r.at), int(r.hold),
    int(r.ends), r.status, r.why, int(r.size)}, ' '))
  tally(r, 1)
  if r.state == 'A' or r.state == 'N' then call('ZADD', settled, 0, place(name, r)) end
  call('ZADD', due, int(r.ends), name)
  local last = call('ZRANGE', due, -1, -1, 'WITHSCORES')
  for _, key in ipairs(KEYS) do call('PEXPIRE', key, int(last[2] - now)) end
end
local function lift(name, r)
  if not r.state then return end
  tally(r, -1)
  if r.state == 'A' or r.state == 'N' then call('ZREM', settled, place(name, r)) end
end
local function drop(name)
  local r = read(name)
  if r then lift(name, r) end
  call('HDEL', records, name)
  call('HDEL', answers, name)
  call('ZREM', due, name)
end
local function known(name)
  for _, old in ipairs(call('ZRANGEBYSCORE', due, '-inf', int(now), 'LIMIT', 0, 100)) do drop(old) end
  local r = read(name)
  if r and r.state and r.ends <= now then
    drop(name)
    return nil
  end
  return r
end
local function oldest(state, caller)
  local from = '[' .. state .. caller
  return call('ZRANGEBYLEX', settled, from, from .. '~', 'LIMIT', 0, 1)[1]
end
-- Whether there is room for one more of this caller's, which may have as many under way and unknown as are left; whoever has the most that were answered gives up the oldest.
local function room(caller, most)
  local own, all = tonumber(call('HGET', numbers, caller) or 0), tonumber(call('HGET', numbers, 'open') or 0)
  if own > 0 and own >= most - all then return false end
  for _ = 1, 100 do
    if call('HLEN', records) < most then return true end
    local who = call('ZRANGE', counts, -1, -1)[1]
    if not who then return false end
    local a, b = oldest('A', who), oldest('N', who)
    if a and b and string.sub(b, 18) < string.sub(a, 18) then a = b end
    a = a or b
    if a then
      drop(string.sub(a, 31))
      call('ZREM', settled, a)
    else
      call('ZREM', counts, who)
    end
  end
  return true
end
"
    };
}

/// Keys, and: name, digest of the request, claim, caller, how long it can be under way, how long it is remembered, the most keys; `ask`
/// where nothing is to be claimed.
static CLAIM: LazyLock<Script> = LazyLock::new(|| Script::new(CLAIM_TEXT));
pub(super) const CLAIM_TEXT: &str = concat!(
    common!(),
    r"local name, content, hold, ends = ARGV[1], ARGV[2], now + ARGV[5], now + ARGV[6]
local r = known(name)
if r then
  if not r.state then return {'unknown'} end
  -- The first sixteen digits say by which key the digest was made: with another one nothing can be compared.
  if r.content ~= content and string.sub(r.content, 1, 16) == string.sub(content, 1, 16) then return {'reused'} end
  if r.state == 'U' and r.hold > now then return {'under_way'} end
  if r.state == 'A' then return {'answered', r.status, call('HGET', answers, name) or ''} end
  if r.state == 'N' then return {'not_kept', r.status, r.why} end
  return {'unknown'}
end
if ARGV[8] == 'ask' then return {'not_known'} end
if not room(ARGV[4], tonumber(ARGV[7])) then return {'full'} end
save(name, {content = content, claim = ARGV[3], caller = ARGV[4], state = 'U', at = now, hold = hold,
  ends = math.max(hold, ends), status = '0', why = 'none', size = 0})
return {'first'}"
);

/// Keys, and as above, with how long it is remembered from now on; then what became of it (its state, or F for free), the status,
/// why the answer is not kept, the sealed answer, the most bytes of answers.
static SETTLE: LazyLock<Script> = LazyLock::new(|| Script::new(SETTLE_TEXT));
pub(super) const SETTLE_TEXT: &str = concat!(
    common!(),
    r"local name, state, most = ARGV[1], ARGV[8], tonumber(ARGV[12])
local r = known(name)
if r and (r.claim ~= ARGV[3] or r.state ~= 'U') then return 'over' end
if state == 'F' then
  if r then drop(name) end
  return 'told'
end
if r then
  lift(name, r)
else
  -- Redis has lost its data meanwhile: what is known is said anew.
  if tonumber(ARGV[6]) <= 0 or not room(ARGV[4], tonumber(ARGV[7])) then return 'over' end
  r = {content = ARGV[2], claim = ARGV[3], caller = ARGV[4], at = now, hold = now, ends = now + ARGV[6]}
end
r.state, r.status, r.why, r.size = state, ARGV[9], ARGV[10], #ARGV[11]
if state == 'A' then call('HSET', answers, name, ARGV[11]) end
save(name, r)
-- Whoever has the most bytes gives up the oldest answer; its key stays.
local function bare(name)
  local r = read(name)
  if not r or r.state ~= 'A' then return end
  lift(name, r)
  call('HDEL', answers, name)
  r.state, r.why, r.size = 'N', 'room', 0
  save(name, r)
end
for n = 1, 200 do
  if tonumber(call('HGET', numbers, 'bytes') or 0) <= most then break end
  local who = call('ZRANGE', sizes, -1, -1)[1]
  if not who then
    call('HDEL', numbers, 'bytes')
    break
  end
  local a = oldest('A', who)
  if n == 200 then
    bare(name)
  elseif a then
    bare(string.sub(a, 31))
    call('ZREM', settled, a)
  else
    call('ZREM', sizes, who)
  end
end
return 'told'"
);

/// A request, as Redis is told of it.
#[derive(Debug, Clone)]
pub(super) struct Claimed {
    /// Of caller, tenant and key: 32 hexadecimal digits.
    pub(super) name: String,
    /// Of the request: 16 digits of the key that it was made with, and 32 of its own.
    pub(super) content: String,
    /// Of this claim alone: 32 digits.
    pub(super) claim: String,
    /// Of the caller: 16 digits.
    pub(super) caller: String,
    /// The most keys.
    pub(super) most: usize,
}

/// What became of one.
#[derive(Debug, Clone)]
pub(super) enum Fate {
    Free,
    Unknown,
    NotKept(StatusCode, NotKept),
    Answered(StatusCode, Vec<u8>),
}

/// What Redis says to a claim.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    First,
    Reused,
    UnderWay,
    Unknown,
    Full,
    NotKnown,
    NotKept(StatusCode, NotKept),
    Answered(StatusCode, Vec<u8>),
}

impl Claimed {
    /// For a claim: how many milliseconds it can be under way, and is remembered.
    pub(super) fn claiming(&self, hold: u64, ttl: u64) -> Vec<Vec<u8>> {
        let Self { name, content, claim, caller, most } = self;
        let words = [name, content, claim, caller].map(|word| word.clone().into_bytes());
        let numbers = [hold, ttl, *most as u64].map(|number| number.to_string().into_bytes());
        words.into_iter().chain(numbers).collect()
    }

    /// For settling it: how many milliseconds it is yet remembered, and how many bytes answers may have in all.
    pub(super) fn settling(&self, left: u64, fate: &Fate, memory: usize) -> Vec<Vec<u8>> {
        let (state, status, why, sealed) = match fate {
            Fate::Free => ("F", None, "none", None),
            Fate::Unknown => ("X", None, "none", None),
            Fate::NotKept(status, why) => ("N", Some(status), why.word(), None),
            Fate::Answered(status, sealed) => ("A", Some(status), "none", Some(sealed)),
        };
        let status = status.map_or("0", StatusCode::as_str);
        let mut arguments = self.claiming(0, left);
        arguments.extend([state, status, why].map(|word| word.as_bytes().to_vec()));
        arguments.push(sealed.cloned().unwrap_or_default());
        arguments.push(memory.to_string().into_bytes());
        arguments
    }
}

/// The names of the keys.
pub(super) fn names(prefix: &str) -> [String; 7] {
    KEYS.map(|key| format!("{prefix}:idempotency:{key}"))
}

/// Claims.
pub(super) async fn claim(
    redis: &Redis,
    keys: &[&str; 7],
    arguments: &[Vec<u8>],
) -> Result<Said, RedisError> {
    said(&redis.run::<Vec<Vec<u8>>>(&CLAIM, keys, arguments).await?).ok_or(RedisError::Unexpected)
}

/// Settles; done when it was answered, whatever it said.
pub(super) async fn settle(
    redis: &Redis,
    keys: &[&str; 7],
    arguments: &[Vec<u8>],
) -> Result<String, RedisError> {
    redis.run(&SETTLE, keys, arguments).await
}

pub(super) fn said(answer: &[Vec<u8>]) -> Option<Said> {
    let words: Vec<&[u8]> = answer.iter().map(Vec::as_slice).collect();
    Some(match words[..] {
        [b"first"] => Said::First,
        [b"reused"] => Said::Reused,
        [b"under_way"] => Said::UnderWay,
        [b"unknown"] => Said::Unknown,
        [b"full"] => Said::Full,
        [b"not_known"] => Said::NotKnown,
        // What somebody else wrote there.
        [b"not_kept" | b"answered", status, rest] => match (StatusCode::from_bytes(status), words[0]) {
            (Err(_), _) => Said::Unknown,
            (Ok(status), b"answered") => Said::Answered(status, rest.to_vec()),
            (Ok(status), _) => Said::NotKept(status, NotKept::of_word(rest).unwrap_or(NotKept::NotOpened)),
        },
        _ => return None,
    })
}
