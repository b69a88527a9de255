-- Flows: `ready` holds those that can be served, scored by their start tag; `asleep` those with a time to wake.
-- A tenant's weight in its class, and a batch's in its tenant, is one over how many share it.
local function share_fields(flow)
  return 'class:' .. flow.class, 'tenant:' .. flow.class .. ':' .. flow.tenant
end

local function weight(lane, flow)
  local class_field, tenant_field = share_fields(flow)
  local shares = redis.call('HMGET', lane_key(lane) .. ':shares', class_field, tenant_field)
  return CLASS_WEIGHT[flow.class] / (math.max(tonumber(shares[1] or 1), 1) * math.max(tonumber(shares[2] or 1), 1))
end

local function count_share(lane, flow, step)
  local class_field, tenant_field = share_fields(flow)
  local key = lane_key(lane) .. ':shares'
  local left = add(key, tenant_field, step)
  if (step > 0 and left == 1) or (step < 0 and left == 0) then add(key, class_field, step) end
end

local function rest_flow(batch, lane, flow, wake_us)
  local key = lane_key(lane)
  if redis.call('ZREM', key .. ':ready', batch) == 1 then count_share(lane, flow, -1) end
  if wake_us then redis.call('ZADD', key .. ':asleep', int(wake_us), batch)
  else redis.call('ZREM', key .. ':asleep', batch) end
end

local function wake_flow(batch, lane)
  local key, flow = lane_key(lane), hash(flow_key(batch, lane))
  redis.call('ZREM', key .. ':asleep', batch)
  if not flow.class or redis.call('ZSCORE', key .. ':ready', batch) then return end
  local start = math.max(tonumber(redis.call('HGET', key, 'virtual') or 0), tonumber(flow.finish or 0))
  redis.call('ZADD', key .. ':ready', string.format('%.17g', start), batch)
  count_share(lane, flow, 1)
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

local function price_of(flow, index)
  for _, block in ipairs(flow.blocks) do
    if index >= block.first and index < block.first + block.count then
      local size = math.floor((index - block.first) / block.samples) % #block.holds + 1
      return block.holds[size], block.tokens[size]
    end
  end
end
