-- Moves tasks from state to state, each a compare-and-set on (state, fence), with everything that follows from it:
-- money, limits, counts, children and the end of the batch.
--
-- ARGV[1] msgpack: a list of moves {batch, index, fence, to, worker} and, as `to` asks for them,
--   fingerprint (sent), asset + sha256 (stored), same_as (skipped), delay_us (waiting), failure, cost, tokens (used),
--   unused = 'all' | 'images' (what goes back to the limits), ready [{index, lane}], fail [index], crash, late
-- Returns msgpack, one for each move: {status, fence | same_as, state, asset}
--   ok | stale: the fence has moved on | illegal: not from this state | cancelled: the batch is
--   duplicate: task `same_as` has this fingerprint | surplus: the task already has a picture

local now = now_us()
local SETTLED = { done = true, waiting = true, queued = true, failed = true, skipped = true, cancelled = true }

-- Who made, or is making, the same picture in this batch; a task that will never finish does not count.
local function twin_of(move)
  if not move.fingerprint then return end
  local key, mine = batch_key(move.batch) .. ':prints', int(move.index)
  if redis.call('HSETNX', key, move.fingerprint, mine) == 1 then return end
  local other = redis.call('HGET', key, move.fingerprint)
  local twin = other ~= mine and load_task(move.batch, tonumber(other))
  if twin and (OPEN[twin.state] or twin.state == 'done') then return tonumber(other), twin end
  redis.call('HSET', key, move.fingerprint, mine)
end

local function settle(move, task)
  local cost, lane = move.cost or 0, task.lane and hash(lane_key(task.lane))
  if task.month then settle_money(move.batch, task, cost) end
  add(task_key(move.batch, move.index), 'cost', cost)
  redis.call('HSET', task_key(move.batch, move.index), 'hold', 0)
  if not lane then return end
  if move.unused == 'all' then correct_limit(task.lane, lane, 'requests', -1, now) end
  if move.unused then
    correct_limit(task.lane, lane, 'images', -1, now)
    correct_limit(task.lane, lane, 'tokens', -tonumber(task.tokens), now)
  elseif move.tokens then
    correct_limit(task.lane, lane, 'tokens', move.tokens - tonumber(task.tokens), now)
  end
end

local function refusal(move, task, batch_state)
  if task.state == 'done' then return { status = move.late and 'surplus' or 'stale' } end
  if not move.late and tonumber(task.fence or 0) ~= move.fence then return { status = 'stale' } end
  if move.to == 'sent' and batch_state ~= 'running' and batch_state ~= 'paused' then return { status = 'cancelled' } end
  if not NEXT[task.state][move.to] then return { status = 'illegal', state = task.state } end
  if move.to ~= 'sent' then return end
  local same_as, twin = twin_of(move)
  if same_as then return { status = 'duplicate', same_as = same_as, state = twin.state, asset = twin.asset } end
end

local function record(move, key)
  redis.call('HSET', key, 'state', move.to, 'at', int(now / 1000))
  if move.to == 'sent' then add(key, 'sends', 1) end
  if move.to == 'stored' then redis.call('HSET', key, 'asset', move.asset, 'sha256', move.sha256) end
  if move.crash then add(key, 'crashes', 1) end
  if move.unused == 'images' then add(key, 'sends', -1) end
  if move.failure then redis.call('HSET', key, 'failure', cmsgpack.pack(move.failure)) end
  if move.late then
    redis.call('HSET', key, 'worker', move.worker)
    enter_worker(move.batch, move.index, move.worker)
    return add(key, 'fence', 1)
  end
end

local function apply(move)
  local task = load_task(move.batch, move.index)
  local batch_state = redis.call('HGET', batch_key(move.batch), 'state')
  if (move.to == 'queued' or move.to == 'waiting') and batch_state and batch_state:sub(1, 6) == 'cancel' then
    move.to = 'cancelled'
  end
  local refused = refusal(move, task, batch_state)
  if refused then return refused end

  local key, from = task_key(move.batch, move.index), task.state
  if ENDED[from] then revive(move.batch, move.index, task) end
  if SETTLED[move.to] then settle(move, task) end
  local fence = record(move, key)
  if IN_FLIGHT[from] and not IN_FLIGHT[move.to] then leave_worker(move.batch, move.index, task) end
  if ENDED[move.to] then
    end_task(move.batch, move.index, hash(key), { state = move.to, failure = move.failure, same_as = move.same_as })
  end
  count_move(move.batch, move.index, from, move.to)
  if move.to == 'queued' then make_due(move.batch, task.lane, move.index, 0, now) end
  if move.to == 'waiting' then
    redis.call('HSET', key, 'next_at', int((now + move.delay_us) / 1000))
    make_due(move.batch, task.lane, move.index, now + move.delay_us, now)
  end
  see_to_children(move.batch, move.ready, move.fail, now)
  count_open(move.batch, (OPEN[move.to] and 1 or 0) - (OPEN[from] and 1 or 0), now)
  changed(move.batch)
  return { status = 'ok', fence = fence }
end

local answers = {}
for place, move in ipairs(cmsgpack.unpack(ARGV[1])) do answers[place] = apply(move) end
return cmsgpack.pack(answers)
