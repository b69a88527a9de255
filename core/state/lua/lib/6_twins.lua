-- Twins: tasks that ask for exactly the same picture, found by their fingerprint.

local PRINT_KEPT_S, SOUGHT_AGAIN_MS = 86400, 120000

-- Who made, or is making, the same picture in this batch; a task that will never finish does not count.
local function twin_in_batch(batch, index, fingerprint)
  local key, mine = batch_key(batch) .. ':prints', int(index)
  if redis.call('HSETNX', key, fingerprint, mine) == 1 then return end
  local other = redis.call('HGET', key, fingerprint)
  local twin = other ~= mine and load_task(batch, tonumber(other))
  if twin and (OPEN[twin.state] or twin.state == 'done') then return twin, tonumber(other) end
  redis.call('HSET', key, fingerprint, mine)
end

-- Who is making the same picture in another batch of the tenant. One that is done is found in storage, where nothing
-- else may be bought until whoever has looked there before has looked again.
local function twin_elsewhere(batch, index, fingerprint, now)
  local tenant = redis.call('HGET', batch_key(batch), 'tenant')
  local key, mine = PREFIX .. 'print:' .. tenant .. ':' .. fingerprint, batch .. ':' .. int(index)
  if redis.call('SET', key, mine, 'NX', 'EX', PRINT_KEPT_S) then return end
  local other, place = redis.call('GET', key):match('^(.*):(%d+)$')
  local twin = other ~= batch and load_task(other, tonumber(place))
  local is_new = twin and twin.state == 'done' and twin.at > now / 1000 - SOUGHT_AGAIN_MS
  if twin and (IN_FLIGHT[twin.state] or is_new) then return twin end
  redis.call('SET', key, mine, 'EX', PRINT_KEPT_S)
end

-- The task that has a picture of this fingerprint or will have it, and its index if it is of the same batch.
local function twin_of(move, now)
  if not move.fingerprint then return end
  local twin, same_as = twin_in_batch(move.batch, move.index, move.fingerprint)
  if twin or move.reuse ~= 'tenant' then return twin, same_as end
  return twin_elsewhere(move.batch, move.index, move.fingerprint, now)
end
