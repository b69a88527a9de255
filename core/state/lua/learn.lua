-- Teaches a lane what one answer said: limits, how full the provider's bucket is, refusals, how the provider does.
--
-- ARGV[1] msgpack: lane, attempt | nil, horizon_us, readings [{dimension, limit, remaining, reset_s}],
--   blocked [{dimension, wait_us}], slow_down, paused_us | nil, reason | nil,
--   call = 'succeeded' | 'failed' | 'neither', is_lost, latency_s | nil
-- Returns msgpack: changed [dimension] whose limit is new, streak: calls that failed since the last that succeeded

local ask = cmsgpack.unpack(ARGV[1])
local key, now = lane_key(ask.lane), now_us()
local lane = hash(key)
local news = {}
local PROOF = 20 -- readings within 5 % of a continuously refilled bucket prove it

local function set(field, value) set_field(ask.lane, lane, field, value) end

local function latest(field, value) set(field, int(math.max(tonumber(lane[field] or 0), value))) end

-- remaining falls by what we used and rises by limit/60 a second; reset is the time until the bucket is full again.
-- remaining is told rounded down, so the bucket may be full up to one unit earlier.
local function prove(reading)
  if not (reading.reset_s and reading.remaining) or reading.remaining >= reading.limit then return end
  local one = 60 / reading.limit
  local full_in = (reading.limit - reading.remaining) * one
  local slack = math.max(0.05 * full_in, 0.005)
  local fits = reading.reset_s <= full_in + slack and reading.reset_s >= full_in - one - slack
  set('proof', fits and tonumber(lane.proof or 0) + 1 or 0)
  if not fits then set('proven', 0) elseif tonumber(lane.proof) >= PROOF then set('proven', 1) end
end

for _, reading in ipairs(ask.readings) do
  local field = 'limit:' .. reading.dimension
  if reading.limit and reading.limit > 0 then
    if tonumber(lane[field] or 0) ~= reading.limit then
      set(field, exact(reading.limit))
      news[#news + 1] = reading.dimension
    end
    prove(reading)
    if reading.remaining then read_bucket(ask.lane, lane, reading.dimension, reading.remaining, now) end
  end
end

-- A cut never raises a pace that is lower already.
local function cut_pace(event, factor, floor, hold_us)
  if now - tonumber(lane['cut:' .. event] or 0) < ONE_EVENT_US then return end
  local present = pace(lane, now)
  set('cut:' .. event, int(now))
  set('pace', exact(math.min(present, math.max(present * factor, floor))))
  latest('pace_from', now + hold_us)
end

-- A refusal by a limit that has room by the same answer is not for our pace: it is waited out, and that is all.
local function has_room(dimension)
  for _, reading in ipairs(ask.readings) do
    if reading.dimension == dimension and (reading.remaining or 0) >= 2 then return true end
  end
end

local function is_too_fast()
  for _, refusal in ipairs(ask.blocked) do
    if not has_room(refusal.dimension) then return true end
  end
end

for _, refusal in ipairs(ask.blocked) do
  latest('blocked:' .. refusal.dimension, now + refusal.wait_us)
end
if ask.slow_down then cut_pace('slow_down', 0.5, 0.05, 15 * MINUTE_US)
elseif is_too_fast() then cut_pace('blocked', 0.9, 0.5, 0) end
if ask.paused_us then
  latest('paused_until', now + ask.paused_us)
  redis.call('HSET', key, 'paused_for', ask.reason or 'paused')
end
if ask.latency_s then observe_latency(ask.lane, lane, ask.latency_s) end
if ask.call ~= 'neither' then count_call(ask.lane, lane, ask.call, ask.attempt, now) end
if ask.is_lost then cut_slots(ask.lane, lane, ask.horizon_us, now) end
return cmsgpack.pack({ changed = news, streak = tonumber(lane.streak or 0) })
