-- Settles a doubt, once: its money, and whether its task is made again, in one step, so that nobody finds it between the two.
--
-- ARGV[1] msgpack: batch, index, fence, charged = yes | no | unknown, again (it is to be made again), says (the sentence
--   for who looks at it, where it stays parked) | nil
-- Returns queue: it is in the queue, or has ended with its batch | parked: for good, unless somebody replays it
--   | stale: somebody knows better by now

local ask, now = cmsgpack.unpack(ARGV[1]), now_us()
local key, task = task_key(ask.batch, ask.index), load_task(ask.batch, ask.index)
if task.state ~= 'parked' or tonumber(task.fence) ~= ask.fence then return 'stale' end

-- Back into the queue; in a batch that is being closed, or was, it ends with the rest.
local function go_on()
  local ending = closing_of(ask.batch, now)
  redis.call('HSET', key, 'state', ending and ending.state or 'queued', 'at', int(now / 1000), 'late', 0)
  if ending then end_task(ask.batch, ask.index, hash(key), ending) end
  count_move(ask.batch, ask.index, 'parked', ending and ending.state or 'queued')
  if ending then return end
  make_due(ask.batch, task.group, ask.index, 0, now)
  count_open(ask.batch, 1, now)
end

local again = ask.again and (ask.charged == 'no' or take_resend(ask.batch))
if ask.charged == 'yes' or (again and ask.charged == 'unknown') then
  charge_doubt(ask.batch, ask.index, task, ask.charged, now)
elseif ask.charged == 'no' then
  settle_money(ask.batch, task, 0)
  redis.call('HSET', key, 'hold', 0, 'tokens', 0)
  if task.sent_at then close_call(key, task, 'no', now) end
end
note_task(ask.batch, ask.index)
changed(ask.batch)
if again then
  go_on()
  return 'queue'
end
if ask.says then
  local failure = task.failure and cmsgpack.unpack(task.failure) or { class = 'doubtful' }
  failure.message, failure.charged = ask.says, ask.charged
  redis.call('HSET', key, 'failure', cmsgpack.pack(failure))
end
redis.call('ZREM', DOUBTS, ask.batch .. ':' .. int(ask.index))
return 'parked'
