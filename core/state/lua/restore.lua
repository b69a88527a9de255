-- Brings a batch back whose hash was lost, in steps. Each may be repeated, from the first one on, by whoever takes over.
-- Until the last one the batch is `planning`, so that nothing of it is claimed; late results are taken all along.
--
-- ARGV[1] msgpack: batch, step and, as that asks for:
--   begin: tenant, fields {name = value}, flows as for `start`, base (attempts are counted from there), is_replayed (it
--     was cancelled: what is not written stays so)
--   write: tasks [{index, state, attempt, fence, sends, crashes, at (ms), hold, claim_fence | nil, lane | nil,
--     doubt | nil (the state it was parked from), asset | nil, sha256 | nil, checks | nil, reused | nil,
--     same_as | nil, failure | nil, fingerprint | nil, paid [{attempt, cost, at}], surplus [{attempt, cost, at}]}]
--   link: ready [index], fail [index], of parents that were written
--   open: is_paused, finished_at (ms)
-- Returns 1, or 0 when the batch is there and is not being brought back (any more).

local ask = cmsgpack.unpack(ARGV[1])
local batch, key, now = ask.batch, batch_key(ask.batch), now_us()
local tenant = ask.tenant or redis.call('HGET', key, 'tenant')
local is_there = redis.call('EXISTS', key) == 1

-- The work itself counts as one open task, so that the batch does not end before it is complete.
local function begin()
  register_batch(batch, tenant, ask.fields)
  redis.call('HSET', key, 'tenant', tenant, 'state', 'planning', 'restoring', 1)
  redis.call('HSET', key, 'open', int(write_flows(batch, ask.flows, ask.base) + 1))
  if not ask.is_replayed then return end
  redis.call('HSET', key, 'open', 1, 'untouched_as', 'cancelled', 'n_cancelled', int(ask.fields.total))
  for _, flow in ipairs(ask.flows) do redis.call('HSET', flow_key(batch, flow.lane), 'cursor', int(flow.length)) end
  if (ask.fields.deadline or now) * 1000 < now then redis.call('HDEL', key, 'deadline') end -- as replaying it did
end

-- What the attempts of a task cost, in the periods in which they were paid.
local function post(task)
  local total = 0
  for _, paid in ipairs(task.paid) do
    local cost = unposted(batch, task.index, paid.attempt, paid.cost)
    local month, day = budget_keys(tenant, paid.at * 1000)
    for _, scope in ipairs({ key, month, day }) do add(scope, 'spent', cost) end
    total = total + paid.cost
  end
  return total
end

local function post_beside(task, list)
  for _, paid in ipairs(list) do
    post_surplus({ batch = batch, index = task.index, attempt = paid.attempt, cost = paid.cost }, paid.at * 1000)
  end
end

local function park(task, cost, group)
  local month, day = hold_money(batch, tenant, task.hold, task.at * 1000)
  redis.call('HSET', task_key(batch, task.index), 'state', 'parked', 'lane', task.lane or group, 'group', group,
    'month', month, 'day', day, 'hold', int(task.hold), 'tokens', 0, 'fence', int(task.fence), 'attempt', int(task.attempt),
    'sends', int(task.sends), 'crashes', int(task.crashes), 'cost', int(cost), 'at', int(task.at),
    'claim_fence', int(task.claim_fence or task.attempt), 'failure', cmsgpack.pack(task.failure))
end

local function finish(task, cost)
  local record = { state = task.state, failure = task.failure, same_as = task.same_as, attempt = task.attempt,
    sends = task.sends, fence = task.fence, cost = cost, crashes = task.crashes, asset = task.asset,
    sha256 = task.sha256, checks = task.checks, at = task.at }
  redis.call('HSET', ended_key(batch, task.index), int(task.index), cmsgpack.pack(record))
  count_checks(batch, task.index, task.checks)
  if task.state == 'failed' then add(key .. ':failures', task.failure.class, 1) end
  if task.reused then add(key, 'n_reused', 1) end
  if task.fingerprint then redis.call('HSETNX', key .. ':prints', task.fingerprint, int(task.index)) end
end

-- Something of it was paid already, and it is to be made all the same.
local function queue(task, cost, group, is_counted)
  local month, day = budget_keys(tenant, now)
  redis.call('HSET', task_key(batch, task.index), 'state', 'queued', 'lane', group, 'group', group,
    'month', month, 'day', day, 'hold', 0, 'tokens', 0, 'fence', int(task.fence), 'attempt', int(task.attempt),
    'sends', int(task.sends), 'crashes', int(task.crashes), 'cost', int(cost), 'at', int(task.at))
  if not is_counted then add(key, 'open', 1) end
  make_due(batch, group, task.index, 0, now)
end

-- A task that has moved since was brought back before, or by a late result.
local function write(task)
  if is_untouched(batch, task.index) then
    local group, dependent = place_of(batch, task.index)
    local cost, from = post(task), load_task(batch, task.index).state
    local is_counted = from == 'queued' and not dependent
    if task.state == 'queued' then queue(task, cost, group, is_counted)
    elseif task.state == 'parked' then park(task, cost, group)
    else finish(task, cost) end
    count_move(batch, task.index, from, task.state)
    if task.doubt then mark_doubt(batch, task.index, task.doubt) end
    if task.state ~= 'queued' and is_counted then add(key, 'open', -1) end
  else post_beside(task, task.paid) end
  post_beside(task, task.surplus)
end

local function open()
  local deadline = redis.call('HGET', key, 'deadline')
  if redis.call('HGET', key, 'state') == 'planning' then
    redis.call('HSET', key, 'state', ask.is_paused and 'paused' or 'running')
    if ask.is_paused then redis.call('HSET', key, 'limited_by', 'paused') end
    if deadline then redis.call('ZADD', PREFIX .. 'deadlines', deadline, batch) end
    if not ask.is_paused then
      for _, lane in ipairs(cmsgpack.unpack(redis.call('HGET', key, 'lanes'))) do wake_flow(batch, lane) end
    end
    count_open(batch, -1, now)
  end
  redis.call('HDEL', key, 'restoring')
  if redis.call('HEXISTS', key, 'finished_at') == 1 then redis.call('HSET', key, 'finished_at', int(ask.finished_at)) end
end

if is_there and redis.call('HEXISTS', key, 'restoring') == 0 then return 0 end
if ask.step == 'begin' then
  if not is_there then begin() end
elseif not is_there then return 0
elseif ask.step == 'write' then
  for _, task in ipairs(ask.tasks) do write(task) end
elseif ask.step == 'link' then see_to_children(batch, ask.ready, ask.fail, now)
else open() end
changed(batch)
return 1
