-- Names the claims of workers whose lease has run out. A worker that comes back in time keeps its claims, so a process
-- that starts anew needs a name of its own.
--
-- ARGV[1] how many at most
-- Returns msgpack: [{worker, batch, index, fence, state, attempt, crashes}]

local now, found = now_us(), {}
local workers = PREFIX .. 'workers'

for _, worker in ipairs(redis.call('ZRANGEBYSCORE', workers, '-inf', int(now / 1000))) do
  local claims = PREFIX .. 'worker:' .. worker .. ':claims'
  for _, member in ipairs(redis.call('SRANDMEMBER', claims, tonumber(ARGV[1]) - #found)) do
    local batch, index = member:match('^(.*):(%d+)$')
    local task = hash(task_key(batch, tonumber(index)))
    if task.worker == worker then
      found[#found + 1] = { worker = worker, batch = batch, index = tonumber(index), fence = tonumber(task.fence),
        state = task.state, attempt = tonumber(task.attempt), crashes = tonumber(task.crashes or 0) }
    else redis.call('SREM', claims, member) end
  end
  if redis.call('SCARD', claims) == 0 then
    redis.call('ZREM', workers, worker)
    redis.call('HDEL', FLEET, 'since:' .. worker)
  end
  if #found >= tonumber(ARGV[1]) then break end
end
return cmsgpack.pack(found)
