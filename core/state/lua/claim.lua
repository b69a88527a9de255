-- Hands out up to `want` tasks of a lane, or says how long to wait: fairness, every limit, concurrency, every
-- budget, lease and fence in one step, all or nothing for each task.
--
-- ARGV[1] msgpack: lane, group (whose flows it serves), worker, want, horizon_us, caps {tenant_month | nil, house_day | nil}
-- Returns msgpack: claims [{batch, tenant, index, fence, attempt, sends, crashes, fetches, start_in_ms, hold, tokens}],
--   wait_ms, limited_by

local ask = cmsgpack.unpack(ARGV[1])
local LANE, GROUP = lane_key(ask.lane), lane_key(ask.group)
local PAGE, PAGES = 16, 4 -- heads looked at, as long as tokens alone hold up those before
local CAPPED_US = 2000000
local now = now_us()
local lane = hash(LANE)
local flows, held_up, resting = {}, {}, 'idle'

local function flow_of(batch)
  if not flows[batch] then
    local flow = hash(flow_key(batch, ask.group))
    flow.blocks = cmsgpack.unpack(flow.blocks)
    local state, deadline = unpack(redis.call('HMGET', batch_key(batch), 'state', 'deadline'))
    flow.is_open = state == 'running' and (tonumber(deadline or '') or math.huge) * 1000 >= now
    flows[batch] = flow
  end
  return flows[batch]
end

local function take(batch, flow, index, was_due, hold, tokens)
  local key, task = task_key(batch, index), {}
  if was_due then
    redis.call('ZREM', due_key(batch, ask.group), int(index))
    task = hash(key)
  else flow.cursor = add(flow_key(batch, ask.group), 'cursor', 1) end
  local fence, attempt = count_on(task.fence, flow), count_on(task.attempt, flow)
  local month, day = hold_money(batch, flow.tenant, hold, now)
  redis.call('HSET', key, 'state', 'claimed', 'worker', ask.worker, 'lane', ask.lane, 'group', ask.group, 'hold', int(hold),
    'tokens', int(tokens), 'month', month, 'day', day, 'fence', fence, 'claim_fence', fence, 'attempt', attempt,
    'at', int(now / 1000))
  enter_worker(batch, index, ask.worker, ask.lane, now)
  count_move(batch, index, task.state or 'queued', 'claimed')
  return { batch = batch, tenant = flow.tenant, index = index, fence = fence, attempt = attempt, hold = hold, tokens = tokens,
    sends = tonumber(task.sends or 0), crashes = tonumber(task.crashes or 0), fetches = tonumber(task.fetches or 0) }
end

-- Offers the flow's next task: a claim, or nil with the wait of a limit, or nil when the flow steps aside.
local function offer(batch, tag)
  local flow = flow_of(batch)
  if not flow.is_open then return rest_flow(batch, ask.group, flow) end
  local index, later, was_due, again = next_affordable(ask.group, lane, batch, flow, now)
  if not index then
    resting = later and retry_tenths(lane, now) < 10 and 'retries' or resting
    return rest_flow(batch, ask.group, flow, later)
  end
  local hold, tokens = price_of(flow, index)
  if refused_by_budget(batch, flow.tenant, hold, ask.caps, now) then
    resting = 'budget'
    return rest_flow(batch, ask.group, flow, now + CAPPED_US)
  end
  local costs = costs_of(lane, tokens)
  local start, binding = start_of(ask.lane, lane, costs, now)
  if start - now > ask.horizon_us then return nil, start - now, binding end

  charge_limits(ask.lane, lane, costs, start, now)
  if again then move_retries(ask.lane, lane, -10, now) end
  advance_flow(batch, ask.group, flow, tag, dominant_share(lane, costs))
  redis.call('HDEL', batch_key(batch), 'limited_by')
  local claim = take(batch, flow, index, was_due, hold, costs.tokens)
  if lane.broken_until then set_field(ask.lane, lane, 'probe', batch .. ':' .. int(index) .. ':' .. int(claim.attempt)) end
  changed(batch)
  claim.start_in_ms = math.max(0, math.ceil((start - now) / 1000))
  return claim
end

-- The first head that can start, or the shortest wait. Arrival times only grow within one call, so a head that tokens
-- hold up is not asked again; it does not hold up the others.
local function serve()
  local shortest, limited_by
  for first = 0, (PAGES - 1) * PAGE, PAGE do
    local heads = redis.call('ZRANGE', GROUP .. ':ready', first, first + PAGE - 1, 'WITHSCORES')
    for place = 1, #heads, 2 do
      local batch, claim = heads[place], nil
      local wait, binding = held_up[batch], 'tokens'
      if not wait then claim, wait, binding = offer(batch, tonumber(heads[place + 1])) end
      if claim then return claim end
      if wait and (not shortest or wait < shortest) then shortest, limited_by = wait, binding end
      if wait and binding ~= 'tokens' then return nil, shortest, limited_by, true end
      held_up[batch] = wait
    end
    if not shortest then return nil, nil, nil, #heads > 0 end
  end
  return nil, shortest, limited_by, true
end

local function until_next_sleeper()
  local first = redis.call('ZRANGE', GROUP .. ':asleep', 0, 0, 'WITHSCORES')
  return first[2] and math.max(tonumber(first[2]) - now, 1000) or MINUTE_US
end

local function answer(claims, wait_us, limited_by)
  if #claims > 0 then redis.call('HSET', GROUP, 'claimed_at', int(now / 1000)) end
  return cmsgpack.pack({ claims = claims, wait_ms = math.ceil(wait_us / 1000), limited_by = limited_by })
end

local paused_until = tonumber(lane.paused_until or 0)
if paused_until > now then return answer({}, paused_until - now, 'paused') end
local broken = breaker_wait(ask.lane, lane, now)
if broken then return answer({}, broken, 'breaker') end
for _, batch in ipairs(redis.call('ZRANGEBYSCORE', GROUP .. ':asleep', '-inf', int(now), 'LIMIT', 0, 100)) do
  wake_flow(batch, ask.group)
end
local room = slots_of(lane, ask.horizon_us, now) - redis.call('ZCARD', LANE .. ':inflight')
local claims, want = {}, lane.broken_until and 1 or ask.want
while #claims < want do
  if #claims >= room then return answer(claims, 250000, 'concurrency') end
  local claim, wait, limited_by, had_heads = serve()
  if claim then claims[#claims + 1] = claim
  elseif wait then return answer(claims, math.max(wait - ask.horizon_us / 2, 1000), limited_by)
  elseif not had_heads then return answer(claims, until_next_sleeper(), resting) end
end
if lane.broken_until then return answer(claims, PROBE_LOOK_US, 'breaker') end
return answer(claims, 0, 'slots')
