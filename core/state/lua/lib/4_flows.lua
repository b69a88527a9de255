-- Flows, a batch's share of a lane or of a group of lanes: `ready` holds those that can be served, scored by their
-- start tag; `asleep` those with a time to wake. All lanes of a group serve the same flows, each under its own limits,
-- so that work goes to whichever has room. A lane without a group is one by itself. A tenant's weight in its class, and
-- a batch's in its tenant, is one over how many share it.

local function share_fields(flow)
  return 'class:' .. flow.class, 'tenant:' .. flow.class .. ':' .. flow.tenant
end

local function weight(group, flow)
  local class_field, tenant_field = share_fields(flow)
  local shares = redis.call('HMGET', lane_key(group) .. ':shares', class_field, tenant_field)
  return CLASS_WEIGHT[flow.class] / (math.max(tonumber(shares[1] or 1), 1) * math.max(tonumber(shares[2] or 1), 1))
end

local function step_share(key, field, step)
  local left = add(key, field, step)
  if left == 0 then redis.call('HDEL', key, field) end
  return left
end

local function count_share(group, flow, step)
  local class_field, tenant_field = share_fields(flow)
  local key = lane_key(group) .. ':shares'
  local left = step_share(key, tenant_field, step)
  if (step > 0 and left == 1) or (step < 0 and left == 0) then step_share(key, class_field, step) end
end

local function rest_flow(batch, group, flow, wake_us)
  local key = lane_key(group)
  if redis.call('ZREM', key .. ':ready', batch) == 1 then count_share(group, flow, -1) end
  if wake_us then redis.call('ZADD', key .. ':asleep', int(wake_us), batch)
  else redis.call('ZREM', key .. ':asleep', batch) end
end

-- A flow that wakes takes its place one picture of its own weight behind the present virtual time: were it to start at
-- that time itself, a tenant with many small batches would be served once for each of them.
local function wake_flow(batch, group)
  local key, flow = lane_key(group), hash(flow_key(batch, group))
  redis.call('ZREM', key .. ':asleep', batch)
  if not flow.class or redis.call('ZSCORE', key .. ':ready', batch) then return end
  count_share(group, flow, 1)
  local virtual, share = unpack(redis.call('HMGET', key, 'virtual', 'share'))
  local behind = tonumber(virtual or 0) + tonumber(share or 0) / weight(group, flow)
  local start = math.max(behind, tonumber(flow.finish or 0))
  redis.call('ZADD', key .. ':ready', exact(start), batch)
end

-- Moves a flow that was served behind the others by the share it took, and the virtual time on; it never goes back.
local function advance_flow(batch, group, flow, tag, share)
  local key = lane_key(group)
  flow.finish = exact(tag + share / weight(group, flow))
  local virtual = tonumber(redis.call('HGET', key, 'virtual') or 0)
  redis.call('HSET', key, 'virtual', exact(math.max(tag, virtual)), 'share', exact(share))
  redis.call('HSET', flow_key(batch, group), 'finish', flow.finish)
  redis.call('ZADD', key .. ':ready', flow.finish, batch)
end

-- Makes a task claimable at `due_us` (0: at the head) and sees to it that its flow wakes in time.
local function make_due(batch, group, index, due_us, now)
  redis.call('ZADD', due_key(batch, group), int(due_us), int(index))
  if due_us <= now then return wake_flow(batch, group) end
  if not redis.call('ZSCORE', lane_key(group) .. ':ready', batch) then
    redis.call('ZADD', lane_key(group) .. ':asleep', 'LT', int(due_us), batch)
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

-- The group of a task that does not carry it, and whether it is made from another picture.
local function place_of(batch, index)
  for _, group in ipairs(cmsgpack.unpack(redis.call('HGET', batch_key(batch), 'lanes'))) do
    local block = block_of(cmsgpack.unpack(redis.call('HGET', flow_key(batch, group), 'blocks')), index)
    if block then return group, block.dependent end
  end
end

-- The flows of a new batch. Attempts are counted from `base` on. Returns how many tasks are open now, and its lanes.
local function write_flows(batch, flows, base)
  local open, lanes = 0, {}
  for place, flow in ipairs(flows) do
    open, lanes[place] = open + flow.length, flow.lane
    redis.call('HSET', flow_key(batch, flow.lane), 'class', flow.class, 'tenant', flow.tenant, 'base', int(base),
      'length', int(flow.length), 'blocks', cmsgpack.pack(flow.blocks), 'cursor', 0)
  end
  redis.call('HSET', batch_key(batch), 'open', int(open), 'lanes', cmsgpack.pack(lanes))
  return open, lanes
end

-- The next fence or attempt of a task.
local function count_on(number, flow) return math.max(tonumber(number or 0), tonumber(flow.base or 0)) + 1 end
