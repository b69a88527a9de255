-- Tasks: a live hash while something may still happen, a packed record in a shared hash once it has ended, and nothing
-- at all before it is first touched.

local OPEN = { queued = true, claimed = true, sent = true, spooled = true, stored = true, waiting = true }
local NOTED = { waiting = true, parked = true, failed = true, skipped = true, cancelled = true } -- not told by receipts
local FLEET = PREFIX .. 'fleet' -- see `renew`
local UNHEARD_MS = 60000 -- a worker that claims before its first renewal is missed after so long

local function ended_record(batch, index)
  local packed = redis.call('HGET', ended_key(batch, index), int(index))
  return packed and cmsgpack.unpack(packed)
end

-- What was never touched when its batch was closed has ended with it.
local function load_task(batch, index)
  local task = hash(task_key(batch, index))
  if task.state then return task end
  local record = ended_record(batch, index)
  if record then return record end
  local reason = redis.call('HGET', batch_key(batch), 'untouched_as')
  if not reason then return { state = 'queued' } end
  return { state = reason == 'expired' and 'failed' or 'cancelled', failure = { class = reason } }
end

-- The worst result of a picture's checks: what did not pass can be listed.
local function count_checks(batch, index, checks)
  if not checks then return end
  add(batch_key(batch), 'n_check_' .. checks.result, 1)
  if checks.result == 'pass' then return end
  redis.call('ZADD', batch_key(batch) .. ':in:check_' .. checks.result, int(index), int(index))
end

-- How many tasks ended as what, over all batches: `done`, `skipped`, `cancelled`, or the class of the failure.
local function count_ended(ending, tasks)
  add(PREFIX .. 'endings', ending.state == 'failed' and ending.failure.class or ending.state, tasks)
end

local function write_ending(batch, index, task, ending)
  local record = { state = ending.state, failure = ending.failure, same_as = ending.same_as, checks = ending.checks,
    attempt = tonumber(task.attempt or 0), sends = tonumber(task.sends or 0), fence = tonumber(task.fence or 0),
    cost = tonumber(task.cost or 0), crashes = tonumber(task.crashes or 0), asset = task.asset, sha256 = task.sha256,
    at = math.floor(now_us() / 1000) }
  redis.call('HSET', ended_key(batch, index), int(index), cmsgpack.pack(record))
  redis.call('DEL', task_key(batch, index))
  count_checks(batch, index, ending.checks)
  if ending.state == 'failed' then add(batch_key(batch) .. ':failures', ending.failure.class, 1) end
  if ending.reused then add(batch_key(batch), 'n_reused', 1) end
end

local function end_task(batch, index, task, ending)
  write_ending(batch, index, task, ending)
  count_ended(ending, 1)
end

-- Makes an ended task live again: its counters go on from where they were, its money belongs to today.
local function revive(batch, index, task, now)
  local key = task_key(batch, index)
  local month, day = budget_keys(redis.call('HGET', batch_key(batch), 'tenant'), now)
  local group = place_of(batch, index)
  redis.call('HSET', key, 'state', task.state, 'lane', group, 'group', group, 'month', month, 'day', day)
  for _, field in ipairs({ 'attempt', 'sends', 'fence', 'cost', 'crashes', 'hold', 'tokens' }) do
    redis.call('HSET', key, field, int(task[field] or 0))
  end
  redis.call('HDEL', ended_key(batch, index), int(index))
  if task.state == 'failed' then add(batch_key(batch) .. ':failures', task.failure.class, -1) end
  return hash(key)
end

local function group_of(state) return IN_FLIGHT[state] and 'running' or state end

-- `queued` is derived from the rest; the others are counted, and all but `done` can be listed.
local function count_move(batch, index, from, to)
  local key, left, entered = batch_key(batch), group_of(from), group_of(to)
  if left == entered then return end
  list_doubt(batch, index, from, to)
  if NOTED[left] or NOTED[entered] then note_task(batch, index) end
  if left ~= 'queued' then
    add(key, 'n_' .. left, -1)
    redis.call('ZREM', key .. ':in:' .. left, int(index))
  end
  if entered ~= 'queued' then
    add(key, 'n_' .. entered, 1)
    if entered ~= 'done' then redis.call('ZADD', key .. ':in:' .. entered, int(index), int(index)) end
  end
end

-- Why a task did not go on. Tries of bringing its references are counted apart: a task is claimed again for other reasons.
local function note_failure(key, failure, from)
  redis.call('HSET', key, 'failure', cmsgpack.pack(failure))
  if from == 'claimed' and failure.class == 'not_sent' then add(key, 'fetches', 1) end
end

local function enter_worker(batch, index, worker, lane, now)
  local member = batch .. ':' .. int(index)
  redis.call('SADD', PREFIX .. 'worker:' .. worker .. ':claims', member)
  redis.call('ZADD', lane_key(lane) .. ':inflight', int(now), member)
  redis.call('ZADD', PREFIX .. 'workers', 'NX', int(now / 1000 + UNHEARD_MS), worker)
end

local function leave_worker(batch, index, task)
  local member = batch .. ':' .. int(index)
  redis.call('SREM', PREFIX .. 'worker:' .. task.worker .. ':claims', member)
  redis.call('ZREM', lane_key(task.lane) .. ':inflight', member)
end
