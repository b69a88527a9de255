-- Health: what the last calls of a lane say of its provider. A breaker that stops claims while it fails, and a budget
-- that holds retries to a tenth of the calls. What counts as failed: a server error, an overload, a doubt.

local MEMORY, ENOUGH = 50, 20 -- calls that the window remembers at most; that say something
local WINDOW_US, QUARTER_US = 2 * MINUTE_US, 15 * MINUTE_US
local OPEN_US, LONGEST = 30000000, 10 -- first wait of the breaker; the longest is so many of them
local FEWEST_TENTHS = 100 -- ten retries, whatever the traffic
local PROBE_LOOK_US = 1000000
local RETRIES, REST_US = 100, 5000000 -- retries put off in one look, and for how long

-- Counts fade: a call weighs e times less after every span, and less with every call beyond what is remembered.
local function fading(lane, span_us, now)
  return math.exp(-math.max(0, now - tonumber(lane.counted_at or now)) / span_us)
end

local function window_of(lane, now)
  local fade = fading(lane, tonumber(lane.window_us or WINDOW_US), now)
  return tonumber(lane.succeeded or 0) * fade, tonumber(lane.failed or 0) * fade
end

local function recent_calls(lane, now) return tonumber(lane.calls or 0) * fading(lane, QUARTER_US, now) end

-- Tenths of a retry: a success and every second add one (so that no retry waits for ever), a retry takes ten. As many
-- are kept as the lane made calls in a quarter of an hour, which makes a tenth of them.
local function retry_tenths(lane, now)
  local since = math.max(0, now - tonumber(lane.retries_at or now))
  local most = math.max(FEWEST_TENTHS, recent_calls(lane, now))
  return math.min(most, tonumber(lane.retry_tenths or FEWEST_TENTHS) + since / 1000000)
end

local function move_retries(name, lane, step, now)
  set_field(name, lane, 'retry_tenths', exact(retry_tenths(lane, now) + step))
  set_field(name, lane, 'retries_at', int(now))
end

-- A call that could not be sent was not one, so that trying it again is no retry.
local function is_retry(batch, index)
  local sends, failure = unpack(redis.call('HMGET', task_key(batch, index), 'sends', 'failure'))
  return tonumber(sends or 0) > 0 and not (failure and cmsgpack.unpack(failure).class == 'not_sent')
end

-- Whether the lane can afford a retry now. After two failures in a row something new is tried first, where there is
-- something: it tells a lane that fails from a task that does, before that task is used up.
local function may_retry(lane, flow, now)
  local has_new = tonumber(flow.cursor) < tonumber(flow.length)
  return retry_tenths(lane, now) >= 10 and not (has_new and tonumber(lane.streak or 0) >= 2)
end

-- The flow's next task that is no retry, or one that the lane can afford; nothing waits behind those that it cannot.
-- Returns its index or nil, when there may be one, whether it was due, whether it is a retry.
local function next_affordable(group, lane, batch, flow, now)
  for _ = 1, RETRIES do
    local index, was_due, later = next_of(batch, group, flow, now)
    if not was_due or not is_retry(batch, index) then return index, later, was_due, false end
    if may_retry(lane, flow, now) then return index, nil, true, true end
    redis.call('ZADD', due_key(batch, group), int(now + REST_US), int(index))
  end
  return nil, now
end

-- How long no claim may be made, or nil. Closed while there is no `broken_until`, half open once that has passed: then
-- one claim at a time is a probe, in flight as long as its worker holds it, and no longer.
local function breaker_wait(name, lane, now)
  local wait = tonumber(lane.broken_until or 0) - now
  if wait > 0 then return wait end
  local member = lane.broken_until and lane.probe and lane.probe:match('^(.*):%d+$')
  if member and redis.call('ZSCORE', lane_key(name) .. ':inflight', member) then return PROBE_LOOK_US end
end

local function open_breaker(name, lane, now)
  local first = tonumber(lane.open_us or OPEN_US)
  local wait = lane.broken_for and math.min(2 * tonumber(lane.broken_for), LONGEST * first) or first
  set_field(name, lane, 'broken_for', int(wait))
  set_field(name, lane, 'broken_until', int(now + wait))
  drop_fields(name, lane, 'probe')
end

-- A provider that is back starts with a clean window, and with all of its slots.
local function close_breaker(name, lane)
  drop_fields(name, lane, 'broken_until', 'broken_for', 'probe', 'succeeded', 'failed', 'slots')
end

-- Only its probe moves a breaker that is not closed: other answers belong to calls from before.
local function judge(name, lane, attempt, has_failed, now)
  if not lane.broken_until then
    local succeeded, failed = window_of(lane, now)
    local finished = math.floor(succeeded + failed + 0.5)
    if finished >= ENOUGH and math.floor(2 * failed + 0.5) >= finished then open_breaker(name, lane, now) end
  elseif attempt and attempt == lane.probe then
    if has_failed then open_breaker(name, lane, now) else close_breaker(name, lane) end
  end
end

local function count_call(name, lane, call, attempt, now)
  local has_failed = call == 'failed'
  local succeeded, failed = window_of(lane, now)
  local keep = math.min(1, (MEMORY - 1) / (succeeded + failed))
  if not has_failed then move_retries(name, lane, 1, now) end
  set_field(name, lane, 'calls', exact(recent_calls(lane, now) + 1))
  set_field(name, lane, 'succeeded', exact(succeeded * keep + (has_failed and 0 or 1)))
  set_field(name, lane, 'failed', exact(failed * keep + (has_failed and 1 or 0)))
  set_field(name, lane, 'counted_at', int(now))
  set_field(name, lane, 'streak', has_failed and int(tonumber(lane.streak or 0) + 1) or 0)
  judge(name, lane, attempt, has_failed, now)
end
