-- Puts the tasks of an ended batch away, which storage has by then, and brings them back; in steps that may be repeated.
-- The batch itself stays, with its counts and its money. Its `put_away` names what storage has, `dropped` how many
-- hundreds of tasks have left since, `fetched` how many parts have come back; `times_back` how often all of them have.
--
-- ARGV[1] msgpack: batch, step, token (the name of what storage has) and, as the step asks for:
--   away: version, at which the batch was read, and times_back, at which its tasks were: neither going away nor coming
--     back changes the version, and who reads in between reads nothing
--   drop: pages, how many hundreds of tasks at most
--   again: before, in milliseconds: what began to come back, and stopped before then, is to be dropped anew
--   fetch: part, parts (how many there are), hashes [{ended | posted, hundred, how many words}], whose words, fields and
--     values by turns, are ARGV[2...]: they are bytes, which cmsgpack does not know
-- Returns of away: 1, or 0 when the batch is not at rest, has changed or is put away; of drop: how many hundreds are left,
--   or -1 where none was to be dropped, or somebody brings them back; of again: 1, or 0; of fetch: the next part, or -1 when all is back

local ask = cmsgpack.unpack(ARGV[1])
local key, now = batch_key(ask.batch), now_us()
local LISTED = { 'failed', 'skipped', 'cancelled', 'check_fail', 'check_warn' }
local AT_ONCE = 500 -- fields and values in one command

local function number(field) return tonumber(redis.call('HGET', key, field) or 0) end
local function is_away() return redis.call('HGET', key, 'put_away') == ask.token end

-- Nothing of it runs, waits, is in doubt or can start: each of its tasks has one of four ends.
local function is_at_rest()
  local state = redis.call('HGET', key, 'state')
  if state ~= 'completed' and state ~= 'cancelled' then return false end
  for _, field in ipairs({ 'put_away', 'restoring', 'closing' }) do
    if redis.call('HEXISTS', key, field) == 1 then return false end
  end
  local ended = number('n_done') + number('n_failed') + number('n_skipped') + number('n_cancelled')
  return ended == number('total') and number('held') == 0 and number('open') == 0
end

local function put_away()
  if not is_at_rest() or number('version') ~= ask.version or number('times_back') ~= ask.times_back then return 0 end
  redis.call('HSET', key, 'put_away', ask.token, 'dropped', 0)
  return 1
end

local function drop()
  local first, last = number('dropped'), math.ceil(number('total') / 100)
  if not is_away() or redis.call('HEXISTS', key, 'fetched') == 1 or first >= last then return -1 end
  local behind = math.min(first + ask.pages, last)
  for index = first * 100, behind * 100 - 1, 100 do
    redis.call('UNLINK', ended_key(ask.batch, index), posted_key(ask.batch, index))
  end
  if first == 0 then
    for _, group in ipairs(LISTED) do redis.call('UNLINK', key .. ':in:' .. group) end
  end
  redis.call('HSET', key, 'dropped', int(behind))
  return last - behind
end

local function again()
  if not is_away() or redis.call('HEXISTS', key, 'fetched') == 0 then return 0 end
  if number('fetched_at') >= ask.before then return 0 end
  redis.call('HDEL', key, 'fetched')
  redis.call('HSET', key, 'dropped', 0)
  return 1
end

local function write(name, first, last)
  for place = first, last, AT_ONCE do
    redis.call('HSET', name, unpack(ARGV, place, math.min(place + AT_ONCE - 1, last)))
  end
end

-- Lists a task where `count_move` and `count_checks` have listed it.
local function list(index, packed)
  local record = cmsgpack.unpack(packed)
  local result = record.checks and record.checks.result
  if record.state ~= 'done' then redis.call('ZADD', key .. ':in:' .. record.state, index, index) end
  if result and result ~= 'pass' then redis.call('ZADD', key .. ':in:check_' .. result, index, index) end
end

local function fetch()
  if not is_away() then return -1 end
  if number('fetched') ~= ask.part then return number('fetched') end
  local first = 2
  for _, found in ipairs(ask.hashes) do
    local kind, page, words = unpack(found)
    local last = first + words - 1
    write(key .. ':' .. kind .. ':' .. int(page), first, last)
    for place = first, kind == 'ended' and last or 0, 2 do list(ARGV[place], ARGV[place + 1]) end
    first = last + 1
  end
  redis.call('HSET', key, 'fetched', int(ask.part + 1), 'fetched_at', int(now / 1000))
  if ask.part + 1 < ask.parts then return ask.part + 1 end
  redis.call('HDEL', key, 'put_away', 'dropped', 'fetched')
  add(key, 'times_back', 1)
  return -1
end

if ask.step == 'away' then return put_away() end
if ask.step == 'drop' then return drop() end
if ask.step == 'again' then return again() end
return fetch()
