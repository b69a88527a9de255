-- Renews a worker's lease, which covers all of its claims. ARGV: worker, lease_ms. Returns 1 when it was still held.

local now_ms = now_us() / 1000
local until_ms = redis.call('ZSCORE', PREFIX .. 'workers', ARGV[1])
redis.call('ZADD', PREFIX .. 'workers', int(now_ms + tonumber(ARGV[2])), ARGV[1])
return until_ms and tonumber(until_ms) > now_ms and 1 or 0
