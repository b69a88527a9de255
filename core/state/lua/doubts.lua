-- Names the doubts that are to be looked at now, and puts off the next look at them, so that of several workers one
-- looks at each.
--
-- ARGV[1] how many at most, ARGV[2] milliseconds until the next look
-- Returns msgpack: now_ms, doubts [{batch, tenant, index, fence, attempt, sends, lane, was (the state it was parked
--   from), since (ms: when it was sent, or else parked), on_doubt}]

local now = math.floor(now_us() / 1000)
local found = {}

for _, member in ipairs(redis.call('ZRANGEBYSCORE', DOUBTS, '-inf', int(now), 'LIMIT', 0, ARGV[1])) do
  local batch, index = member:match('^(.*):(%d+)$')
  local task = hash(task_key(batch, tonumber(index)))
  local tenant, on_doubt = unpack(redis.call('HMGET', batch_key(batch), 'tenant', 'on_doubt'))
  if task.state == 'parked' and tenant then
    redis.call('ZADD', DOUBTS, int(now + tonumber(ARGV[2])), member)
    found[#found + 1] = { batch = batch, tenant = tenant, index = tonumber(index), fence = tonumber(task.fence),
      attempt = tonumber(task.attempt), sends = tonumber(task.sends or 0), lane = task.lane, was = task.doubt,
      since = tonumber(task.sent_at or task.at), on_doubt = on_doubt }
  else redis.call('ZREM', DOUBTS, member) end
end
return cmsgpack.pack({ now_ms = now, doubts = found })
