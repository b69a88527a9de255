-- Children: tasks made from another task's picture.

local function make_ready(batch, index, now)
  local task, group = load_task(batch, index), place_of(batch, index)
  if task.state == 'queued' then
    if task.attempt or redis.call('ZSCORE', due_key(batch, group), int(index)) then return end
  elseif task.state == 'failed' and task.failure.class == 'parent_failed' then
    revive(batch, index, task, now)
    redis.call('HSET', task_key(batch, index), 'state', 'queued')
    count_move(batch, index, 'failed', 'queued')
  else return end
  count_open(batch, 1, now)
  make_due(batch, group, index, 0, now)
end

local function fail_with_parent(batch, index)
  local task = load_task(batch, index)
  if task.state ~= 'queued' or task.attempt then return end
  end_task(batch, index, {}, { state = 'failed', failure = { class = 'parent_failed' } })
  count_move(batch, index, 'queued', 'failed')
end

-- Pictures made from a finished one become claimable, also those that had failed with it before it was finished after
-- all; those made from a failed one fail with it. In a batch that was closed they have ended with the rest.
local function see_to_children(batch, ready, fail, now)
  if ready and #ready > 0 and not closing_of(batch, now) then
    for _, index in ipairs(ready) do make_ready(batch, index, now) end
  end
  for _, index in ipairs(fail or {}) do fail_with_parent(batch, index) end
end
