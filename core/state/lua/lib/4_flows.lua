-- Flows, a batch's share of a lane: `ready` holds those that can be served, scored by their start tag; `asleep` those
-- with a time to wake. A tenant's weight in its class, and a batch's in its tenant, is one over how many share it.

local function share_fields(flow)
  return 'class:' .. flow.class, 'tenant:' .. flow.class .. ':' .. flow.tenant
end

local function weight(lane, flow)
  local class_field, tenant_field = share_fields(flow)
  local shares = redis.call('HMGET', lane_key(lane) .. ':shares', class_field, tenant_field)
  return CLASS_WEIGHT[flow.class] / (math.max(tonumber(shares[1] or 1), 1) * math.max(tonumber(shares[2] or 1), 1))
end

local function step_share(key, field, step)
  local left = add(key, field, step)
  if left == 0 then redis.call('HDEL', key, field) end
  return left
end

local function count_share(lane, flow, step)
  local class_field, tenant_field = share_fields(flow)
  local key = lane_key(lane) .. ':shares'
  local left = step_share(key, tenant_field, step)
  if (step > 0 and left == 1) or (step < 0 and left == 0) then step_share(key, class_field, step) end
end

local function rest_flow(batch, lane, flow, wake_us)
  local key = lane_key(lane)
  if redis.call('ZREM', key .. ':ready', batch) == 1 then count_share(lane, flow, -1) end
  if wake_us then redis.call('ZADD', key .. ':asleep', int(wake_us), batch)
  else redis.call('ZREM', key .. ':asleep', batch) end
end

-- A flow that wakes takes its place one picture of its own weight behind the present virtual time: were it to start at
-- that time itself, a tenant with many small batches would be served once for each of them.
local function wake_flow(batch, lane)
  local key, flow = lane_key(lane), hash(flow_key(batch, lane))
  redis.call('ZREM', key .. ':asleep', batch)
  if not flow.class or redis.call('ZSCORE', key .. ':ready', batch) then return end
  count_share(lane, flow, 1)
  local now = redis.call('HMGET', key, 'virtual', 'limit:images', 'limit:requests')
  local share = dominant_share({ ['limit:images'] = now[2], ['limit:requests'] = now[3] }, costs_of({}, 0))
  local start = math.max(tonumber(now[1] or 0) + share / weight(lane, flow), tonumber(flow.finish or 0))
  redis.call('ZADD', key .. ':ready', exact(start), batch)
end

-- Moves a flow that was served behind the others by the share it took, and the virtual time on; it never goes back.
local function advance_flow(batch, lane, flow, tag, share)
  flow.finish = exact(tag + share / weight(lane, flow))
  local virtual = tonumber(redis.call('HGET', lane_key(lane), 'virtual') or 0)
  if tag > virtual then redis.call('HSET', lane_key(lane), 'virtual', exact(tag)) end
  redis.call('HSET', flow_key(batch, lane), 'finish', flow.finish)
  redis.call('ZADD', lane_key(lane) .. ':ready', flow.finish, batch)
end

-- Makes a task claimable at `due_us` (0: at the head) and sees to it that its flow wakes in time.
local function make_due(batch, lane, index, due_us, now)
  redis.call('ZADD', due_key(batch, lane), int(due_us), int(index))
  if due_us <= now then return wake_flow(batch, lane) end
  if not redis.call('ZSCORE', lane_key(lane) .. ':ready', batch) then
    redis.call('ZADD', lane_key(lane) .. ':asleep', 'LT', int(due_us), batch)
  end
end

-- Blocks are the contiguous index ranges of a batch's templates; those made from another picture are not counted
-- through by the cursor.
local function index_at(flow, position)
  for _, block in ipairs(flow.blocks) do
    if not block.dependent then
      if position < block.count then return block.first + position end
      position = position - block.count
    end
  end
end

local function block_of(blocks, index)
  for _, block in ipairs(blocks) do
    if index >= block.first and index < block.first + block.count then return block end
  end
end

local function price_of(flow, index)
  local block = block_of(flow.blocks, index)
  local size = math.floor((index - block.first) / block.samples) % #block.holds + 1
  return block.holds[size], block.tokens[size]
end

-- The lane of a task that does not carry it, and whether it is made from another picture.
local function place_of(batch, index)
  for _, lane in ipairs(cmsgpack.unpack(redis.call('HGET', batch_key(batch), 'lanes'))) do
    local block = block_of(cmsgpack.unpack(redis.call('HGET', flow_key(batch, lane), 'blocks')), index)
    if block then return lane, block.dependent end
  end
end
