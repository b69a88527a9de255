-- Steers a batch that has not ended: pauses it, lets it go on, gives it another cap, another class, or several of these.
--
-- ARGV[1] msgpack: batch, versions [number] | nil (at one of which the batch has to be), state paused | running | nil,
--   cap | nil, class | nil
-- Returns msgpack: status ok | stale: it is at another version | ended: it is in `state`, and not to be steered
--   | low: the cap is under what is `held` and `spent`

local ask = cmsgpack.unpack(ARGV[1])
local key = batch_key(ask.batch)
local batch = hash(key)
local lanes = cmsgpack.unpack(batch.lanes or cmsgpack.pack({}))

local function is_at(versions)
  for _, version in ipairs(versions) do
    if version == tonumber(batch.version) then return true end
  end
end

local function refusal()
  if ask.versions and not is_at(ask.versions) then return 'stale' end
  if batch.state ~= 'running' and batch.state ~= 'paused' then return 'ended' end
  if ask.cap and tonumber(batch.held or 0) + tonumber(batch.spent or 0) > ask.cap then return 'low' end
end

local function wake_all()
  for _, lane in ipairs(lanes) do wake_flow(ask.batch, lane) end
end

local function pause()
  for _, lane in ipairs(lanes) do rest_flow(ask.batch, lane, hash(flow_key(ask.batch, lane))) end
  redis.call('HSET', key, 'state', 'paused', 'limited_by', 'paused')
end

local function resume()
  redis.call('HSET', key, 'state', 'running')
  redis.call('HDEL', key, 'limited_by')
  wake_all()
end

local function set_cap()
  redis.call('HSET', key, 'cap', int(ask.cap))
  if batch.state == 'paused' then return end
  redis.call('HDEL', key, 'limited_by')
  wake_all()
end

-- What a flow was served ahead of the others counts for less in a heavier class, and for more in a lighter one.
local function set_class(lane)
  local name, flow = flow_key(ask.batch, lane), hash(flow_key(ask.batch, lane))
  local virtual = tonumber(redis.call('HGET', lane_key(lane), 'virtual') or 0)
  local ahead = tonumber(flow.finish or 0) - virtual
  local was_ready = redis.call('ZSCORE', lane_key(lane) .. ':ready', ask.batch)
  if was_ready then rest_flow(ask.batch, lane, flow) end
  redis.call('HSET', name, 'class', ask.class)
  if ahead > 0 then
    redis.call('HSET', name, 'finish', exact(virtual + ahead * CLASS_WEIGHT[flow.class] / CLASS_WEIGHT[ask.class]))
  end
  if was_ready then wake_flow(ask.batch, lane) end
end

local status = refusal()
if status then
  return cmsgpack.pack({ status = status, state = batch.state, held = tonumber(batch.held or 0),
    spent = tonumber(batch.spent or 0) })
end
local is_change = false
if ask.cap and ask.cap ~= tonumber(batch.cap or '') then
  is_change = true
  set_cap()
end
if ask.class and ask.class ~= batch.class then
  is_change = true
  redis.call('HSET', key, 'class', ask.class)
  for _, lane in ipairs(lanes) do set_class(lane) end
end
if ask.state and ask.state ~= batch.state then
  is_change = true
  if ask.state == 'paused' then pause() else resume() end
end
if is_change then
  note(ask.batch, 'steering')
  changed(ask.batch)
end
return cmsgpack.pack({ status = 'ok' })
