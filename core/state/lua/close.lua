-- Ends a batch early: nothing new starts, what waits ends now, what is in flight is paid and is kept.
--
-- ARGV[1] batch, ARGV[2] cancelled | expired, ARGV[3] '1' for a batch that is being brought back from storage
-- Returns the new state, or '' when the batch had already ended, is being brought back, or its deadline has not passed.

local batch, reason = ARGV[1], ARGV[2]
local key, now = batch_key(batch), now_us()
local state, deadline = unpack(redis.call('HMGET', key, 'state', 'deadline'))
if state ~= 'running' and state ~= 'paused' and not (state == 'planning' and reason == 'cancelled') then return '' end
if (redis.call('HEXISTS', key, 'restoring') == 1) ~= (ARGV[3] == '1') then return '' end
if reason == 'expired' and (tonumber(deadline or '') or math.huge) * 1000 >= now then return '' end
local as = reason == 'expired' and 'failed' or 'cancelled'
local ending = { state = as, failure = { class = reason } }

-- What is due but has no live hash was never touched: it is counted below, with the rest of the untouched.
for _, lane in ipairs(cmsgpack.unpack(redis.call('HGET', key, 'lanes') or cmsgpack.pack({}))) do
  local flow = hash(flow_key(batch, lane))
  rest_flow(batch, lane, flow)
  redis.call('HSET', flow_key(batch, lane), 'cursor', flow.length)
  for _, index in ipairs(redis.call('ZRANGE', due_key(batch, lane), 0, -1)) do
    local task = hash(task_key(batch, index))
    if task.state then
      end_task(batch, index, task, ending)
      count_move(batch, index, task.state, as)
    end
  end
  redis.call('DEL', due_key(batch, lane))
end

local n = redis.call('HMGET', key, 'total', 'n_running', 'n_parked', 'n_done', 'n_failed', 'n_skipped', 'n_cancelled')
local untouched = tonumber(n[1] or 0)
for place = 2, 7 do untouched = untouched - tonumber(n[place] or 0) end
add(key, 'n_' .. as, untouched)
if as == 'failed' and untouched > 0 then add(key .. ':failures', reason, untouched) end
if untouched > 0 then count_ended(ending, untouched) end

local running = tonumber(n[2] or 0)
redis.call('HSET', key, 'open', int(running))
redis.call('HSETNX', key, 'untouched_as', reason)
note(batch, 'steering')
redis.call('HDEL', key, 'limited_by')
if as == 'cancelled' then redis.call('HSET', key, 'state', 'cancelling') end
if running == 0 then close_batch(batch, now) end
changed(batch)
return redis.call('HGET', key, 'state')
