-- Forgets what storage has been told. What it did not take, and what has changed since it was taken up, is due again.
--
-- ARGV[1] msgpack: [[member, until_ms as it was given, is_told]]

local now = math.floor(now_us() / 1000)
for _, one in ipairs(cmsgpack.unpack(ARGV[1])) do
  local member, until_ms, is_told = unpack(one)
  if is_told and tonumber(redis.call('ZSCORE', UNRECORDED, member) or '') == until_ms then
    redis.call('ZREM', UNRECORDED, member)
  else redis.call('ZADD', UNRECORDED, 'XX', int(now), member) end
end
return 1
