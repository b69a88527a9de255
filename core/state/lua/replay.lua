-- Makes tasks again that somebody chose: the next part of a bulk action. The part leaves the list with it, so that
-- a call that is repeated goes on with the one behind it. A batch that is being closed is closed first, as the parts go.
--
-- ARGV[1] bulk action; each of its parts is msgpack: [[index, parent | nil]]
-- Returns its state: running | completed | stopped: its batch was cancelled, or lost, meanwhile

local key = PREFIX .. 'action:' .. ARGV[1]
local action, now = hash(key), now_us()
local batch = action.batch
local AGAIN = { failed = true, cancelled = true, parked = action.accepts_doubt == '1' }
local MADE = { done = true, skipped = true }

local function finish(state)
  redis.call('DEL', key .. ':parts')
  redis.call('SREM', PREFIX .. 'actions', ARGV[1])
  if not action.batch then return state end
  redis.call('HSET', key, 'state', state)
  return state
end

local function queue(index, task)
  local from = task.state
  if from == 'parked' then
    charge_doubt(batch, index, task, 'unknown', now)
    redis.call('HDEL', task_key(batch, index), 'failure')
  else task = revive(batch, index, task, now) end
  redis.call('HSET', task_key(batch, index), 'state', 'queued', 'at', int(now / 1000))
  count_move(batch, index, from, 'queued')
  make_due(batch, task.group, index, 0, now)
end

-- It comes back by itself once its parent is there: see `make_ready`.
local function fail_until_parent(index, task)
  local reason = task.failure and task.failure.class
  if reason == 'parent_failed' then return end
  if task.state == 'failed' then add(batch_key(batch) .. ':failures', reason, -1) end
  write_ending(batch, index, task, { state = 'failed', failure = { class = 'parent_failed' } })
  count_move(batch, index, task.state, 'failed')
  redis.call('ZADD', batch_key(batch) .. ':in:failed', int(index), int(index))
end

-- How many tasks were moved, and how many of them can be claimed now.
local function replay(part)
  local moved, queued = 0, 0
  for _, chosen in ipairs(part) do
    local index, parent = chosen[1], chosen[2]
    local task = load_task(batch, index)
    if AGAIN[task.state] then
      moved = moved + 1
      if task.state == 'parked' or not parent or MADE[load_task(batch, parent).state] then
        queued = queued + 1
        queue(index, task)
      else fail_until_parent(index, task) end
    end
  end
  return moved, queued
end

-- A deadline that has passed would end at once what was just put back; one that is still to come holds.
local function see_to_deadline()
  local deadline = tonumber(redis.call('HGET', batch_key(batch), 'deadline') or '')
  if not deadline then return end
  if deadline * 1000 >= now then return redis.call('ZADD', PREFIX .. 'deadlines', int(deadline), batch) end
  redis.call('HDEL', batch_key(batch), 'deadline')
  redis.call('ZREM', PREFIX .. 'deadlines', batch)
end

local function open_batch(queued)
  redis.call('HSET', key, 'has_opened', 1)
  note(batch, 'steering')
  reopen(batch)
  see_to_deadline()
  count_open(batch, queued, now)
end

if action.state ~= 'running' then return finish(action.state or 'stopped') end
local state, closing, put_away = unpack(redis.call('HMGET', batch_key(batch), 'state', 'closing', 'put_away'))
local is_over = put_away or state == 'cancelling' or state == 'planning' -- of one that is being brought back from storage
if is_over or (state == 'cancelled' and action.has_opened) then return finish('stopped') end
if closing then
  close_part(batch, PART, now)
  return 'running'
end
local part = redis.call('LPOP', key .. ':parts')
local moved, queued = replay(part and cmsgpack.unpack(part) or {})
if queued > 0 then open_batch(queued) end
if moved > 0 then changed(batch) end
add(key, 'moved', moved)
return redis.call('EXISTS', key .. ':parts') == 1 and 'running' or finish('completed')
