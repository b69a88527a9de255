-- Opens a planned batch: writes its figures and its flows, and wakes its lanes. One write, whatever its size.
--
-- ARGV[1] msgpack: batch, fields {name = value}, deadline_ms | nil, flows [{lane, class, tenant, length, blocks}],
--   plan {text, kept_s}, fence of the plan
-- Returns 1, or 0 when the batch was not waiting for its plan any more, or not for that of this fence.

local ask = cmsgpack.unpack(ARGV[1])
local key, now = batch_key(ask.batch), now_us()
if not is_unplanned(ask.batch, ask.fence) then return 0 end

keep_plan(ask.batch, ask.plan)
for field, value in pairs(ask.fields) do redis.call('HSET', key, field, value) end
redis.call('HSET', key, 'state', 'running', 'started_at', int(now / 1000))
local open, lanes = write_flows(ask.batch, ask.flows, 0)
for _, lane in ipairs(lanes) do wake_flow(ask.batch, lane) end
if ask.deadline_ms then
  redis.call('HSET', key, 'deadline', int(ask.deadline_ms))
  redis.call('ZADD', PREFIX .. 'deadlines', int(ask.deadline_ms), ask.batch)
end
if open == 0 then close_batch(ask.batch, now) end
changed(ask.batch)
return 1
