-- Tasks: a live hash while something may still happen, a packed record in a shared hash once it has ended, and nothing
-- at all before it is first touched.

local OPEN = { queued = true, claimed = true, sent = true, spooled = true, stored = true, waiting = true }

local function ended_record(batch, index)
  local packed = redis.call('HGET', ended_key(batch, index), int(index))
  return packed and cmsgpack.unpack(packed)
end

local function load_task(batch, index)
  local task = hash(task_key(batch, index))
  if task.state then return task end
  return ended_record(batch, index) or { state = 'queued' }
end

local function end_task(batch, index, task, ending)
  local record = { state = ending.state, failure = ending.failure, same_as = ending.same_as,
    attempt = tonumber(task.attempt or 0), sends = tonumber(task.sends or 0), fence = tonumber(task.fence or 0),
    cost = tonumber(task.cost or 0), crashes = tonumber(task.crashes or 0), asset = task.asset, sha256 = task.sha256,
    at = math.floor(now_us() / 1000) }
  redis.call('HSET', ended_key(batch, index), int(index), cmsgpack.pack(record))
  redis.call('DEL', task_key(batch, index))
  if ending.state == 'failed' then add(batch_key(batch) .. ':failures', ending.failure.class, 1) end
end

-- Makes an ended task live again: its fence goes on counting from where it was.
local function revive(batch, index, record)
  redis.call('HSET', task_key(batch, index), 'state', record.state, 'attempt', int(record.attempt),
    'sends', int(record.sends), 'fence', int(record.fence), 'cost', int(record.cost), 'crashes', int(record.crashes))
  redis.call('HDEL', ended_key(batch, index), int(index))
  if record.state == 'failed' then add(batch_key(batch) .. ':failures', record.failure.class, -1) end
end

local function group_of(state) return IN_FLIGHT[state] and 'running' or state end

-- `queued` is derived from the rest; the others are counted, and all but `done` can be listed.
local function count_move(batch, index, from, to)
  local key, left, entered = batch_key(batch), group_of(from), group_of(to)
  if left == entered then return end
  if left ~= 'queued' then
    add(key, 'n_' .. left, -1)
    redis.call('ZREM', key .. ':in:' .. left, int(index))
  end
  if entered ~= 'queued' then
    add(key, 'n_' .. entered, 1)
    if entered ~= 'done' then redis.call('ZADD', key .. ':in:' .. entered, int(index), int(index)) end
  end
end

local function close_batch(batch, now)
  local key = batch_key(batch)
  local state = redis.call('HGET', key, 'state') == 'cancelling' and 'cancelled' or 'completed'
  redis.call('HSET', key, 'state', state, 'finished_at', int(now / 1000))
  redis.call('ZREM', PREFIX .. 'deadlines', batch)
end

-- A batch ends when nothing that could run is left, and opens again when something is.
local function count_open(batch, step, now)
  if step == 0 then return end
  local key, open = batch_key(batch), add(batch_key(batch), 'open', step)
  if open == 0 then return close_batch(batch, now) end
  if open > 0 and redis.call('HGET', key, 'state') == 'completed' then
    redis.call('HSET', key, 'state', 'running')
    redis.call('HDEL', key, 'finished_at')
  end
end

local function enter_worker(batch, index, worker)
  redis.call('SADD', PREFIX .. 'worker:' .. worker .. ':claims', batch .. ':' .. int(index))
end

local function leave_worker(batch, index, task)
  local member = batch .. ':' .. int(index)
  redis.call('SREM', PREFIX .. 'worker:' .. task.worker .. ':claims', member)
  redis.call('ZREM', lane_key(task.lane) .. ':inflight', member)
end

-- Pictures made from a finished one become claimable; those made from a failed one fail with it.
local function see_to_children(batch, ready, fail, now)
  for _, child in ipairs(ready or {}) do
    if not ended_record(batch, child.index) and redis.call('EXISTS', task_key(batch, child.index)) == 0 then
      count_open(batch, 1, now)
      make_due(batch, child.lane, child.index, 0, now)
    end
  end
  for _, index in ipairs(fail or {}) do
    if not ended_record(batch, index) and redis.call('EXISTS', task_key(batch, index)) == 0 then
      end_task(batch, index, {}, { state = 'failed', failure = { class = 'parent_failed' } })
      count_move(batch, index, 'queued', 'failed')
    end
  end
end
