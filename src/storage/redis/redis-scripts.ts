import { createHash } from 'node:crypto';

/** A Lua script and the SHA-1 by which Redis knows it. */
export interface RedisScript {
  readonly lua: string;
  readonly sha: string;
  /** The script takes several calls at once, each of one key and the same number of arguments; its answer is an array. */
  readonly takesSeveral?: true;
}

/** Characters of a nonce, in front of the identifier in a member of an index. */
export const NONCE_LENGTH = 16;
/** Answers of REGISTER and PUT. */
export const TOMBSTONED = 'tombstoned';
export const EXISTS = 'exists';
export const CHANGED = 'changed';
/** The tombstone of an index: a member whose score is its end. No member of a record is so short. */
export const TOMBSTONE = '!';
/**
 * Redis removes a key this much later than the record ends by the clock of the caller. The caller's clock alone decides
 * whether a record is live, so hosts whose clocks differ by less than this margin see the same records.
 */
export const MARGIN_MILLISECONDS = 60_000;

/**
 * Each script touches one key in a Cluster, so that a slot can move at any time (two keys of a moving slot are
 * refused with TRYAGAIN). Where there are no slots, PUT, DELETE, END and LIST do all their work at once: they make the
 * names of further keys from prefixes, which are empty in a Cluster.
 *
 * Times are milliseconds of the caller's clock and come as arguments. Redis removes keys by its own clock, after a
 * duration.
 *
 * A record is a hash: `v` value, `e` end ('' for none), `w` first written, `n` nonce of the write, `i` indexes,
 * `c` consumed at, `t` token of the consumer; `g:<nonce>` is a write tombstone, until `gu` at the latest.
 */
const COMMON = `
local MARGIN = ${MARGIN_MILLISECONDS}
local function settleRecord(key, now)
  local r = redis.call('HMGET', key, 'n', 'e', 'gu')
  local last = tonumber(r[3] or 0)
  if r[1] and r[2] == '' then return redis.call('PERSIST', key) end
  if r[1] then last = math.max(last, tonumber(r[2])) end
  redis.call('PEXPIRE', key, last - now + MARGIN)
end
local function removeRecord(key)
  redis.call('HDEL', key, 'v', 'e', 'w', 'n', 'i', 'c', 't')
end
local function settleIndex(key, now)
  local top = redis.call('ZREVRANGE', key, 0, 0, 'WITHSCORES')
  if top[2] == 'inf' then redis.call('PERSIST', key)
  elseif top[2] then redis.call('PEXPIRE', key, tonumber(top[2]) - now + MARGIN) end
end
local function hasTombstone(key, now)
  local tombstone = redis.call('ZSCORE', key, '${TOMBSTONE}')
  return tombstone and tonumber(tombstone) > now
end
-- Removes a registration from the indexes of its record, except from the index that the caller handles.
local function forget(prefix, indexes, registration)
  if prefix == '' or not indexes then return end
  for name, value in pairs(cjson.decode(indexes)) do
    local key = prefix .. name .. ':' .. value .. '}'
    if name ~= registration.except then
      redis.call('ZREM', key, registration.member)
      settleIndex(key, registration.now)
    end
  end
end
local function register(key, now, ends, member)
  -- Every eighth registration is enough: readers ignore registrations that have ended.
  if string.byte(member) % 8 == 0 then
    redis.call('ZREMRANGEBYSCORE', key, '-inf', '(' .. string.format('%d', now - MARGIN))
  end
  redis.call('ZADD', key, ends == '' and '+inf' or ends, member)
  if redis.call('ZREVRANGE', key, 0, 0)[1] ~= member then return end
  if ends == '' then redis.call('PERSIST', key)
  else redis.call('PEXPIRE', key, tonumber(ends) - now + MARGIN) end
end
`;

/** KEYS: index. ARGV: now, end, member. Answers `tombstoned`, or `registered`. */
export const REGISTER = script(`
local now = tonumber(ARGV[1])
if hasTombstone(KEYS[1], now) then return '${TOMBSTONED}' end
register(KEYS[1], now, ARGV[2], ARGV[3])
return 'registered'`);

/** KEYS: index. ARGV: now, members. Removes members whose writes are known to be over. */
export const FORGET = script(`
for at = 2, #ARGV do redis.call('ZREM', KEYS[1], ARGV[at]) end
settleIndex(KEYS[1], tonumber(ARGV[1]))
return 1`);

/**
 * KEYS: record, indexes to register. ARGV: now, end, member, nonce, value, indexes as JSON, 'new', 'same' or 'any', prefix
 * of indexes, and for 'same' the value that the live record must have. Answers [`tombstoned`], [`exists`], [`changed`], or
 * [`written`, nonce and indexes of the record that was replaced].
 */
export const PUT = script(`
local key, now, nonce = KEYS[1], tonumber(ARGV[1]), ARGV[4]
for at = 2, #KEYS do
  if hasTombstone(KEYS[at], now) then return { '${TOMBSTONED}' } end
end
local old = redis.call('HMGET', key, 'n', 'e', 'i', 'w', 'gu', 'g:' .. nonce)
if old[6] then return { '${TOMBSTONED}' } end
local isOver = old[1] and old[2] ~= '' and tonumber(old[2]) <= now
if old[1] and not isOver and ARGV[7] == 'new' and old[1] ~= nonce then return { '${EXISTS}' } end
if ARGV[7] == 'same' and old[1] ~= nonce and
  (not old[1] or isOver or redis.call('HGET', key, 'v') ~= ARGV[9]) then return { '${CHANGED}' } end
if isOver then removeRecord(key) end
local first = old[1] and not isOver and old[4] or ARGV[1]
redis.call('HSET', key, 'v', ARGV[5], 'e', ARGV[2], 'n', nonce, 'i', ARGV[6], 'w', first)
if ARGV[2] == '' then redis.call('PERSIST', key)
else redis.call('PEXPIRE', key, math.max(tonumber(ARGV[2]), tonumber(old[5] or 0)) - now + MARGIN) end
if old[1] and old[1] ~= nonce then
  forget(ARGV[8], old[3], { member = old[1] .. string.sub(ARGV[3], #nonce + 1), now = now })
end
for at = 2, #KEYS do register(KEYS[at], now, ARGV[2], ARGV[3]) end
return { 'written', old[1] or '', old[3] or '' }`);

/** Arguments of a call of PUT_NEW. */
const NEW_ARGUMENTS = 4;

/**
 * For each call, KEYS: record. ARGV: now, end, nonce, value. Writes a record without indexes under a key that does not
 * exist, and answers 1. Answers 0 when the key exists, also with a write tombstone only; then PUT decides.
 */
export const PUT_NEW = Object.freeze({
  ...script(`
local answers = {}
for at, key in ipairs(KEYS) do
  local last = at * ${NEW_ARGUMENTS}
  local now, ends = ARGV[last - 3], ARGV[last - 2]
  answers[at] = 1 - redis.call('EXISTS', key)
  if answers[at] == 1 then
    redis.call('HSET', key, 'v', ARGV[last], 'e', ends, 'n', ARGV[last - 1], 'i', '{}', 'w', now)
    if ends ~= '' then redis.call('PEXPIRE', key, tonumber(ends) - tonumber(now) + MARGIN) end
  end
end
return answers`),
  takesSeveral: true,
});

/** KEYS: record. ARGV: now, token. Answers 1 to the one token that consumed it, else 0. */
export const CONSUME = script(`
local r = redis.call('HMGET', KEYS[1], 'n', 'e', 'c', 't')
if not r[1] or (r[2] ~= '' and tonumber(r[2]) <= tonumber(ARGV[1])) then return 0 end
if r[3] then return r[4] == ARGV[2] and 1 or 0 end
redis.call('HSET', KEYS[1], 'c', ARGV[1], 't', ARGV[2])
return 1`);

/** For each call, KEYS: record. ARGV: now, id, prefix of indexes. Answers with nonce and indexes of the removed write. Write tombstones stay. */
export const DELETE = Object.freeze({
  ...script(`
local answers = {}
for at, key in ipairs(KEYS) do
  local now, id, prefix = unpack(ARGV, at * 3 - 2, at * 3)
  local old = redis.call('HMGET', key, 'n', 'i')
  answers[at] = { old[1] or '', old[2] or '' }
  if old[1] then
    removeRecord(key)
    settleRecord(key, tonumber(now))
    forget(prefix, old[2], { member = old[1] .. id, now = tonumber(now) })
  end
end
return answers`),
  takesSeveral: true,
});

/**
 * KEYS: index. ARGV: now, end of the tombstone, limit, name of the index, prefix of indexes, prefix of records. Sets
 * the tombstone, removes records, and answers with their number. Not for a Cluster. Without slots PUT writes and
 * registers in one script, so no registered write is still to come.
 */
export const END = script(`
local now, ends, name = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[4]
redis.call('ZADD', KEYS[1], 'GT', ends, '${TOMBSTONE}')
local members = redis.call('ZRANGE', KEYS[1], 0, tonumber(ARGV[3]))
local removed = 0
for _, member in ipairs(members) do
  if member ~= '${TOMBSTONE}' then
    local key = ARGV[6] .. string.sub(member, ${NONCE_LENGTH} + 1) .. '}'
    local old = redis.call('HMGET', key, 'n', 'i')
    if old[1] == string.sub(member, 1, ${NONCE_LENGTH}) then
      removeRecord(key)
      forget(ARGV[5], old[2], { member = member, now = now, except = name })
    end
    redis.call('ZREM', KEYS[1], member)
    removed = removed + 1
  end
end
settleIndex(KEYS[1], now)
return removed`);

const ROW = `
local function row(key) return redis.call('HMGET', key, 'v', 'e', 'c', 'n', 'w') end`;

/** KEYS: index. ARGV: prefix of records, limit. Answers with the members of the index, and the rows of the first `limit` members. */
export const LIST = script(`${ROW}
local members = redis.call('ZRANGE', KEYS[1], 0, -1)
local rows = {}
for at = 1, math.min(#members, tonumber(ARGV[2])) do
  rows[at] = row(ARGV[1] .. string.sub(members[at], ${NONCE_LENGTH} + 1) .. '}')
end
return { members, rows }`);

/** KEYS: records. Answers with their rows. */
export const ROWS = script(`${ROW}
local rows = {}
for at = 1, #KEYS do rows[at] = row(KEYS[at]) end
return rows`);

/**
 * KEYS: index. ARGV: now, limit, and for a later page score and member of the last registration of the page before.
 * Answers with registrations that have not ended and their scores, in the order of the set: score, then member.
 */
export const PAGE = script(`
-- As the set compares; Lua compares by the locale.
local function isAfter(one, other)
  for at = 1, math.min(#one, #other) do
    local a, b = string.byte(one, at), string.byte(other, at)
    if a ~= b then return a > b end
  end
  return #one > #other
end
local first = redis.call('ZCOUNT', KEYS[1], '-inf', ARGV[1])
if ARGV[3] then
  local low = redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. ARGV[3])
  local high = low + redis.call('ZCOUNT', KEYS[1], ARGV[3], ARGV[3])
  while low < high do
    local middle = math.floor((low + high) / 2)
    if isAfter(redis.call('ZRANGE', KEYS[1], middle, middle)[1], ARGV[4]) then high = middle else low = middle + 1 end
  end
  first = math.max(first, low)
end
return redis.call('ZRANGE', KEYS[1], first, first + tonumber(ARGV[2]) - 1, 'WITHSCORES')`);

/** KEYS: index. ARGV: now, end of the tombstone, limit. Sets the tombstone and answers with members. */
export const SET_TOMBSTONE = script(`
local now, ends = tonumber(ARGV[1]), tonumber(ARGV[2])
redis.call('ZADD', KEYS[1], 'GT', ends, '${TOMBSTONE}')
settleIndex(KEYS[1], now)
local members = redis.call('ZRANGE', KEYS[1], 0, tonumber(ARGV[3]))
for at = #members, 1, -1 do
  if members[at] == '${TOMBSTONE}' then table.remove(members, at) end
end
return members`);

/**
 * KEYS: record. ARGV: now, nonce, end of the write tombstone. Removes the record if the write of that nonce wrote it.
 * Otherwise leaves a write tombstone, which refuses that write when it comes. Answers with the indexes of the removed
 * record.
 */
export const END_WRITE = script(`
local key, now, nonce = KEYS[1], tonumber(ARGV[1]), ARGV[2]
local old = redis.call('HMGET', key, 'n', 'i', 'gu')
if old[1] == nonce then
  removeRecord(key)
else
  redis.call('HSET', key, 'g:' .. nonce, 1, 'gu', math.max(tonumber(old[3] or 0), tonumber(ARGV[3])))
end
settleRecord(key, now)
return old[1] == nonce and old[2] or ''`);

/** KEYS: counter. ARGV: count. Answers with the first of the numbers taken. */
export const ALLOCATE = script(`return redis.call('INCRBY', KEYS[1], ARGV[1]) - tonumber(ARGV[1])`);

/** Arguments of a call of SET_BIT. */
const BIT_ARGUMENTS = 3;

/**
 * For each call, KEYS: bitmap. ARGV: bit, now, end. Redis counts the bits of a byte from the highest. PEXPIRE runs each
 * time: WAIT counts a repeated call too, since PEXPIRE is replicated where SETBIT changes nothing.
 */
export const SET_BIT = Object.freeze({
  ...script(`
local answers = {}
for at, key in ipairs(KEYS) do
  local last = at * ${BIT_ARGUMENTS}
  redis.call('SETBIT', key, ARGV[last - 2], 1)
  local life = tonumber(ARGV[last]) - tonumber(ARGV[last - 1]) + MARGIN
  redis.call('PEXPIRE', key, math.max(life, redis.call('PTTL', key)))
  answers[at] = 1
end
return answers`),
  takesSeveral: true,
});

/** KEYS: health. Writes a key that Redis removes again. */
export const HEALTH = script(`return redis.call('SET', KEYS[1], '1', 'PX', MARGIN)`);

function script(body: string): RedisScript {
  const lua = `${COMMON}${body}`;
  return Object.freeze({ lua, sha: createHash('sha1').update(lua).digest('hex') });
}
