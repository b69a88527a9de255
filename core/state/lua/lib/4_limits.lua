-- Limits: one GCRA per dimension of a lane, at the lane's present pace.

local DIMENSIONS = { 'requests', 'images', 'tokens' }

local function pace(lane, now)
  local target = lane.proven == '1' and 1.0 or 0.97
  if not lane.pace then return target end
  local since = math.max(0, now - tonumber(lane.pace_from))
  return math.min(target, tonumber(lane.pace) + 0.01 * since / MINUTE_US)
end

local function interval_us(lane, dimension, now)
  local limit = tonumber(lane['limit:' .. dimension] or '')
  return limit and MINUTE_US / (limit * pace(lane, now))
end

-- When a task may start by every limit, and the limit that binds. A missing arrival time is an empty bucket;
-- an arrival further off than a minute is a clock that stepped, and is cut.
local function start_of(lane, costs, now)
  local start, binding = now, nil
  for _, dimension in ipairs(DIMENSIONS) do
    local interval = interval_us(lane, dimension, now)
    if interval then
      local burst = math.max(tonumber(lane['burst:' .. dimension] or 1), costs[dimension])
      local arrival = tonumber(lane['arrival:' .. dimension] or int(now + burst * interval))
      arrival = math.min(arrival, now + MINUTE_US)
      local at = math.max(arrival + (costs[dimension] - burst) * interval, tonumber(lane['blocked:' .. dimension] or 0))
      if at > start then start, binding = at, dimension end
    end
  end
  return start, binding
end

-- The part of its scarcest limit that a task takes: its cost in fair queueing.
local function dominant_share(lane, costs)
  local share = 0.001
  for _, dimension in ipairs(DIMENSIONS) do
    local limit = tonumber(lane['limit:' .. dimension] or '')
    if limit then share = math.max(share, costs[dimension] / limit) end
  end
  return share
end

local function charge_limits(name, lane, costs, start, now)
  for _, dimension in ipairs(DIMENSIONS) do
    local interval = interval_us(lane, dimension, now)
    if interval then
      local field = 'arrival:' .. dimension
      local arrival = math.min(tonumber(lane[field] or 0), now + MINUTE_US)
      lane[field] = int(math.max(arrival, start) + costs[dimension] * interval)
      redis.call('HSET', lane_key(name), field, lane[field])
    end
  end
end

-- Moves a limit by what was not used (negative) or used beyond the estimate (positive).
local function correct_limit(name, lane, dimension, amount, now)
  local interval, arrival = interval_us(lane, dimension, now), tonumber(lane['arrival:' .. dimension] or '')
  if interval and arrival and amount ~= 0 then
    redis.call('HSET', lane_key(name), 'arrival:' .. dimension, int(arrival + amount * interval))
  end
end
