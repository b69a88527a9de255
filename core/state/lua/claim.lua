-- Hands out up to `want` tasks of a lane, or says how long to wait: fairness, every limit, concurrency, every
-- budget, lease and fence in one step, all or nothing for each task.
--
-- ARGV[1] msgpack: lane, worker, want, horizon_us, caps {tenant_month | nil, house_day | nil}
-- Returns msgpack: claims [{batch, tenant, index, fence, attempt, sends, start_in_ms, hold, tokens}], wait_ms, limited_by

local ask = cmsgpack.unpack(ARGV[1])
local LANE = lane_key(ask.lane)
local HEADS = 16
local now = now_us()
local lane = hash(LANE)
local flows = {}

local function flow_of(batch)
  if not flows[batch] then
    local flow = hash(flow_key(batch, ask.lane))
    flow.blocks = cmsgpack.unpack(flow.blocks)
    flows[batch] = flow
  end
  return flows[batch]
end

-- The next task of a flow: what is due comes before what was never touched.
local function next_of(batch, flow)
  local due = redis.call('ZRANGEBYSCORE', due_key(batch, ask.lane), '-inf', int(now), 'LIMIT', 0, 1)
  if due[1] then return tonumber(due[1]), true end
  local cursor = tonumber(flow.cursor)
  if cursor < tonumber(flow.length) then return index_at(flow, cursor), false end
  local later = redis.call('ZRANGE', due_key(batch, ask.lane), 0, 0, 'WITHSCORES')
  return nil, nil, tonumber(later[2])
end

local function take(batch, flow, index, was_due, hold, tokens)
  local key, member = task_key(batch, index), batch .. ':' .. int(index)
  if was_due then redis.call('ZREM', due_key(batch, ask.lane), int(index))
  else flow.cursor = add(flow_key(batch, ask.lane), 'cursor', 1) end
  if redis.call('HGET', key, 'state') == 'waiting' then
    add(batch_key(batch), 'n_waiting', -1)
    redis.call('ZREM', batch_key(batch) .. ':in:waiting', int(index))
  end
  local month, day = hold_money(batch, flow.tenant, hold, now)
  redis.call('HSET', key, 'state', 'claimed', 'worker', ask.worker, 'lane', ask.lane, 'hold', int(hold),
    'tokens', int(tokens), 'month', month, 'day', day, 'at', int(now / 1000))
  redis.call('SADD', PREFIX .. 'worker:' .. ask.worker .. ':claims', member)
  redis.call('ZADD', LANE .. ':inflight', int(now), member)
  add(batch_key(batch), 'n_running', 1)
  redis.call('ZADD', batch_key(batch) .. ':in:running', int(index), int(index))
  return add(key, 'fence', 1), add(key, 'attempt', 1), tonumber(redis.call('HGET', key, 'sends') or 0)
end

-- Offers the flow's next task: a claim, or nil with the wait of a limit, or nil when the flow steps aside.
local function offer(batch, tag)
  local flow = flow_of(batch)
  local state, deadline = unpack(redis.call('HMGET', batch_key(batch), 'state', 'deadline'))
  if state ~= 'running' or (tonumber(deadline or '') or math.huge) * 1000 < now then
    return rest_flow(batch, ask.lane, flow)
  end
  local index, was_due, later = next_of(batch, flow)
  if not index then return rest_flow(batch, ask.lane, flow, later) end
  local hold, tokens = price_of(flow, index)
  if refused_by_budget(batch, flow.tenant, hold, ask.caps, now) then
    redis.call('HSET', batch_key(batch), 'limited_by', 'budget')
    return rest_flow(batch, ask.lane, flow, now + 2000000)
  end
  local costs = { requests = 1, images = 1, tokens = tokens }
  local start, binding = start_of(lane, costs, now)
  if start - now > ask.horizon_us then return nil, start - now, binding end

  charge_limits(ask.lane, lane, costs, start, now)
  flow.finish = string.format('%.17g', tag + dominant_share(lane, costs) / weight(ask.lane, flow))
  redis.call('HSET', flow_key(batch, ask.lane), 'finish', flow.finish)
  redis.call('HSET', LANE, 'virtual', string.format('%.17g', tag))
  redis.call('ZADD', LANE .. ':ready', flow.finish, batch)
  redis.call('HDEL', batch_key(batch), 'limited_by')
  local fence, attempt, sends = take(batch, flow, index, was_due, hold, tokens)
  changed(batch)
  return { batch = batch, tenant = flow.tenant, index = index, fence = fence, attempt = attempt, sends = sends,
    start_in_ms = math.max(0, math.ceil((start - now) / 1000)), hold = hold, tokens = tokens }
end

-- The first head that can start. A head held up by tokens alone does not hold up the others.
local function serve()
  local shortest, limited_by
  local heads = redis.call('ZRANGE', LANE .. ':ready', 0, HEADS - 1, 'WITHSCORES')
  for place = 1, #heads, 2 do
    local claim, wait, binding = offer(heads[place], tonumber(heads[place + 1]))
    if claim then return claim end
    if wait and (not shortest or wait < shortest) then shortest, limited_by = wait, binding end
    if binding and binding ~= 'tokens' then break end
  end
  return nil, shortest, limited_by, #heads > 0
end

local function wake_sleepers()
  for _, batch in ipairs(redis.call('ZRANGEBYSCORE', LANE .. ':asleep', '-inf', int(now), 'LIMIT', 0, 100)) do
    wake_flow(batch, ask.lane)
  end
end

local function until_next_sleeper()
  local first = redis.call('ZRANGE', LANE .. ':asleep', 0, 0, 'WITHSCORES')
  return first[2] and math.max(tonumber(first[2]) - now, 1000) or MINUTE_US
end

local function answer(claims, wait_us, limited_by)
  return cmsgpack.pack({ claims = claims, wait_ms = math.ceil(wait_us / 1000), limited_by = limited_by })
end

local paused_until = tonumber(lane.paused_until or 0)
if paused_until > now then return answer({}, paused_until - now, 'paused') end
wake_sleepers()
local room = tonumber(lane.max_concurrency or 0) - redis.call('ZCARD', LANE .. ':inflight')
local claims = {}
while #claims < ask.want do
  if #claims >= room then return answer(claims, 250000, 'concurrency') end
  local claim, wait, limited_by, had_heads = serve()
  if claim then claims[#claims + 1] = claim
  elseif wait then return answer(claims, math.max(wait - ask.horizon_us / 2, 1000), limited_by)
  elseif not had_heads then return answer(claims, until_next_sleeper(), 'idle') end
end
return answer(claims, 0, 'slots')
