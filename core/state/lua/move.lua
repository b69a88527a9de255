-- Moves tasks from state to state, each a compare-and-set on (state, fence), with everything that follows from it:
-- money, limits, counts, children and the end of the batch. Repeating a move that was made changes nothing.
--
-- ARGV[1] msgpack: a list of moves {batch, index, fence, to, worker, from {state it may be in = true} | nil} and, as `to`
--   asks for them, fingerprint + reuse, model + quality (sent, late), asset + sha256 (stored), checks {result, failed,
--   warned} and reused (done: its picture was there, for no call), same_as (skipped), delay_us (waiting), failure (failed),
--   cost + attempt (whose cost it is, by default the last one's), tokens (used), unused = 'all' | 'images' (what goes back to
--   the limits; not a send then), ready [index], fail [index] (if it failed), crash, late (spooled: the result of `attempt`,
--   whatever its fence); 'surplus' with attempt, cost, lane, model, quality only posts the cost. What has ended needs `from`
-- Returns msgpack, one for each move: {status, fence | same_as, state, asset}
--   ok | stale: another fence or state by now | illegal: not from this state | cancelled, put_away: the batch is
--   duplicate: task `same_as`, or one of another batch, has this fingerprint | surplus: the task already has picture `asset`

local now = now_us()
local SETTLED = { done = true, waiting = true, queued = true, failed = true, skipped = true, cancelled = true }

local function give_back(move, task)
  if not task.lane or not (move.unused or move.tokens) then return end
  local lane, reserved = hash(lane_key(task.lane)), tonumber(task.tokens)
  if move.unused == 'all' then correct_limit(task.lane, lane, 'requests', -1, now) end
  if move.unused then correct_limit(task.lane, lane, 'images', -1, now) end
  correct_limit(task.lane, lane, 'tokens', (move.unused and 0 or move.tokens) - reserved, now)
end

local function settle(move, task)
  local key = task_key(move.batch, move.index)
  if task.month then
    local cost = unposted(move.batch, move.index, move.attempt or attempt_of(task), move.cost or 0)
    settle_money(move.batch, task, cost)
    add(key, 'cost', cost)
  end
  redis.call('HSET', key, 'hold', 0, 'tokens', 0)
  give_back(move, task)
end

-- A move made twice, by a caller that did not hear the answer.
local function is_repeated(move, task)
  if task.state ~= move.to then return false end
  if move.late then return task.worker == move.worker and tonumber(task.late) == (move.attempt or 0) end
  return tonumber(task.fence or 0) == move.fence
end

local function refusal(move, task, batch_state, closing)
  if is_repeated(move, task) then return { status = 'ok', fence = move.late and tonumber(task.fence) or nil } end
  local is_again = move.to == 'queued' and ENDED[task.state]
  if not (move.from or {})[task.state] and (move.from or is_again) then return { status = 'stale' } end
  if task.state == 'done' then return { status = move.late and 'surplus' or 'stale', asset = task.asset } end
  if not move.late and tonumber(task.fence or 0) ~= move.fence then return { status = 'stale' } end
  if move.to == 'claimed' or not NEXT[task.state][move.to] then return { status = 'illegal', state = task.state } end
  if (move.to == 'sent' or is_again) and is_shut(batch_state, closing, is_again) then return { status = 'cancelled' } end
  if move.to ~= 'sent' then return end
  local twin, same_as = twin_of(move, now)
  if twin then return { status = 'duplicate', same_as = same_as, state = twin.state, asset = twin.asset } end
end

local function record(move, task, from)
  local key = task_key(move.batch, move.index)
  if move.to == 'stored' then redis.call('HSET', key, 'asset', move.asset, 'sha256', move.sha256) end
  redis.call('HSET', key, 'state', move.to, 'at', int(now / 1000), 'late', int(move.late and move.attempt or 0))
  note_call(key, move, task, from, now)
  if move.crash then add(key, 'crashes', 1) end
  if move.failure then note_failure(key, move.failure, from) end
  if IN_FLIGHT[from] and (move.late or not IN_FLIGHT[move.to]) then leave_worker(move.batch, move.index, task) end
  if IN_FLIGHT[move.to] and (move.late or not IN_FLIGHT[from]) then
    local worker = move.worker or task.worker
    redis.call('HSET', key, 'worker', worker)
    enter_worker(move.batch, move.index, worker, task.lane, now)
  end
  return move.late and add(key, 'fence', 1)
end

-- Where the move leads: a task that would go on in a batch that may not ends with it; a replayed one opens its batch.
local function see_to_batch(move, from)
  if move.to ~= 'queued' and move.to ~= 'waiting' then return end
  move.to = instead_of_resend(move) or move.to
  if ENDED[from] then
    reopen(move.batch)
    redis.call('HDEL', batch_key(move.batch), 'deadline')
    return redis.call('ZREM', PREFIX .. 'deadlines', move.batch)
  end
  local ending = closing_of(move.batch, now)
  if ending then move.to, move.failure, move.fail = ending.state, ending.failure, nil end
end

local function apply(move)
  local state, lanes, closing, away = stand_of(move.batch)
  if not lanes or away then return { status = away and 'put_away' or 'stale' } end
  if move.to == 'surplus' then return post_surplus(move, now) end
  move.late = move.late and move.to == 'spooled'
  local task = load_task(move.batch, move.index)
  local refused = refusal(move, task, state, closing)
  if refused then return refused end

  local key, from = task_key(move.batch, move.index), task.state
  local was_open = counts_as_open(move.batch, move.index, task)
  if ENDED[from] or (move.to == 'spooled' and not task.attempt) then task = revive(move.batch, move.index, task, now) end
  task.group = task.group or place_of(move.batch, move.index)
  see_to_batch(move, from)
  if from == 'queued' or from == 'waiting' then redis.call('ZREM', due_key(move.batch, task.group), int(move.index)) end
  if SETTLED[move.to] then settle(move, task) end
  local fence = record(move, task, from)
  if ENDED[move.to] then
    end_task(move.batch, move.index, hash(key), { state = move.to, failure = move.failure, same_as = move.same_as,
      checks = move.checks, reused = move.reused })
  end
  count_move(move.batch, move.index, from, move.to)
  if move.to == 'queued' then make_due(move.batch, task.group, move.index, 0, now) end
  if move.to == 'waiting' then
    redis.call('HSET', key, 'next_at', int((now + move.delay_us) / 1000))
    make_due(move.batch, task.group, move.index, now + move.delay_us, now)
  end
  see_to_children(move.batch, move.ready, move.to == 'failed' and move.fail, now)
  count_open(move.batch, (OPEN[move.to] and 1 or 0) - (was_open and 1 or 0), now)
  changed(move.batch)
  return { status = 'ok', fence = fence or nil }
end

local answers = {}
for place, move in ipairs(cmsgpack.unpack(ARGV[1])) do answers[place] = apply(move) end
return cmsgpack.pack(answers)
