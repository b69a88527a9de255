-- Closing: a batch is ended early in parts, so that nobody waits for Redis for long, however much of it was due. From the
-- first part on nothing of it starts; until the last one what waits is as it was, and `closing` says why it will end.

local CLOSING = PREFIX .. 'closing' -- batches with parts left
local PART = 500 -- tasks in one script, some 20 to 50 us each

-- What was never touched ends with the last part, by one number, whatever its size.
local function end_untouched(batch, ending, now)
  local key = batch_key(batch)
  local n = redis.call('HMGET', key, 'total', 'n_running', 'n_parked', 'n_done', 'n_failed', 'n_skipped', 'n_cancelled')
  local untouched, running = tonumber(n[1] or 0), tonumber(n[2] or 0)
  for place = 2, 7 do untouched = untouched - tonumber(n[place] or 0) end
  if untouched > 0 then
    add(key, 'n_' .. ending.state, untouched)
    if ending.state == 'failed' then add(key .. ':failures', ending.failure.class, untouched) end
    count_ended(ending, untouched)
  end
  redis.call('HSET', key, 'open', int(running))
  redis.call('HSETNX', key, 'untouched_as', ending.failure.class)
  redis.call('HDEL', key, 'closing', 'limited_by')
  redis.call('SREM', CLOSING, batch)
  redis.call('ZREM', PREFIX .. 'deadlines', batch) -- what may still come back of it ends by itself
  if running == 0 then close_batch(batch, now) end
end

-- Ends up to `most` tasks of a flow; how many may still be ended. What is due but has no live hash was never touched.
local function end_due(batch, lane, ending, most)
  local due = redis.call('ZRANGE', due_key(batch, lane), 0, most - 1)
  for _, index in ipairs(due) do
    local task = hash(task_key(batch, index))
    if task.state then
      end_task(batch, index, task, ending)
      count_move(batch, index, task.state, ending.state)
    end
  end
  if #due == 0 then return most end
  redis.call('ZREMRANGEBYRANK', due_key(batch, lane), 0, #due - 1)
  add(batch_key(batch), 'open', -#due)
  return most - #due
end

-- The next part of a batch that is being closed: up to `most` tasks.
local function close_part(batch, most, now)
  local reason, lanes = unpack(redis.call('HMGET', batch_key(batch), 'closing', 'lanes'))
  local ending = { state = reason == 'expired' and 'failed' or 'cancelled', failure = { class = reason } }
  local left = most
  for _, lane in ipairs(cmsgpack.unpack(lanes or cmsgpack.pack({}))) do
    if left > 0 then left = end_due(batch, lane, ending, left) end
  end
  if left > 0 then end_untouched(batch, ending, now) end
  changed(batch)
end

local function begin_closing(batch, reason)
  local key = batch_key(batch)
  for _, lane in ipairs(cmsgpack.unpack(redis.call('HGET', key, 'lanes') or cmsgpack.pack({}))) do
    local flow = hash(flow_key(batch, lane))
    rest_flow(batch, lane, flow)
    redis.call('HSET', flow_key(batch, lane), 'cursor', flow.length)
  end
  redis.call('HSET', key, 'closing', reason)
  redis.call('SADD', CLOSING, batch)
  if reason == 'cancelled' then redis.call('HSET', key, 'state', 'cancelling') end
  note(batch, 'steering')
end
