-- Batches: what comes next in one, and open while something is left that could run.

local function register_batch(batch, tenant, fields)
  for field, value in pairs(fields) do redis.call('HSET', batch_key(batch), field, value) end
  redis.call('SADD', PREFIX .. 'tenants', tenant)
  label_of(tenant)
  redis.call('ZADD', PREFIX .. 'tenant:' .. tenant .. ':batches', 0, batch)
end

-- The state of a batch, its lanes, whether it is being closed, and whether its tasks are put away.
local function stand_of(batch)
  return unpack(redis.call('HMGET', batch_key(batch), 'state', 'lanes', 'closing', 'put_away'))
end

-- Whether it waits for a plan; with a fence, whether for that one, or somebody else has taken its plan since. One that is
-- being brought back from storage is `planning` as well, and has its plan.
local function is_unplanned(batch, fence)
  local state, restoring, last = unpack(redis.call('HMGET', batch_key(batch), 'state', 'restoring', 'plan_fence'))
  return state == 'planning' and not restoring and (not fence or fence == tonumber(last or 0))
end

-- What a plan shows, without its prompts; kept together with what it decides, so that it is the plan of its batch.
local function keep_plan(batch, plan)
  if not plan then return end
  local tenant, id = unpack(redis.call('HMGET', batch_key(batch), 'tenant', 'plan'))
  redis.call('SET', PREFIX .. 'plan:' .. tenant .. ':' .. id, plan.text, 'EX', int(plan.kept_s))
end

-- A task that was ended before its turn is passed over, once.
local function is_untouched(batch, index)
  return redis.call('EXISTS', task_key(batch, index)) == 0
    and redis.call('HEXISTS', ended_key(batch, index), int(index)) == 0
end

-- The next task of a flow, and whether it was due: that comes before what was never touched. Else when one will be.
local function next_of(batch, group, flow, now)
  local due = redis.call('ZRANGEBYSCORE', due_key(batch, group), '-inf', int(now), 'LIMIT', 0, 1)
  if due[1] then return tonumber(due[1]), true end
  while tonumber(flow.cursor) < tonumber(flow.length) do
    local index = index_at(flow, tonumber(flow.cursor))
    if is_untouched(batch, index) then return index, false end
    flow.cursor = add(flow_key(batch, group), 'cursor', 1)
  end
  local later = redis.call('ZRANGE', due_key(batch, group), 0, 0, 'WITHSCORES')
  return nil, nil, tonumber(later[2])
end

-- Whether the batch waits for this task; for one made from another picture only once that picture is there.
local function counts_as_open(batch, index, task)
  if not OPEN[task.state] or task.attempt then return OPEN[task.state] end
  local group, dependent = place_of(batch, index)
  return not dependent or redis.call('ZSCORE', due_key(batch, group), int(index))
end

-- A batch ends when nothing that could run is left, one that is being closed with its last part. A cancelled one stays so
-- while a late result is stored.
local function close_batch(batch, now)
  local key = batch_key(batch)
  local state, closing = unpack(redis.call('HMGET', key, 'state', 'closing'))
  if state == 'cancelled' or closing then return end
  state = state == 'cancelling' and 'cancelled' or 'completed'
  redis.call('HSET', key, 'state', state, 'finished_at', int(now / 1000))
  redis.call('HDEL', key, 'limited_by')
  redis.call('UNLINK', key .. ':prints') -- one entry a picture: to delete a million holds everybody up
  redis.call('ZREM', PREFIX .. 'deadlines', batch)
end

-- What ends the tasks of a batch in which nothing new may start, or nil.
local function closing_of(batch, now)
  local state, deadline = unpack(redis.call('HMGET', batch_key(batch), 'state', 'deadline'))
  if state == 'cancelling' or state == 'cancelled' then
    return { state = 'cancelled', failure = { class = 'cancelled' } }
  end
  if tonumber(deadline or '') and tonumber(deadline) * 1000 < now then
    return { state = 'failed', failure = { class = 'expired' } }
  end
end

-- Whether nothing of a batch leaves any more, or nothing of it is made again until all of it has ended.
local function is_shut(state, closing, is_again) return state == 'cancelling' or (closing and is_again) end

local function reopen(batch)
  if redis.call('HGET', batch_key(batch), 'state') == 'paused' then return end
  redis.call('HSET', batch_key(batch), 'state', 'running')
  redis.call('HDEL', batch_key(batch), 'finished_at')
end

local function count_open(batch, step, now)
  if step == 0 then return end
  local open = add(batch_key(batch), 'open', step)
  if open == 0 then return close_batch(batch, now) end
  if redis.call('HGET', batch_key(batch), 'state') == 'completed' then reopen(batch) end
end
