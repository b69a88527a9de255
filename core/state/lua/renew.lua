-- Renews a worker's lease, which covers all of its claims. ARGV: worker, lease_ms; 0 says that it stops. Returns 1 when
-- the lease was still held.
--
-- Keeps how many workers there should be: the most that were alive together, less those that said that they stop. Those
-- that began within a lease do not count yet: one of them may stand in for one that died, whose lease still lasts.

local worker, lease_ms, now_ms = ARGV[1], tonumber(ARGV[2]), now_us() / 1000

local function lease_of(name) return tonumber(redis.call('ZSCORE', PREFIX .. 'workers', name) or 0) end

local function expect_more()
  redis.call('HSETNX', FLEET, 'since:' .. worker, int(now_ms))
  local alive, fleet = 0, hash(FLEET)
  for field, since in pairs(fleet) do
    local name = field:match('^since:(.*)$')
    if name and tonumber(since) <= now_ms - lease_ms and lease_of(name) > now_ms then alive = alive + 1 end
  end
  if alive > tonumber(fleet.expected or 0) then redis.call('HSET', FLEET, 'expected', alive) end
end

local function expect_less()
  local is_known = redis.call('HDEL', FLEET, 'since:' .. worker) == 1
  if is_known and tonumber(redis.call('HGET', FLEET, 'expected') or 0) > 0 then add(FLEET, 'expected', -1) end
end

local until_ms = lease_of(worker)
redis.call('ZADD', PREFIX .. 'workers', int(now_ms + lease_ms), worker)
if lease_ms > 0 then expect_more() else expect_less() end
return until_ms > now_ms and 1 or 0
