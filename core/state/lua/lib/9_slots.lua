-- Slots: how many attempts of a lane may be in flight. By Little's law they follow from its quota and from how long a
-- picture takes; a slow picture is not a sign of overload, so that only lost calls cut them.

local STEP = 0.1 -- of the estimate that one picture moves
local KNOWN, FEWEST, MARGIN = 20, 4, 1.5
local ONE_EVENT_US = 30000000 -- calls side by side are refused or lost together: that is one event, and cuts once

-- The 95th percentile rises by 19 parts where a picture took longer, and falls by one where it did not.
local function observe_latency(name, lane, latency_s)
  local count, p95 = tonumber(lane.latencies or 0) + 1, tonumber(lane.p95_s or latency_s)
  local mean = tonumber(lane.mean_s or latency_s)
  mean = mean + (latency_s - mean) / math.min(count, 50)
  set_field(name, lane, 'latencies', int(count))
  set_field(name, lane, 'p95_s', exact(p95 * (1 + STEP * (latency_s > p95 and 0.95 or -0.05))))
  set_field(name, lane, 'mean_s', exact(mean))
  local images = limit_of(lane, 'images')
  if images then set_field(name, lane, 'slots_needed', int(math.ceil(images * mean / 60))) end
end

-- What was configured, or less: a claim holds its slot from up to `horizon_us` before its start.
local function slots_of(lane, horizon_us, now)
  local most, images = tonumber(lane.max_concurrency or 0), limit_of(lane, 'images')
  if images and tonumber(lane.latencies or 0) >= KNOWN then
    local held_s = tonumber(lane.p95_s) + horizon_us / 1000000
    most = math.min(most, math.max(FEWEST, math.ceil(images * held_s * MARGIN / 60)))
  end
  if not lane.slots then return most end
  local windows = math.floor(math.max(0, now - tonumber(lane['cut:slots'])) / ONE_EVENT_US)
  return math.min(most, tonumber(lane.slots) + windows)
end

-- Cuts them where one call in twenty is lost; one lost call among many says nothing.
local function cut_slots(name, lane, horizon_us, now)
  local succeeded, failed = window_of(lane, now)
  if now - tonumber(lane['cut:slots'] or 0) < ONE_EVENT_US or failed * 20 < succeeded + failed then return end
  local present = slots_of(lane, horizon_us, now)
  set_field(name, lane, 'slots', int(math.min(present, math.max(FEWEST, math.floor(present * 0.7)))))
  set_field(name, lane, 'cut:slots', int(now))
end
