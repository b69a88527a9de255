-- Settles a doubt, once: its money, and whether its task may be made again. That it is queued then is a move.
--
-- ARGV[1] msgpack: batch, index, fence, charged = yes | no | unknown, again (it is to be made again), says (the sentence
--   for who looks at it, where it stays parked) | nil
-- Returns queue | parked: for good, unless somebody replays it | stale: somebody knows better by now

local ask, now = cmsgpack.unpack(ARGV[1]), now_us()
local key, task = task_key(ask.batch, ask.index), load_task(ask.batch, ask.index)
if task.state ~= 'parked' or tonumber(task.fence) ~= ask.fence then return 'stale' end
if task.doubt == 'settled' then return 'queue' end

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
  redis.call('HSET', key, 'doubt', 'settled')
  return 'queue'
end
if ask.says then
  local failure = task.failure and cmsgpack.unpack(task.failure) or { class = 'doubtful' }
  failure.message, failure.charged = ask.says, ask.charged
  redis.call('HSET', key, 'failure', cmsgpack.pack(failure))
end
redis.call('ZREM', DOUBTS, ask.batch .. ':' .. int(ask.index))
return 'parked'
