-- Doubts: calls that may have been charged, listed over all batches until they are resolved; and what each lane sent,
-- minute by minute, to be compared with the provider's own count.

local DOUBTS = PREFIX .. 'doubts' -- <batch>:<index> by when it is to be looked at, in milliseconds
local STRANDED = PREFIX .. 'stranded' -- <batch>:<index> whose picture is on the disk of a worker that is gone
local HAD_PICTURE = { spooled = true, stored = true }
local SKEW_US = 5000000 -- between the provider's clock and ours, at most
local LONGEST, UNHEARD = 61, 11 -- minutes that a call touches at most; one of which nothing was heard again
local KEPT_S = 86400

local function mark_doubt(batch, index, was)
  redis.call('HSET', task_key(batch, index), 'doubt', was)
  if HAD_PICTURE[was] then redis.call('SADD', STRANDED, batch .. ':' .. int(index)) end
end

local function list_doubt(batch, index, from, to)
  local member = batch .. ':' .. int(index)
  if to == 'parked' then
    mark_doubt(batch, index, from)
    redis.call('ZADD', DOUBTS, int(now_us() / 1000), member)
  elseif from == 'parked' then
    redis.call('HDEL', task_key(batch, index), 'doubt')
    redis.call('ZREM', DOUBTS, member)
    redis.call('SREM', STRANDED, member)
  end
end

-- Takes one of the batch's sends that may pay twice.
local function take_resend(batch)
  local total, resent = unpack(redis.call('HMGET', batch_key(batch), 'total', 'n_resent'))
  local most = math.max(FEWEST_RESENDS, math.floor(tonumber(total) * RESENDS_PERCENT / 100))
  if tonumber(resent or 0) >= most then return false end
  return add(batch_key(batch), 'n_resent', 1)
end

-- Where a task goes instead that would be paid a second time, when the batch's budget for that is used up: a doubt stays
-- one, and a useless picture is what the task failed of.
local PAID_TWICE = { doubtful = 'parked', bad_output = 'failed' }
local function instead_of_resend(move)
  local instead = move.failure and PAID_TWICE[move.failure.class]
  return instead and not take_resend(move.batch) and instead
end

local function minute_of(us) return math.floor(us / MINUTE_US) end

local function count_minute(lane, minute, field)
  local key = lane_key(lane) .. ':calls:' .. int(minute)
  add(key, field, 1)
  redis.call('EXPIRE', key, KEPT_S)
  return key
end

-- `crossed`: calls that were on their way when the minute began, so that either side may have counted them.
local function open_call(key, lane, now)
  redis.call('HSET', key, 'sent_at', int(now / 1000))
  local minute = minute_of(now)
  redis.call('HSET', count_minute(lane, minute, 'sent'), 'at', int(now / 1000))
  if minute_of(now - SKEW_US) < minute then count_minute(lane, minute, 'crossed') end
end

local function close_call(key, task, charged, now)
  local sent = minute_of(task.sent_at * 1000)
  local minute, last = count_minute(task.lane, sent, 'closed'), minute_of(now + SKEW_US)
  if charged ~= 'no' then count_minute(task.lane, sent, charged == 'yes' and 'charged' or 'unsure') end
  if not task.doubt then redis.call('HSET', minute, 'at', int(now / 1000)) end
  last = math.min(last, sent + (task.doubt and UNHEARD or LONGEST))
  for crossed = sent + 1, last do count_minute(task.lane, crossed, 'crossed') end
  redis.call('HDEL', key, 'sent_at')
end

local function charge_of(move)
  if move.to == 'done' then return 'yes' end
  if move.failure then return move.failure.charged or 'unknown' end
  return (move.cost or 0) > 0 and 'yes' or 'no'
end

-- The call may have been charged, so what was held for it counts as spent; should its answer turn up, only what it
-- cost beyond that is posted.
local function charge_doubt(batch, index, task, charged, now)
  local key, cost = task_key(batch, index), unposted(batch, index, attempt_of(task), tonumber(task.hold))
  settle_money(batch, task, cost)
  add(key, 'cost', cost)
  redis.call('HSET', key, 'hold', 0, 'tokens', 0)
  if task.sent_at then close_call(key, task, charged, now) end
end

-- What a move says of the task's call: it leaves now, or it is known what became of it.
local function note_call(key, move, task, from, now)
  if move.model then redis.call('HSET', key, 'model', move.model, 'quality', move.quality) end
  if move.to == 'sent' then
    add(key, 'sends', 1)
    count_cost({ lane = task.lane, model = move.model, quality = move.quality }, tenant_of(move.batch), 0)
    return open_call(key, task.lane, now)
  end
  if move.unused and from == 'sent' then add(key, 'sends', -1) end
  local is_over = not IN_FLIGHT[move.to] and move.to ~= 'parked'
  local is_its_own = not move.attempt or move.attempt == tonumber(task.attempt)
  if is_over and task.sent_at and is_its_own then close_call(key, task, charge_of(move), now) end
  -- Another attempt's picture takes the task: of the last call nobody will be asked any more.
  if move.late and task.sent_at and not is_its_own then charge_doubt(move.batch, move.index, task, 'unknown', now) end
end
