//! What Redis does in one go, so that nobody comes between: each of these is carried out whole or not at all.

/// Makes the vault: KEYS hash; ARGV field of the proof, proof.
pub(super) const OPEN: &str = "
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
  return 'made'
end
if redis.call('TYPE', KEYS[1]).ok ~= 'hash' or redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then
  return 'foreign'
end
return 'there'";

/// A number of versions that no record has: KEYS hash; ARGV field of the proof, field of the counter, how many. Nothing where the vault is gone.
pub(super) const COUNT: &str = "
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return false end
return redis.call('HINCRBY', KEYS[1], ARGV[2], ARGV[3])";

/// Puts or takes out a record: KEYS hash; ARGV alias, known version, proof, record, channel, field of the proof.
pub(super) const CHANGE: &str = "
if redis.call('HGET', KEYS[1], ARGV[6]) ~= ARGV[3] then return 'key' end
local there = redis.call('HGET', KEYS[1], ARGV[1])
if ARGV[2] == '' then
  if there then return 'taken' end
else
  if not there then return 'unknown' end
  if string.sub(there, 1, 8) ~= ARGV[2] then return 'changed' end
end
if ARGV[4] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[4])
end
redis.call('PUBLISH', ARGV[5], ARGV[1])
return 'done'";

/// Exchanges all records: KEYS hash; ARGV field of the proof, old proof, new proof, field of the counter, number of records,
/// channel; then alias, known version and record for each.
pub(super) const REKEY: &str = "
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 'key' end
local others = 1 + redis.call('HEXISTS', KEYS[1], ARGV[4])
if redis.call('HLEN', KEYS[1]) ~= tonumber(ARGV[5]) + others then return 'changed' end
for i = 7, #ARGV, 3 do
  local there = redis.call('HGET', KEYS[1], ARGV[i])
  if not there or string.sub(there, 1, 8) ~= ARGV[i + 1] then return 'changed' end
end
for i = 7, #ARGV, 3 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 2]) end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('PUBLISH', ARGV[6], '')
return 'done'";

/// Puts records whose alias is free: KEYS hash; ARGV field of the proof, proof, channel; then alias and record for each. Says
/// of each whether it was put; nothing, where the key is another one.
pub(super) const IMPORT: &str = "
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return {} end
local added = {}
for i = 4, #ARGV, 2 do added[#added + 1] = redis.call('HSETNX', KEYS[1], ARGV[i], ARGV[i + 1]) end
redis.call('PUBLISH', ARGV[3], '')
return added";
