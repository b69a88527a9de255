-- Names what storage is to be told now, and puts it off, so that of several workers one tells it, and another if that
-- one dies.
--
-- ARGV[1] how many at most, ARGV[2] milliseconds until somebody else may
-- Returns msgpack: until_ms, members [<batch>:<part>]

local now, found = math.floor(now_us() / 1000), {}
local until_ms = now + tonumber(ARGV[2])

for _, member in ipairs(redis.call('ZRANGEBYSCORE', UNRECORDED, '-inf', int(now), 'LIMIT', 0, ARGV[1])) do
  redis.call('ZADD', UNRECORDED, int(until_ms), member)
  found[#found + 1] = member
end
return cmsgpack.pack({ until_ms = until_ms, members = found })
