-- Keys and words that every script shares. Redis 6.2 commands at most; times are microseconds of Redis TIME.
-- NEXT, IN_FLIGHT, ENDED, CLASS_WEIGHT and the RESENDS are written above this text from the tables in `schemas`.

local PREFIX = 'darkroom:'
local MINUTE_US = 60000000

local function now_us()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000000 + tonumber(time[2])
end

-- tostring() would print 1.7951952004066e+15 and lose the end of a microsecond time. Minus zero plus zero is zero,
-- which Redis takes as an integer; '-0' it refuses.
local function int(number) return string.format('%.0f', number + 0) end

local function exact(number) return string.format('%.17g', number) end

local function batch_key(batch) return PREFIX .. 'batch:' .. batch end
local function task_key(batch, index) return batch_key(batch) .. ':task:' .. int(index) end
local function ended_key(batch, index) return batch_key(batch) .. ':ended:' .. int(math.floor(index / 100)) end
local function posted_key(batch, index) return batch_key(batch) .. ':posted:' .. int(math.floor(index / 100)) end
local function flow_key(batch, lane) return batch_key(batch) .. ':flow:' .. lane end
local function due_key(batch, lane) return batch_key(batch) .. ':due:' .. lane end
local function lane_key(lane) return PREFIX .. 'lane:' .. lane end

local function hash(key)
  local flat, fields = redis.call('HGETALL', key), {}
  for place = 1, #flat, 2 do fields[flat[place]] = flat[place + 1] end
  return fields
end

local function add(key, field, amount)
  return tonumber(redis.call('HINCRBY', key, field, int(amount)))
end

-- A lane is read once in a script; what is written is kept in that copy as well.
local function set_field(name, lane, field, value)
  lane[field] = tostring(value)
  redis.call('HSET', lane_key(name), field, lane[field])
end

local function drop_fields(name, lane, ...)
  for _, field in ipairs({ ... }) do lane[field] = nil end
  redis.call('HDEL', lane_key(name), ...)
end

local function changed(batch) add(batch_key(batch), 'version', 1) end

-- What storage is to be told of a batch, beside its pictures and receipts: a page of its tasks, or how it was steered;
-- by when, in milliseconds. A note made while somebody writes moves that time, by which it is seen: see `noted`.
local UNRECORDED = PREFIX .. 'unrecorded'
local function note(batch, part)
  local member = batch .. ':' .. part
  if redis.call('ZADD', UNRECORDED, 'NX', int(math.floor(now_us() / 1000)), member) == 0 then
    redis.call('ZINCRBY', UNRECORDED, -1, member)
  end
end
local function note_task(batch, index) note(batch, int(math.floor(index / 100))) end
