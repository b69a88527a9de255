-- Limits: one GCRA per dimension of a lane, at the lane's present pace. The arrival time of a dimension is the moment
-- from which its next task may start, or start earlier by what a burst allows; each task moves it on by its cost.

local DIMENSIONS = { 'requests', 'images', 'tokens' }
local FURTHEST_US = 62000000 -- a bucket is full again within a minute of the last permit, which is two seconds ahead

local function pace(lane, now)
  local target = lane.proven == '1' and 1.0 or 0.97
  if not lane.pace then return target end
  local since = math.max(0, now - tonumber(lane.pace_from))
  return math.min(target, tonumber(lane.pace) + 0.01 * since / MINUTE_US)
end

local function limit_of(lane, dimension) return tonumber(lane['limit:' .. dimension] or '') end

local function interval_us(lane, dimension, now)
  local limit = limit_of(lane, dimension)
  return limit and MINUTE_US / (limit * pace(lane, now))
end

-- How much of a minute a rested account is asked for at once: a tenth, once its headers have proven a bucket that is
-- refilled all the time, and unless the pace is cut. What the bucket gains between a permit and its call, which are 5 s
-- apart at most, has to fit beside it: limit - rate x 5 s is nine times as much, so that the tenth always binds.
local function burst_of(lane, dimension, now)
  if lane.proven ~= '1' or pace(lane, now) < 1 then return 1 end
  return math.max(1, limit_of(lane, dimension) / 10)
end

-- What a task takes of each limit. An estimate above the whole minute's tokens waits for a full minute, not for ever.
local function costs_of(lane, tokens)
  local limit = limit_of(lane, 'tokens')
  return { requests = 1, images = 1, tokens = math.floor(math.min(tokens, limit or tokens)) }
end

local function set_arrival(name, lane, dimension, arrival)
  set_field(name, lane, 'arrival:' .. dimension, int(arrival))
end

-- A missing arrival time is an empty bucket. One further off than a full bucket takes to refill (a minute, at full
-- pace) is a clock that stepped back, and is cut. Either is written, or the wait would begin again at every look.
local function arrival_of(name, lane, dimension, cost, interval, now)
  local arrival = tonumber(lane['arrival:' .. dimension] or '')
  local furthest = now + math.max(limit_of(lane, dimension), 1) * interval
  if not arrival then arrival = now + math.max(cost, burst_of(lane, dimension, now)) * interval
  elseif arrival <= furthest then return arrival end
  arrival = math.min(arrival, furthest)
  set_arrival(name, lane, dimension, arrival)
  return arrival
end

-- The provider's bucket, which others may use beside us: the moment from which it holds this task and one more like it.
-- `full` is when it would be full again: an answer can only put that off, and our own permits move it on.
local function room_at(name, lane, dimension, cost, now)
  local full, limit = tonumber(lane['full:' .. dimension] or ''), limit_of(lane, dimension)
  if not full then return now end
  if full > now + FURTHEST_US then -- the clock stepped back
    full = now + FURTHEST_US
    set_field(name, lane, 'full:' .. dimension, int(full))
  end
  return full - (limit - math.min(2 * cost, limit)) / limit * MINUTE_US
end

local function fill_later(name, lane, dimension, amount, from)
  local full = tonumber(lane['full:' .. dimension] or '')
  if not full then return end
  full = math.max(full, from) + amount * MINUTE_US / limit_of(lane, dimension)
  set_field(name, lane, 'full:' .. dimension, int(full))
end

-- What an answer says is in the bucket, others' use included.
local function read_bucket(name, lane, dimension, remaining, now)
  local limit = limit_of(lane, dimension)
  local full = now + math.max(0, limit - math.max(remaining, 0)) / limit * MINUTE_US
  if full > tonumber(lane['full:' .. dimension] or 0) then set_field(name, lane, 'full:' .. dimension, int(full)) end
end

-- When a task may start by every limit, and the limit that binds.
local function start_of(name, lane, costs, now)
  local start, binding = now, nil
  for _, dimension in ipairs(DIMENSIONS) do
    local interval = interval_us(lane, dimension, now)
    if interval and costs[dimension] > 0 then
      local early = math.max(0, burst_of(lane, dimension, now) - costs[dimension]) * interval
      local arrival = arrival_of(name, lane, dimension, costs[dimension], interval, now) - early
      local room = room_at(name, lane, dimension, costs[dimension], now)
      local at = math.max(arrival, room, tonumber(lane['blocked:' .. dimension] or 0))
      if at > start then start, binding = at, dimension end
    end
  end
  return start, binding
end

-- The part of its scarcest limit that a task takes: its cost in fair queueing.
local function dominant_share(lane, costs)
  local share = 0.001
  for _, dimension in ipairs(DIMENSIONS) do
    local limit = limit_of(lane, dimension)
    if limit then share = math.max(share, costs[dimension] / limit) end
  end
  return share
end

local function charge_limits(name, lane, costs, start, now)
  for _, dimension in ipairs(DIMENSIONS) do
    local interval = interval_us(lane, dimension, now)
    if interval and costs[dimension] > 0 then
      local arrival = math.max(tonumber(lane['arrival:' .. dimension]), start)
      set_arrival(name, lane, dimension, arrival + costs[dimension] * interval)
      fill_later(name, lane, dimension, costs[dimension], start)
    end
  end
end

-- Moves a limit by what was not used (negative) or used beyond the estimate (positive).
local function correct_limit(name, lane, dimension, amount, now)
  local interval, arrival = interval_us(lane, dimension, now), tonumber(lane['arrival:' .. dimension] or '')
  if not (interval and arrival) or amount == 0 then return end
  set_arrival(name, lane, dimension, arrival + amount * interval)
  fill_later(name, lane, dimension, amount, amount > 0 and now or 0)
end
