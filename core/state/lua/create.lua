-- Puts a new batch on the shelf, unless there is one of that id: a submission that is repeated finds the first.
--
-- ARGV[1] msgpack: batch, tenant, fields {name = value}
-- Returns 1, or 0 when it was there.

local ask = cmsgpack.unpack(ARGV[1])
local key = batch_key(ask.batch)
if redis.call('EXISTS', key) == 1 then return 0 end
for field, value in pairs(ask.fields) do redis.call('HSET', key, field, value) end
redis.call('ZADD', PREFIX .. 'tenant:' .. ask.tenant .. ':batches', 0, ask.batch)
return 1
