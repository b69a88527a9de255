-- Puts a new batch on the shelf, unless there is one of that id: a submission that is repeated finds the first.
--
-- ARGV[1] msgpack: batch, tenant, fields {name = value}
-- Returns 1, or 0 when it was there.

local ask = cmsgpack.unpack(ARGV[1])
if redis.call('EXISTS', batch_key(ask.batch)) == 1 then return 0 end
register_batch(ask.batch, ask.tenant, ask.fields)
return 1
