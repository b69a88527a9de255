-- Writes a lane's configured limits when the configuration is new; what was learned since then is kept. It also says that
-- somebody serves the lane.
--
-- ARGV[1] msgpack: lane, group, digest, max_concurrency, limits {dimension = per_minute},
--   breaker {open_us = first wait, window_us = how far back it looks}, empty for the defaults

local ask = cmsgpack.unpack(ARGV[1])
local key = lane_key(ask.lane)
redis.call('SADD', PREFIX .. 'lanes', ask.lane, ask.group)
redis.call('HSET', key, 'group', ask.group, 'served_at', int(now_us() / 1000))
if redis.call('HGET', key, 'configuration') == ask.digest then return 0 end
redis.call('HDEL', key, 'limit:requests', 'limit:images', 'limit:tokens', 'paused_until', 'paused_for', 'open_us',
  'window_us', 'broken_until', 'broken_for', 'probe')
for dimension, per_minute in pairs(ask.limits) do
  redis.call('HSET', key, 'limit:' .. dimension, string.format('%.17g', per_minute))
end
for field, span_us in pairs(ask.breaker) do redis.call('HSET', key, field, int(span_us)) end
-- Until something is served, a flow that wakes takes its place behind one picture of this lane.
redis.call('HSETNX', lane_key(ask.group), 'share', exact(dominant_share(hash(key), costs_of({}, 0))))
redis.call('HSET', key, 'configuration', ask.digest, 'max_concurrency', int(ask.max_concurrency))
return 1
